import type {EventSourceMappingConfiguration, EventSourcePosition} from '@aws-sdk/client-lambda';
import type {FilterRule, LambdaFunctionConfiguration} from '@aws-sdk/client-s3';
import type {Op} from '../../../core/driver.ts';
import {canonicalJson, sameJson, type Json} from '../../../core/json.ts';
import {nameOf} from '../calls/errors.ts';
import {requestToCreate, requestToUpdate, settingsOfMapping} from '../wanted/mapping-settings.ts';
import {isNotificationId, notificationId} from '../names.ts';
import type {BucketRule, MappingSettings} from '../wanted/triggers.ts';
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
    const {text, args, how} = job;
    const events = await job.aws.events();
    const input = args['input'] === null ? {} : {Input: text('input')};
    await job.ask('events:PutTargets', text('rule'), () =>
      events.putTargets({Rule: text('rule'), Targets: [{Id: TARGET, Arn: text('arn'), ...input}]}, how),
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
            ...requestToCreate(EventSourceArn, settingsIn(args['settings'])),
            Tags: {...(args['tags'] as {[key: string]: string})},
            ...(args['startingPosition'] === null
              ? {}
              : {StartingPosition: text('startingPosition') as EventSourcePosition}),
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

  // Asked for once more while it is done, Lambda says that the mapping is in use, which passes.
  'lambda:UpdateEventSourceMapping': op(async (job) => {
    const {text, args, how} = job;
    const lambda = await job.aws.lambda();
    const UUID = text('uuid');
    const request = requestToUpdate(text('source'), settingsIn(args['settings']));
    await job.ask('lambda:UpdateEventSourceMapping', UUID, () =>
      lambda.updateEventSourceMapping({UUID, ...request}, how),
    );
  }),

  'lambda:WaitEventSourceMapping': op(async (job) => {
    const uuid = job.text('uuid');
    const settings = job.args['settings'] ?? null;
    return poll(job, `the event source mapping ${uuid}`, MAPPING_MS_MAX, async () => {
      const found = await readMapping(job, uuid);
      if (found?.State !== 'Enabled' && found?.State !== 'Disabled') return null;
      const isAs = settings === null || sameJson(settingsOfMapping(found), settingsIn(settings));
      return isAs ? {} : null;
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
        const found = await readMapping(job, UUID);
        return found === null || found.State === 'Deleting' ? {} : null;
      }
    });
  }),

  'lambda:WaitEventSourceMappingDeleted': op(async (job) => {
    const uuid = job.text('uuid');
    return poll(job, `the deletion of the event source mapping ${uuid}`, MAPPING_MS_MAX, async () =>
      (await readMapping(job, uuid)) === null ? {} : null,
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
    const LambdaFunctionArn = text('function');
    const others = (found.LambdaFunctionConfigurations ?? []).filter(
      (each) => each.LambdaFunctionArn !== LambdaFunctionArn || !isNotificationId(text('name'), each.Id),
    );
    const ours = (args['rules'] as unknown as readonly BucketRule[]).map(
      (rule): LambdaFunctionConfiguration => ({
        Id: notificationId(text('name'), canonicalJson(rule)),
        LambdaFunctionArn,
        Events: [...rule.events] as NonNullable<LambdaFunctionConfiguration['Events']>,
        ...filterOf(rule),
      }),
    );
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

async function readMapping(
  {aws, askFor, how}: Job,
  UUID: string,
): Promise<EventSourceMappingConfiguration | null> {
  const lambda = await aws.lambda();
  return askFor('lambda:GetEventSourceMapping', UUID, () => lambda.getEventSourceMapping({UUID}, how));
}

/** Settings as a planner wrote them: patterns are text there. */
function settingsIn(arg: Json | undefined): MappingSettings {
  const settings = arg as unknown as MappingSettings;
  return {...settings, filter: settings.filter.map((pattern) => JSON.parse(pattern as string) as Json)};
}

function filterOf({prefix, suffix}: BucketRule): Pick<LambdaFunctionConfiguration, 'Filter'> {
  const rules: FilterRule[] = [
    {Name: 'prefix' as const, Value: prefix},
    {Name: 'suffix' as const, Value: suffix},
  ].filter(({Value}) => Value !== '');
  return rules.length === 0 ? {} : {Filter: {Key: {FilterRules: rules}}};
}
