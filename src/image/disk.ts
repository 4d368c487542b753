import {randomBytes} from 'node:crypto';
import {rename, rm, statfs, writeFile} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';

/** Names of files that are still being written; one that is found was left by a crash. */
export const UNFINISHED_PREFIX = '.unfinished-';

/** A name beside a file or folder that nobody else uses, to write under before it is renamed into place. */
export function unfinishedName(target: string): string {
  return join(dirname(target), `${UNFINISHED_PREFIX}${randomBytes(6).toString('hex')}-${basename(target)}`);
}

/**
 * Writes a file whole or not at all.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED
 */
export async function writeWhole(file: string, content: Uint8Array | string): Promise<void> {
  const unfinished = unfinishedName(file);
  try {
    await writeFile(unfinished, content);
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, {force: true});
    throw await writeFailure(error, file, content.length);
  }
}

/**
 * Says what a failed write means: DISK_FULL, with the space left, or PERMISSION_DENIED; INTERRUPTED if the signal
 * has fired; anything else as it came.
 *
 * @param neededBytes how much was to be written, null if not known
 */
export async function writeFailure(
  error: unknown,
  path: string,
  neededBytes: number | null,
  signal?: AbortSignal,
): Promise<unknown> {
  if (signal?.aborted === true) {
    try {
      throwIfInterrupted(signal);
    } catch (interrupted) {
      return interrupted;
    }
  }
  const code = systemCode(error) ?? '';
  if (['ENOSPC', 'EDQUOT'].includes(code)) {
    const freeBytes = await freeBytesAt(dirname(path));
    const needed = neededBytes === null ? '' : ` for ${neededBytes} bytes`;
    return new ThawError(
      'DISK_FULL',
      `no space left${needed} at ${path}`,
      {path, neededBytes, freeBytes},
      {
        cause: error,
      },
    );
  }
  if (['EACCES', 'EPERM', 'EROFS'].includes(code)) {
    return new ThawError(
      'PERMISSION_DENIED',
      `${path} cannot be written (${code})`,
      {path, code},
      {cause: error},
    );
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
