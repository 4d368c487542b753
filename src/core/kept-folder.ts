import {mkdir, readFile, rename, rm, utimes, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {unfinishedName, writeFailure} from './disk.ts';
import {systemCode, ThawError} from './errors.ts';

/** Written into a folder when all else is in it; without it, the folder is left over from a run that was killed. */
const KEPT_MARK = 'thaw-kept.json';

/** What a kept folder says of itself. */
export interface Kept {
  /** For people, in the list of the cache. */
  readonly name: string;
}

/** What a folder in a cache says of itself; null if it is not there or not whole. */
export async function readKept<K extends Kept>(dir: string): Promise<K | null> {
  try {
    return JSON.parse(await readFile(join(dir, KEPT_MARK), 'utf8')) as K;
  } catch {
    return null;
  }
}

/**
 * Finds a folder in a cache, or makes it: under another name until all is there, so that it is whole or not at all, and
 * two processes may make it at once. It bears the time of its last use.
 *
 * @param make fills the folder that it is given, and returns what shall be known of it: plain JSON
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, and what `make` throws
 */
export async function keepFolder<K extends Kept>(
  dir: string,
  make: (unfinished: string) => Promise<K>,
): Promise<K> {
  const there = await readKept<K>(dir);
  if (there !== null) {
    const now = new Date();
    // A cache that may only be read is as good.
    await utimes(dir, now, now).catch(() => undefined);
    return there;
  }
  const unfinished = unfinishedName(dir);
  try {
    await mkdir(dirname(dir), {recursive: true});
    const made = await make(unfinished);
    await writeFile(join(unfinished, KEPT_MARK), JSON.stringify(made));
    return await renameOrYield(unfinished, dir, made);
  } catch (error) {
    throw error instanceof ThawError ? error : await writeFailure(error, dir);
  } finally {
    await rm(unfinished, {recursive: true, force: true, maxRetries: 3});
  }
}

/** Puts a finished folder in its place, unless another process was faster. What lies there and is not whole goes. */
async function renameOrYield<K extends Kept>(unfinished: string, dir: string, made: K): Promise<K> {
  try {
    await rename(unfinished, dir);
    return made;
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(systemCode(error) ?? '')) throw error;
    const there = await readKept<K>(dir);
    if (there !== null) return there;
  }
  const grave = unfinishedName(dir);
  await rename(dir, grave);
  try {
    await rename(unfinished, dir);
  } finally {
    await rm(grave, {recursive: true, force: true, maxRetries: 3});
  }
  return made;
}
