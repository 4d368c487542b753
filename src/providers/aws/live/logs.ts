import type {Deployment, LogLine, LogQuery} from '../../../core/deployment.ts';
import type {Context} from '../../../core/driver.ts';
import {ownSignal, type Aws, type OpenAws} from '../calls/clients.ts';
import {lookFor} from '../calls/errors.ts';
import {handleOf} from './handle.ts';

/** One event of CloudWatch Logs. */
export interface LogEvent {
  readonly id: string;
  readonly atMs: number;
  /** Its log stream, of which every instance has one. */
  readonly stream: string;
  readonly text: string;
}

const FOLLOW_MS = 2000;
/** How far back it is looked for lines that came late. */
const LATE_MS = 15_000;
/** Lines that Lambda writes, and not the function. */
const PLATFORM =
  /^(START|END|REPORT|INIT_START|INIT_REPORT|RESTORE_START|RESTORE_REPORT|EXTENSION|XRAY|TELEMETRY) |^\{"time":"[^"]*","type":"platform\./;

/** The events of a log group from a time on, page after page; none if the group is not there yet. */
export async function* readEvents(
  aws: Aws,
  logGroupName: string,
  {sinceMs}: {readonly sinceMs: number | null},
  context: Context,
): AsyncIterable<LogEvent> {
  const logs = await aws.logs();
  const abortSignal = ownSignal(context.signal);
  let nextToken: string | undefined;
  do {
    const page = await lookFor({action: 'logs:FilterLogEvents', resource: logGroupName}, context, () =>
      logs.filterLogEvents(
        {
          logGroupName,
          ...(sinceMs === null ? {} : {startTime: sinceMs}),
          ...(nextToken === undefined ? {} : {nextToken}),
        },
        {abortSignal},
      ),
    );
    for (const {eventId = '', timestamp = 0, logStreamName = '', message = ''} of page?.events ?? []) {
      yield {id: eventId, atMs: timestamp, stream: logStreamName, text: message};
    }
    nextToken = page?.nextToken || undefined;
  } while (nextToken !== undefined);
}

/** The lines of a function's log, from all its instances; with `follow` as they come, some seconds late. */
export async function* readLogs(
  openAws: OpenAws,
  context: Context,
  deployment: Deployment,
  {sinceMs, follow, onFollowing}: LogQuery,
): AsyncIterable<LogLine> {
  const handle = handleOf(deployment);
  const aws = openAws(context, handle);
  const {signal, ports} = context;
  const shown = new Map<string, number>();
  let fromMs = sinceMs;
  for (;;) {
    for await (const event of readEvents(aws, handle.logGroup, {sinceMs: fromMs}, context)) {
      if (shown.has(event.id)) continue;
      shown.set(event.id, event.atMs);
      yield* linesOf(event);
    }
    if (!follow) return;
    onFollowing?.();
    const newestMs = Math.max(fromMs ?? 0, ...shown.values());
    if (newestMs > 0) fromMs = Math.max(sinceMs ?? 0, newestMs - LATE_MS);
    for (const [id, atMs] of shown) if (atMs < (fromMs ?? 0)) shown.delete(id);
    await ports.clock.sleep(FOLLOW_MS, signal);
  }
}

/** An event may hold several lines. */
function* linesOf({atMs, stream, text}: LogEvent): Iterable<LogLine> {
  const at = new Date(atMs).toISOString();
  // A stream is named by the day, the version and what tells instances apart: `2026/11/23/[7]0a1b2c…`.
  const instance = stream.slice(stream.lastIndexOf(']') + 1);
  for (const line of text.split(/\r?\n|\r/)) {
    const trimmed = line.trimEnd();
    if (trimmed === '') continue;
    yield {at, instance, stream: PLATFORM.test(trimmed) ? 'platform' : 'stdout', text: trimmed};
  }
}
