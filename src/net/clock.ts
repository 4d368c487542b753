import {ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {Clock} from '../core/ports.ts';

/** The clocks of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep,
};

async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  throwIfInterrupted(signal);
  await new Promise<void>((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(new ThawError('INTERRUPTED', 'interrupted', {}, {cause: signal.reason}));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, {once: true});
  });
}
