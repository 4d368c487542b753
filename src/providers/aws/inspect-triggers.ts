import type {Context} from '../../core/driver.ts';
import type {JsonObject} from '../../core/json.ts';
import type {Account, Aws} from './clients.ts';
import {look, lookFor} from './errors.ts';
import type {BucketFound, MappingFound, RuleFound, StatementFound} from './have.ts';
import {readPages} from './pages.ts';
import {LIVE, notificationId, OWNER_TAG, rulePrefix} from './names.ts';

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
    rules.map(async ({Name = '', Arn = '', ScheduleExpression = ''}) => {
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
      const targeted = targets?.Targets?.some((target) => target.Arn?.endsWith(`:${name}:${LIVE}`)) ?? false;
      return ours ? [{name: Name, schedule: ScheduleExpression, targeted}] : [];
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
    found.map(async (mapping) => {
      const {
        UUID: uuid = '',
        EventSourceArn: source = '',
        State: state = '',
        EventSourceMappingArn,
      } = mapping;
      const tags = await lookFor({action: 'lambda:ListTags', resource: uuid}, context, () =>
        lambda.listTags({Resource: EventSourceMappingArn}, {abortSignal: context.signal}),
      );
      return {uuid, source, state, ours: tags?.Tags?.[OWNER_TAG] === name};
    }),
  );
  return mappings.sort((a, b) => (a.source < b.source ? -1 : 1));
}

/** The buckets that the policy of the alias lets call it. */
export async function readBuckets(
  aws: Aws,
  name: string,
  statements: readonly StatementFound[],
  context: Context,
): Promise<BucketFound[]> {
  const allowed = statements.flatMap(({sid, statement}) => {
    const bucket = /^arn:[^:]+:s3:::(.+)$/.exec(sourceOf(statement))?.[1];
    return bucket === undefined || !sid.startsWith('thaw-s3-') ? [] : [{sid, bucket}];
  });
  return Promise.all(
    allowed.map(async ({sid, bucket}) => {
      const s3 = await aws.s3();
      const asked = {action: 's3:GetBucketNotification', resource: bucket};
      const found = await lookFor(asked, context, () =>
        s3.getBucketNotificationConfiguration({Bucket: bucket}, {abortSignal: context.signal}),
      );
      const ours = found?.LambdaFunctionConfigurations?.find(({Id}) => Id === notificationId(name));
      const rule = ours?.Filter?.Key?.FilterRules?.find(({Name}) => Name?.toLowerCase() === 'prefix');
      return {bucket, sid, notifies: ours !== undefined, prefix: rule?.Value ?? ''};
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
