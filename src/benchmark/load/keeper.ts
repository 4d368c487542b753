import {setTimeout as delay} from 'node:timers/promises';
import type {Sample} from '../../core/sample.ts';

/** Lets a few samples gather before they are written, so that writing does not compete with sending. */
const GATHER_MS = 10;
/** Few enough that turning them into text holds up no request that is due meanwhile. */
const BATCH_MAX = 32;

/** Takes samples faster than a disk may. */
export interface Keeper {
  /** Never waits: a sample for which there is no room is counted, not kept. */
  offer(sample: Sample): void;
  readonly unkept: number;
  /**
   * Resolves when all that was taken is kept.
   *
   * @throws what `keep` has thrown
   */
  close(): Promise<void>;
}

/**
 * Makes a queue of at most so many samples in front of `keep`, which is given them in order, a batch at a time.
 * After `keep` has failed nothing more is handed to it.
 *
 * @param onError called at once when `keep` fails
 */
export function createKeeper(
  keep: (samples: readonly Sample[]) => Promise<void>,
  queueMax: number,
  onError: () => void,
): Keeper {
  const state = {
    queue: [] as Sample[],
    unkept: 0,
    closing: false,
    failed: null as {readonly error: unknown} | null,
    writing: null as Promise<void> | null,
  };

  async function write(): Promise<void> {
    while (state.queue.length > 0 && state.failed === null) {
      if (!state.closing && state.queue.length < BATCH_MAX) await delay(GATHER_MS);
      const batch = state.queue.slice(0, BATCH_MAX);
      await keep(batch);
      state.queue = state.queue.slice(batch.length);
    }
  }

  function start(): void {
    state.writing = write()
      .catch((error: unknown) => {
        state.failed = {error};
        state.unkept += state.queue.length;
        onError();
      })
      .finally(() => {
        state.writing = null;
        // What was offered between the last look at the queue and now.
        if (state.queue.length > 0 && state.failed === null) start();
      });
  }

  return {
    offer(sample) {
      if (state.queue.length >= queueMax || state.failed !== null) {
        state.unkept++;
        return;
      }
      state.queue.push(sample);
      if (state.writing === null) start();
    },
    get unkept() {
      return state.unkept;
    },
    async close() {
      state.closing = true;
      while (state.writing !== null) await state.writing;
      if (state.failed !== null) throw state.failed.error;
    },
  };
}
