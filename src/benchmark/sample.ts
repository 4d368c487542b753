import type {Invocation, Sample, Shot, Timings} from '../core/sample.ts';
import {classify} from './classify.ts';

/** Makes a run's line of one request: what came out, classed by evidence. */
export function toSample(provider: string, shot: Shot, invocation: Invocation): Sample {
  const {at, status, timings, evidence} = invocation;
  const error = errorOf(invocation);
  const waitedMs = waitMs(timings) ?? timings.endMs;
  return {
    schema: 'thaw.sample/1',
    provider,
    shot,
    at,
    class: classify(evidence, waitedMs),
    firstAfterDeploy: false,
    status,
    error,
    totalMs: invocation.error === null ? waitedMs : timings.endMs,
    timings,
    evidence,
    ...(invocation.unreadable === undefined ? {} : {unreadable: invocation.unreadable}),
  };
}

function errorOf({error, status}: Invocation): string | null {
  if (error) return error.kind === 'answer' ? error.message : `${error.kind}: ${error.message}`;
  return status !== null && status >= 400 ? `HTTP ${status}` : null;
}

/**
 * From the request's start on an open connection to the answer's first byte. Node tells that a request is written
 * only when it comes back to its event loop, by when the answer may be there: to count from that would be to lose
 * milliseconds. A large body counts as part of the wait.
 */
export function waitMs({sentMs, connectedMs, firstByteMs}: Timings): number | null {
  return firstByteMs === null ? null : firstByteMs - (connectedMs ?? sentMs);
}
