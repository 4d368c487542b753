import {ThawError} from '../core/errors.ts';
import type {ImageOnDisk, ProgressFn} from '../core/ports.ts';
import type {Engine} from '../docker/engine.ts';
import {streamArchive} from '../image/docker/archive.ts';
import {readDocuments} from '../image/layout.ts';

/** An image in a container engine, by the engine's own id of it. */
export interface BroughtImage {
  readonly id: string;
  /** Whether it was there before. */
  readonly present: boolean;
}

/**
 * Gives an engine an image under these names, and sends it only if the engine does not have the very image.
 *
 * @throws ThawError CONTENT_MISMATCH, IMAGE_INVALID, and what the engine refuses
 */
export async function bringImage(
  engine: Engine,
  packaged: ImageOnDisk,
  names: readonly string[],
  progress: ProgressFn,
): Promise<BroughtImage> {
  const {config} = await readDocuments(packaged);
  // Engines that keep images as they were pushed call them by the manifest's digest, others by the configuration's.
  const ids = [config.descriptor.digest, packaged.image.digest];
  const find = async (): Promise<string | null> => {
    for (const id of ids) {
      const found = await engine.findImage(id);
      if (found !== null) return found;
    }
    return null;
  };
  const before = await find();
  if (before === null) await engine.load(await streamArchive(packaged, progress, names));
  const id = before ?? (await find());
  if (id === null) {
    throw new ThawError(
      'CONTENT_MISMATCH',
      `${engine.command} has loaded ${names.at(-1)}, but has no image ${ids[0]}`,
      {engine: engine.command, wanted: [...ids]},
    );
  }
  for (const name of names) await engine.tag(id, name);
  return {id, present: before !== null};
}
