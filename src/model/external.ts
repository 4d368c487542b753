import {closeSync, openSync, readSync} from 'node:fs';
import {stat} from 'node:fs/promises';
import {dirname, isAbsolute, join, posix} from 'node:path';
import {systemCode, ThawError} from '../core/errors.ts';
import type {ModelProto, TensorProto} from './onnx.ts';
import {tensorsOf} from './onnx.ts';
import type {ExternalPlace, ReadExternal} from './tensor.ts';
import {externalPlace, isExternal} from './tensor.ts';

/** A file that a model keeps tensors in. */
export interface ExternalFile {
  /** As the model writes it: relative to the model's folder. */
  readonly location: string;
  readonly path: string;
  readonly bytes: number;
}

/**
 * The external data files that a model needs, in the order in which it first names them, each seen to be there and
 * long enough.
 *
 * @throws ThawError MODEL_INVALID
 */
export async function inspectExternalFiles(modelPath: string, model: ModelProto): Promise<ExternalFile[]> {
  const bytesNeeded = new Map<string, number>();
  for (const tensor of tensorsOf(model)) {
    if (!isExternal(tensor)) continue;
    const {location, offset, length} = placeOf(modelPath, tensor);
    bytesNeeded.set(location, Math.max(bytesNeeded.get(location) ?? 0, offset + length));
  }
  const files: ExternalFile[] = [];
  for (const [location, needed] of bytesNeeded) {
    const path = pathOf(modelPath, location);
    const bytes = await sizeOf(modelPath, path, location);
    if (bytes < needed) {
      throw new ThawError(
        'MODEL_INVALID',
        `${modelPath} keeps weights in ${location}, which is cut off: ${bytes} bytes, the model needs ${needed}`,
        {file: modelPath, externalData: location, bytes, bytesNeeded: needed},
      );
    }
    files.push({location, path, bytes});
  }
  return files;
}

/** Makes the function that reads the tensors of a model which are kept in other files. */
export function createReadExternal(modelPath: string): ReadExternal {
  return (tensor) => {
    const bytes = new Uint8Array(placeOf(modelPath, tensor).length);
    let at = 0;
    for (const piece of readExternalPieces(modelPath, tensor)) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  };
}

/**
 * Reads a tensor that is kept in another file, piece by piece. Each piece is overwritten by the next.
 *
 * @throws ThawError MODEL_INVALID
 */
export function* readExternalPieces(modelPath: string, tensor: TensorProto): Generator<Uint8Array> {
  const {location, offset, length} = placeOf(modelPath, tensor);
  const buffer = new Uint8Array(Math.min(length, PIECE_BYTES));
  const file = openSync(pathOf(modelPath, location), 'r');
  try {
    for (let at = 0; at < length;) {
      const count = readSync(file, buffer, 0, Math.min(length - at, PIECE_BYTES), offset + at);
      if (count === 0) {
        throw new ThawError('MODEL_INVALID', `${location}, which ${modelPath} needs, is cut off`, {
          file: modelPath,
          externalData: location,
        });
      }
      yield buffer.subarray(0, count);
      at += count;
    }
  } finally {
    closeSync(file);
  }
}

/** One read call takes no more than 2^31 − 1 bytes; small pieces stay in the processor's cache. */
const PIECE_BYTES = 2 ** 20;

function placeOf(modelPath: string, tensor: TensorProto): ExternalPlace {
  try {
    return externalPlace(tensor);
  } catch (error) {
    if (!(error instanceof ThawError)) throw error;
    const {code, message, facts} = error;
    throw new ThawError(code, `${modelPath}: ${message}`, {...facts, file: modelPath}, {cause: error});
  }
}

/** A location may not leave the model's folder: the model may come from anyone. */
function pathOf(modelPath: string, location: string): string {
  const path = posix.normalize(location.replaceAll('\\', '/'));
  if (path === '..' || path.startsWith('../') || isAbsolute(location) || /^(\/|[a-z]:)/i.test(path)) {
    throw new ThawError(
      'MODEL_INVALID',
      `${modelPath} keeps weights in ${location}, which is outside its own folder`,
      {file: modelPath, externalData: location},
    );
  }
  if (path.includes('\0')) {
    throw new ThawError('MODEL_INVALID', `${modelPath} keeps weights in a file whose name cannot be`, {
      file: modelPath,
      externalData: location,
    });
  }
  return join(dirname(modelPath), path);
}

async function sizeOf(modelPath: string, path: string, location: string): Promise<number> {
  const facts = {file: modelPath, externalData: location};
  const found = await stat(path).catch((error: unknown) => {
    throw new ThawError(
      'MODEL_INVALID',
      `${modelPath} keeps weights in ${location}, which is missing (${systemCode(error) ?? 'unreadable'})`,
      facts,
      {cause: error},
    );
  });
  if (!found.isFile()) {
    throw new ThawError(
      'MODEL_INVALID',
      `${modelPath} keeps weights in ${location}, which is not a file`,
      facts,
    );
  }
  return found.size;
}
