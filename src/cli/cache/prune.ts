import {lstat, realpath} from 'node:fs/promises';
import type {CacheItem, CacheStore} from '../../core/cache.ts';
import {systemCode, throwIfInterrupted} from '../../core/errors.ts';
import type {Claim} from './claim.ts';
import {liesIn} from './links.ts';

/** An item, and why it must not be removed now; null if nothing speaks for it. */
export interface Holding {
  readonly item: CacheItem;
  readonly heldBy: string | null;
}

/** Clocks of file systems are coarser than the one that processes read. */
const MTIME_SLACK_MS = 2000;

/**
 * Says of each item who is using it: a living process that has used it since it claimed the cache, or a deployment
 * on this machine that links to it.
 *
 * @param links where links of deployments lead, real paths
 */
export async function inspectHoldings(
  items: readonly CacheItem[],
  claims: readonly Claim[],
  links: readonly string[],
): Promise<readonly Holding[]> {
  return Promise.all(
    items.map(async (item) => {
      const claim = claims.find(({sinceMs}) => item.lastUsedMs >= sinceMs - MTIME_SLACK_MS);
      const paths = await Promise.all(item.paths.map((path) => realpath(path).catch(() => path)));
      const linked = links.some((link) => paths.some((path) => liesIn(link, path)));
      const deployed = linked ? 'a deployment on this machine' : null;
      return {item, heldBy: claim === undefined ? deployed : `process ${claim.pid}`};
    }),
  );
}

/** What a prune takes: what nobody uses, and of that what was last used before a moment. */
export function planPrune(holdings: readonly Holding[], usedBeforeMs: number): readonly CacheItem[] {
  return holdings
    .filter(({item, heldBy}) => heldBy === null && item.lastUsedMs < usedBeforeMs)
    .map(({item}) => item);
}

/** What a prune did. */
export interface Pruned {
  readonly removed: readonly CacheItem[];
  /** What the system would not let go of. */
  readonly refused: readonly {readonly item: CacheItem; readonly code: string}[];
}

/**
 * Removes what was planned, except what has been used since it was looked at.
 *
 * @param stores those that hold the items, by kind
 * @throws ThawError INTERRUPTED between two items
 */
export async function applyPrune(
  plan: readonly CacheItem[],
  stores: {readonly [kind in CacheItem['kind']]: CacheStore},
  signal: AbortSignal,
): Promise<Pruned> {
  const removed: CacheItem[] = [];
  const refused: {item: CacheItem; code: string}[] = [];
  for (const item of plan) {
    throwIfInterrupted(signal);
    if (await isUsedSince(item)) continue;
    try {
      await stores[item.kind].remove(item);
      removed.push(item);
    } catch (error) {
      // Windows keeps a library in its place while it is loaded.
      const code = systemCode(error);
      if (code === undefined || !['EBUSY', 'EPERM', 'EACCES', 'EROFS'].includes(code)) throw error;
      refused.push({item, code});
    }
  }
  return {removed, refused};
}

/** Asking may have taken long. */
async function isUsedSince({paths, lastUsedMs}: CacheItem): Promise<boolean> {
  const found = await Promise.all(paths.map((path) => lstat(path).catch(() => null)));
  return found.some((stats) => stats !== null && stats.mtimeMs > lastUsedMs);
}
