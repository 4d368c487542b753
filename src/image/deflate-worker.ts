// A thread that deflates blocks, one after another.
import {parentPort} from 'node:worker_threads';
import {deflateBlock, type Block, type Level} from './deflate-block.ts';

/** What it is told. */
export interface ToWorker {
  readonly block: Block;
  readonly level: Level;
}

parentPort?.on('message', ({block, level}: ToWorker) => {
  const deflated = deflateBlock(block, level);
  parentPort?.postMessage(deflated, [deflated.buffer]);
});
