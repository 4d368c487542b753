import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {loadBinding, type Binding} from './binding.ts';
import type {GivenEvent} from './events/event.ts';
import {failureBody, messageOf, nameOf, RequestFailure, StartFailure, stackOf} from './failures.ts';
import {importHandler, type HandlerContext, type HandlerModel, type Predict} from './handler.ts';
import {readInput} from './input.ts';
import {log} from './log.ts';
import {infer} from './protocol.ts';
import type {Layout, ServeManifest} from './serve-manifest.ts';
import {chooseSession} from './session-choice.ts';
import {openSession, type Session} from './session.ts';
import {renderJson} from './tensor-json.ts';
import type {TensorInfo} from './tensor-types.ts';

/** One call, whichever event it came from. It can be sent to another thread. */
export interface Call {
  /** `predict` goes to the handler if there is one; `infer` always speaks tensors. */
  readonly kind: 'predict' | 'infer';
  readonly body: Uint8Array;
  /** Given to `predict` in place of the body by a front door that decoded it. */
  readonly event?: GivenEvent;
  readonly requestId: string;
  readonly deadlineMs: number | null;
  readonly headers: {readonly [name: string]: string};
}

/** How a call ended. */
export interface Answer {
  readonly status: number;
  /** JSON. */
  readonly body: string;
  /** Time in the handler or the model; null if it did not come to that. */
  readonly inferMs: number | null;
  /** Why it failed, for callers who may see the handler's own words. */
  readonly error?: {readonly type: string; readonly message: string};
}

/** A loaded model with its handler: turns calls into answers, and never rejects. */
export interface Engine {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  answer(call: Call): Promise<Answer>;
}

/**
 * Loads handler, ONNX Runtime and model in this thread.
 *
 * @param imported called when all code is there and the model is next
 * @throws StartFailure
 */
export async function openEngine(
  layout: Layout,
  manifest: ServeManifest,
  imported: () => void,
): Promise<Engine> {
  const importing = existsSync(layout.handlerFile) ? importHandler(layout.handlerFile) : null;
  // Reported where it is awaited; until then it must not count as unhandled.
  importing?.catch(() => undefined);
  const binding = loadBinding(layout.onnxruntimeDir);
  const predict = importing === null ? null : await importing;
  imported();
  const session = openModel(binding, layout, manifest);
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    answer: (call) => answerCall(manifest.name, session, predict, call),
  };
}

/** Loads the model in the way that was measured, or, where that is not right or fails, in the plain one. */
function openModel(binding: Binding, layout: Layout, manifest: ServeManifest): Session {
  const file = modelFile(layout, manifest);
  const {session, fallback} = chooseSession(manifest, layout.onnxruntimeDir);
  if (fallback !== null) sayPlain(fallback);
  if (session === manifest.session) return openSession(binding, file, session);
  try {
    return openSession(binding, file, session);
  } catch (error) {
    sayPlain(`with them it fails: ${messageOf(error)}`);
    return openSession(binding, file, manifest.session);
  }
}

const sayPlain = (why: string): void =>
  log('info', `the model is loaded with plain options instead of the measured ones: ${why}`);

function modelFile(layout: Layout, manifest: ServeManifest): string {
  if (manifest.file === null) throw new StartFailure('MODEL_INVALID', 'no model is declared');
  const file = join(layout.modelDir, manifest.file);
  if (!existsSync(file)) throw new StartFailure('MODEL_INVALID', `the model file ${file} is missing`);
  return file;
}

async function answerCall(
  name: string,
  session: Session,
  predict: Predict | null,
  call: Call,
): Promise<Answer> {
  let startedMs: number | null = null;
  let inferMs: number | null = null;
  try {
    const input = readInput(call);
    if (input.kind === 'answer') return {status: 200, body: renderAnswer(input.answer), inferMs};
    startedMs = performance.now();
    const results: unknown[] = [];
    for (const given of input.kind === 'one' ? [input.given] : input.given) {
      const result =
        predict === null || call.kind === 'infer'
          ? infer(name, session, given.input)
          : await predict(given.input, {model: handlerModel(session), context: contextOf(name, call, given)});
      // Whoever sent an event reads no answer, so a handler need not give one.
      results.push(result === undefined && given.source !== 'http' ? null : result);
    }
    inferMs = performance.now() - startedMs;
    return {status: 200, body: renderAnswer(input.kind === 'one' ? results[0] : results), inferMs};
  } catch (error) {
    inferMs ??= startedMs === null ? null : performance.now() - startedMs;
    const failure = asRequestFailure(error, call);
    const type = error === failure ? failure.code : nameOf(error);
    return {
      status: failure.status,
      body: failureBody(failure),
      inferMs,
      error: {type, message: messageOf(error)},
    };
  }
}

function handlerModel(session: Session): HandlerModel {
  return {
    inputs: session.inputs,
    outputs: session.outputs,
    run: async (feeds) => session.run(feeds),
  };
}

function contextOf(name: string, call: Call, given: GivenEvent): HandlerContext {
  const {requestId, deadlineMs, headers} = call;
  return {requestId, deadlineMs, function: name, headers, source: given.source, event: given.event};
}

function renderAnswer(result: unknown): string {
  const body = renderJson(result);
  if (body === undefined) throw new TypeError(`predict returned ${typeof result}, which JSON cannot carry`);
  return body;
}

/** What is not a refusal is the handler's own failure: the log gets all of it, the client none. */
function asRequestFailure(error: unknown, call: Call): RequestFailure {
  if (error instanceof RequestFailure) return error;
  log('error', `the handler failed: ${messageOf(error)}`, {requestId: call.requestId, stack: stackOf(error)});
  return new RequestFailure(
    500,
    'HANDLER_FAILED',
    `the handler failed on request ${call.requestId}; its log says why`,
  );
}
