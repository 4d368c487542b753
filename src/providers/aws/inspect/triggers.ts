import type {NotificationConfiguration} from '@aws-sdk/client-s3';
import type {Context} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import type {JsonObject} from '../../../core/json.ts';
import type {Account, Aws} from '../calls/clients.ts';
import {look, lookFor} from '../calls/errors.ts';
import type {BucketFound, MappingFound, QueueFound, RuleFound, StatementFound} from './have.ts';
import {settingsOfMapping} from '../wanted/mapping-settings.ts';
import {readPages} from '../calls/pages.ts';
import {isNotificationId, LIVE, OWNER_TAG, rulePrefix} from '../names.ts';
import {sortedRules, type BucketRule} from '../wanted/triggers.ts';

/** The ARN of the alias that everything calls. */
export const liveArn = ({partition, region, id}: Account, name: string): string =>
  `arn:${partition}:lambda:${region}:${id}:function:${name}:${LIVE}`;

/** The rules that thaw made for a function. */
export async function readRules(aws: Aws, name: string, context: Context): Promise<RuleFound[]> {
  const events = await aws.events();
  const how = {abortSignal: context.signal};
  const about = (action: string) => ({action, resource: rulePrefix(name)});
  const rules = await readPages(
    (NextToken) =>
      look(about('events:ListRules'), context, () =>
        events.listRules({NamePrefix: rulePrefix(name), NextToken}, how),
      ),
    ({Rules}) => Rules,
    ({NextToken}) => NextToken,
  );
  const found = await Promise.all(
    rules.map(async ({Name = '', Arn = '', ScheduleExpression = '', State}) => {
      const [tags, targets] = await Promise.all([
        lookFor(about('events:ListTagsForResource'), context, () =>
          events.listTagsForResource({ResourceARN: Arn}, how),
        ),
        lookFor(about('events:ListTargetsByRule'), context, () =>
          events.listTargetsByRule({Rule: Name}, how),
        ),
      ]);
      // Names of functions may begin alike: the tag tells whose rule it is.
      const ours = tags?.Tags?.some(({Key, Value}) => Key === OWNER_TAG && Value === name) ?? false;
      const target = targets?.Targets?.find((each) => each.Arn?.endsWith(`:${name}:${LIVE}`));
      const rule: RuleFound = {
        name: Name,
        schedule: ScheduleExpression,
        enabled: State !== 'DISABLED',
        targeted: target !== undefined,
        input: target?.Input ?? null,
      };
      return ours ? [rule] : [];
    }),
  );
  return found.flat().sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The queues and streams that the live version is given records of; they outlive the function. */
export async function readMappings(
  aws: Aws,
  name: string,
  account: Account,
  context: Context,
): Promise<MappingFound[]> {
  const lambda = await aws.lambda();
  const FunctionName = liveArn(account, name);
  const asked = {action: 'lambda:ListEventSourceMappings', resource: name};
  const found = await readPages(
    (Marker) =>
      lookFor(asked, context, () =>
        lambda.listEventSourceMappings({FunctionName, Marker}, {abortSignal: context.signal}),
      ),
    ({EventSourceMappings}) => EventSourceMappings,
    ({NextMarker}) => NextMarker,
  );
  const mappings = await Promise.all(
    found.map(async (mapping): Promise<MappingFound> => {
      const {UUID: uuid = '', EventSourceArn: source = '', State: state = ''} = mapping;
      const {EventSourceMappingArn, StartingPosition: startingPosition = null} = mapping;
      const tags = await lookFor({action: 'lambda:ListTags', resource: uuid}, context, () =>
        lambda.listTags({Resource: EventSourceMappingArn}, {abortSignal: context.signal}),
      );
      const ours = tags?.Tags?.[OWNER_TAG] === name;
      return {uuid, source, state, ours, startingPosition, settings: settingsOfMapping(mapping)};
    }),
  );
  return mappings.sort((a, b) => (a.source < b.source ? -1 : 1));
}

/**
 * The buckets that the policy of the alias lets call it, and those that shall.
 *
 * @param wanted names of buckets that shall call it
 */
export async function readBuckets(
  aws: Aws,
  name: string,
  account: Account,
  {statements, wanted}: {readonly statements: readonly StatementFound[]; readonly wanted: readonly string[]},
  context: Context,
): Promise<BucketFound[]> {
  const sids = new Map<string, string | null>(wanted.map((bucket) => [bucket, null]));
  for (const {sid, statement} of statements) {
    const bucket = /^arn:[^:]+:s3:::(.+)$/.exec(sourceOf(statement))?.[1];
    if (bucket !== undefined && sid.startsWith('thaw-s3-')) sids.set(bucket, sid);
  }
  const buckets = await Promise.all(
    [...sids].map(async ([bucket, sid]): Promise<BucketFound> => {
      const s3 = await aws.s3();
      const asked = {action: 's3:GetBucketNotification', resource: bucket};
      const found = await lookFor(asked, context, () =>
        s3.getBucketNotificationConfiguration({Bucket: bucket}, {abortSignal: context.signal}),
      );
      const all = notificationsIn(found ?? {});
      const isOurs = ({id, target}: (typeof all)[number]): boolean =>
        target === liveArn(account, name) && isNotificationId(name, id);
      return {
        bucket,
        exists: found !== null,
        sid,
        rules: sortedRules(all.filter(isOurs).map(({rule}) => rule)),
        others: all.filter((each) => !isOurs(each)).map(({rule, target}) => ({...rule, target})),
      };
    }),
  );
  return buckets.sort((a, b) => (a.bucket < b.bucket ? -1 : 1));
}

/** What a bucket tells whom, whatever kind of thing they are. */
function notificationsIn(found: NotificationConfiguration) {
  const all = [
    ...(found.LambdaFunctionConfigurations ?? []).map((each) => ({...each, target: each.LambdaFunctionArn})),
    ...(found.QueueConfigurations ?? []).map((each) => ({...each, target: each.QueueArn})),
    ...(found.TopicConfigurations ?? []).map((each) => ({...each, target: each.TopicArn})),
  ];
  return all.map(({Id: id, Events, Filter, target = ''}) => {
    const valueOf = (name: string): string =>
      Filter?.Key?.FilterRules?.find(({Name}) => Name?.toLowerCase() === name)?.Value ?? '';
    const events = [...(Events ?? [])].sort();
    const rule: BucketRule = {prefix: valueOf('prefix'), suffix: valueOf('suffix'), events};
    return {id, target, rule};
  });
}

/** The queues that shall call the function, by their ARNs. Who may not look at a queue does not know for how long it hides. */
export async function readQueues(aws: Aws, arns: readonly string[], context: Context): Promise<QueueFound[]> {
  return Promise.all(
    arns.map(async (arn): Promise<QueueFound> => {
      const sqs = await aws.sqs();
      const [, , , , QueueOwnerAWSAccountId, QueueName] = arn.split(':');
      const how = {abortSignal: context.signal};
      try {
        const url = await lookFor({action: 'sqs:GetQueueUrl', resource: arn}, context, () =>
          sqs.getQueueUrl({QueueName, QueueOwnerAWSAccountId}, how),
        );
        if (url === null) return {arn, exists: false, visibilityMs: null};
        const found = await look({action: 'sqs:GetQueueAttributes', resource: arn}, context, () =>
          sqs.getQueueAttributes({QueueUrl: url.QueueUrl, AttributeNames: ['VisibilityTimeout']}, how),
        );
        const seconds = found.Attributes?.VisibilityTimeout;
        return {arn, exists: true, visibilityMs: seconds === undefined ? null : Number(seconds) * 1000};
      } catch (error) {
        if (!(error instanceof ThawError) || error.code !== 'PERMISSION_DENIED') throw error;
        return {arn, exists: true, visibilityMs: null};
      }
    }),
  );
}

/** A policy says `ArnLike: {"AWS:SourceArn": "…"}`. */
function sourceOf(statement: JsonObject): string {
  const conditions = Object.values((statement['Condition'] ?? {}) as JsonObject);
  for (const condition of conditions) {
    for (const [key, value] of Object.entries(condition as JsonObject)) {
      if (key.toLowerCase() === 'aws:sourcearn' && typeof value === 'string') return value;
    }
  }
  return '';
}
