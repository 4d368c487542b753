import {lstat, readdir, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {CacheItem, CacheStore} from '../core/cache.ts';
import {shortDigest, type Digest} from '../core/digest.ts';
import {systemCode} from '../core/errors.ts';
import {LAYER_ROLES, type LayerRole} from '../core/image.ts';
import {blobPath, blobsDir, isDigest} from './blobs.ts';
import {recordsDir, sweepCache} from './layer.ts';

/** Opens the layers that builds have left in a cache. */
export function openLayerCache(cacheDir: string): CacheStore {
  return {
    list: () => listLayers(cacheDir),
    async remove({paths}) {
      for (const path of paths) await rm(path, {force: true});
    },
    sweep: () => sweepCache(cacheDir, Date.now()),
  };
}

interface Found {
  readonly blob: {readonly bytes: number; readonly freeableBytes: number; readonly modifiedMs: number} | null;
  readonly records: readonly {readonly file: string; readonly usedMs: number}[];
  /** Null if no record says it. */
  readonly role: LayerRole | null;
}

/** A layer is a blob with the records that lead to it; records go first, so that none leads nowhere. */
async function listLayers(cacheDir: string): Promise<readonly CacheItem[]> {
  const layers = new Map<Digest, Found>();
  for (const name of await namesIn(blobsDir(cacheDir))) {
    const digest = `sha256:${name}`;
    const stats = isDigest(digest) ? await lstat(blobPath(cacheDir, digest)).catch(() => null) : null;
    if (!isDigest(digest) || !stats?.isFile()) continue;
    const freeableBytes = stats.nlink > 1 ? 0 : stats.size;
    layers.set(digest, {
      blob: {bytes: stats.size, freeableBytes, modifiedMs: stats.mtimeMs},
      records: [],
      role: null,
    });
  }
  for (const name of await namesIn(recordsDir(cacheDir))) {
    const file = join(recordsDir(cacheDir), name);
    const record = /^[0-9a-f]{64}\.json$/.test(name) ? await readRecord(file) : null;
    const stats = await lstat(file).catch(() => null);
    if (record === null || !stats?.isFile()) continue;
    const {digest, role} = record;
    const {blob = null, records = []} = layers.get(digest) ?? {};
    layers.set(digest, {blob, role, records: [...records, {file, usedMs: stats.mtimeMs}]});
  }
  return [...layers].map(([digest, {blob, records, role}]) => ({
    kind: 'layer',
    name: role === null ? shortDigest(digest) : `${role} ${shortDigest(digest)}`,
    bytes: blob?.bytes ?? 0,
    freeableBytes: blob?.freeableBytes ?? 0,
    lastUsedMs: Math.max(blob?.modifiedMs ?? 0, ...records.map(({usedMs}) => usedMs)),
    paths: [...records.map(({file}) => file), ...(blob === null ? [] : [blobPath(cacheDir, digest)])],
  }));
}

/** What a record says of its layer; null if it is no record. */
async function readRecord(file: string): Promise<{digest: Digest; role: LayerRole | null} | null> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as {digest?: unknown; role?: unknown};
    const role = LAYER_ROLES.find((role) => role === record.role) ?? null;
    return isDigest(record.digest) ? {digest: record.digest, role} : null;
  } catch {
    return null;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
