import {openEnvironmentCache} from '../../python/environment-cache.ts';
import type {CacheItem, CacheStore} from '../../core/cache.ts';
import {ThawError} from '../../core/errors.ts';
import {formatBytes, parseDuration} from '../../core/units.ts';
import {openLayerCache} from '../../image/layer-cache.ts';
import {openPackageCache} from '../../net/package-cache.ts';
import {layersDirOf, stateDirOf, type Installation} from '../compose.ts';
import {askConfirmation} from '../prompts.ts';
import type {Terminal} from '../terminal.ts';
import {readClaims} from './claim.ts';
import {readLinks} from './links.ts';
import {applyPrune, inspectHoldings, planPrune, type Holding} from './prune.ts';
import {renderHoldings} from './render.ts';

export interface CacheRequest {
  readonly installation: Installation;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

export interface PruneRequest extends CacheRequest {
  /** As it was written: `30d`; without it, whatever nobody is using goes. */
  readonly olderThan: string | undefined;
  readonly yes: boolean;
}

/** An item of the `--json` document. */
interface ItemDocument extends Pick<CacheItem, 'kind' | 'name' | 'bytes' | 'freeableBytes'> {
  /** ISO 8601. */
  readonly lastUsed: string;
  readonly heldBy: string | null;
}

/** What a cache holds, after what was removed. */
export interface CacheDocument {
  readonly schema: 'thaw.cache/1';
  readonly dir: string;
  readonly bytes: number;
  readonly items: readonly ItemDocument[];
  readonly removed: readonly ItemDocument[];
  readonly freedBytes: number;
}

/** Shows what thaw keeps on this machine. */
export async function showCache({installation, terminal}: CacheRequest): Promise<CacheDocument> {
  const holdings = await inspectCache(installation);
  terminal.result(renderHoldings(holdings, Date.now(), terminal.paint));
  terminal.note(`in ${installation.cacheDir}`);
  return documentOf(installation, holdings, []);
}

/**
 * Removes what nobody is using, after asking.
 *
 * @throws ThawError USAGE for a duration that is none, ANSWER_MISSING, INTERRUPTED
 */
export async function pruneCache(request: PruneRequest): Promise<CacheDocument> {
  const {installation, terminal, signal, olderThan, yes} = request;
  const nowMs = Date.now();
  const usedBeforeMs = olderThan === undefined ? Infinity : nowMs - parseAge(olderThan);
  const stores = storesOf(installation);
  const plan = planPrune(await inspectCache(installation), usedBeforeMs);
  if (plan.length > 0) {
    const going = plan.map((item): Holding => ({item, heldBy: null}));
    terminal.note(renderHoldings(going, nowMs, terminal.paint));
    if (!yes) await askConfirmation(terminal, `Remove ${count(plan)}?`, '--yes');
  }

  const {removed, refused} = await applyPrune(plan, stores, signal);
  for (const {item, code} of refused) terminal.warning(`${item.name} stays: the system says ${code}`);
  for (const store of Object.values(stores)) await store.sweep();

  const left = await inspectCache(installation);
  const freedBytes = sum(removed.map((item) => item.freeableBytes));
  const stays = left.length === 0 ? 'nothing' : count(left.map(({item}) => item));
  terminal.result(`removed: ${count(removed)}, which frees ${formatBytes(freedBytes)}; stays: ${stays}`);
  return documentOf(installation, left, removed);
}

function storesOf({cacheDir}: Installation): {readonly [kind in CacheItem['kind']]: CacheStore} {
  return {
    package: openPackageCache(cacheDir),
    layer: openLayerCache(layersDirOf(cacheDir)),
    environment: openEnvironmentCache(cacheDir),
  };
}

/** The largest first. */
async function inspectCache(installation: Installation): Promise<readonly Holding[]> {
  const lists = await Promise.all(Object.values(storesOf(installation)).map((store) => store.list()));
  const items = lists.flat().sort((a, b) => b.bytes - a.bytes);
  const claims = await readClaims(installation.cacheDir, Date.now());
  return inspectHoldings(items, claims, await readLinks(stateDirOf(installation)));
}

/** Days too: what is worth keeping for hours only is not worth a cache. */
function parseAge(text: string): number {
  const days = /^(\d+)d$/.exec(text)?.[1];
  const ms = days === undefined ? parseDuration(text) : Number(days) * 24 * 60 * 60 * 1000;
  if (ms !== undefined) return ms;
  throw new ThawError('USAGE', `--older-than must be an age such as 30d, 12h or 30m, not "${text}"`);
}

function documentOf(
  {cacheDir}: Installation,
  holdings: readonly Holding[],
  removed: readonly CacheItem[],
): CacheDocument {
  return {
    schema: 'thaw.cache/1',
    dir: cacheDir,
    bytes: sum(holdings.map(({item}) => item.bytes)),
    items: holdings.map(({item, heldBy}) => itemDocument(item, heldBy)),
    removed: removed.map((item) => itemDocument(item, null)),
    freedBytes: sum(removed.map((item) => item.freeableBytes)),
  };
}

const itemDocument = ({kind, name, bytes, freeableBytes, lastUsedMs}: CacheItem, heldBy: string | null) => ({
  kind,
  name,
  bytes,
  freeableBytes,
  lastUsed: new Date(lastUsedMs).toISOString(),
  heldBy,
});

function count(items: readonly CacheItem[]): string {
  const bytes = formatBytes(sum(items.map((item) => item.bytes)));
  return `${items.length} ${items.length === 1 ? 'item' : 'items'} of ${bytes}`;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, number) => all + number, 0);
