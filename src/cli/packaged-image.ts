import {readFile} from 'node:fs/promises';
import {join, relative, resolve, sep} from 'node:path';
import type {Config} from '../config/config.ts';
import {digestOf, digestOfJson, type Digest} from '../core/digest.ts';
import {systemCode, ThawError} from '../core/errors.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {readImage} from '../image/layout.ts';
import {thawDir, type Project} from './project.ts';

/** Where a project's image lies. */
export const imageDir = (config: Config): string => join(thawDir(config), 'image');

/** Where the list of what is in it lies. */
export const sbomFile = (config: Config): string => join(thawDir(config), 'sbom.json');

/**
 * The digest of every setting that shapes an image, as thaw.yaml has them: what flags said once for one image does not
 * make it stale. The files that go into it are recorded beside it.
 */
export function imageRecipe(config: Config, thawVersion: string): Digest {
  const {name, model, handler, python, image, dir} = config;
  const named = (file: string | null): string | null => file && projectPath(dir, file);
  return digestOfJson({
    thawVersion,
    image,
    name,
    model: model && {...model, path: named(model.path), calibration: named(model.calibration)},
    handler: handler && {...handler, file: named(handler.file)},
    python: handler?.language === 'python' ? {...python, requirements: named(python.requirements)} : null,
  });
}

/** A file's path as it is recorded: relative to the project, with forward slashes. */
export function projectPath(dir: string, file: string): string {
  return relative(dir, file).split(sep).join('/');
}

/**
 * The image that `thaw package` made of the project as it is now.
 *
 * @throws ThawError IMAGE_MISSING, IMAGE_INVALID; IMAGE_STALE naming what has changed since it was built
 */
export async function readPackagedImage({config}: Project, thawVersion: string): Promise<ImageOnDisk> {
  const packaged = await readImage(imageDir(config));
  const {image} = packaged;
  const changed = [];
  for (const {path, digest} of image.sources) {
    if ((await digestOfFile(resolve(config.dir, path))) !== digest) changed.push(path);
  }
  if (image.recipe !== imageRecipe(config, thawVersion))
    changed.push('the settings of name, model, handler, python or image');
  if (changed.length === 0) return packaged;
  const what = changed.join(', ');
  throw new ThawError('IMAGE_STALE', `${what} changed after the image was built`, {changed});
}

/** The digest of a file; null if there is none. */
async function digestOfFile(file: string): Promise<Digest | null> {
  try {
    return digestOf(await readFile(file));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
}
