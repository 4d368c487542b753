import type * as Events from '@aws-sdk/client-eventbridge';
import type * as S3 from '@aws-sdk/client-s3';
import {s3Event, scheduleEvent} from '../../runtime/lambda-events.ts';

/** An event that a function got, and what it answered. */
export interface Delivered {
  /** The ARN that was invoked. */
  readonly target: string;
  readonly event: unknown;
  readonly failed: boolean;
  readonly body: unknown;
}

/** An event source mapping, as far as events go. */
export interface Source {
  readonly target: string;
  readonly enabled: boolean;
  readonly batchSize: number;
  /** Patterns of which one must match a record; empty: all do. */
  readonly patterns: readonly string[];
}

/** What events go by. */
export interface Routes {
  readonly sources: (sourceArn: string) => readonly Source[];
  readonly notifications: (bucket: string) => S3.NotificationConfiguration;
  readonly rule: (name: string) => {readonly arn: string; readonly targets: readonly Events.Target[]} | null;
  readonly mayInvoke: (target: string, service: string, sourceArn: string) => boolean;
  readonly invoke: (
    target: string,
    event: unknown,
  ) => Promise<{readonly failed: boolean; readonly body: unknown}>;
}

/** What happens to an object, as S3 says it in its events. */
export type ObjectEvent = 'ObjectCreated:Put' | 'ObjectRemoved:Delete';

/** Brings events to the functions that asked for them, as the services would. */
export interface Delivery {
  /**
   * Messages of a queue or records of a stream, in batches.
   *
   * @param records as they stand in `Records`
   */
  records(sourceArn: string, records: readonly object[]): Promise<Delivered[]>;
  /** A new object in a bucket, or one that is there no more. */
  object(bucket: string, key: string, event?: ObjectEvent): Promise<Delivered[]>;
  /** The time of a rule. */
  schedule(rule: string): Promise<Delivered[]>;
}

export function createDelivery({sources, notifications, rule, mayInvoke, invoke}: Routes): Delivery {
  const bring = async (target: string, event: unknown): Promise<Delivered> => ({
    target,
    event,
    ...(await invoke(target, event)),
  });

  return {
    async records(sourceArn, records) {
      const delivered: Delivered[] = [];
      for (const {target, batchSize, patterns} of sources(sourceArn).filter(({enabled}) => enabled)) {
        const wanted = records.filter(
          (record) =>
            patterns.length === 0 ||
            patterns.some((pattern) => matches(JSON.parse(pattern), readable(record))),
        );
        for (let from = 0; from < wanted.length; from += batchSize) {
          delivered.push(await bring(target, {Records: wanted.slice(from, from + batchSize)}));
        }
      }
      return delivered;
    },
    async object(bucket, key, name = 'ObjectCreated:Put') {
      const {LambdaFunctionConfigurations: all = []} = notifications(bucket);
      const wanted = all.filter(
        ({Events = [], Filter, LambdaFunctionArn = ''}) =>
          Events.some((each) => each === `s3:${name}` || each === `s3:${name.replace(/:.*/, ':*')}`) &&
          (Filter?.Key?.FilterRules ?? []).every(({Name, Value = ''}) =>
            Name?.toLowerCase() === 'prefix' ? key.startsWith(Value) : key.endsWith(Value),
          ) &&
          mayInvoke(LambdaFunctionArn, 's3.amazonaws.com', `arn:aws:s3:::${bucket}`),
      );
      const text = JSON.stringify(s3Event(key)).replaceAll('photos', bucket);
      const event = JSON.parse(text.replace('ObjectCreated:Put', name)) as unknown;
      return Promise.all(wanted.map(({LambdaFunctionArn = ''}) => bring(LambdaFunctionArn, event)));
    },
    async schedule(name) {
      const {arn, targets} = rule(name) ?? {arn: '', targets: []};
      const event = {...scheduleEvent(), resources: [arn]};
      return Promise.all(
        targets
          .filter(({Arn = ''}) => mayInvoke(Arn, 'events.amazonaws.com', arn))
          .map(({Arn = '', Input}) => bring(Arn, Input === undefined ? event : JSON.parse(Input))),
      );
    },
  };
}

/** A record as filters see it: JSON in it is read (docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html). */
function readable(record: object): unknown {
  const {body, kinesis} = record as {body?: string; kinesis?: {data: string}};
  const data = kinesis === undefined ? undefined : Buffer.from(kinesis.data, 'base64').toString('utf8');
  return {
    ...record,
    ...(body !== undefined && {body: parsed(body)}),
    ...(data !== undefined && {data: parsed(data)}),
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Whether a value is as a pattern says: members all of which match, lists one of whose conditions holds. */
function matches(pattern: unknown, value: unknown): boolean {
  if (Array.isArray(pattern)) return pattern.some((condition: unknown) => holds(condition, value));
  if (typeof pattern !== 'object' || pattern === null) return false;
  const members = (typeof value === 'object' && value !== null ? value : {}) as {[member: string]: unknown};
  return Object.entries(pattern).every(([member, each]) => matches(each, members[member]));
}

function holds(condition: unknown, value: unknown): boolean {
  if (typeof condition !== 'object' || condition === null) return condition === value;
  const [[test, wanted] = []] = Object.entries(condition as {[test: string]: unknown});
  if (test === 'exists') return (value !== undefined) === wanted;
  if (test === 'prefix') return typeof value === 'string' && value.startsWith(String(wanted));
  if (test === 'suffix') return typeof value === 'string' && value.endsWith(String(wanted));
  if (test === 'anything-but') return ![wanted].flat().includes(value);
  if (test === 'numeric' && Array.isArray(wanted)) {
    const number = Number(value);
    const pairs = wanted.flatMap((operator: unknown, i) =>
      i % 2 === 0 ? [[String(operator), Number(wanted[i + 1])] as const] : [],
    );
    return pairs.every(([operator, limit]) => compare(number, operator, limit));
  }
  throw new TypeError(`the fake does not know the filter ${JSON.stringify(condition)}`);
}

function compare(number: number, operator: string, limit: number): boolean {
  switch (operator) {
    case '=':
      return number === limit;
    case '<':
      return number < limit;
    case '<=':
      return number <= limit;
    case '>':
      return number > limit;
    default:
      return operator === '>=' && number >= limit;
  }
}
