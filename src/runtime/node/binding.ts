// ONNX Runtime's native binding, without the npm package around it: that costs 15 to 30 ms of JavaScript loading.
// It is the package's private interface, so it is right for exactly the version that thaw pins.
import {join} from 'node:path';
import {isMainThread} from 'node:worker_threads';
import {messageOf, StartFailure} from './failures.ts';

/** What the binding says of an input or output. */
export interface ValueMetadata {
  readonly name: string;
  readonly isTensor: boolean;
  /** ONNX's number of the element type. */
  readonly type: number;
  /** −1 stands for a dimension that may vary. */
  readonly shape: readonly number[];
  readonly symbolicDimensions: readonly string[];
}

/** One loaded model. All its calls block the thread. */
interface NativeSession {
  loadModel(file: string, options: object): void;
  readonly inputMetadata: readonly ValueMetadata[];
  readonly outputMetadata: readonly ValueMetadata[];
  run(
    feeds: {readonly [name: string]: NativeTensor},
    fetches: {readonly [name: string]: null},
    options: object,
  ): {[name: string]: NativeTensor};
  dispose(): void;
}

/** The class whose instances the binding reads and makes: these are the members it looks at. */
export class NativeTensor {
  readonly type: string;
  readonly data: unknown;
  readonly cpuData: unknown;
  readonly dims: readonly number[];
  readonly size: number;
  readonly location = 'cpu';
  readonly dataLocation = 'cpu';

  constructor(type: string, data: {readonly length: number}, dims: readonly number[]) {
    this.type = type;
    this.data = data;
    this.cpuData = data;
    this.dims = dims;
    this.size = data.length;
  }
}

/** Makes sessions. */
export interface Binding {
  readonly InferenceSession: new () => NativeSession;
}

interface NativeExports extends Binding {
  initOrtOnce(logLevel: number, tensorClass: typeof NativeTensor, isMainThread: boolean): void;
}

/** Only errors: ONNX Runtime's warnings are about the model, and the packager has judged that. */
const LOG_LEVEL = 3;

/**
 * ONNX Runtime reads this when it is loaded; unset, it keeps a device id in the home folder and uploads. A worker
 * has a copy of the environment, which native code does not see, so the main thread must call this.
 */
export function switchOffTelemetry(): void {
  process.env['ORT_DISABLE_TELEMETRY'] = '1';
}

/**
 * Loads ONNX Runtime from a folder that holds the binding and its library.
 *
 * @throws StartFailure RUNTIME_UNAVAILABLE
 */
export function loadBinding(dir: string): Binding {
  if (isMainThread) switchOffTelemetry();
  const holder = {exports: {} as NativeExports};
  try {
    process.dlopen(holder, join(dir, 'onnxruntime_binding.node'));
    holder.exports.initOrtOnce(LOG_LEVEL, NativeTensor, isMainThread);
  } catch (error) {
    throw new StartFailure('RUNTIME_UNAVAILABLE', `ONNX Runtime does not load: ${messageOf(error)}`, error);
  }
  return holder.exports;
}
