import type {LogLine} from '../core/deployment.ts';
import {ThawError} from '../core/errors.ts';
import {DURATION_EXAMPLE, parseDuration} from '../core/units.ts';
import type {Paint} from './terminal.ts';

/** When a duration ago was, in milliseconds since the epoch; null for no duration. @throws ThawError USAGE */
export function readSince(duration: string | undefined, nowMs: number): number | null {
  if (duration === undefined) return null;
  const ms = parseDuration(duration);
  if (ms !== undefined) return nowMs - ms;
  throw new ThawError('USAGE', `--since must be a duration such as ${DURATION_EXAMPLE}, not "${duration}"`);
}

/** A log line for a terminal: when, which instance, what. */
export function renderLogLine({at, instance, stream, text}: LogLine, paint: Paint): string {
  const shown = stream === 'stderr' ? paint.warn(text) : stream === 'platform' ? paint.dim(text) : text;
  return `${paint.dim(at)} ${paint.accent(instance.slice(0, 8))} ${shown}`;
}
