import {readdir, rename, rm, rmdir} from 'node:fs/promises';
import {unfinishedName, writeFailure} from '../core/disk.ts';
import {systemCode, ThawError} from '../core/errors.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {readDocuments, writeLayout} from './layout.ts';

/**
 * Copies an image into a layout of its own; layers are linked where the file system can. An empty folder or a layout
 * that thaw wrote is replaced, whole or not at all, and nothing else is.
 *
 * @throws ThawError FILE_EXISTS if the folder holds anything else, IMAGE_INVALID, DISK_FULL, PERMISSION_DENIED,
 * INTERRUPTED
 */
export async function copyLayout(
  from: ImageOnDisk,
  outDir: string,
  signal: AbortSignal,
): Promise<ImageOnDisk> {
  const {manifest, config} = await readDocuments(from);
  const write = (dir: string): Promise<ImageOnDisk> =>
    writeLayout(from.image, [manifest, config], from.layoutDir, dir, signal);
  const found = await listFolder(outDir);
  if (found?.includes('index.json')) return write(outDir);
  if (found !== null && found.length > 0) {
    const message = `${outDir} is not empty, and holds no image that thaw wrote`;
    throw new ThawError('FILE_EXISTS', message, {path: outDir});
  }
  const unfinished = unfinishedName(outDir);
  try {
    await write(unfinished);
    // A folder takes the place of an empty one, except on Windows.
    if (found !== null) await rmdir(outDir);
    await rename(unfinished, outDir);
  } catch (error) {
    await rm(unfinished, {recursive: true, force: true});
    throw await writeFailure(error, outDir, {signal});
  }
  return {image: from.image, layoutDir: outDir};
}

/** What is in a folder; null if there is none. */
async function listFolder(dir: string): Promise<readonly string[] | null> {
  try {
    return await readdir(dir);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    if (systemCode(error) === 'ENOTDIR') {
      throw new ThawError('FILE_EXISTS', `${dir} is a file, not a folder`, {path: dir});
    }
    throw await writeFailure(error, dir);
  }
}
