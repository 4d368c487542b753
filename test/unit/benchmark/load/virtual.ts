import {randomUUID} from 'node:crypto';
import type {Clock} from '../../../../src/core/ports.ts';
import type {Evidence, Invocation, Shot} from '../../../../src/core/sample.ts';
import {ThawError} from '../../../../src/core/errors.ts';
import type {Pace} from '../../../../src/benchmark/load/pace.ts';

/** Time that passes only when everybody waits for it. */
export interface VirtualTime {
  readonly clock: Clock;
  readonly pace: Pace;
  sleepUntil(ms: number): Promise<void>;
}

export function createVirtualTime(): VirtualTime {
  let nowMs = 0;
  const wakes: {readonly atMs: number; readonly wake: () => void}[] = [];
  let turning = false;

  /** Lets everything that can happen now happen, then goes on to the next moment that somebody waits for. */
  function turn(): void {
    if (turning) return;
    turning = true;
    setImmediate(() => {
      turning = false;
      const next = wakes.shift();
      if (next === undefined) return;
      nowMs = Math.max(nowMs, next.atMs);
      next.wake();
      turn();
    });
  }

  function sleepUntil(atMs: number): Promise<void> {
    return new Promise((resolve) => {
      // Sorted from the end: most new moments are late ones.
      let index = wakes.length;
      while (index > 0 && (wakes[index - 1]?.atMs ?? 0) > atMs) index--;
      wakes.splice(index, 0, {atMs, wake: resolve});
      turn();
    });
  }

  const pace: Pace = async (momentMs, signal) => {
    await sleepUntil(momentMs);
    if (signal.aborted) throw new ThawError('INTERRUPTED', 'interrupted');
  };
  const clock: Clock = {
    now: () => Date.UTC(2030, 0, 1) + nowMs,
    monotonicMs: () => nowMs,
    sleep: (ms, signal) => pace(nowMs + ms, signal),
  };
  return {clock, pace, sleepUntil};
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export interface Desk {
  /** So many at once; the others queue in order. */
  readonly servers: number;
  serviceMs(nth: number): number;
  /** Nobody is served from here to there; service under way goes on. */
  readonly stalls?: readonly {readonly fromMs: number; readonly toMs: number}[];
  /** By default no evidence. */
  evidence?(nth: number, server: number): Evidence | null;
  /** By default 200. */
  status?(nth: number): number;
}

/** An endpoint that exists in virtual time only: a queue before a fixed number of servers. */
export function openDesk(time: VirtualTime, desk: Desk): (shot: Shot) => Promise<Invocation> {
  const freeAtMs = Array.from({length: desk.servers}, () => 0);
  let nth = 0;
  return async () => {
    const cameMs = time.clock.monotonicMs();
    const at = new Date(time.clock.now()).toISOString();
    const mine = nth++;
    const server = freeAtMs.indexOf(Math.min(...freeAtMs));
    let startMs = Math.max(cameMs, freeAtMs[server] ?? 0);
    for (const {fromMs, toMs} of desk.stalls ?? []) if (startMs >= fromMs && startMs < toMs) startMs = toMs;
    freeAtMs[server] = startMs + desk.serviceMs(mine);
    await time.sleepUntil(freeAtMs[server] ?? 0);
    const tookMs = time.clock.monotonicMs() - cameMs;
    return invocation({
      at,
      tookMs,
      status: desk.status?.(mine) ?? 200,
      evidence: desk.evidence?.(mine, server),
    });
  };
}

export function invocation(came: {
  at?: string;
  tookMs: number;
  status?: number;
  evidence?: Evidence | null | undefined;
  error?: Invocation['error'];
}): Invocation {
  const failed = came.error !== undefined && came.error !== null;
  return {
    at: came.at ?? '2030-01-01T00:00:00.000Z',
    status: failed ? null : (came.status ?? 200),
    headers: {},
    body: new Uint8Array(),
    timings: {
      sentMs: 0,
      connectedMs: 0,
      writtenMs: 0,
      firstByteMs: failed ? null : came.tookMs,
      endMs: came.tookMs,
    },
    evidence: came.evidence ?? null,
    error: came.error ?? null,
  };
}

export const evidenceOf = (bootId: string = randomUUID(), ordinal = 2, bootAgeMs = 1e6): Evidence => ({
  bootId,
  ordinal,
  bootAgeMs,
  image: null,
  restored: false,
  restarted: false,
  phases: {},
});
