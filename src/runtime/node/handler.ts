import {existsSync} from 'node:fs';
import {pathToFileURL} from 'node:url';
import {messageOf, StartFailure} from './failures.ts';
import type {Tensor, TensorInfo} from './tensor-types.ts';

/** What a handler may do with the model. */
export interface HandlerModel {
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /**
   * Runs the model on `{name: {data, shape}}`, or on `{name: array}` with the shape inferred. It rejects for feeds
   * that do not fit; left uncaught, that is the answer 422 which names the tensor.
   */
  run(feeds: {readonly [name: string]: unknown}): Promise<{[name: string]: Tensor}>;
}

/** What a handler is told about the call. */
export interface HandlerContext {
  readonly requestId: string;
  /** When the platform will give up, in milliseconds since the epoch; null where it does not say. */
  readonly deadlineMs: number | null;
  readonly function: string;
  readonly headers: {readonly [name: string]: string};
  /** Where the input came from: `http`, `invoke` for a direct call, or the event's source: `sqs`, `s3`, `pubsub`, … */
  readonly source: string;
  /** The event, or one record of it, as it came; null for what is none. */
  readonly event: unknown;
}

/** The user's function. */
export type Predict = (
  input: unknown,
  given: {readonly model: HandlerModel; readonly context: HandlerContext},
) => unknown;

/**
 * Imports the project's handler, if it has one.
 *
 * @throws StartFailure HANDLER_INVALID if it throws on import or exports no function `predict`
 */
export async function importHandler(file: string): Promise<Predict | null> {
  if (!existsSync(file)) return null;
  let exported: {predict?: unknown};
  try {
    exported = (await import(pathToFileURL(file).href)) as {predict?: unknown};
  } catch (error) {
    throw new StartFailure(
      'HANDLER_INVALID',
      `the handler threw while it was imported: ${messageOf(error)}`,
      error,
    );
  }
  if (typeof exported.predict !== 'function') {
    const names = Object.keys(exported).join(', ') || 'nothing';
    throw new StartFailure(
      'HANDLER_INVALID',
      `the handler must export a function predict; it exports ${names}`,
    );
  }
  return exported.predict as Predict;
}
