import {join} from 'node:path';
import type {Config} from '../config/config.ts';
import type {ArchiveForm, ArchiveOnDisk} from '../core/archive.ts';
import type {Context} from '../core/driver.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {writeArchive} from '../image/archive.ts';
import {thawDir} from './project.ts';

/** The image's contents as a provider takes them, in a file of the project's own folder: found there, or made. */
export function bringArchive(
  config: Config,
  image: ImageOnDisk,
  form: ArchiveForm,
  provider: string,
  {packageDir, signal}: Context,
): Promise<ArchiveOnDisk> {
  const dir = join(thawDir(config), 'archive');
  return writeArchive({image, form, provider, programsDir: join(packageDir, 'dist', 'runtime'), dir, signal});
}
