import {lstat, readdir, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {CacheItem, CacheStore} from '../core/cache.ts';
import {UNFINISHED_PREFIX, unfinishedName} from '../core/disk.ts';
import {systemCode} from '../core/errors.ts';
import {readKept} from '../core/kept-folder.ts';
import {environmentsDirOf} from './environment.ts';

/** What it is, and the key of what is in it: as environments, packages and interpreters are named. */
const KEPT_FOLDER = /^\w\S*-[0-9a-f]{12}$/;
/** Longer than this nobody installs packages. */
const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Opens what a cache has of Python: environments, packages for images, interpreters. */
export function openEnvironmentCache(cacheDir: string): CacheStore {
  const folder = environmentsDirOf(cacheDir);
  return {
    list: () => listEnvironments(folder),
    remove: removeEnvironment,
    sweep: () => sweepAbandoned(folder),
  };
}

async function listEnvironments(folder: string): Promise<readonly CacheItem[]> {
  const items: CacheItem[] = [];
  for (const name of (await namesIn(folder)).filter((each) => KEPT_FOLDER.test(each))) {
    const path = join(folder, name);
    const found = await lstat(path).catch(() => null);
    const kept = await readKept(path);
    if (!found?.isDirectory() || kept === null) continue;
    const bytes = await bytesIn(path);
    items.push({
      kind: 'environment',
      name: kept.name,
      bytes,
      freeableBytes: bytes,
      lastUsedMs: found.mtimeMs,
      paths: [path],
    });
  }
  return items;
}

/** First it loses its name, in one step: nobody finds half of it. */
async function removeEnvironment({paths}: CacheItem): Promise<void> {
  for (const path of paths) {
    const grave = unfinishedName(path);
    try {
      await rename(path, grave);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') continue;
      throw error;
    }
    await rm(grave, {recursive: true, force: true, maxRetries: 3});
  }
}

async function sweepAbandoned(folder: string): Promise<void> {
  for (const name of (await namesIn(folder)).filter((each) => each.startsWith(UNFINISHED_PREFIX))) {
    const path = join(folder, name);
    const found = await lstat(path).catch(() => null);
    if (found === null || Date.now() - found.mtimeMs < ABANDONED_AFTER_MS) continue;
    await rm(path, {recursive: true, force: true, maxRetries: 1}).catch(() => undefined);
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
