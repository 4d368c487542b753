import type {LambdaFunctionConfiguration} from '@aws-sdk/client-s3';
import type {Op} from '../../../core/driver.ts';
import {nameOf} from '../errors.ts';
import {notificationId} from '../names.ts';
import {poll, type Job, type MakeOp} from './arguments.ts';

const MAPPING_MS_MAX = 300_000;
const TARGET = 'live';

/** What calls the function beside HTTP: the clock, queues and streams, buckets. */
export const triggerOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  'events:PutRule': op(async (job) => {
    const {text, args, how} = job;
    const events = await job.aws.events();
    const Tags = Object.entries(args['tags'] as {[key: string]: string}).map(([Key, Value]) => ({
      Key,
      Value,
    }));
    const {RuleArn = ''} = await job.ask('events:PutRule', text('rule'), () =>
      events.putRule({Name: text('rule'), ScheduleExpression: text('schedule'), State: 'ENABLED', Tags}, how),
    );
    return {arn: RuleArn};
  }),

  'events:PutTargets': op(async (job) => {
    const {text, how} = job;
    const events = await job.aws.events();
    await job.ask('events:PutTargets', text('rule'), () =>
      events.putTargets({Rule: text('rule'), Targets: [{Id: TARGET, Arn: text('arn')}]}, how),
    );
  }),

  // A rule can only be deleted without targets.
  'events:DeleteRule': op(async (job) => {
    const {text, how} = job;
    const events = await job.aws.events();
    const Rule = text('rule');
    await job.askFor('events:RemoveTargets', Rule, () => events.removeTargets({Rule, Ids: [TARGET]}, how));
    await job.askFor('events:DeleteRule', Rule, () => events.deleteRule({Name: Rule}, how));
  }),

  'lambda:CreateEventSourceMapping': op(async (job) => {
    const {text, args, how} = job;
    const lambda = await job.aws.lambda();
    const [FunctionName, EventSourceArn] = [text('function'), text('source')];
    try {
      const {UUID = ''} = await job.ask('lambda:CreateEventSourceMapping', EventSourceArn, () =>
        lambda.createEventSourceMapping(
          {
            FunctionName,
            EventSourceArn,
            FunctionResponseTypes: ['ReportBatchItemFailures'],
            Tags: {...(args['tags'] as {[key: string]: string})},
            ...(args['stream'] === true ? {StartingPosition: 'LATEST' as const} : {}),
          },
          how,
        ),
      );
      return {uuid: UUID};
    } catch (error) {
      if (nameOf(error) !== 'ResourceConflictException') throw error;
      const found = await job.ask('lambda:ListEventSourceMappings', EventSourceArn, () =>
        lambda.listEventSourceMappings({FunctionName, EventSourceArn}, how),
      );
      const uuid = found.EventSourceMappings?.[0]?.UUID;
      if (uuid === undefined) throw error;
      return {uuid};
    }
  }),

  'lambda:WaitEventSourceMapping': op(async (job) => {
    const uuid = job.text('uuid');
    return poll(job, `the event source mapping ${uuid}`, MAPPING_MS_MAX, async () => {
      const state = await readMappingState(job, uuid);
      return state === 'Enabled' || state === 'Disabled' ? {} : null;
    });
  }),

  'lambda:DeleteEventSourceMapping': op(async (job) => {
    const lambda = await job.aws.lambda();
    const UUID = job.text('uuid');
    // While it is being made or changed it is not deleted; while it is being deleted it is no more, either.
    return poll(job, `a change of the event source mapping ${UUID}`, MAPPING_MS_MAX, async () => {
      try {
        await job.askFor('lambda:DeleteEventSourceMapping', UUID, () =>
          lambda.deleteEventSourceMapping({UUID}, job.how),
        );
        return {};
      } catch (error) {
        if (nameOf(error) !== 'ResourceInUseException') throw error;
        const state = await readMappingState(job, UUID);
        return state === null || state === 'Deleting' ? {} : null;
      }
    });
  }),

  'lambda:WaitEventSourceMappingDeleted': op(async (job) => {
    const uuid = job.text('uuid');
    return poll(job, `the deletion of the event source mapping ${uuid}`, MAPPING_MS_MAX, async () =>
      (await readMappingState(job, uuid)) === null ? {} : null,
    );
  }),

  // What a bucket notifies of is one document: everything else in it stays as it is.
  's3:PutBucketNotification': op(async (job) => {
    const {text, args, how} = job;
    const s3 = await job.aws.s3();
    const Bucket = text('bucket');
    const found = await job.ask('s3:GetBucketNotification', Bucket, () =>
      s3.getBucketNotificationConfiguration({Bucket}, how),
    );
    const Id = notificationId(text('name'));
    const others = (found.LambdaFunctionConfigurations ?? []).filter((each) => each.Id !== Id);
    const prefix = (args['prefix'] ?? '') as string;
    const ours: LambdaFunctionConfiguration[] =
      args['function'] === null
        ? []
        : [
            {
              Id,
              LambdaFunctionArn: text('function'),
              Events: ['s3:ObjectCreated:*'],
              ...(prefix === '' ? {} : {Filter: {Key: {FilterRules: [{Name: 'prefix', Value: prefix}]}}}),
            },
          ];
    const {TopicConfigurations, QueueConfigurations, EventBridgeConfiguration} = found;
    await job.ask('s3:PutBucketNotification', Bucket, () =>
      s3.putBucketNotificationConfiguration(
        {
          Bucket,
          NotificationConfiguration: {
            ...(TopicConfigurations === undefined ? {} : {TopicConfigurations}),
            ...(QueueConfigurations === undefined ? {} : {QueueConfigurations}),
            ...(EventBridgeConfiguration === undefined ? {} : {EventBridgeConfiguration}),
            LambdaFunctionConfigurations: [...others, ...ours],
          },
        },
        how,
      ),
    );
  }),
});

async function readMappingState({aws, askFor, how}: Job, UUID: string): Promise<string | null> {
  const lambda = await aws.lambda();
  const found = await askFor('lambda:GetEventSourceMapping', UUID, () =>
    lambda.getEventSourceMapping({UUID}, how),
  );
  return found === null ? null : (found.State ?? '');
}
