import {formatMs} from '../../core/units.ts';
import {failureDocument, renderFailure} from '../failure.ts';
import type {Paint, Terminal} from '../terminal.ts';
import type {DevEvent} from './events.ts';

type RequestEvent = Extract<DevEvent, {event: 'request'}>;
type DeployedEvent = Extract<DevEvent, {event: 'deployed'}>;

/** Writes an event as its kind of output wants it: a line of JSON, or text. */
export function showEvent(event: DevEvent, at: Date, terminal: Terminal): void {
  if (terminal.options.json)
    terminal.document({schema: 'thaw.dev/1', at: at.toISOString(), ...asDocument(event)}, {indent: 0});
  else showText(event, at, terminal);
}

function asDocument(event: DevEvent): object {
  switch (event.event) {
    case 'failed':
      return {event: event.event, ...failureDocument(event.failure), serving: event.serving};
    case 'log': {
      const {instance, stream, text} = event.line;
      return {event: event.event, instance, stream, text};
    }
    default:
      return event;
  }
}

function showText(event: DevEvent, at: Date, terminal: Terminal): void {
  const {paint} = terminal;
  const time = paint.dim(clockTime(at));
  switch (event.event) {
    case 'changed':
      terminal.note(`${time} ${paint.dim(`${event.files.join(', ')} changed`)}`);
      return;
    case 'deployed':
      terminal.note(`${time} ${paint.good('✓')} ${renderDeployed(event)}`);
      return;
    case 'failed':
      terminal.failure(renderFailure(event.failure, paint));
      terminal.note(
        `${time} ${paint.dim(event.serving === null ? 'waiting for a change' : 'the version before goes on')}`,
      );
      return;
    case 'request':
      terminal.result(`${time} ${renderRequest(event, paint)}`);
      return;
    case 'log': {
      const {instance, stream, text} = event.line;
      // What happens to instances is of interest where it is not what was asked for; then requests say so.
      if ((stream === 'platform' || isEvidence(text)) && !terminal.options.verbose) return;
      const {message, isError} = readServerLine(text);
      const shown =
        stream === 'platform'
          ? paint.dim(text)
          : isError
            ? paint.bad(message)
            : stream === 'stderr'
              ? paint.warn(text)
              : message;
      terminal.result(`${time} ${paint.accent(instance.slice(0, 8))} ${shown}`);
      return;
    }
    case 'stopped':
      for (const name of event.destroyed)
        terminal.note(`${time} ${paint.dim(`${name} is destroyed: nothing of it is left`)}`);
      for (const name of event.left)
        terminal.note(`${time} ${paint.dim(`${name} was there before, and goes on`)}`);
  }
}

/** What was made anew, and how long that took. */
export function renderDeployed(event: Omit<DeployedEvent, 'event'>): string {
  const {first, layers, settings, totalMs} = event;
  if (first)
    return `${event.function} is live after ${formatMs(totalMs)}, and follows every change until Ctrl-C`;
  const parts = [
    ...(layers.length > 0 ? [`${layers.join(' and ')} rebuilt`] : []),
    ...(settings.length > 0 ? [`${settings.join(', ')} changed`] : []),
  ];
  return parts.length === 0
    ? `the same as before (${formatMs(totalMs)})`
    : `${parts.join('; ')}; live after ${formatMs(totalMs)}`;
}

/** One request as a line: what was asked, how it ended, how the instance started, how long it took, which it was. */
export function renderRequest(
  {request, instance, class: start, phases}: Omit<RequestEvent, 'event'>,
  paint: Paint,
): string {
  const {method, path, status, totalMs, problem} = request;
  const tone = status < 400 ? paint.good : status < 500 ? paint.warn : paint.bad;
  return [
    `${method} ${path}`.padEnd(12),
    tone(String(status)),
    (start ?? '').padEnd(9),
    formatMs(totalMs).padStart(8),
    paint.dim((phases.infer === undefined ? '' : `infer ${formatMs(phases.infer)}`).padEnd(14)),
    paint.accent(instance.slice(0, 8)),
    ...(problem === null ? [] : [paint.bad(problem)]),
  ]
    .join('  ')
    .trimEnd();
}

/** Where a request comes as an event, its evidence is a line; it is in the request's own, too. */
const isEvidence = (text: string): boolean => text.startsWith('{"event":"evidence"');

/** A line of thaw's own server by what it says; any other as it is. */
function readServerLine(text: string): {readonly message: string; readonly isError: boolean} {
  if (text.startsWith('{"level":')) {
    try {
      const {level, message, stack} = JSON.parse(text) as {
        level?: unknown;
        message?: unknown;
        stack?: unknown;
      };
      if (typeof message === 'string')
        return {message: typeof stack === 'string' ? stack : message, isError: level === 'error'};
    } catch {
      // The handler's own.
    }
  }
  return {message: text, isError: false};
}

const clockTime = (at: Date): string => at.toTimeString().slice(0, 8);
