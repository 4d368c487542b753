import type {EventTrigger, Trigger} from '../../../core/function.ts';
import {canonicalJson, type Json, type JsonObject} from '../../../core/json.ts';
import type {Account} from '../calls/clients.ts';
import {toAwsCron} from './cron.ts';
import {ruleName} from '../names.ts';

/** How a mapping hands over what a queue or a stream has. Plans name what differs as thaw.yaml does. */
export type MappingSettings = {
  readonly batchSize: number;
  readonly batchWindowMs: number;
  /** Null: as many as the function may have. */
  readonly maximumConcurrency: number | null;
  readonly filter: readonly Json[];
  /** Whether answers may say which records failed. */
  readonly partialFailures: boolean;
  readonly enabled: boolean;
};

/** Which of a bucket's keys a notification is about, and what has to happen to them. */
export type BucketRule = {
  readonly prefix: string;
  readonly suffix: string;
  /** As S3 names them, sorted. */
  readonly events: readonly string[];
};

export type WantedRule = {readonly name: string; readonly schedule: string; readonly input: string | null};

export type WantedMapping = {
  /** Where it stands in the list of triggers. */
  readonly index: number;
  readonly source: string;
  /** As thaw.yaml has it. */
  readonly name: string;
  readonly arn: string;
  readonly settings: MappingSettings;
  /** The settings that thaw.yaml itself names. */
  readonly stated: Partial<MappingSettings>;
  /** Null: thaw.yaml does not say. */
  readonly startingPosition: string | null;
};

export type WantedBucket = {
  readonly bucket: string;
  readonly index: number;
  readonly rules: readonly BucketRule[];
};

/** What shall call a function beside HTTP, in AWS's terms. */
export type WantedTriggers = {
  readonly rules: readonly WantedRule[];
  readonly mappings: readonly WantedMapping[];
  readonly buckets: readonly WantedBucket[];
};

export const STREAMS: readonly string[] = ['kinesis', 'dynamodb'];
export const EVENTS_OF_FILES = {created: 's3:ObjectCreated:*', removed: 's3:ObjectRemoved:*'} as const;

/** Triggers that have to do with a source, each with where it stands in the list. */
export const eventTriggers = (
  triggers: readonly Trigger[],
  isOfKind: (source: string) => boolean,
): {readonly trigger: EventTrigger; readonly index: number}[] =>
  triggers.flatMap((trigger, index) =>
    trigger.kind === 'event' && isOfKind(trigger.source) ? [{trigger, index}] : [],
  );

/** `bucket/what/keys/begin/with` */
export function bucketRuleOf({name, suffix = '', events = ['created']}: EventTrigger): {
  readonly bucket: string;
  readonly rule: BucketRule;
} {
  const [bucket = '', ...prefix] = name.split('/');
  const named = [...new Set(events)].map((event) => EVENTS_OF_FILES[event]).sort();
  return {bucket, rule: {prefix: prefix.join('/'), suffix, events: named}};
}

/** The ARN of what a trigger names: an ARN is taken as it is, a name is of the same account and region. */
export function sourceArn(source: string, name: string, {partition, region, id}: Account): string {
  if (name.startsWith('arn:')) return name;
  if (source === 'kinesis') return `arn:${partition}:kinesis:${region}:${id}:stream/${name}`;
  // A table's stream has a name of its own, which only the table knows.
  return source === 'sqs' ? `arn:${partition}:sqs:${region}:${id}:${name}` : name;
}

/** Which service an ARN is of: `sqs`. */
export const serviceOf = (arn: string): string => arn.split(':')[2] ?? '';

/** Whether what an ARN names is in the function's region, as Lambda wants it. */
export const isIn = ({region}: Account, arn: string): boolean => arn.split(':')[3] === region;

/** What a mapping is set to where nobody says otherwise. */
export const defaultSettings = (source: string): MappingSettings => ({
  batchSize: source === 'sqs' ? 10 : 100,
  batchWindowMs: 0,
  maximumConcurrency: null,
  filter: [],
  partialFailures: true,
  enabled: true,
});

/**
 * The event that a schedule's own input stands in, so that handlers know it for one and get the input.
 *
 * @see decodeAwsEvent of the runtime
 */
export const scheduledEvent = (input: Json): JsonObject => ({
  source: 'aws.events',
  'detail-type': 'Scheduled Event',
  detail: input,
});

export function wantedTriggers(name: string, triggers: readonly Trigger[], account: Account): WantedTriggers {
  return {
    rules: triggers
      .flatMap((trigger) => (trigger.kind === 'schedule' ? [trigger] : []))
      .map(({cron, input}): WantedRule => {
        const schedule = toAwsCron(cron) ?? cron;
        const text = input === undefined ? null : canonicalJson(scheduledEvent(input));
        return {name: ruleName(name, schedule, text), schedule, input: text};
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    mappings: eventTriggers(triggers, (source) => source !== 's3')
      .map(({trigger, index}) => wantedMapping(trigger, index, account))
      .sort((a, b) => (a.arn < b.arn ? -1 : 1)),
    buckets: wantedBuckets(triggers),
  };
}

function wantedMapping(trigger: EventTrigger, index: number, account: Account): WantedMapping {
  const {kind: _, source, name, startingPosition, suffix: __, events: ___, ...stated} = trigger;
  return {
    index,
    source,
    name,
    arn: sourceArn(source, name, account),
    settings: {...defaultSettings(source), ...stated},
    stated,
    startingPosition: startingPosition?.replace('-', '_').toUpperCase() ?? null,
  };
}

/** What happens to the same keys of a bucket is one rule, wherever thaw.yaml says it. */
function wantedBuckets(triggers: readonly Trigger[]): WantedBucket[] {
  const all = eventTriggers(triggers, (source) => source === 's3').map(({trigger, index}) => ({
    index,
    ...bucketRuleOf(trigger),
  }));
  const names = [...new Set(all.map(({bucket}) => bucket))].sort();
  return names.map((bucket) => {
    const own = all.filter((each) => each.bucket === bucket);
    const rules = new Map<string, BucketRule>();
    for (const {rule} of own) {
      const {prefix, suffix} = rule;
      const key = canonicalJson({prefix, suffix});
      const events = [...(rules.get(key)?.events ?? []), ...rule.events].sort();
      rules.set(key, {prefix, suffix, events});
    }
    return {bucket, index: own[0]?.index ?? 0, rules: sortedRules([...rules.values()])};
  });
}

export const sortedRules = <R extends BucketRule>(rules: readonly R[]): R[] =>
  [...rules].sort((a, b) => (canonicalJson(a) < canonicalJson(b) ? -1 : 1));

/**
 * Whether S3 takes two notifications for overlapping: something that happens to some key would be told twice.
 *
 * @see docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
 */
export function overlap(a: BucketRule, b: BucketRule): boolean {
  const covers = (wide: string, narrow: string): boolean =>
    wide === narrow || (wide.endsWith(':*') && narrow.startsWith(wide.slice(0, -1)));
  const either = (test: (x: string, y: string) => boolean, x: string, y: string): boolean =>
    test(x, y) || test(y, x);
  return (
    a.events.some((one) => b.events.some((other) => either(covers, one, other))) &&
    either((x, y) => x.startsWith(y), a.prefix, b.prefix) &&
    either((x, y) => x.endsWith(y), a.suffix, b.suffix)
  );
}
