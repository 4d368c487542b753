import {throwIfInterrupted} from '../../core/errors.ts';
import type {Clock} from '../../core/ports.ts';

/** Resolves when a moment of the monotonic clock has come; rejects with INTERRUPTED if the signal fires first. */
export type Pace = (momentMs: number, signal: AbortSignal) => Promise<void>;

/** A timer may be this late: it counts whole milliseconds, and the system wakes it when it likes. */
const TIMER_SLACK_MS = 1.3;

/**
 * Between two turns of the event loop it sleeps this long, so that waiting takes half a processor rather than one
 * and leaves little behind for the garbage collector, whose pauses would land on the answers. Linux adds up to
 * 0.09 ms of its own. What arrives meanwhile is read that much later.
 */
const NAP_MS = 0.02;
const NAP_SLACK_MS = 0.1;
/** Windows sleeps whole milliseconds at the least. */
const CAN_NAP = process.platform !== 'win32';

/**
 * Waits to within some microseconds: by a timer for as long as a timer can be trusted, then turn by turn of the
 * event loop, which reads answers meanwhile. So a slow load leaves the processor alone, and a fast one takes what
 * it needs of it.
 */
export function createPace(clock: Clock): Pace {
  const bed = new Int32Array(new SharedArrayBuffer(4));
  return async (momentMs, signal) => {
    const remainingMs = momentMs - clock.monotonicMs();
    if (remainingMs > TIMER_SLACK_MS + 1) await clock.sleep(Math.floor(remainingMs - TIMER_SLACK_MS), signal);
    // One promise for all the turns: each would be garbage.
    await new Promise<void>((resolve) => {
      const turn = (): void => {
        const leftMs = momentMs - clock.monotonicMs();
        if (leftMs <= 0 || signal.aborted) {
          resolve();
          return;
        }
        if (CAN_NAP && leftMs > NAP_MS + NAP_SLACK_MS) Atomics.wait(bed, 0, 0, NAP_MS);
        setImmediate(turn);
      };
      // Not at once: what has just been sent goes out only when the loop turns, and must not sleep along.
      setImmediate(turn);
    });
    throwIfInterrupted(signal);
  };
}

/** Resolves when the event loop has looked for answers once. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
