import type {Op} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {nameOf} from '../calls/errors.ts';
import {OWNER_TAG} from '../names.ts';
import type {Job, MakeOp} from './arguments.ts';

/** Who may act as the role: Lambda alone. */
const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{Effect: 'Allow', Principal: {Service: 'lambda.amazonaws.com'}, Action: 'sts:AssumeRole'}],
});

/** The role that a function runs as. */
export const iamOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  'iam:CreateRole': op(async (job) => {
    const {text, args, how} = job;
    const RoleName = text('name');
    const boundary = args['permissionsBoundary'] ?? null;
    const iam = await job.aws.iam();
    try {
      const {Role} = await job.ask('iam:CreateRole', RoleName, () =>
        iam.createRole(
          {
            RoleName,
            AssumeRolePolicyDocument: TRUST,
            Description: `Made by thaw for the Lambda function ${text('function')}`,
            Tags: Object.entries(args['tags'] as {[key: string]: string}).map(([Key, Value]) => {
              return {Key, Value};
            }),
            ...(boundary === null ? {} : {PermissionsBoundary: boundary as string}),
          },
          how,
        ),
      );
      return {arn: Role?.Arn ?? ''};
    } catch (error) {
      if (!nameOf(error).startsWith('EntityAlreadyExists')) throw error;
      return {arn: await readOwnRole(job, RoleName, text('function'))};
    }
  }),

  'iam:AttachRolePolicy': op(async (job) => {
    const {text, how} = job;
    const iam = await job.aws.iam();
    await job.ask('iam:AttachRolePolicy', text('name'), () =>
      iam.attachRolePolicy({RoleName: text('name'), PolicyArn: text('policyArn')}, how),
    );
  }),

  'iam:DetachRolePolicy': op(async (job) => {
    const {text, how} = job;
    const iam = await job.aws.iam();
    await job.askFor('iam:DetachRolePolicy', text('name'), () =>
      iam.detachRolePolicy({RoleName: text('name'), PolicyArn: text('policyArn')}, how),
    );
  }),

  'iam:PutRolePermissionsBoundary': op(async (job) => {
    const {text, how} = job;
    const iam = await job.aws.iam();
    await job.ask('iam:PutRolePermissionsBoundary', text('name'), () =>
      iam.putRolePermissionsBoundary(
        {RoleName: text('name'), PermissionsBoundary: text('permissionsBoundary')},
        how,
      ),
    );
  }),

  'iam:DeleteRolePermissionsBoundary': op(async (job) => {
    const {text, how} = job;
    const iam = await job.aws.iam();
    await job.askFor('iam:DeleteRolePermissionsBoundary', text('name'), () =>
      iam.deleteRolePermissionsBoundary({RoleName: text('name')}, how),
    );
  }),

  'iam:TagRole': op(async (job) => {
    const {text, args, how} = job;
    const RoleName = text('name');
    const iam = await job.aws.iam();
    const Tags = Object.entries(args['tags'] as {[key: string]: string}).map(([Key, Value]) => ({
      Key,
      Value,
    }));
    const TagKeys = [...(args['remove'] as string[])];
    if (Tags.length > 0) {
      await job.ask('iam:TagRole', RoleName, () => iam.tagRole({RoleName, Tags}, how));
    }
    if (TagKeys.length > 0) {
      await job.ask('iam:UntagRole', RoleName, () => iam.untagRole({RoleName, TagKeys}, how));
    }
  }),

  // A role can only be deleted when nothing is attached to it.
  'iam:DeleteRole': op(async (job) => {
    const {text, how} = job;
    const RoleName = text('name');
    const iam = await job.aws.iam();
    const attached = await job.askFor('iam:ListAttachedRolePolicies', RoleName, () =>
      iam.listAttachedRolePolicies({RoleName}, how),
    );
    for (const {PolicyArn} of attached?.AttachedPolicies ?? []) {
      await job.askFor('iam:DetachRolePolicy', RoleName, () =>
        iam.detachRolePolicy({RoleName, PolicyArn}, how),
      );
    }
    await job.askFor('iam:DeleteRole', RoleName, () => iam.deleteRole({RoleName}, how));
  }),
});

async function readOwnRole(job: Job, RoleName: string, fn: string): Promise<string> {
  const iam = await job.aws.iam();
  const {Role} = await job.ask('iam:GetRole', RoleName, () => iam.getRole({RoleName}, job.how));
  if (Role?.Tags?.some(({Key, Value}) => Key === OWNER_TAG && Value === fn)) return Role.Arn ?? '';
  const message = `a role ${RoleName} is there already, and thaw did not make it`;
  throw new ThawError('PROVIDER_CONFLICT', message, {provider: 'aws', reason: 'taken', resource: RoleName});
}
