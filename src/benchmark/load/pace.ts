import type {Clock} from '../../core/ports.ts';

/** Resolves when a moment of the monotonic clock has come; rejects with INTERRUPTED if the signal fires first. */
export type Pace = (momentMs: number, signal: AbortSignal) => Promise<void>;

/** A timer may be this late: it counts whole milliseconds, and the system wakes it when it likes. */
const TIMER_SLACK_MS = 1.3;

/**
 * Waits to within some microseconds: by a timer for as long as a timer can be trusted, then turn by turn of the
 * event loop, which reads answers meanwhile. So a slow load leaves the processor alone, and a fast one takes what
 * it needs of it.
 */
export function createPace(clock: Clock): Pace {
  return async (momentMs, signal) => {
    for (;;) {
      const remainingMs = momentMs - clock.monotonicMs();
      if (remainingMs <= 0) return;
      if (remainingMs > TIMER_SLACK_MS + 1)
        await clock.sleep(Math.floor(remainingMs - TIMER_SLACK_MS), signal);
      else await nextTurn();
    }
  };
}

/** Resolves when the event loop has looked for answers once. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
