import {createHash, type Hash} from 'node:crypto';
import {basename, extname, join, posix} from 'node:path';
import type {Digest} from '../core/digest.ts';
import {writeWhole} from '../core/disk.ts';
import {ThawError} from '../core/errors.ts';
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
  const chunks = encodeModel(result.model);
  const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  const hash = createHash('sha256');
  await writeWhole(file, hashing(chunks, hash), {neededBytes: bytes, signal});
  return {mode: 'dynamic', digest: `sha256:${hash.digest('hex')}`, bytes, files: [{path: name, file}]};
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

function* hashing(chunks: readonly Uint8Array[], hash: Hash): Generator<Uint8Array> {
  for (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}
