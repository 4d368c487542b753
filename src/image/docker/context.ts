import {mkdir, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {unfinishedName, writeFailure} from '../../core/disk.ts';
import {throwIfInterrupted} from '../../core/errors.ts';
import type {BaseOrigin} from '../../core/image.ts';
import type {ImageOnDisk} from '../../core/ports.ts';
import {readDocuments} from '../layout.ts';
import {replaceFolder, unpackImage} from '../unpack.ts';
import {copiedRoles, renderDockerfile} from './dockerfile.ts';

/**
 * Writes a Dockerfile for an image and, beside it, a folder for each layer with the very files of that layer. The
 * folder is replaced whole or not at all.
 *
 * @throws ThawError IMAGE_INVALID, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function writeBuildContext(
  from: ImageOnDisk,
  base: BaseOrigin,
  contextDir: string,
  signal: AbortSignal,
): Promise<void> {
  const {image} = from;
  const {config} = await readDocuments(from);
  const unfinished = unfinishedName(contextDir);
  try {
    await mkdir(unfinished, {recursive: true});
    for (const role of copiedRoles(image, base)) {
      throwIfInterrupted(signal);
      await unpackImage(from, [role], join(unfinished, role));
    }
    await writeFile(join(unfinished, 'Dockerfile'), renderDockerfile(image, base, config.content));
    throwIfInterrupted(signal);
    await replaceFolder(unfinished, contextDir);
  } catch (error) {
    await rm(unfinished, {recursive: true, force: true});
    const neededBytes = image.layers.reduce((sum, layer) => sum + layer.unpackedBytes, 0);
    throw await writeFailure(error, contextDir, {neededBytes, signal});
  }
}
