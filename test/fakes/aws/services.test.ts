import * as A from '@aws-sdk/client-application-auto-scaling';
import * as Ecr from '@aws-sdk/client-ecr';
import * as Ev from '@aws-sdk/client-eventbridge';
import * as Iam from '@aws-sdk/client-iam';
import * as L from '@aws-sdk/client-lambda';
import * as Logs from '@aws-sdk/client-cloudwatch-logs';
import * as S3 from '@aws-sdk/client-s3';
import * as Sm from '@aws-sdk/client-secrets-manager';
import * as Sqs from '@aws-sdk/client-sqs';
import * as Ssm from '@aws-sdk/client-ssm';
import {describe, expect, it} from 'vitest';
import {connection, openForTest, refusal, TRUST} from './open-for-test.ts';

const CONTROL_ONLY = {runs: false} as const;

describe('IAM', () => {
  it('keeps roles with their policies, tags and boundary, and lets none go that has something attached', async () => {
    const {aws, iam} = await openForTest(CONTROL_ONLY);
    const PermissionsBoundary = 'arn:aws:iam::123456789012:policy/boundary';
    const Tags = [{Key: 'thaw:function', Value: 'a&b <c>'}];
    const input = {RoleName: 'r', AssumeRolePolicyDocument: TRUST, PermissionsBoundary, Tags, Path: '/thaw/'};
    await iam.send(new Iam.CreateRoleCommand(input));
    expect(await refusal(iam.send(new Iam.CreateRoleCommand(input)))).toMatchObject({
      name: 'EntityAlreadyExistsException',
      status: 409,
    });
    const {Role} = await iam.send(new Iam.GetRoleCommand({RoleName: 'r'}));
    expect(Role?.Arn).toBe('arn:aws:iam::123456789012:role/thaw/r');
    expect(Role?.Tags).toEqual(Tags);
    expect(Role?.PermissionsBoundary?.PermissionsBoundaryArn).toBe(PermissionsBoundary);
    expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? '')).toBe(TRUST);
    const PolicyArn = 'arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole';
    await iam.send(new Iam.AttachRolePolicyCommand({RoleName: 'r', PolicyArn}));
    await iam.send(new Iam.AttachRolePolicyCommand({RoleName: 'r', PolicyArn}));
    const {AttachedPolicies} = await iam.send(new Iam.ListAttachedRolePoliciesCommand({RoleName: 'r'}));
    expect(AttachedPolicies).toEqual([{PolicyArn, PolicyName: 'AWSLambdaBasicExecutionRole'}]);
    const remove = () => iam.send(new Iam.DeleteRoleCommand({RoleName: 'r'}));
    expect((await refusal(remove())).name).toBe('DeleteConflictException');
    await iam.send(new Iam.DetachRolePolicyCommand({RoleName: 'r', PolicyArn}));
    await remove();
    expect(await refusal(iam.send(new Iam.GetRoleCommand({RoleName: 'r'})))).toMatchObject({
      name: 'NoSuchEntityException',
      status: 404,
    });
    expect(aws.inventory()).toEqual([]);
  });
});

describe('ECR', () => {
  it('has repositories whose registry asks for its password, knows none that was not made, and holds tags still', async () => {
    const {aws, pushed} = await openForTest(CONTROL_ONLY);
    const ecr = new Ecr.ECRClient(connection(aws));
    const {authorizationData} = await ecr.send(new Ecr.GetAuthorizationTokenCommand({}));
    const headers = {authorization: `Basic ${authorizationData?.[0]?.authorizationToken}`};
    const registry = `http://${aws.registry.host}/v2`;
    expect((await fetch(`${registry}/`)).headers.get('www-authenticate')).toMatch(/^Basic /);
    expect((await fetch(`${registry}/`, {headers})).status).toBe(200);
    const start = () => fetch(`${registry}/scores/blobs/uploads/`, {method: 'POST', headers});
    expect((await start()).status).toBe(404);
    const input = {
      repositoryName: 'scores',
      imageTagMutability: 'IMMUTABLE',
      tags: [{Key: 'a', Value: 'b'}],
    } as const;
    const {repository} = await ecr.send(new Ecr.CreateRepositoryCommand({...input, tags: [...input.tags]}));
    expect(repository?.repositoryUri).toBe(`${aws.registry.host}/scores`);
    expect((await start()).status).toBe(202);
    expect((await refusal(ecr.send(new Ecr.CreateRepositoryCommand({repositoryName: 'scores'})))).name).toBe(
      'RepositoryAlreadyExistsException',
    );

    await pushed();
    const [from] = [...aws.registry.manifests.values()];
    for (const link of Array.from(aws.registry.links))
      aws.registry.links.add(link.replace(/^[^@]+/, 'scores'));
    const put = () =>
      fetch(`${registry}/scores/manifests/v1`, {
        method: 'PUT',
        headers: {...headers, 'content-type': from?.type ?? ''},
        body: Buffer.from(from?.bytes ?? []),
      });
    expect((await put()).status).toBe(201);
    const again = await put();
    expect([again.status, await again.text()]).toEqual([400, expect.stringContaining('TAG_INVALID')]);

    const {imageDetails} = await ecr.send(new Ecr.DescribeImagesCommand({repositoryName: 'scores'}));
    expect(imageDetails?.map(({imageTags}) => imageTags)).toEqual([['v1']]);
    const remove = (force: boolean) =>
      ecr.send(new Ecr.DeleteRepositoryCommand({repositoryName: 'scores', force}));
    expect((await refusal(remove(false))).name).toBe('RepositoryNotEmptyException');
    const imageIds = [{imageDigest: imageDetails?.[0]?.imageDigest}, {imageTag: 'absent'}];
    const gone = await ecr.send(new Ecr.BatchDeleteImageCommand({repositoryName: 'scores', imageIds}));
    expect([gone.imageIds?.length, gone.failures?.[0]?.failureCode]).toEqual([1, 'ImageNotFound']);
    await remove(false);
    expect(aws.inventory().some((each) => each.includes('scores'))).toBe(false);
  });
});

describe('Application Auto Scaling', () => {
  it('scales what is published, by actions that are there until they are deleted', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const scaling = new A.ApplicationAutoScalingClient(connection(test.aws));
    const what = {
      ServiceNamespace: 'lambda',
      ScalableDimension: 'lambda:function:ProvisionedConcurrency',
    } as const;
    const name = await test.created();
    const ResourceId = `function:${name}:live`;
    const register = () =>
      scaling.send(
        new A.RegisterScalableTargetCommand({...what, ResourceId, MinCapacity: 0, MaxCapacity: 2}),
      );
    expect((await refusal(register())).name).toBe('ValidationException');
    await test.published(name);
    await test.lambda.send(
      new L.CreateAliasCommand({FunctionName: name, Name: 'live', FunctionVersion: '1'}),
    );
    const put = (Schedule: string) =>
      scaling.send(
        new A.PutScheduledActionCommand({
          ...what,
          ResourceId,
          Schedule,
          ScheduledActionName: 'up',
          Timezone: 'Europe/Berlin',
          ScalableTargetAction: {MinCapacity: 2, MaxCapacity: 2},
        }),
      );
    expect((await refusal(put('cron(0 8 ? * MON-FRI *)'))).name).toBe('ObjectNotFoundException');
    await register();
    expect((await refusal(put('0 8 * * *'))).message).toContain('Invalid Schedule Expression');
    await put('cron(0 8 ? * MON-FRI *)');
    const described = await scaling.send(new A.DescribeScheduledActionsCommand({...what, ResourceId}));
    expect(described.ScheduledActions?.map(({Schedule, Timezone}) => [Schedule, Timezone])).toEqual([
      ['cron(0 8 ? * MON-FRI *)', 'Europe/Berlin'],
    ]);
    test.aws.scheduler.carryOut(ResourceId, 'up');
    const get = new L.GetProvisionedConcurrencyConfigCommand({FunctionName: name, Qualifier: 'live'});
    const kept = await test.lambda.send(get);
    expect([kept.RequestedProvisionedConcurrentExecutions, kept.Status]).toEqual([2, 'IN_PROGRESS']);
    await scaling.send(new A.DeregisterScalableTargetCommand({...what, ResourceId}));
    const after = await scaling.send(new A.DescribeScheduledActionsCommand({...what, ResourceId}));
    expect(after.ScheduledActions).toEqual([]);
  });
});

describe('S3', () => {
  it('tells functions that let it, and replaces all that it told before', async () => {
    const test = await openForTest(CONTROL_ONLY);
    const s3 = new S3.S3Client(connection(test.aws));
    const name = await test.created();
    const LambdaFunctionArn = `arn:aws:lambda:eu-central-1:123456789012:function:${name}`;
    test.aws.buckets.plant('uploads');
    const put = (Id: string) =>
      s3.send(
        new S3.PutBucketNotificationConfigurationCommand({
          Bucket: 'uploads',
          NotificationConfiguration: {
            LambdaFunctionConfigurations: [
              {
                Id,
                LambdaFunctionArn,
                Events: ['s3:ObjectCreated:*'],
                Filter: {Key: {FilterRules: [{Name: 'prefix', Value: 'in/'}]}},
              },
            ],
          },
        }),
      );
    expect((await refusal(put('a'))).message).toContain('Unable to validate the following destination');
    await test.lambda.send(
      new L.AddPermissionCommand({
        FunctionName: name,
        StatementId: 's3',
        Action: 'lambda:InvokeFunction',
        Principal: 's3.amazonaws.com',
        SourceArn: 'arn:aws:s3:::uploads',
        SourceAccount: '123456789012',
      }),
    );
    await put('a');
    await put('b');
    const get = new S3.GetBucketNotificationConfigurationCommand({Bucket: 'uploads'});
    const {LambdaFunctionConfigurations} = await s3.send(get);
    expect(LambdaFunctionConfigurations).toEqual([
      {
        Id: 'b',
        LambdaFunctionArn,
        Events: ['s3:ObjectCreated:*'],
        Filter: {Key: {FilterRules: [{Name: 'prefix', Value: 'in/'}]}},
      },
    ]);
    const absent = new S3.HeadBucketCommand({Bucket: 'absent'});
    expect((await refusal(s3.send(absent))).status).toBe(404);
    await s3.send(new S3.HeadBucketCommand({Bucket: 'uploads'}));
  });
});

describe('logs, queues, secrets and rules', () => {
  it('logs are kept in groups that must be there', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const logs = new Logs.CloudWatchLogsClient(connection(aws));
    const logGroupName = '/aws/lambda/x';
    const filter = new Logs.FilterLogEventsCommand({logGroupName});
    expect((await refusal(logs.send(filter))).name).toBe('ResourceNotFoundException');
    const create = new Logs.CreateLogGroupCommand({logGroupName, tags: {a: 'b'}});
    await logs.send(create);
    expect((await refusal(logs.send(create))).name).toBe('ResourceAlreadyExistsException');
    await logs.send(new Logs.PutRetentionPolicyCommand({logGroupName, retentionInDays: 14}));
    const {logGroups} = await logs.send(new Logs.DescribeLogGroupsCommand({logGroupNamePrefix: '/aws'}));
    expect(logGroups?.[0]).toMatchObject({
      logGroupName,
      retentionInDays: 14,
      metricFilterCount: 0,
      logGroupClass: 'STANDARD',
    });
    const resourceArn = logGroups?.[0]?.logGroupArn;
    expect((await logs.send(new Logs.ListTagsForResourceCommand({resourceArn}))).tags).toEqual({a: 'b'});
    expect((await logs.send(filter)).events).toEqual([]);
  });

  it('queues tell their attributes, and secrets their values, to who may', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const sqs = new Sqs.SQSClient(connection(aws));
    aws.queues.plant('orders', {VisibilityTimeout: '60'});
    const {QueueUrl} = await sqs.send(new Sqs.GetQueueUrlCommand({QueueName: 'orders'}));
    const wanted = new Sqs.GetQueueAttributesCommand({QueueUrl, AttributeNames: ['VisibilityTimeout']});
    expect((await sqs.send(wanted)).Attributes).toEqual({VisibilityTimeout: '60'});
    const absent = new Sqs.GetQueueUrlCommand({QueueName: 'absent'});
    expect((await refusal(sqs.send(absent))).name).toBe('QueueDoesNotExist');

    const ssm = new Ssm.SSMClient(connection(aws));
    aws.parameters.plant('/db/url', 'a-value');
    const get = (WithDecryption: boolean) =>
      ssm.send(new Ssm.GetParameterCommand({Name: '/db/url', WithDecryption}));
    expect((await get(true)).Parameter?.Value).toBe('a-value');
    expect((await get(false)).Parameter?.Value).not.toContain('a-value');
    expect((await refusal(ssm.send(new Ssm.GetParameterCommand({Name: 'x'})))).name).toBe(
      'ParameterNotFound',
    );

    const manager = new Sm.SecretsManagerClient(connection(aws));
    aws.secrets.plant('token', 'another');
    const secret = new Sm.GetSecretValueCommand({SecretId: 'token'});
    expect((await manager.send(secret)).SecretString).toBe('another');
    aws.account.deny('secretsmanager:GetSecretValue');
    expect((await refusal(manager.send(secret))).name).toBe('AccessDeniedException');
  });

  it('rules cannot go while they have targets', async () => {
    const {aws} = await openForTest(CONTROL_ONLY);
    const events = new Ev.EventBridgeClient(connection(aws));
    const put = (ScheduleExpression: string) =>
      events.send(new Ev.PutRuleCommand({Name: 'r', ScheduleExpression}));
    expect((await refusal(put('rate(1 minutes)'))).name).toBe('ValidationException');
    await put('rate(5 minutes)');
    const Targets = [{Id: 'fn', Arn: 'arn:aws:lambda:eu-central-1:123456789012:function:f:live'}];
    await events.send(new Ev.PutTargetsCommand({Rule: 'r', Targets}));
    const {Targets: listed} = await events.send(new Ev.ListTargetsByRuleCommand({Rule: 'r'}));
    expect(listed).toEqual(Targets);
    const remove = () => events.send(new Ev.DeleteRuleCommand({Name: 'r'}));
    expect((await refusal(remove())).message).toContain('has targets');
    await events.send(new Ev.RemoveTargetsCommand({Rule: 'r', Ids: ['fn']}));
    await remove();
    expect(aws.inventory()).toEqual([]);
  });
});
