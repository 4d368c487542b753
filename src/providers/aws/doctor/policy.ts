import type {FunctionNeeds} from '../../../core/driver.ts';
import {
  archivePrefix,
  BASIC_EXECUTION,
  managedPolicyArn,
  repositoryName,
  roleName,
  rolePattern,
  rulePrefix,
  SOURCE_EXECUTION,
  VPC_EXECUTION,
} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {secretArn} from '../wanted/secrets.ts';
import {sourceArn} from '../wanted/triggers.ts';

/** Where, and in whose account. Stars stand for what is not known. */
export interface PolicyScope {
  readonly partition: string;
  readonly account: string;
  readonly region: string;
}

/** What of a function decides what thaw must be allowed to do for it. */
export type PolicyNeeds = Pick<FunctionNeeds, 'name' | 'warm' | 'secrets' | 'triggers'>;

/** One statement of an IAM policy, as thaw writes them. */
export type Statement = {
  readonly Sid: string;
  readonly Effect: 'Allow';
  readonly Action: readonly string[];
  readonly Resource: readonly string[];
  readonly Condition?: {readonly [operator: string]: {readonly [key: string]: readonly string[]}};
};

export type Policy = {readonly Version: '2012-10-17'; readonly Statement: readonly Statement[]};

/**
 * The least that thaw must be allowed to do, as an IAM policy: to deploy, invoke, measure and destroy one function as
 * the project has it.
 */
export function leastPolicy(scope: PolicyScope, fn: PolicyNeeds, options: AwsOptions): Policy {
  return {
    Version: '2012-10-17',
    Statement: [
      ...functionStatements(scope, fn),
      ...roleStatements(scope, fn, options),
      ...repositoryStatements(scope, fn, options),
      ...archiveStatements(scope, fn, options),
      ...logStatements(scope, fn),
      ...warmthStatements(scope, fn),
      ...triggerStatements(scope, fn),
      ...secretStatements(scope, fn),
      ...vpcStatements(options),
      ...keyStatements(scope, options),
      accountStatement(options),
    ],
  };
}

function statement(
  Sid: string,
  Action: readonly string[],
  Resource: string | readonly string[],
  Condition?: Statement['Condition'],
): Statement {
  const resources = typeof Resource === 'string' ? [Resource] : Resource;
  return {
    Sid,
    Effect: 'Allow',
    Action,
    Resource: resources,
    ...(Condition === undefined ? {} : {Condition}),
  };
}

const arnIn = ({partition, region, account}: PolicyScope, service: string, resource: string): string =>
  `arn:${partition}:${service}:${region}:${account}:${resource}`;

/** The function, and its versions and aliases. */
function functionArns(scope: PolicyScope, {name}: PolicyNeeds): string[] {
  const arn = arnIn(scope, 'lambda', `function:${name}`);
  return [arn, `${arn}:*`];
}

const functionStatements = (scope: PolicyScope, fn: PolicyNeeds): Statement[] => [
  statement(
    'Function',
    [
      'lambda:AddPermission',
      'lambda:CreateAlias',
      'lambda:CreateFunction',
      'lambda:CreateFunctionUrlConfig',
      'lambda:DeleteAlias',
      'lambda:DeleteFunction',
      'lambda:DeleteFunctionConcurrency',
      'lambda:DeleteFunctionUrlConfig',
      'lambda:DeleteProvisionedConcurrencyConfig',
      'lambda:GetAlias',
      'lambda:GetFunction',
      'lambda:GetFunctionConfiguration',
      'lambda:GetFunctionUrlConfig',
      'lambda:GetPolicy',
      'lambda:GetProvisionedConcurrencyConfig',
      'lambda:InvokeFunction',
      'lambda:InvokeFunctionUrl',
      'lambda:ListAliases',
      'lambda:ListProvisionedConcurrencyConfigs',
      'lambda:ListVersionsByFunction',
      'lambda:PublishVersion',
      'lambda:PutFunctionConcurrency',
      'lambda:PutProvisionedConcurrencyConfig',
      'lambda:RemovePermission',
      'lambda:TagResource',
      'lambda:UntagResource',
      'lambda:UpdateAlias',
      'lambda:UpdateFunctionCode',
      'lambda:UpdateFunctionConfiguration',
      'lambda:UpdateFunctionUrlConfig',
    ],
    functionArns(scope, fn),
  ),
];

/** A role of the user's own is only passed on. What is attached to one that thaw makes is AWS's own, and named here. */
function roleStatements(scope: PolicyScope, fn: PolicyNeeds, options: AwsOptions): Statement[] {
  const {partition, account, region} = scope;
  const named = region === '*' ? rolePattern(fn.name) : roleName(fn.name, region);
  const role = options.role ?? `arn:${partition}:iam::${account}:role/${named}`;
  const pass = statement('PassRole', ['iam:PassRole'], role, {
    StringEquals: {'iam:PassedToService': ['lambda.amazonaws.com']},
  });
  if (options.role !== null) return [pass];
  const {permissionsBoundary: boundary} = options;
  const create = boundary === null ? ['iam:CreateRole'] : [];
  const unbind = boundary === null ? ['iam:DeleteRolePermissionsBoundary'] : [];
  return [
    statement(
      'Role',
      [
        ...create,
        'iam:DeleteRole',
        ...unbind,
        'iam:DetachRolePolicy',
        'iam:GetRole',
        'iam:ListAttachedRolePolicies',
        'iam:TagRole',
        'iam:UntagRole',
      ],
      role,
    ),
    ...(boundary === null
      ? []
      : [
          statement('BoundedRole', ['iam:CreateRole', 'iam:PutRolePermissionsBoundary'], role, {
            StringEquals: {'iam:PermissionsBoundary': [boundary]},
          }),
        ]),
    statement('RolePolicies', ['iam:AttachRolePolicy'], role, {
      ArnEquals: {
        'iam:PolicyARN': executionPolicies(fn, options).map((name) => managedPolicyArn(partition, name)),
      },
    }),
    pass,
  ];
}

/** What the role that thaw makes is given. */
function executionPolicies({triggers}: PolicyNeeds, {vpc}: AwsOptions): string[] {
  const sources = triggers.flatMap((trigger) => (trigger.kind === 'event' ? [trigger.source] : []));
  return [
    BASIC_EXECUTION,
    ...(vpc === null ? [] : [VPC_EXECUTION]),
    ...new Set(sources.flatMap((source) => SOURCE_EXECUTION[source] ?? [])),
  ];
}

function repositoryStatements(scope: PolicyScope, fn: PolicyNeeds, options: AwsOptions): Statement[] {
  if (options.artifact === 'zip') return [];
  const own = options.repository !== null;
  const repository = arnIn(scope, 'ecr', `repository/${options.repository ?? repositoryName(fn.name)}`);
  return [
    statement(
      'Repository',
      [
        'ecr:BatchCheckLayerAvailability',
        ...(own || options.keep === null ? [] : ['ecr:BatchDeleteImage']),
        'ecr:BatchGetImage',
        'ecr:CompleteLayerUpload',
        ...(own ? [] : ['ecr:CreateRepository', 'ecr:DeleteRepository']),
        'ecr:DescribeImages',
        'ecr:DescribeRepositories',
        'ecr:GetDownloadUrlForLayer',
        'ecr:GetRepositoryPolicy',
        'ecr:InitiateLayerUpload',
        'ecr:ListImages',
        'ecr:ListTagsForResource',
        'ecr:PutImage',
        'ecr:SetRepositoryPolicy',
        ...(own ? [] : ['ecr:TagResource', 'ecr:UntagResource']),
        'ecr:UploadLayerPart',
      ],
      repository,
    ),
  ];
}

/** Lambda fetches an archive with the permissions of who deploys. A bucket may keep versions. */
function archiveStatements({partition}: PolicyScope, {name}: PolicyNeeds, options: AwsOptions): Statement[] {
  if (options.artifact !== 'zip' || options.bucket === null) return [];
  const bucket = `arn:${partition}:s3:::${options.bucket}`;
  const prefix = `${archivePrefix(name)}*`;
  return [
    statement('ArchiveBucket', ['s3:ListBucket'], bucket, {StringLike: {'s3:prefix': [prefix]}}),
    statement(
      'Archives',
      ['s3:DeleteObject', 's3:DeleteObjectVersion', 's3:GetObject', 's3:GetObjectVersion', 's3:PutObject'],
      `${bucket}/${prefix}`,
    ),
  ];
}

function logStatements(scope: PolicyScope, {name}: PolicyNeeds): Statement[] {
  const group = arnIn(scope, 'logs', `log-group:/aws/lambda/${name}`);
  return [
    statement(
      'Log',
      [
        'logs:CreateLogGroup',
        'logs:DeleteLogGroup',
        'logs:DeleteRetentionPolicy',
        'logs:FilterLogEvents',
        'logs:ListTagsForResource',
        'logs:PutRetentionPolicy',
        'logs:TagResource',
        'logs:UntagResource',
      ],
      [group, `${group}:*`],
    ),
  ];
}

/** The first schedule of an account has Application Auto Scaling make a role of its own. */
function warmthStatements({partition, account}: PolicyScope, {warm}: PolicyNeeds): Statement[] {
  if (warm.schedule.length === 0) return [];
  const service = 'lambda.application-autoscaling.amazonaws.com';
  const role = `arn:${partition}:iam::${account}:role/aws-service-role/${service}/*`;
  return [
    statement(
      'Schedule',
      [
        'application-autoscaling:DeleteScheduledAction',
        'application-autoscaling:DeregisterScalableTarget',
        'application-autoscaling:PutScheduledAction',
        'application-autoscaling:RegisterScalableTarget',
      ],
      '*',
      {StringEquals: {'application-autoscaling:service-namespace': ['lambda']}},
    ),
    statement('ScheduleRole', ['iam:CreateServiceLinkedRole'], role, {
      StringEquals: {'iam:AWSServiceName': [service]},
    }),
  ];
}

const WRITES_RULES = [
  'events:DeleteRule',
  'events:PutRule',
  'events:PutTargets',
  'events:RemoveTargets',
  'events:TagResource',
];

/** What calls the function is looked for whatever the project has; it is changed only where the project has it. */
function triggerStatements(scope: PolicyScope, fn: PolicyNeeds): Statement[] {
  const {partition} = scope;
  const events = fn.triggers.flatMap((trigger) => (trigger.kind === 'event' ? [trigger] : []));
  const ticks = fn.triggers.some(({kind}) => kind === 'schedule');
  const maps = events.some(({source}) => source in SOURCE_EXECUTION);
  const queues = events
    .filter(({source}) => source === 'sqs')
    .map(({source, name}) => sourceArn(source, name, {...scope, id: scope.account}));
  const buckets = events.filter(({source}) => source === 's3').map(({name}) => name.split('/')[0] ?? '');
  return [
    statement(
      'Rules',
      ['events:ListTagsForResource', 'events:ListTargetsByRule', ...(ticks ? WRITES_RULES : [])].sort(),
      arnIn(scope, 'events', `rule/${rulePrefix(fn.name)}*`),
    ),
    ...(maps
      ? [
          statement(
            'Mappings',
            [
              'lambda:CreateEventSourceMapping',
              'lambda:DeleteEventSourceMapping',
              'lambda:GetEventSourceMapping',
              'lambda:UpdateEventSourceMapping',
            ],
            '*',
            {StringLike: {'lambda:FunctionArn': functionArns(scope, fn)}},
          ),
        ]
      : []),
    statement(
      'MappingTags',
      ['lambda:ListTags', ...(maps ? ['lambda:TagResource'] : [])],
      arnIn(scope, 'lambda', 'event-source-mapping:*'),
    ),
    ...(queues.length === 0
      ? []
      : [statement('Queues', ['sqs:GetQueueAttributes', 'sqs:GetQueueUrl'], [...new Set(queues)])]),
    ...(buckets.length === 0
      ? []
      : [
          statement(
            'Buckets',
            ['s3:GetBucketNotification', 's3:PutBucketNotification'],
            [...new Set(buckets)].map((bucket) => `arn:${partition}:s3:::${bucket}`),
          ),
        ]),
  ];
}

function secretStatements(scope: PolicyScope, {secrets}: PolicyNeeds): Statement[] {
  const found = [...new Set(Object.values(secrets))].flatMap((source) => secretArn(source, scope) ?? []);
  const inStore = (store: string): string[] =>
    found.filter((secret) => secret.store === store).map(({arn}) => arn);
  const [parameters, values] = [inStore('ssm'), inStore('secretsmanager')];
  return [
    ...(parameters.length === 0 ? [] : [statement('Parameters', ['ssm:GetParameter'], parameters)]),
    ...(values.length === 0 ? [] : [statement('Secrets', ['secretsmanager:GetSecretValue'], values)]),
  ];
}

const vpcStatements = ({vpc}: AwsOptions): Statement[] =>
  vpc === null
    ? []
    : [statement('Network', ['ec2:DescribeSecurityGroups', 'ec2:DescribeSubnets', 'ec2:DescribeVpcs'], '*')];

/** Policies are about keys, not about their aliases: an alias is a condition. */
function keyStatements({partition}: PolicyScope, {kmsKey}: AwsOptions): Statement[] {
  if (kmsKey === null) return [];
  const actions = ['kms:CreateGrant', 'kms:Decrypt', 'kms:Encrypt'];
  const [, , , region, account, resource = ''] = kmsKey.split(':');
  if (!resource.startsWith('alias/')) return [statement('Key', actions, kmsKey)];
  return [
    statement('Key', actions, `arn:${partition}:kms:${region}:${account}:key/*`, {
      'ForAnyValue:StringEquals': {'kms:ResourceAliases': [resource]},
    }),
  ];
}

/** What is about no resource that has a name. */
const accountStatement = ({artifact}: AwsOptions): Statement =>
  statement(
    'Account',
    [
      'application-autoscaling:DescribeScalableTargets',
      'application-autoscaling:DescribeScheduledActions',
      ...(artifact === 'zip' ? [] : ['ecr:GetAuthorizationToken']),
      'events:ListRules',
      'lambda:GetAccountSettings',
      'lambda:ListEventSourceMappings',
      'logs:DescribeLogGroups',
      'sts:GetCallerIdentity',
    ],
    '*',
  );
