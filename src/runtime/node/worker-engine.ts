import {join} from 'node:path';
import {Worker} from 'node:worker_threads';
import {switchOffTelemetry} from './binding.ts';
import type {Answer, Call, Engine} from './engine.ts';
import {failureBody, messageOf, RequestFailure, StartFailure} from './failures.ts';
import type {FromWorker, ToWorker, WorkerData} from './worker.ts';

/**
 * An engine in a thread of its own, so that this one stays free to accept requests while a model runs.
 *
 * @param imported called when all code is there and the model is next
 * @param ended called if the thread ends after it was ready, which only the handler's own code can bring about
 * @throws StartFailure
 */
export function openWorkerEngine(
  runtimeDir: string,
  imported: () => void,
  ended: (why: string) => void,
): Promise<Engine> {
  switchOffTelemetry();
  const worker = new Worker(join(runtimeDir, 'worker.cjs'), {workerData: {runtimeDir} satisfies WorkerData});
  const waiting = new Map<number, (answer: Answer) => void>();
  let calls = 0;
  let loaded = false;
  let why: string | null = null;

  const answer = (call: Call): Promise<Answer> => {
    if (why !== null) return Promise.resolve(lost());
    const id = (calls += 1);
    worker.postMessage({id, call} satisfies ToWorker, []);
    return new Promise((resolve) => waiting.set(id, resolve));
  };

  return new Promise((resolve, reject) => {
    const end = (reason: string): void => {
      if (why !== null) return;
      why = reason;
      if (!loaded) {
        reject(new StartFailure('HANDLER_INVALID', reason));
        return;
      }
      for (const settle of waiting.values()) settle(lost());
      waiting.clear();
      ended(reason);
    };
    worker.on('message', (message: FromWorker) => {
      switch (message.event) {
        case 'imported':
          imported();
          break;
        case 'loaded':
          loaded = true;
          resolve({inputs: message.inputs, outputs: message.outputs, answer});
          break;
        case 'failed':
          reject(new StartFailure(message.code, message.message));
          break;
        case 'answer':
          waiting.get(message.id)?.(message.answer);
          waiting.delete(message.id);
          break;
      }
    });
    worker.on('error', (error) => {
      end(`the handler threw outside of any request: ${messageOf(error)}`);
    });
    worker.on('exit', (code) => {
      end(`the handler ended its thread with code ${code}`);
    });
  });
}

function lost(): Answer {
  const failure = new RequestFailure(
    500,
    'INSTANCE_FAILED',
    'the instance ended while it worked on this request',
  );
  return {status: failure.status, body: failureBody(failure), inferMs: null};
}
