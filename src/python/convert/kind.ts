import {createReadStream} from 'node:fs';
import {open} from 'node:fs/promises';
import {extname} from 'node:path';
import {createGunzip, createInflate} from 'node:zlib';
import {systemCode, ThawError} from '../../core/errors.ts';
import {listZip, readAt} from './zip.ts';

/** What a pickle holds, as far as its bytes tell without running it. */
export interface Pickle {
  /** Libraries whose classes it names. */
  readonly libraries: readonly ('scikit-learn' | 'xgboost' | 'lightgbm' | 'pandas')[];
  /** The scikit-learn that wrote it; null if it does not say. */
  readonly sklearn: string | null;
  /** Written by NumPy 2, which older ones cannot read. */
  readonly numpy2: boolean;
}

/** What a file is, by its content. */
export type FileKind =
  | {readonly kind: 'torchscript' | 'exported-program' | 'xgboost' | 'lightgbm' | 'onnx'}
  | ({readonly kind: 'pickle'} & Pickle)
  /** Weights without the class that they belong to. */
  | {readonly kind: 'checkpoint'}
  | {readonly kind: 'safetensors' | 'keras' | 'tensorflow' | 'damaged' | 'unknown'};

const HEAD_BYTES = 64 * 1024;
/** Further than this a pickle is not searched: the classes of a model stand before its numbers. */
const PICKLE_BYTES_MAX = 256 << 20;

/**
 * Tells what kind of model a file or folder holds. Nothing of it is run.
 *
 * @throws ThawError MODEL_NOT_FOUND, PERMISSION_DENIED
 */
export async function sniffKind(path: string): Promise<FileKind> {
  try {
    const file = await open(path);
    try {
      const found = await file.stat();
      if (found.isDirectory()) return {kind: (await isSavedModel(path)) ? 'tensorflow' : 'unknown'};
      const head = await readAt(file, 0, HEAD_BYTES);
      if (head.length === 0) return {kind: 'damaged'};
      if (head.readUInt32BE(0) === 0x504b0304) return kindOfZip(await listZip(file, found.size));
      return await kindOfBytes(path, head);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unreadable(path, error);
  }
}

async function isSavedModel(folder: string): Promise<boolean> {
  const file = await open(`${folder}/saved_model.pb`).catch(() => null);
  await file?.close();
  return file !== null;
}

function kindOfZip(names: readonly string[] | null): FileKind {
  if (names === null) return {kind: 'damaged'};
  const has = (pattern: RegExp): boolean => names.some((name) => pattern.test(name));
  if (has(/(^|\/)serialized_exported_program\.json$|^[^/]*\/models\/[^/]+\.json$/)) {
    return {kind: 'exported-program'};
  }
  if (has(/^[^/]+\/constants\.pkl$/) && has(/^[^/]+\/code\//)) return {kind: 'torchscript'};
  if (has(/^[^/]+\/data\.pkl$/)) return {kind: 'checkpoint'};
  return {kind: has(/(^|\/)model\.weights\.h5$/) ? 'keras' : 'unknown'};
}

/** The magic number of torch.save before it wrote zip files. */
const TORCH_MAGIC = Buffer.from([0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc]);

async function kindOfBytes(path: string, head: Buffer): Promise<FileKind> {
  if (head.subarray(0, TORCH_MAGIC.length).equals(TORCH_MAGIC)) return {kind: 'checkpoint'};
  if (head.toString('latin1', 0, 6) === '\x89HDF\r\n') return {kind: 'keras'};
  if (/^tree\r?\nversion=/.test(head.toString('latin1', 0, 32))) return {kind: 'lightgbm'};
  if (isXgboost(head)) return {kind: 'xgboost'};
  if (head[8] === 0x7b && head.readUInt32LE(4) === 0) return {kind: 'safetensors'};
  const pickle = await readPickle(path, head);
  if (pickle !== null) return {kind: 'pickle', ...pickle};
  if (isOnnx(head, path)) return {kind: 'onnx'};
  return {kind: 'unknown'};
}

/** JSON with a learner, or the same as UBJSON, in which the length of a name stands before it. */
function isXgboost(head: Buffer): boolean {
  if (head[0] !== 0x7b) return false;
  const start = head.toString('latin1');
  return (
    start.includes('learner') && /gradient_booster|learner_model_param|attributes|feature_names/.test(start)
  );
}

/** A ModelProto begins with its version of the format, and names its producer or its graph before long. */
const isOnnx = (head: Buffer, path: string): boolean =>
  head[0] === 0x08 && (head[2] === 0x12 || head[2] === 0x3a || extname(path) === '.onnx');

async function readPickle(path: string, head: Buffer): Promise<Pickle | null> {
  const unpack = head[0] === 0x78 ? createInflate() : head.readUInt16BE(0) === 0x1f8b ? createGunzip() : null;
  const source = createReadStream(path);
  let isPickle: boolean | null = null;
  const found = {
    libraries: new Set<Pickle['libraries'][number]>(),
    sklearn: null as string | null,
    numpy2: false,
  };
  let [rest, seen] = [Buffer.alloc(0), 0];
  // A compressed stream that breaks off ends the search; Python will say more.
  const chunks = unpack === null ? source : source.on('error', () => unpack.destroy()).pipe(unpack);
  try {
    for await (const chunk of chunks as AsyncIterable<Buffer>) {
      isPickle ??= chunk[0] === 0x80 && chunk[1]! >= 2 && chunk[1]! <= 5;
      if (!isPickle || (seen += chunk.length) > PICKLE_BYTES_MAX) break;
      const piece = Buffer.concat([rest, chunk]);
      search(piece.toString('latin1'), found);
      rest = piece.subarray(Math.max(0, piece.length - 256));
    }
  } catch (error) {
    if (unpack === null) throw error;
  } finally {
    source.destroy();
  }
  return isPickle ? {...found, libraries: [...found.libraries].sort()} : null;
}

/** How pickles write a key and its value: the key's mark, then the length of the text as one byte or four. */
const SKLEARN_VERSION =
  /_sklearn_version[^]{0,4}?(?:\x8c[^]|X[^]{4})(\d+\.\d+(?:\.\d+)?(?:\.post\d+|rc\d+)?)/;

function search(
  text: string,
  found: {libraries: Set<Pickle['libraries'][number]>; sklearn: string | null; numpy2: boolean},
): void {
  // Written by XGBoost and LightGBM, `xgboost.sklearn` is a module of theirs: nothing stands behind it.
  if (/sklearn\.[a-z_]|_sklearn_version/.test(text)) found.libraries.add('scikit-learn');
  if (/xgboost\.[a-z_]/.test(text)) found.libraries.add('xgboost');
  if (/lightgbm\.[a-z_]/.test(text)) found.libraries.add('lightgbm');
  if (/_column_transformer|pandas\.[a-z_]/.test(text)) found.libraries.add('pandas');
  found.sklearn ??= SKLEARN_VERSION.exec(text)?.[1] ?? null;
  found.numpy2 ||= text.includes('numpy._core');
}

function unreadable(path: string, error: unknown): unknown {
  const code = systemCode(error);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new ThawError('MODEL_NOT_FOUND', `there is no model file ${path}`, {file: path}, {cause: error});
  }
  if (code === 'EACCES' || code === 'EPERM') {
    return new ThawError('PERMISSION_DENIED', `${path} may not be read`, {file: path}, {cause: error});
  }
  return error;
}
