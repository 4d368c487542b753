import type {JsonObject} from '../../core/json.ts';

/** Whose function, where. Stars stand for what is not known. */
export interface PolicyScope {
  readonly partition: string;
  readonly account: string;
  readonly region: string;
  readonly function: string;
}

/**
 * The least that thaw must be allowed to do, as an IAM policy: to deploy, invoke, measure and destroy one function, with
 * a role and a repository that thaw makes.
 */
export function leastPolicy({partition, account, region, function: name}: PolicyScope): JsonObject {
  const arn = (service: string, resource: string, where = region): string =>
    `arn:${partition}:${service}:${where}:${account}:${resource}`;
  const fn = arn('lambda', `function:${name}`);
  const role = arn('iam', `role/thaw-${name}-*`, '');
  const repository = arn('ecr', `repository/thaw/${name.toLowerCase()}`);
  const group = arn('logs', `log-group:/aws/lambda/${name}`);
  return {
    Version: '2012-10-17',
    Statement: [
      {
        Sid: 'Function',
        Effect: 'Allow',
        Action: [
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
        Resource: [fn, `${fn}:*`],
      },
      {
        Sid: 'Role',
        Effect: 'Allow',
        Action: [
          'iam:AttachRolePolicy',
          'iam:CreateRole',
          'iam:DeleteRole',
          'iam:DeleteRolePermissionsBoundary',
          'iam:DetachRolePolicy',
          'iam:GetRole',
          'iam:ListAttachedRolePolicies',
          'iam:PutRolePermissionsBoundary',
          'iam:TagRole',
          'iam:UntagRole',
        ],
        Resource: role,
      },
      {
        Sid: 'PassRole',
        Effect: 'Allow',
        Action: 'iam:PassRole',
        Resource: role,
        Condition: {StringEquals: {'iam:PassedToService': 'lambda.amazonaws.com'}},
      },
      {
        Sid: 'Repository',
        Effect: 'Allow',
        Action: [
          'ecr:BatchCheckLayerAvailability',
          'ecr:BatchGetImage',
          'ecr:CompleteLayerUpload',
          'ecr:CreateRepository',
          'ecr:DeleteRepository',
          'ecr:DescribeImages',
          'ecr:DescribeRepositories',
          'ecr:GetDownloadUrlForLayer',
          'ecr:GetRepositoryPolicy',
          'ecr:InitiateLayerUpload',
          'ecr:ListImages',
          'ecr:ListTagsForResource',
          'ecr:PutImage',
          'ecr:SetRepositoryPolicy',
          'ecr:TagResource',
          'ecr:UntagResource',
          'ecr:UploadLayerPart',
        ],
        Resource: repository,
      },
      {
        Sid: 'Log',
        Effect: 'Allow',
        Action: [
          'logs:CreateLogGroup',
          'logs:DeleteLogGroup',
          'logs:DeleteRetentionPolicy',
          'logs:FilterLogEvents',
          'logs:ListTagsForResource',
          'logs:PutRetentionPolicy',
          'logs:TagResource',
          'logs:UntagResource',
        ],
        Resource: [group, `${group}:*`],
      },
      {
        Sid: 'Schedule',
        Effect: 'Allow',
        Action: [
          'application-autoscaling:DeleteScheduledAction',
          'application-autoscaling:DeregisterScalableTarget',
          'application-autoscaling:PutScheduledAction',
          'application-autoscaling:RegisterScalableTarget',
        ],
        Resource: '*',
        Condition: {StringEquals: {'application-autoscaling:service-namespace': 'lambda'}},
      },
      {
        Sid: 'Rules',
        Effect: 'Allow',
        Action: [
          'events:DeleteRule',
          'events:ListTagsForResource',
          'events:ListTargetsByRule',
          'events:PutRule',
          'events:PutTargets',
          'events:RemoveTargets',
          'events:TagResource',
        ],
        Resource: arn('events', `rule/thaw-${name}-*`),
      },
      {
        Sid: 'Sources',
        Effect: 'Allow',
        Action: [
          'lambda:CreateEventSourceMapping',
          'lambda:DeleteEventSourceMapping',
          'lambda:GetEventSourceMapping',
          'lambda:ListEventSourceMappings',
          'lambda:ListTags',
          'lambda:TagResource',
          'lambda:UpdateEventSourceMapping',
          's3:GetBucketNotification',
          's3:PutBucketNotification',
          'sqs:GetQueueAttributes',
          'sqs:GetQueueUrl',
        ],
        Resource: '*',
      },
      {
        Sid: 'Secrets',
        Effect: 'Allow',
        Action: ['secretsmanager:GetSecretValue', 'ssm:GetParameter'],
        Resource: '*',
      },
      {
        Sid: 'Account',
        Effect: 'Allow',
        Action: [
          'application-autoscaling:DescribeScalableTargets',
          'application-autoscaling:DescribeScheduledActions',
          'ecr:GetAuthorizationToken',
          'events:ListRules',
          'lambda:GetAccountSettings',
          'logs:DescribeLogGroups',
          'sts:GetCallerIdentity',
        ],
        Resource: '*',
      },
    ],
  };
}
