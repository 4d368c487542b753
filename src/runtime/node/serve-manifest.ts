import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {StartFailure} from './failures.ts';
import type {TensorInfo} from './tensor-types.ts';

/** What the packager decided, in `config/serve.json`: applied word for word. */
export interface ServeManifest {
  readonly schema: 'thaw.serve/1';
  readonly name: string;
  /** The model file, relative to the model folder; null only where Python serves, and its handler brings its own. */
  readonly file: string | null;
  readonly model: string | null;
  readonly onnxruntime: string | null;
  /** Passed to ONNX Runtime as they are. */
  readonly session: {readonly [option: string]: unknown};
  /** The options instead where ONNX Runtime is the one that measured and the CPU is of the class. */
  readonly shaped?: {readonly session: {readonly [option: string]: unknown}; readonly cpu: string};
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

/** Where the parts of an image lie, as seen from the runtime's own file. */
export interface Layout {
  readonly onnxruntimeDir: string;
  readonly modelDir: string;
  readonly handlerFile: string;
  readonly manifestFile: string;
  /** The interpreter that an image brings along. */
  readonly ownNode: string;
}

/** The layout around a runtime folder, `opt/thaw/runtime` in an image. */
export function layoutAround(runtimeDir: string): Layout {
  return {
    onnxruntimeDir: join(runtimeDir, 'onnxruntime'),
    modelDir: join(runtimeDir, '..', 'model'),
    handlerFile: join(runtimeDir, '..', 'handler', 'handler.mjs'),
    manifestFile: join(runtimeDir, '..', 'config', 'serve.json'),
    ownNode: join(runtimeDir, '..', 'bin', 'node'),
  };
}

/** @throws StartFailure MODEL_INVALID: without it nobody knows which model to serve */
export function readServeManifest(file: string): ServeManifest {
  try {
    const manifest = JSON.parse(readFileSync(file, 'utf8')) as ServeManifest;
    const schema: string = manifest.schema;
    if (schema !== 'thaw.serve/1') throw new Error(`its schema is ${schema}, not thaw.serve/1`);
    return manifest;
  } catch (error) {
    throw new StartFailure('MODEL_INVALID', `${file} cannot be read: ${(error as Error).message}`, error);
  }
}
