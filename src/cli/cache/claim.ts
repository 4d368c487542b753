import {rmSync} from 'node:fs';
import {mkdir, readdir, rm, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {FetchPackage} from '../../core/ports.ts';
import {isAlive, machineKey} from '../../net/living-process.ts';

/** A process that works with the cache: what it has used since then must stay. */
export interface Claim {
  readonly pid: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly sinceMs: number;
}

const CLAIM = /^([0-9a-f]{8})-(\d+)$/;

/** Whether a process of another machine lives cannot be asked; after so long it is taken for gone. */
const FOREIGN_MAX_MS = 24 * 60 * 60 * 1000;

const claimsDirOf = (cacheDir: string): string => join(cacheDir, 'in-use');

/** Claims the cache for this process, until it ends; once, however often it is called. */
export type ClaimCache = () => Promise<void>;

/** Makes what claims a cache. */
export function createClaim(cacheDir: string): ClaimCache {
  let claimed: Promise<void> | null = null;
  return () => (claimed ??= claimCache(cacheDir));
}

/** Makes a fetcher that claims the cache with its first package. */
export function claimWhenFetching(fetchPackage: FetchPackage, claim: ClaimCache): FetchPackage {
  return async (...request) => {
    await claim();
    return fetchPackage(...request);
  };
}

/** Claims the cache for this process. A cache that cannot be written can also not be pruned, and needs no claim. */
async function claimCache(cacheDir: string): Promise<void> {
  const file = join(claimsDirOf(cacheDir), `${machineKey()}-${process.pid}`);
  try {
    await mkdir(claimsDirOf(cacheDir), {recursive: true});
    await writeFile(file, '');
  } catch {
    return;
  }
  process.once('exit', () => {
    rmSync(file, {force: true});
  });
}

/** The claims of living processes; those of dead ones are removed. */
export async function readClaims(cacheDir: string, nowMs: number): Promise<readonly Claim[]> {
  const claims: Claim[] = [];
  for (const name of await readdir(claimsDirOf(cacheDir)).catch(() => [])) {
    const [, machine, pid] = CLAIM.exec(name) ?? [];
    if (machine === undefined || pid === undefined) continue;
    const file = join(claimsDirOf(cacheDir), name);
    const sinceMs = (await stat(file).catch(() => null))?.mtimeMs;
    if (sinceMs === undefined) continue;
    const lives = machine === machineKey() ? isAlive(Number(pid)) : nowMs - sinceMs < FOREIGN_MAX_MS;
    if (lives) claims.push({pid: Number(pid), sinceMs});
    else await rm(file, {force: true}).catch(() => undefined);
  }
  return claims;
}
