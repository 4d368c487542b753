import {randomBytes} from 'node:crypto';
import {createWriteStream} from 'node:fs';
import {mkdir, rename, rm, statfs, writeFile} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {pipeline} from 'node:stream/promises';
import {systemCode, ThawError} from './errors.ts';

/** Names of files that are still being written; one that is found was left by a crash. */
export const UNFINISHED_PREFIX = '.unfinished-';

/** A name beside a file or folder that nobody else uses, to write under before it is renamed into place. */
export function unfinishedName(target: string): string {
  return join(dirname(target), `${UNFINISHED_PREFIX}${randomBytes(6).toString('hex')}-${basename(target)}`);
}

/** What is known of a write, to say why it failed. */
export interface WriteContext {
  /** How much was to be written; null if not known. */
  readonly neededBytes?: number | null;
  /** Whether the write was called off. */
  readonly signal?: AbortSignal;
}

/**
 * Writes a file whole or not at all, and makes the folder it lies in. A file that was there is replaced in one step;
 * a link is replaced too, not followed.
 *
 * @param content pieces are taken one by one, as they are written
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function writeWhole(
  file: string,
  content: string | Uint8Array | Iterable<Uint8Array>,
  {neededBytes = bytesOf(content), signal}: WriteContext = {},
): Promise<void> {
  const unfinished = unfinishedName(file);
  try {
    await mkdir(dirname(file), {recursive: true});
    await writeFile(unfinished, content, {flag: 'wx', ...(signal && {signal})});
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, {force: true}).catch(() => undefined);
    throw await writeFailure(error, file, {neededBytes, ...(signal && {signal})});
  }
}

function bytesOf(content: string | Uint8Array | Iterable<Uint8Array>): number | null {
  return typeof content === 'string' || content instanceof Uint8Array ? Buffer.byteLength(content) : null;
}

/** What a pipeline can take its content from: pieces as they come, through so many steps. */
type Pieces = AsyncIterable<Uint8Array>;
type Step = (pieces: Pieces) => Pieces;

/**
 * Pipes pieces into a file that must not be there yet. It does not end, well or badly, before the file is closed: a
 * cancelled pipeline is over while the file is still being opened, and what its caller then removed would come back.
 */
export async function pipeToFile(
  file: string,
  source: Pieces,
  steps: readonly Step[],
  {mode = 0o666, flush = false, signal}: {mode?: number; flush?: boolean; signal: AbortSignal},
): Promise<void> {
  const sink = createWriteStream(file, {flags: 'wx', mode, flush});
  const closed = new Promise<void>((resolve) => void sink.once('close', resolve));
  // Its type for many stages knows streams alone; it takes iterables and functions as well.
  const stages = [source, ...steps, sink] as unknown as readonly NodeJS.ReadWriteStream[];
  try {
    await pipeline(stages, {signal});
  } finally {
    await closed;
  }
}

/**
 * Says what a failed write means: INTERRUPTED if the signal has fired; DISK_FULL, with the facts `{path, neededBytes,
 * freeBytes}`, null where not known; PERMISSION_DENIED, with `{path, code}`; anything else as it came.
 *
 * @param path the file or folder that was to be written, as the user knows it
 */
export async function writeFailure(
  error: unknown,
  path: string,
  {neededBytes = null, signal}: WriteContext = {},
): Promise<unknown> {
  if (signal?.aborted) return new ThawError('INTERRUPTED', 'interrupted', {}, {cause: signal.reason});
  const code = systemCode(error) ?? '';
  if (['ENOSPC', 'EDQUOT'].includes(code)) {
    const needed = neededBytes === null ? '' : ` for ${neededBytes} bytes`;
    const facts = {path, neededBytes, freeBytes: await freeBytesAt(dirname(path))};
    return new ThawError('DISK_FULL', `no space left${needed} at ${path}`, facts, {cause: error});
  }
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) {
    const message = `permission denied at ${path} (${code})`;
    return new ThawError('PERMISSION_DENIED', message, {path, code}, {cause: error});
  }
  return error;
}

async function freeBytesAt(folder: string): Promise<number | null> {
  try {
    const {bavail, bsize} = await statfs(folder);
    return bavail * bsize;
  } catch {
    return null;
  }
}
