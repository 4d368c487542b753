import {lstat, mkdtemp, readdir, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {CacheItem, CacheStore} from '../core/cache.ts';
import {systemCode} from '../core/errors.ts';
import {packagesDirOf, sweepAbandoned, workPrefix} from './npm-package.ts';

/** Opens the unpacked npm packages of a cache. */
export function openPackageCache(cacheDir: string): CacheStore {
  const packagesDir = packagesDirOf(cacheDir);
  return {
    list: () => listPackages(packagesDir),
    remove: (item) => removePackage(item, packagesDir),
    sweep: async () => {
      if ((await namesIn(packagesDir)).length > 0) await sweepAbandoned(packagesDir);
    },
  };
}

/** Name, version, and the key of its content: as the fetcher names its folders. */
const PACKAGE_FOLDER =
  /^(?<name>(?:@[a-z0-9._~-]+\+)?[a-z0-9._~-]+)-(?<version>\d+\.\d+\.\d+\S*)-[0-9a-f]{12}$/;

async function listPackages(packagesDir: string): Promise<readonly CacheItem[]> {
  const items: CacheItem[] = [];
  for (const folder of await namesIn(packagesDir)) {
    const {name, version} = PACKAGE_FOLDER.exec(folder)?.groups ?? {};
    const path = join(packagesDir, folder);
    // A link is somebody else's work, whatever it is called.
    const found = await lstat(path).catch(() => null);
    if (name === undefined || version === undefined || !found?.isDirectory()) continue;
    const bytes = await bytesIn(path);
    items.push({
      kind: 'package',
      name: `${name.replace('+', '/')} ${version}`,
      bytes,
      freeableBytes: bytes,
      lastUsedMs: found.mtimeMs,
      paths: [path],
    });
  }
  return items;
}

/** First it loses its name, in one step; what is left of it if this is killed is swept like an unfinished fetch. */
async function removePackage({paths}: CacheItem, packagesDir: string): Promise<void> {
  for (const path of paths) {
    const grave = await mkdtemp(join(packagesDir, workPrefix(process.pid)));
    try {
      await rename(path, join(grave, 'removed'));
    } catch (error) {
      if (systemCode(error) !== 'ENOENT') throw error;
    } finally {
      await rm(grave, {recursive: true, force: true, maxRetries: 3});
    }
  }
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const member of await readdir(folder, {recursive: true, withFileTypes: true})) {
    if (!member.isFile()) continue;
    bytes += (await lstat(join(member.parentPath, member.name)).catch(() => null))?.size ?? 0;
  }
  return bytes;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
