import type {
  ContextEntry,
  EvaluationResult,
  PolicyEvaluationDecisionType,
  SimulatePrincipalPolicyRequest,
} from '@aws-sdk/client-iam';
import type {Context} from '../../../core/driver.ts';
import type {Aws} from '../calls/clients.ts';
import {look} from '../calls/errors.ts';
import {readPages} from '../calls/pages.ts';
import type {Policy, Statement} from './policy.ts';

/** Whom IAM has policies of: a user, a role, the account's root user, or nobody whose policies could be looked at. */
export type Principal =
  {readonly kind: 'root'} | {readonly kind: 'federated'} | {readonly kind: 'known'; readonly arn: string};

/** Something that thaw needs and the caller may not do. */
export type Denial = {
  readonly action: string;
  readonly resource: string;
  /** No policy allows it, a policy denies it, the permissions boundary leaves it out, or the organization does. */
  readonly by: 'nobody' | 'policy' | 'boundary' | 'organization';
  /** What a policy asks of a request that a simulation knows nothing of, such as `aws:MultiFactorAuthPresent`. */
  readonly unknown: readonly string[];
};

const SIMULATE = 'iam:SimulatePrincipalPolicy';
/** Of what AWS answers in one page, by far the least. */
const ACTIONS_MAX = 25;

/**
 * Finds whose policies decide, by the ARN that AWS has for the caller. A session says only the name of its role, and a
 * role may have a path: those of sign-on have.
 *
 * @throws ThawError PERMISSION_DENIED for iam:GetRole
 */
export async function readPrincipal(aws: Aws, context: Context, caller: string): Promise<Principal> {
  const [, , service, , , ...rest] = caller.split(':');
  const [kind = '', name = ''] = rest.join(':').split('/');
  if (kind === 'root') return {kind: 'root'};
  if (kind === 'federated-user') return {kind: 'federated'};
  if (service !== 'sts') return {kind: 'known', arn: caller};
  const iam = await aws.iam();
  const {Role} = await look({action: 'iam:GetRole', resource: name}, context, () =>
    iam.getRole({RoleName: name}, {abortSignal: context.signal}),
  );
  return {kind: 'known', arn: Role?.Arn ?? caller};
}

/**
 * Has IAM say which actions of a policy somebody may not do. Nothing is done of it.
 *
 * @param arn of a user or a role
 * @throws ThawError PERMISSION_DENIED for iam:SimulatePrincipalPolicy
 */
export async function readDenials(
  aws: Aws,
  context: Context,
  arn: string,
  {Statement}: Policy,
  region: string,
): Promise<Denial[]> {
  const iam = await aws.iam();
  const denials: Denial[] = [];
  for (const statement of Statement) {
    for (const entries of conditionsOf(statement)) {
      for (let from = 0; from < statement.Action.length; from += ACTIONS_MAX) {
        const request: SimulatePrincipalPolicyRequest = {
          PolicySourceArn: arn,
          ActionNames: statement.Action.slice(from, from + ACTIONS_MAX),
          ResourceArns: statement.Resource.map(exampleOf),
          ContextEntries: [...entries, ...surroundings(statement, region)],
        };
        const results = await readPages(
          (Marker) =>
            look({action: SIMULATE, resource: arn}, context, () =>
              iam.simulatePrincipalPolicy({...request, Marker}, {abortSignal: context.signal}),
            ),
          ({EvaluationResults}) => EvaluationResults,
          ({IsTruncated, Marker}) => (IsTruncated === true ? Marker : undefined),
        );
        denials.push(...results.flatMap(denialsIn));
      }
    }
  }
  // A statement is asked once for each value that its condition allows.
  return [...new Map(denials.map((denial) => [`${denial.action} ${denial.resource}`, denial])).values()];
}

/** What a statement is bound to, each of the values apart: `iam:PassedToService`. */
function conditionsOf({Condition = {}}: Statement): ContextEntry[][] {
  const keys = Object.values(Condition).flatMap((condition) => Object.entries(condition));
  return keys.reduce<ContextEntry[][]>(
    (all, [key, values]) =>
      values.flatMap((value) =>
        all.map((entries) => [
          ...entries,
          {ContextKeyName: key, ContextKeyType: 'string' as const, ContextKeyValues: [exampleOf(value)]},
        ]),
      ),
    [[]],
  );
}

/** What policies often ask of every request, and is known. IAM itself is in no region; policies see the first one. */
function surroundings({Action}: Statement, region: string): ContextEntry[] {
  const isGlobal = Action.every((action) => action.startsWith('iam:'));
  return [
    {
      ContextKeyName: 'aws:RequestedRegion',
      ContextKeyType: 'string',
      ContextKeyValues: [isGlobal ? homeRegion(region) : region],
    },
    {ContextKeyName: 'aws:SecureTransport', ContextKeyType: 'boolean', ContextKeyValues: ['true']},
  ];
}

/** The region of a partition that no account can be without. */
export function homeRegion(region: string): string {
  if (region.startsWith('cn-')) return 'cn-north-1';
  return region.startsWith('us-gov-') ? 'us-gov-west-1' : 'us-east-1';
}

/** One of those that a pattern stands for: `function:NAME:*` is a version or an alias. */
const exampleOf = (pattern: string): string =>
  pattern === '*' ? pattern : pattern.replace(/\?+$/, 'AbCdEf').replace(/\*$/, 'live');

/** AWS has an answer for each resource; for all of them together where none has a name. */
function denialsIn(result: EvaluationResult): Denial[] {
  const {EvalActionName: action = '', EvalResourceName = '*', OrganizationsDecisionDetail} = result;
  const byOrganization = OrganizationsDecisionDetail?.AllowedByOrganizations === false;
  const denial = (
    resource: string,
    decision: PolicyEvaluationDecisionType | undefined,
    {MissingContextValues = [], PermissionsBoundaryDecisionDetail: boundary}: Partial<EvaluationResult>,
  ): Denial[] => {
    if (decision === 'allowed') return [];
    const unbounded = boundary?.AllowedByPermissionsBoundary !== false;
    const byPolicy = decision === 'explicitDeny' ? 'policy' : 'nobody';
    const by = byOrganization ? 'organization' : unbounded ? byPolicy : 'boundary';
    return [{action, resource, by, unknown: MissingContextValues}];
  };
  const each = result.ResourceSpecificResults ?? [];
  return each.length === 0
    ? denial(EvalResourceName, result.EvalDecision, result)
    : each.flatMap((one) =>
        denial(one.EvalResourceName ?? '*', one.EvalResourceDecision, {
          MissingContextValues: [...(one.MissingContextValues ?? []), ...(result.MissingContextValues ?? [])],
          PermissionsBoundaryDecisionDetail:
            one.PermissionsBoundaryDecisionDetail ?? result.PermissionsBoundaryDecisionDetail,
        }),
      );
}

const WHO: {readonly [By in Denial['by']]: string} = {
  nobody: 'no policy allows',
  policy: 'a policy denies',
  boundary: 'the permissions boundary leaves out',
  organization: "a policy of the organization's leaves out",
};

/** Says denials in as few lines as they have causes and resources. */
export function renderDenials(denials: readonly Denial[]): string[] {
  const byResource = gather(denials, ({by, resource}) => [by, resource]);
  const lines = gather([...byResource.values()], ([first, ...more]) => [
    first?.by ?? 'nobody',
    ...[first, ...more].map((denial) => denial?.action ?? ''),
  ]);
  return [...lines.values()].map((groups) => {
    const {by} = groups[0]?.[0] ?? {by: 'nobody' as const};
    const actions = (groups[0] ?? []).map(({action}) => action).join(', ');
    return `${WHO[by]} ${actions} on ${groups.map((group) => group[0]?.resource ?? '*').join(' and ')}`;
  });
}

function gather<T>(all: readonly T[], keyOf: (one: T) => readonly string[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of all) {
    const key = keyOf(one).join(' ');
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return groups;
}

/**
 * Whether a denial may be none of a real request: a policy denies what does not fulfil a condition, and a simulation has
 * nothing to fulfil it with.
 */
export const mayBeNone = ({by, unknown}: Denial): boolean => by === 'policy' && unknown.length > 0;
