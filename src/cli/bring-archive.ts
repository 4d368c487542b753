import {join} from 'node:path';
import type {Config} from '../config/config.ts';
import type {Archive, ArchiveForm, ArchiveOnDisk} from '../core/archive.ts';
import type {Context} from '../core/driver.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {findArchive, writeArchive} from '../image/archive.ts';
import {thawDir} from './project.ts';

const placeOf = (config: Config, {packageDir}: Context) => ({
  programsDir: join(packageDir, 'dist', 'runtime'),
  dir: join(thawDir(config), 'archive'),
});

/** The image's contents as a provider takes them, in a file of the project's own folder: found there, or made. */
export function bringArchive(
  config: Config,
  image: ImageOnDisk,
  form: ArchiveForm,
  provider: string,
  context: Context,
): Promise<ArchiveOnDisk> {
  return writeArchive({image, form, provider, ...placeOf(config, context), signal: context.signal});
}

/** The same as it was brought before; null if it was not. */
export function findBroughtArchive(
  config: Config,
  image: ImageOnDisk,
  form: ArchiveForm,
  context: Context,
): Promise<Archive | null> {
  return findArchive({image, form, ...placeOf(config, context)});
}
