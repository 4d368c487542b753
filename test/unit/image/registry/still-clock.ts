import type {Clock} from '../../../../src/core/ports.ts';

/** A clock on which waiting takes no time, and that can be put forward. */
export function stillClock(): Clock & {readonly slept: number[]; nowMs: number} {
  const clock = {
    slept: [] as number[],
    nowMs: Date.UTC(2026, 0, 1),
    now: () => clock.nowMs,
    monotonicMs: () => clock.nowMs,
    sleep: (ms: number): Promise<void> => {
      clock.slept.push(ms);
      clock.nowMs += ms;
      return Promise.resolve();
    },
  };
  return clock;
}
