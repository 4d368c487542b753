import type {Context} from '../../../core/driver.ts';
import type {Aws} from '../calls/clients.ts';
import {lookFor} from '../calls/errors.ts';
import {readPages} from '../calls/pages.ts';
import type {RoleFound, Tags} from './have.ts';

/** A role, and the managed policies that it was given; null: there is none of that name. */
export async function readRole(aws: Aws, name: string, context: Context): Promise<RoleFound | null> {
  const iam = await aws.iam();
  const about = (action: string) => ({action, resource: name});
  const found = await lookFor(about('iam:GetRole'), context, () =>
    iam.getRole({RoleName: name}, {abortSignal: context.signal}),
  );
  if (!found?.Role) return null;
  const attached = await readPages(
    (Marker) =>
      lookFor(about('iam:ListAttachedRolePolicies'), context, () =>
        iam.listAttachedRolePolicies({RoleName: name, Marker}, {abortSignal: context.signal}),
      ),
    ({AttachedPolicies}) => AttachedPolicies,
    ({Marker}) => Marker,
  );
  const {Arn = '', Tags = [], PermissionsBoundary} = found.Role;
  return {
    arn: Arn,
    tags: tagsOf(Tags),
    boundary: PermissionsBoundary?.PermissionsBoundaryArn ?? null,
    policies: attached.map(({PolicyArn = ''}) => PolicyArn).sort(),
  };
}

/** Tags as most services list them. */
export const tagsOf = (tags: readonly {Key?: string | undefined; Value?: string | undefined}[]): Tags =>
  Object.fromEntries(tags.map(({Key = '', Value = ''}) => [Key, Value]));
