import {ThawError} from '../../../src/core/errors.ts';
import type {Clock} from '../../../src/core/ports.ts';

/** Shorter waits than this really pass: who waits so long measures something. */
const REAL_MS_MAX = 200;
/** Nothing has happened for so long: everybody waits. */
const QUIET_MS = 3;

/** A clock that skips what nobody would notice, told when something happens. */
export interface SkippingClock extends Clock {
  /** Something is under way until the returned function is called; no time is skipped meanwhile. */
  busy(): () => void;
  close(): void;
}

/**
 * A clock that goes as time goes, but skips long waits: once nothing has been under way for a moment, it goes on from
 * where the next waiter wants to be. So a minute of polling a service on this machine takes a few milliseconds, and
 * whoever waits for less is woken first.
 */
export function createSkippingClock(): SkippingClock {
  const startMs = Date.now() - performance.now();
  const waiting = new Set<{readonly wakeMs: number; wake(): void}>();
  let skippedMs = 0;
  let underWay = 0;
  let timer: NodeJS.Timeout | undefined;

  const monotonicMs = (): number => performance.now() + skippedMs;

  const next = () => [...waiting].sort((a, b) => a.wakeMs - b.wakeMs)[0];

  const rest = (): void => {
    clearTimeout(timer);
    if (waiting.size > 0 && underWay === 0) timer = setTimeout(skip, QUIET_MS);
  };

  const skip = (): void => {
    const first = next();
    if (first === undefined || underWay > 0) return;
    skippedMs += Math.max(0, first.wakeMs - monotonicMs());
    waiting.delete(first);
    first.wake();
    rest();
  };

  return {
    now: () => startMs + monotonicMs(),
    monotonicMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const interrupted = (): ThawError =>
          new ThawError('INTERRUPTED', 'interrupted', {}, {cause: signal.reason});
        if (signal.aborted) return reject(interrupted());
        const wakeMs = monotonicMs() + ms;
        const real = setTimeout(() => wake(), Math.max(0, ms));
        const settle = (): void => {
          clearTimeout(real);
          waiting.delete(waiter);
          signal.removeEventListener('abort', interrupt);
        };
        const wake = (): void => {
          settle();
          resolve();
        };
        const interrupt = (): void => {
          settle();
          reject(interrupted());
        };
        const waiter = {wakeMs, wake};
        signal.addEventListener('abort', interrupt, {once: true});
        if (ms >= REAL_MS_MAX) waiting.add(waiter);
        rest();
      }),
    busy() {
      underWay++;
      clearTimeout(timer);
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        underWay--;
        rest();
      };
    },
    close: () => clearTimeout(timer),
  };
}
