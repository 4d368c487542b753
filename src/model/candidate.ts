import {createHash} from 'node:crypto';
import type {Hash} from 'node:crypto';
import {rm} from 'node:fs/promises';
import {basename, dirname, extname, join, posix} from 'node:path';
import type {Digest} from '../core/digest.ts';
import {writeWhole} from '../core/disk.ts';
import type {JsonObject} from '../core/json.ts';
import type {QuantizeMode} from '../core/model.ts';
import {createReadExternal, readExternalPieces} from './external.ts';
import {encodeModel, mapTensors, tensorsOf} from './onnx.ts';
import type {ModelProto, TensorProto} from './onnx.ts';
import type {OpenModel} from './read.ts';
import {externalPlace, isExternal, rawBytesOf, withExternalData, withInlineData} from './tensor.ts';

/** A file of a model: where it lies, and where it belongs in the model's folder. */
export interface CandidateFile {
  /** Relative to the model's folder, with forward slashes. */
  readonly path: string;
  readonly file: string;
}

/** A model on disk; the model file comes first, the file with its weights second if it has one. */
export interface ModelOnDisk {
  /** Of the files' bytes, one after another: what `readModel` says of it. */
  readonly digest: Digest;
  readonly bytes: number;
  readonly files: readonly CandidateFile[];
}

/** One form of the model, on disk. */
export interface CandidateOnDisk extends ModelOnDisk {
  readonly mode: QuantizeMode;
  /** Session options without which it is not what it is meant to be. */
  readonly session: JsonObject;
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
    session: {},
    files: [{path: basename(path), file: path}, ...external],
  };
}

/**
 * Writes what a mode has made of a model into a folder, whole or not at all, as `<name>.<mode>.onnx`. Equal models
 * give equal files.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, INTERRUPTED; MODEL_INVALID if the source's external data has gone
 */
export async function writeCandidate(
  source: OpenModel,
  mode: QuantizeMode,
  {model, session}: {readonly model: ModelProto; readonly session: JsonObject},
  outDir: string,
  signal: AbortSignal,
): Promise<CandidateOnDisk> {
  const file = join(outDir, `${basename(source.path, extname(source.path))}.${mode}.onnx`);
  return {mode, session, ...(await writeModel(model, source.path, file, signal))};
}

/** What one protobuf file can carry, and ONNX Runtime read from it, with some room for what is not weights. */
const INLINE_BYTES_MAX = 1.5e9;

/**
 * Writes a model, whole or not at all. Beyond 1.5 GB its weights go into a file of their own beside it,
 * `<file>.data`; up to that it is one file, which takes in what lies outside.
 *
 * @param sourcePath the model file from whose folder the external tensors of the model come
 * @param inlineBytesMax how many bytes of weights one file may hold
 * @throws ThawError as `writeCandidate` does
 */
export async function writeModel(
  model: ModelProto,
  sourcePath: string,
  file: string,
  signal: AbortSignal,
  inlineBytesMax = INLINE_BYTES_MAX,
): Promise<ModelOnDisk> {
  const name = basename(file);
  const hash = createHash('sha256');
  if (weightBytesOf(model) <= inlineBytesMax) {
    const readExternal = createReadExternal(sourcePath);
    const chunks = encodeModel(mapTensors(model, (tensor) => withInlineData(tensor, readExternal)));
    await writeWhole(file, hashing(chunks, hash), {neededBytes: bytesIn(chunks), signal});
    return {digest: digestOf(hash), bytes: bytesIn(chunks), files: [{path: name, file}]};
  }
  const dataName = `${name}.data`;
  const dataFile = join(dirname(file), dataName);
  const {bytes: dataBytes, places, tensors} = planDataFile(model, dataName);
  const chunks = encodeModel(mapTensors(model, (tensor) => tensors.get(tensor) ?? tensor));
  for (const chunk of chunks) hash.update(chunk);
  // The model file comes last: as long as it is not there, nobody takes the data for a model's.
  await writeWhole(dataFile, hashing(contentOf(places, sourcePath), hash), {neededBytes: dataBytes, signal});
  try {
    await writeWhole(file, chunks, {neededBytes: bytesIn(chunks), signal});
  } catch (error) {
    await rm(dataFile, {force: true});
    throw error;
  }
  return {
    digest: digestOf(hash),
    bytes: bytesIn(chunks) + dataBytes,
    files: [
      {path: name, file},
      {path: dataName, file: dataFile},
    ],
  };
}

const bytesIn = (chunks: readonly Uint8Array[]): number =>
  chunks.reduce((sum, chunk) => sum + chunk.length, 0);

const digestOf = (hash: Hash): Digest => `sha256:${hash.digest('hex')}`;

function* hashing(chunks: Iterable<Uint8Array>, hash: Hash): Generator<Uint8Array> {
  for (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
}

function bytesOf(tensor: TensorProto): number {
  if (isExternal(tensor)) return externalPlace(tensor).length;
  return tensor.raw_data?.length ?? rawBytesOf(tensor) ?? 0;
}

function weightBytesOf(model: ModelProto): number {
  let bytes = 0;
  for (const tensor of tensorsOf(model)) bytes += bytesOf(tensor);
  return bytes;
}

/** Below this a tensor is better off in the model file. */
const OUTSIDE_BYTES_MIN = 1024;

/** What a mapping of a part of a file must begin at a multiple of, on Windows; elsewhere less is enough. */
const MAPPING_BYTES = 64 * 1024;
const LARGE_BYTES_MIN = 1024 * 1024;
const ALIGNMENT_BYTES = 64;

/** A tensor in the data file: its old form, and where its bytes begin. */
interface Place {
  readonly tensor: TensorProto;
  readonly offset: number;
}

interface DataFile {
  readonly bytes: number;
  readonly places: readonly Place[];
  /** Old form and new. */
  readonly tensors: ReadonlyMap<TensorProto, TensorProto>;
}

function planDataFile(model: ModelProto, location: string): DataFile {
  const places: Place[] = [];
  const tensors = new Map<TensorProto, TensorProto>();
  const initializers = new Set(model.graph?.initializer);
  let bytes = 0;
  for (const tensor of tensorsOf(model)) {
    // Whatever else there is stays where it was: not every reader looks for an attribute's bytes outside.
    const isLarge = initializers.has(tensor) && (tensor.raw_data?.length ?? 0) >= OUTSIDE_BYTES_MIN;
    if (tensors.has(tensor) || !(isExternal(tensor) || isLarge)) continue;
    const length = bytesOf(tensor);
    const offset = roundUp(bytes, length >= LARGE_BYTES_MIN ? MAPPING_BYTES : ALIGNMENT_BYTES);
    places.push({tensor, offset});
    tensors.set(tensor, withExternalData(tensor, {location, offset, length}));
    bytes = offset + length;
  }
  return {bytes, places, tensors};
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

function* contentOf(places: readonly Place[], sourcePath: string): Generator<Uint8Array> {
  let at = 0;
  for (const {tensor, offset} of places) {
    yield new Uint8Array(offset - at);
    if (isExternal(tensor)) yield* readExternalPieces(sourcePath, tensor);
    else if (tensor.raw_data) yield tensor.raw_data;
    at = offset + bytesOf(tensor);
  }
}
