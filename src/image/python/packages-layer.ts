import {join} from 'node:path';
import {ThawError} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import {ABI} from '../base/abi.ts';
import {isNewer, readElfLinks} from '../elf-links.ts';
import type {Entry} from '../entries.ts';
import {listFiles} from './compile-tree.ts';
import {entriesOf} from './interpreter-layer.ts';

/** The packages of an image. */
export interface PackagesLayer {
  readonly entries: readonly Entry[];
  /** Libraries for other processors that packages for all of them bring along. */
  readonly leftOut: readonly string[];
}

const IN_IMAGE = 'opt/thaw/packages';
/** What surely is no program and no library. */
const TEXT =
  /\.(?:py|pyc|pyi|pyx|txt|md|rst|json|ya?ml|toml|cfg|ini|csv|html|css|js|typed|svg|png|xml|dtd|sql)$|\.dist-info\//;

/**
 * Lays out the packages layer. Every library in it is of the image's processor, and needs no newer glibc than there is.
 *
 * @param dir the installed packages
 * @throws ThawError PACKAGES_UNAVAILABLE with `reason`: `processor` for a package that has libraries for others alone,
 * `glibc`
 */
export async function planPackages(
  dir: string,
  {platform, glibc}: {readonly platform: Platform; readonly glibc: string},
): Promise<PackagesLayer> {
  const foreign: string[] = [];
  const native = new Set<string>();
  for (const path of await listFiles(dir)) {
    const links = TEXT.test(path) ? null : await readElfLinks(join(dir, path));
    if (links === null) continue;
    if (links.machine !== ABI[platform].machine) {
      foreign.push(path);
      continue;
    }
    native.add(packageOf(path));
    if (links.glibc !== null && isNewer(links.glibc, glibc)) {
      const message = `${path} needs glibc ${links.glibc}, and the base has ${glibc}`;
      throw new ThawError('PACKAGES_UNAVAILABLE', message, {reason: 'glibc', file: path, glibc});
    }
  }
  const alone = foreign.find((path) => !native.has(packageOf(path)));
  if (alone !== undefined) {
    const message = `${alone} is a library for another processor than that of ${platform}`;
    throw new ThawError('PACKAGES_UNAVAILABLE', message, {reason: 'processor', file: alone, platform});
  }
  const skipped = new Set(foreign.map((path) => `${IN_IMAGE}/${path}`));
  const entries = await entriesOf(dir, IN_IMAGE);
  return {entries: entries.filter(({path}) => !skipped.has(path)), leftOut: foreign};
}

/** The folder of a package's modules; its own libraries may lie in a folder beside it: `numpy.libs`. */
const packageOf = (path: string): string => path.split('/')[0]!.replace(/\.libs$/, '');
