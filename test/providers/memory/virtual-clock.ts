import {ThawError} from '../../../src/core/errors.ts';
import type {Clock} from '../../../src/core/ports.ts';

/** Monday, 1 June 2026, noon. */
const START_MS = Date.UTC(2026, 5, 1, 12);

/**
 * A clock on which waiting takes no time: as soon as everybody waits, it moves on to the earliest moment that
 * somebody waits for. So minutes of retries and timeouts pass at once, and always in the same order.
 */
export function createVirtualClock(): Clock {
  const sleepers: {wakeMs: number; order: number; wake(): void}[] = [];
  let elapsedMs = 0;
  let order = 0;
  let moving = false;

  const moveWhenIdle = (): void => {
    if (moving || sleepers.length === 0) return;
    moving = true;
    // An immediate runs after all promises that can settle have settled.
    setImmediate(() => {
      moving = false;
      const next = sleepers.sort((a, b) => a.wakeMs - b.wakeMs || a.order - b.order).shift();
      if (next) {
        elapsedMs = Math.max(elapsedMs, next.wakeMs);
        next.wake();
      }
      moveWhenIdle();
    });
  };

  return {
    now: () => START_MS + elapsedMs,
    monotonicMs: () => elapsedMs,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const interrupt = (): void => {
          const at = sleepers.indexOf(sleeper);
          if (at >= 0) sleepers.splice(at, 1);
          reject(new ThawError('INTERRUPTED', 'interrupted', {}, {cause: signal.reason}));
        };
        const wake = (): void => {
          signal.removeEventListener('abort', interrupt);
          resolve();
        };
        const sleeper = {wakeMs: elapsedMs + ms, order: order++, wake};
        if (signal.aborted) return interrupt();
        signal.addEventListener('abort', interrupt, {once: true});
        sleepers.push(sleeper);
        moveWhenIdle();
      }),
  };
}
