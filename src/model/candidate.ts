import {createHash, randomUUID} from 'node:crypto';
import {mkdir, open, rename, rm} from 'node:fs/promises';
import {basename, extname, join, posix} from 'node:path';
import type {Digest} from '../core/digest.ts';
import {messageOf, systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {QuantizeMode} from '../core/model.ts';
import {createReadExternal} from './external.ts';
import {encodeModel} from './onnx.ts';
import {quantizeDynamic} from './quantize/dynamic.ts';
import type {QuantizeResult} from './quantize/dynamic.ts';
import type {OpenModel} from './read.ts';

/** A file of a model: where it lies, and where it belongs in the model's folder. */
export interface CandidateFile {
  /** Relative to the model's folder, with forward slashes. */
  readonly path: string;
  readonly file: string;
}

/** One form of the model, on disk; the model file comes first. */
export interface CandidateOnDisk {
  readonly mode: QuantizeMode;
  readonly digest: Digest;
  readonly bytes: number;
  readonly files: readonly CandidateFile[];
}

/** The model as it came. */
export function originalOf({path, model, externalFiles}: OpenModel): CandidateOnDisk {
  const external = externalFiles.map(({location, path: file}) => ({
    path: posix.normalize(location.replaceAll('\\', '/')),
    file,
  }));
  return {
    mode: 'none',
    digest: model.digest,
    bytes: model.bytes,
    files: [{path: basename(path), file: path}, ...external],
  };
}

/**
 * Quantizes a model and writes the result into a folder, whole or not at all. Equal models give equal files.
 *
 * @returns a failure if nothing can be quantized
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function writeDynamic(
  source: OpenModel,
  outDir: string,
  signal: AbortSignal,
): Promise<CandidateOnDisk | {readonly failure: string}> {
  const result = tryQuantize(source);
  if (result.failure !== null) return {failure: result.failure};
  const name = `${basename(source.path, extname(source.path))}.dynamic.onnx`;
  const file = join(outDir, name);
  const written = await writeWhole(file, encodeModel(result.model), signal);
  return {mode: 'dynamic', ...written, files: [{path: name, file}]};
}

/** A weight that is not what its shape says spoils the candidate; what it does to the original, ONNX Runtime tells. */
function tryQuantize(source: OpenModel): QuantizeResult {
  try {
    return quantizeDynamic(source.proto, createReadExternal(source.path));
  } catch (error) {
    if (error instanceof ThawError) return {failure: error.message};
    throw error;
  }
}

async function writeWhole(
  file: string,
  chunks: readonly Uint8Array[],
  signal: AbortSignal,
): Promise<{digest: Digest; bytes: number}> {
  const hash = createHash('sha256');
  const half = `${file}.${randomUUID()}.tmp`;
  let bytes = 0;
  try {
    await mkdir(join(file, '..'), {recursive: true});
    const handle = await open(half, 'wx');
    try {
      for (const chunk of chunks) {
        throwIfInterrupted(signal);
        hash.update(chunk);
        bytes += chunk.length;
        for (let at = 0; at < chunk.length;) at += (await handle.write(chunk, at)).bytesWritten;
      }
    } finally {
      await handle.close();
    }
    await rename(half, file);
  } catch (error) {
    await rm(half, {force: true});
    throw writeProblem(file, error);
  }
  return {digest: `sha256:${hash.digest('hex')}`, bytes};
}

function writeProblem(file: string, error: unknown): unknown {
  const what = `${file} cannot be written: ${messageOf(error)}`;
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new ThawError('DISK_FULL', what, {file}, {cause: error});
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new ThawError('PERMISSION_DENIED', what, {file}, {cause: error});
    default:
      return error;
  }
}
