import type {Invocation, Sample, Shot, Timings} from '../core/sample.ts';
import {classify} from './classify.ts';

/** Makes a run's line of one request: what came out, classed by evidence. */
export function toSample(provider: string, shot: Shot, invocation: Invocation): Sample {
  const {at, status, timings, evidence} = invocation;
  const error = errorOf(invocation);
  return {
    schema: 'thaw.sample/1',
    provider,
    shot,
    at,
    class: classify(evidence, sinceConnectedMs(timings) ?? timings.endMs),
    firstAfterDeploy: false,
    status,
    error,
    totalMs: (invocation.error === null ? waitMs(timings) : null) ?? timings.endMs,
    timings,
    evidence,
  };
}

function errorOf({error, status}: Invocation): string | null {
  if (error) return `${error.kind}: ${error.message}`;
  return status !== null && status >= 400 ? `HTTP ${status}` : null;
}

/** Request written to first byte. An answer that overtook its request is counted from the connection. */
function waitMs(timings: Timings): number | null {
  const {writtenMs, firstByteMs} = timings;
  if (firstByteMs === null) return null;
  return writtenMs !== null && writtenMs <= firstByteMs ? firstByteMs - writtenMs : sinceConnectedMs(timings);
}

/**
 * The longest that the request can have been known at the other end. What an instance's age is held against: a
 * busy client learns late that its request is written, and must not call an instance older for that.
 */
function sinceConnectedMs({sentMs, connectedMs, firstByteMs}: Timings): number | null {
  return firstByteMs === null ? null : firstByteMs - (connectedMs ?? sentMs);
}
