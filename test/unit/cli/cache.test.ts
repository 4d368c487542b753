import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdir, mkdtemp, readdir, realpath, rm, symlink, utimes, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {pruneCache, showCache} from '../../../src/cli/cache/cache.ts';
import {claimWhenFetching, createClaim, readClaims} from '../../../src/cli/cache/claim.ts';
import {formatAge} from '../../../src/cli/cache/render.ts';
import {Terminal} from '../../../src/cli/terminal.ts';
import {ThawError} from '../../../src/core/errors.ts';
import {fileEntry} from '../../../src/image/entries.ts';
import {buildLayer} from '../../../src/image/layer.ts';
import {machineKey} from '../../../src/net/living-process.ts';

const terminal = new Terminal({json: true, quiet: true, verbose: false, color: false});
const {signal} = new AbortController();
const DAY_MS = 24 * 60 * 60 * 1000;
const OLD = '@scope+old-1.0.0-0123456789ab';
const NEW = 'new-2.0.0-0123456789ab';

let dir: string;
let children: ChildProcess[];
const cacheDir = (): string => join(dir, 'cache');
const packagesDir = (): string => join(cacheDir(), 'packages');
const installation = () => ({root: dir, version: '0.1.0', cacheDir: cacheDir(), dataDir: join(dir, 'data')});
const request = () => ({installation: installation(), terminal, signal});
const prune = (olderThan?: string) => pruneCache({...request(), olderThan, yes: true});

beforeEach(async () => {
  dir = await realpath(await mkdtemp(join(tmpdir(), 'thaw-cache-')));
  children = [];
  for (const [folder, ageMs] of [
    [OLD, 40 * DAY_MS],
    [NEW, 60_000],
  ] as const) {
    await mkdir(join(packagesDir(), folder), {recursive: true});
    await writeFile(join(packagesDir(), folder, 'file'), 'x'.repeat(1000));
    await usedAgo(folder, ageMs);
  }
});
afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await rm(dir, {recursive: true, force: true});
});

async function usedAgo(folder: string, ms: number): Promise<void> {
  const at = new Date(Date.now() - ms);
  await utimes(join(packagesDir(), folder), at, at);
}

/** Another process that lives until the test ends, and has claimed the cache so long ago. */
async function claimedBySomebody(agoMs: number): Promise<number> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {stdio: 'ignore'});
  children.push(child);
  await once(child, 'spawn');
  await writeClaim(child.pid ?? 0, agoMs);
  return child.pid ?? 0;
}

async function writeClaim(pid: number, agoMs: number): Promise<void> {
  await mkdir(join(cacheDir(), 'in-use'), {recursive: true});
  const file = join(cacheDir(), 'in-use', `${machineKey()}-${pid}`);
  await writeFile(file, '');
  const at = new Date(Date.now() - agoMs);
  await utimes(file, at, at);
}

describe('thaw cache', () => {
  test('shows packages and layers, with sizes and last uses', async () => {
    const entries = [fileEntry('model.onnx', {bytes: Buffer.from('weights')})];
    const plan = {role: 'model', entries, compression: 6} as const;
    const layer = await buildLayer(plan, join(cacheDir(), 'layers'), 0, () => undefined, signal);

    const shown = await showCache(request());
    expect(shown).toMatchObject({schema: 'thaw.cache/1', dir: cacheDir(), removed: [], freedBytes: 0});
    expect(shown.bytes).toBe(2000 + layer.bytes);
    expect(shown.items.map(({kind, name, heldBy}) => [kind, name, heldBy])).toEqual([
      ['package', '@scope/old 1.0.0', null],
      ['package', 'new 2.0.0', null],
      ['layer', `model ${layer.digest.slice(7, 19)}`, null],
    ]);
    expect(Date.now() - Date.parse(shown.items[0]?.lastUsed ?? '')).toBeGreaterThan(39 * DAY_MS);
  });

  test('is content with a machine that thaw has never worked on', async () => {
    await rm(cacheDir(), {recursive: true});
    expect(await showCache(request())).toMatchObject({bytes: 0, items: []});
    expect(await prune()).toMatchObject({items: [], removed: []});
  });

  test('removes all that nobody uses, and nothing that thaw did not make', async () => {
    await writeFile(join(packagesDir(), 'notes.txt'), 'mine');
    await mkdir(join(cacheDir(), 'else'));
    const {removed, freedBytes, items} = await prune();
    expect(removed.map(({name}) => name).sort()).toEqual(['@scope/old 1.0.0', 'new 2.0.0']);
    expect(freedBytes).toBe(2000);
    expect(items).toEqual([]);
    expect(await readdir(packagesDir())).toEqual(['notes.txt']);
    expect(await readdir(cacheDir())).toEqual(['else', 'packages']);
  });

  test('removes only what is older than it was told', async () => {
    expect((await prune('41d')).removed).toEqual([]);
    expect((await prune('30d')).removed.map(({name}) => name)).toEqual(['@scope/old 1.0.0']);
    expect(await readdir(packagesDir())).toEqual([NEW]);
  });

  test('keeps what a living process has used since it claimed the cache, and no more', async () => {
    const pid = await claimedBySomebody(DAY_MS);
    expect((await showCache(request())).items.map(({name, heldBy}) => [name, heldBy])).toEqual([
      ['@scope/old 1.0.0', null],
      ['new 2.0.0', `process ${pid}`],
    ]);
    expect((await prune()).removed.map(({name}) => name)).toEqual(['@scope/old 1.0.0']);
    expect(await readdir(packagesDir())).toEqual([NEW]);
  });

  test('does not mind the claim of a process that is gone', async () => {
    await writeClaim(2 ** 31 - 1, DAY_MS);
    expect((await prune()).removed).toHaveLength(2);
    expect(await readdir(join(cacheDir(), 'in-use'))).toEqual([]);
  });

  test('keeps what a living process is still fetching', async () => {
    const unfinished = `.fetch-${machineKey()}-${process.pid}-abc`;
    await mkdir(join(packagesDir(), unfinished));
    await prune();
    expect(await readdir(packagesDir())).toEqual([unfinished]);
  });

  test('keeps what a deployment on this machine links to', async () => {
    const version = join(dir, 'data', 'state', 'local', 'credit-scoring', 'versions', '1', 'runtime');
    await mkdir(version, {recursive: true});
    await symlink(join(packagesDir(), OLD), join(version, 'onnxruntime'), 'junction');
    const {removed, items} = await prune();
    expect(removed.map(({name}) => name)).toEqual(['new 2.0.0']);
    expect(items).toMatchObject([{name: '@scope/old 1.0.0', heldBy: 'a deployment on this machine'}]);
  });

  test('asks before it removes, and takes no answer for no', async () => {
    const asked = pruneCache({...request(), olderThan: undefined, yes: false});
    await expect(asked).rejects.toMatchObject({code: 'ANSWER_MISSING', facts: {flag: '--yes'}});
    expect(await readdir(packagesDir())).toHaveLength(2);
  });

  test('refuses an age that is none', async () => {
    for (const age of ['30', 'a month', '-1d', '1.5d']) {
      const error = await prune(age).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(ThawError);
      expect(error).toMatchObject({code: 'USAGE'});
    }
    expect(await readdir(packagesDir())).toHaveLength(2);
  });
});

test('a process claims the cache with its first package', async () => {
  const fetchPackage = claimWhenFetching(() => Promise.resolve('folder'), createClaim(cacheDir()));
  expect(await readClaims(cacheDir(), Date.now())).toEqual([]);
  const pin = {name: 'a', version: '1.0.0', integrity: 'sha512-'};
  expect(await fetchPackage(pin, [], () => undefined, signal)).toBe('folder');
  expect(await readClaims(cacheDir(), Date.now())).toMatchObject([{pid: process.pid}]);
});

test('ages are told in the largest unit that fits', () => {
  expect([0, 59_999, 60_000, 3_599_999, 3_600_000, 47 * 3_600_000, 48 * 3_600_000].map(formatAge)).toEqual([
    'just now',
    'just now',
    '1 min ago',
    '59 min ago',
    '1 h ago',
    '47 h ago',
    '2 days ago',
  ]);
});
