// The thread that owns model and handler where one instance serves several requests at a time: inference blocks
// the thread it runs in, and this one is not the one that speaks HTTP.
import {parentPort, workerData, type MessagePort} from 'node:worker_threads';
import {openEngine, type Answer, type Call} from './engine.ts';
import {messageOf, StartFailure, stackOf, type StartFailureCode} from './failures.ts';
import {log} from './log.ts';
import {layoutAround, readServeManifest} from './serve-manifest.ts';
import type {TensorInfo} from './tensor-types.ts';

/** What the worker is started with. */
export interface WorkerData {
  readonly runtimeDir: string;
}

/** What it says. */
export type FromWorker =
  | {readonly event: 'imported'}
  | {
      readonly event: 'loaded';
      readonly inputs: readonly TensorInfo[];
      readonly outputs: readonly TensorInfo[];
    }
  | {readonly event: 'failed'; readonly code: StartFailureCode; readonly message: string}
  | {readonly event: 'answer'; readonly id: number; readonly answer: Answer};

/** What it is told. */
export interface ToWorker {
  readonly id: number;
  readonly call: Call;
}

const port = parentPort;
if (port !== null) void serve(port);

async function serve(port: MessagePort): Promise<void> {
  const say = (message: FromWorker): void => {
    port.postMessage(message);
  };
  process.on('unhandledRejection', (reason) => {
    log('error', `unhandled rejection: ${messageOf(reason)}`, {stack: stackOf(reason)});
  });
  const layout = layoutAround((workerData as WorkerData).runtimeDir);
  try {
    const engine = await openEngine(layout, readServeManifest(layout.manifestFile), () => {
      say({event: 'imported'});
    });
    port.on('message', ({id, call}: ToWorker) => {
      void engine.answer(call).then((answer) => say({event: 'answer', id, answer}));
    });
    say({event: 'loaded', inputs: engine.inputs, outputs: engine.outputs});
  } catch (error) {
    const code = error instanceof StartFailure ? error.code : 'RUNTIME_UNAVAILABLE';
    say({event: 'failed', code, message: messageOf(error)});
  }
}
