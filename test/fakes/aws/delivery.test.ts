import * as Ev from '@aws-sdk/client-eventbridge';
import * as L from '@aws-sdk/client-lambda';
import {AttachRolePolicyCommand} from '@aws-sdk/client-iam';
import {PutBucketNotificationConfigurationCommand, S3Client} from '@aws-sdk/client-s3';
import {describe, expect, it} from 'vitest';
import {sqsEvent} from '../../runtime/lambda-events.ts';
import {connection, openForTest, type TestAws} from './open-for-test.ts';

const HANDLER = `export async function predict(input, {context}) {
  if (input?.bad) throw new Error('told to fail');
  return {};
}`;

const ARN = 'arn:aws:lambda:eu-central-1:123456789012:function:scoring';

const permit = (test: TestAws, StatementId: string, Principal: string, SourceArn: string) =>
  test.lambda.send(
    new L.AddPermissionCommand({
      FunctionName: 'scoring',
      StatementId,
      Action: 'lambda:InvokeFunction',
      Principal,
      SourceArn,
    }),
  );

describe('events', () => {
  it('of a queue come in batches, filtered, and say which of them failed', async () => {
    const test = await openForTest();
    const FunctionName = await test.created({}, {handler: HANDLER});
    const PolicyArn = 'arn:aws:iam::aws:policy/service-role/AWSLambdaSQSQueueExecutionRole';
    await test.iam.send(new AttachRolePolicyCommand({RoleName: 'scoring-role', PolicyArn}));
    await test.pass(10_000);
    const EventSourceArn = test.aws.queues.plant('orders');
    const made = new L.CreateEventSourceMappingCommand({
      FunctionName,
      EventSourceArn,
      BatchSize: 2,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      FilterCriteria: {
        Filters: [{Pattern: JSON.stringify({body: {kind: ['order'], size: [{numeric: ['>', 1]}]}})}],
      },
    });
    await test.lambda.send(made);
    const order = (size: number, bad = false) => ({kind: 'order', size, bad});
    const {Records} = sqsEvent([order(2), order(3, true), {kind: 'other', size: 9}, order(1), order(4)]);
    expect(await test.aws.deliver.records(EventSourceArn, Records)).toEqual([]);
    await test.pass(10_000);
    const delivered = await test.aws.deliver.records(EventSourceArn, Records);
    expect(
      delivered.map(({event}) =>
        (event as {Records: {messageId: string}[]}).Records.map(({messageId}) => messageId),
      ),
    ).toEqual([['message-0', 'message-1'], ['message-4']]);
    expect(delivered.map(({failed, body}) => [failed, body])).toEqual([
      [false, {batchItemFailures: [{itemIdentifier: 'message-1'}]}],
      [false, {batchItemFailures: []}],
    ]);
  });

  it('of a bucket and of a rule come where they may', async () => {
    const test = await openForTest();
    await test.created({}, {handler: HANDLER});
    test.aws.buckets.plant('uploads');
    await permit(test, 's3', 's3.amazonaws.com', 'arn:aws:s3:::uploads');
    const LambdaFunctionConfigurations = [
      {
        LambdaFunctionArn: ARN,
        Events: ['s3:ObjectCreated:*' as const],
        Filter: {Key: {FilterRules: [{Name: 'prefix' as const, Value: 'in/'}]}},
      },
    ];
    const NotificationConfiguration = {LambdaFunctionConfigurations};
    const put = new PutBucketNotificationConfigurationCommand({Bucket: 'uploads', NotificationConfiguration});
    await new S3Client(connection(test.aws)).send(put);
    expect(await test.aws.deliver.object('uploads', 'out/a.png')).toEqual([]);
    const [delivered] = await test.aws.deliver.object('uploads', 'in/a b.png');
    expect([delivered?.target, delivered?.failed]).toEqual([ARN, false]);
    expect(JSON.stringify(delivered?.event)).toContain('in/a+b.png');
    expect(await test.aws.deliver.object('uploads', 'in/a.png', 'ObjectRemoved:Delete')).toEqual([]);
    const theirs = (Events: ['s3:ObjectCreated:Put' | 's3:ObjectRemoved:*'], Value: string) =>
      new S3Client(connection(test.aws)).send(
        new PutBucketNotificationConfigurationCommand({
          Bucket: 'uploads',
          NotificationConfiguration: {
            ...NotificationConfiguration,
            TopicConfigurations: [
              {
                TopicArn: 'arn:aws:sns:eu-central-1:123456789012:new',
                Events,
                Filter: {Key: {FilterRules: [{Name: 'suffix', Value}]}},
              },
            ],
          },
        }),
      );
    await expect(theirs(['s3:ObjectCreated:Put'], '.png')).rejects.toThrow('ambiguously defined');
    await theirs(['s3:ObjectRemoved:*'], '.png');

    const events = new Ev.EventBridgeClient(connection(test.aws));
    await events.send(new Ev.PutRuleCommand({Name: 'hourly', ScheduleExpression: 'rate(1 hour)'}));
    await events.send(new Ev.PutTargetsCommand({Rule: 'hourly', Targets: [{Id: 'fn', Arn: ARN}]}));
    expect(await test.aws.deliver.schedule('hourly')).toEqual([]);
    await permit(
      test,
      'rule',
      'events.amazonaws.com',
      'arn:aws:events:eu-central-1:123456789012:rule/hourly',
    );
    expect(await test.aws.deliver.schedule('hourly')).toHaveLength(1);
    await events.send(new Ev.DisableRuleCommand({Name: 'hourly'}));
    expect(await test.aws.deliver.schedule('hourly')).toEqual([]);
  });
});
