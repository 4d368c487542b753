import {existsSync} from 'node:fs';
import {availableParallelism} from 'node:os';
import {Worker} from 'node:worker_threads';
import {deflateBlock, type Block, type Level} from './deflate-block.ts';
import type {ToWorker} from './deflate-worker.ts';

/** Deflates blocks, in one thread or in many: the result is the same. */
export interface Deflater {
  /** So many blocks at a time keep it busy. */
  readonly parallel: number;
  /** What comes of a block follows from it and the level alone. The block is given away. */
  readonly deflate: (block: Block, level: Level) => Promise<Uint8Array>;
  readonly close: () => Promise<void>;
}

/** Deflates in this thread. */
export const ownThread: Deflater = {
  parallel: 1,
  deflate: async (block, level) => deflateBlock(block, level),
  close: async () => undefined,
};

const WORKERS_MAX = 8;

/**
 * Opens a deflater with a thread for each core; the threads start with the first blocks.
 *
 * @param workerFile the built `deflate-worker.js`; without it all is done in this thread
 */
export function openDeflater(workerFile: string, workersMax = availableParallelism()): Deflater {
  if (!existsSync(workerFile)) return ownThread;
  const count = Math.max(1, Math.min(workersMax, WORKERS_MAX));
  const all: Thread[] = [];
  return {
    // One more each, so that none waits for the next block.
    parallel: 2 * count,
    async deflate(block, level) {
      const idlest = all.toSorted((a, b) => a.waiting() - b.waiting())[0];
      if (idlest !== undefined && (idlest.waiting() === 0 || all.length === count)) {
        return idlest.deflate({block, level});
      }
      const thread = startThread(workerFile);
      all.push(thread);
      return thread.deflate({block, level});
    },
    async close() {
      await Promise.all(all.splice(0).map((thread) => thread.end()));
    },
  };
}

interface Thread {
  readonly waiting: () => number;
  readonly deflate: (message: ToWorker) => Promise<Uint8Array>;
  readonly end: () => Promise<void>;
}

interface Waiting {
  readonly resolve: (deflated: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

/** A worker answers in the order in which it is asked. */
function startThread(file: string): Thread {
  const worker = new Worker(file, {execArgv: []});
  const waiting: Waiting[] = [];
  let failure: Error | null = null;
  const fail = (error: Error): void => {
    failure ??= error;
    for (const {reject} of waiting.splice(0)) reject(failure);
  };
  worker.on('message', (deflated: Uint8Array) => waiting.shift()?.resolve(deflated));
  worker.on('error', fail);
  worker.on('exit', () => fail(new Error('a thread that compresses has ended')));
  return {
    waiting: () => waiting.length,
    deflate: async (message) =>
      new Promise((resolve, reject) => {
        if (failure !== null) reject(failure);
        else {
          waiting.push({resolve, reject});
          worker.postMessage(message, [message.block.content.buffer as ArrayBuffer]);
        }
      }),
    end: async () => void (await worker.terminate()),
  };
}
