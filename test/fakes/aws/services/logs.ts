import type * as Logs from '@aws-sdk/client-cloudwatch-logs';
import {pageOf, type Cloud, type Handlers, type Service} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {jsonRpc} from '../wire/json-rpc.ts';

interface Event {
  readonly id: string;
  readonly atMs: number;
  readonly stream: string;
  readonly text: string;
}

interface Group {
  readonly name: string;
  readonly createdMs: number;
  readonly tags: Map<string, string>;
  readonly events: Event[];
  retentionDays: number | undefined;
}

/** What other services write. */
export interface LogSink {
  /** Adds a line, and makes the group if there is none. */
  write(group: string, stream: string, text: string): void;
}

export function createLogs({clock, account, paces, pageSize}: Cloud): Service & LogSink {
  const groups = new Map<string, Group>();
  let written = 0;
  const arnOf = (name: string): string => account.arn('logs', `log-group:${name}`);

  const find = (name: string | undefined): Group => {
    const found = groups.get(name ?? '');
    if (found !== undefined) return found;
    throw new Refusal('ResourceNotFoundException', 'The specified log group does not exist.');
  };
  const named = ({
    logGroupName,
    logGroupIdentifier,
  }: {
    logGroupName?: string | undefined;
    logGroupIdentifier?: string | undefined;
  }): Group =>
    find(logGroupName ?? logGroupIdentifier?.replace(/^arn:.*:log-group:/, '').replace(/:\*$/, ''));
  const byArn = (arn: string | undefined): Group => named({logGroupIdentifier: arn});

  const add = (name: string): Group => {
    const group = {name, createdMs: clock.now(), tags: new Map(), events: [], retentionDays: undefined};
    groups.set(name, group);
    return group;
  };

  /** What can be read by now. */
  const visible = (group: Group): Event[] =>
    group.events.filter(({atMs}) => clock.now() - atMs >= paces.logMs);

  const handlers: Handlers = {
    CreateLogGroup({logGroupName = '', tags = {}}: Logs.CreateLogGroupRequest): void {
      if (groups.has(logGroupName)) {
        throw new Refusal('ResourceAlreadyExistsException', 'The specified log group already exists');
      }
      const group = add(logGroupName);
      for (const [key, value] of Object.entries(tags)) group.tags.set(key, value);
    },
    DeleteLogGroup({logGroupName}: Logs.DeleteLogGroupRequest): void {
      groups.delete(find(logGroupName).name);
    },
    DescribeLogGroups(input: Logs.DescribeLogGroupsRequest): Logs.DescribeLogGroupsResponse {
      const prefix = input.logGroupNamePrefix ?? '';
      const all = [...groups.values()].filter(({name}) => name.startsWith(prefix));
      const {page, next} = pageOf(all, input.nextToken, input.limit, pageSize);
      return {
        nextToken: next,
        logGroups: page.map(({name, createdMs, retentionDays}) => ({
          logGroupName: name,
          creationTime: Math.floor(createdMs),
          retentionInDays: retentionDays,
          arn: `${arnOf(name)}:*`,
          logGroupArn: arnOf(name),
          storedBytes: 0,
          metricFilterCount: 0,
          logGroupClass: 'STANDARD',
        })),
      };
    },
    PutRetentionPolicy({logGroupName, retentionInDays}: Logs.PutRetentionPolicyRequest): void {
      find(logGroupName).retentionDays = retentionInDays;
    },
    DeleteRetentionPolicy({logGroupName}: Logs.DeleteRetentionPolicyRequest): void {
      find(logGroupName).retentionDays = undefined;
    },
    DescribeLogStreams(input: Logs.DescribeLogStreamsRequest): Logs.DescribeLogStreamsResponse {
      const events = visible(named(input));
      const names = [...new Set(events.map(({stream}) => stream))];
      const {page, next} = pageOf(names, input.nextToken, input.limit, pageSize);
      return {
        nextToken: next,
        logStreams: page.map((logStreamName) => {
          const own = events.filter(({stream}) => stream === logStreamName);
          return {
            logStreamName,
            firstEventTimestamp: Math.floor(own[0]?.atMs ?? 0),
            lastEventTimestamp: Math.floor(own.at(-1)?.atMs ?? 0),
          };
        }),
      };
    },
    FilterLogEvents(input: Logs.FilterLogEventsRequest): Logs.FilterLogEventsResponse {
      const {startTime = 0, endTime = Infinity, logStreamNames, logStreamNamePrefix = ''} = input;
      const matches = matcherOf(input.filterPattern ?? '');
      const all = visible(named(input)).filter(
        ({atMs, stream, text}) =>
          Math.floor(atMs) >= startTime &&
          Math.floor(atMs) < endTime &&
          (logStreamNames?.includes(stream) ?? true) &&
          stream.startsWith(logStreamNamePrefix) &&
          matches(text),
      );
      const {page, next} = pageOf(all, input.nextToken, input.limit, Math.max(pageSize, 2));
      return {
        nextToken: next,
        searchedLogStreams: [],
        events: page.map(({id, atMs, stream, text}) => ({
          eventId: id,
          logStreamName: stream,
          timestamp: Math.floor(atMs),
          ingestionTime: Math.floor(atMs + paces.logMs),
          message: `${text}\n`,
        })),
      };
    },
    GetLogEvents(input: Logs.GetLogEventsRequest): Logs.GetLogEventsResponse {
      const own = visible(named(input)).filter(({stream}) => stream === input.logStreamName);
      const {page, next} = pageOf(own, input.nextToken, input.limit, pageSize);
      const end = Buffer.from(String(own.length)).toString('base64');
      return {
        events: page.map(({atMs, text}) => ({timestamp: Math.floor(atMs), message: text})),
        nextForwardToken: next ?? end,
        nextBackwardToken: end,
      };
    },
    TagResource({resourceArn, tags}: Logs.TagResourceRequest): void {
      for (const [key, value] of Object.entries(tags ?? {})) byArn(resourceArn).tags.set(key, value);
    },
    UntagResource({resourceArn, tagKeys}: Logs.UntagResourceRequest): void {
      for (const key of tagKeys ?? []) byArn(resourceArn).tags.delete(key);
    },
    ListTagsForResource: ({
      resourceArn,
    }: Logs.ListTagsForResourceRequest): Logs.ListTagsForResourceResponse => ({
      tags: Object.fromEntries(byArn(resourceArn).tags),
    }),
  };

  return {
    scope: 'logs',
    prefix: 'logs',
    loadClient: () => import('@aws-sdk/client-cloudwatch-logs'),
    protocol: (client) => jsonRpc(client, 'Logs_20140328', '1.1'),
    throttled: {type: 'ThrottlingException', status: 400, message: 'Rate exceeded'},
    handlers,
    resourceOf: (_, {logGroupName, resourceArn, logGroupIdentifier}) => {
      const name = logGroupName ?? logGroupIdentifier;
      if (typeof resourceArn === 'string') return resourceArn;
      return typeof name === 'string' ? arnOf(name.replace(/^arn:.*:log-group:/, '')) : '*';
    },
    inventory: () => [...groups.keys()].map((name) => `log group ${name}`),
    write(group, stream, text) {
      const {events} = groups.get(group) ?? add(group);
      // Numbered wide, so that they sort.
      const id = String(written++).padStart(56, '0');
      events.push({id, atMs: clock.now(), stream, text});
    },
  };
}

/** The part of filter patterns that is terms: each, in quotes or not, must stand in the line; `-` before one: must not. */
function matcherOf(pattern: string): (text: string) => boolean {
  if (/^\s*[{[%]/.test(pattern)) {
    throw new Refusal('InvalidParameterException', `the fake knows terms alone, not ${pattern}`);
  }
  const terms = [...pattern.matchAll(/(-|\?)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g)].map(
    ([, sign, quoted, bare]) => ({
      sign,
      text: (quoted ?? bare ?? '').replace(/\\(.)/g, '$1'),
    }),
  );
  const any = terms.filter(({sign}) => sign === '?');
  return (line) =>
    terms.every(({sign, text}) => sign === '?' || line.includes(text) !== (sign === '-')) &&
    (any.length === 0 || any.some(({text}) => line.includes(text)));
}
