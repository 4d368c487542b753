import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {beforeEach, describe, expect, test} from 'vitest';
import {readElfLinks} from '../../../../src/image/elf-links.ts';
import {planPackages} from '../../../../src/image/python/packages-layer.ts';
import {AARCH64, elfOf, X86_64} from './elf.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-packages-layer-'));
  return () => rm(dir, {recursive: true, force: true});
});
const write = async (files: {readonly [path: string]: string | Uint8Array}): Promise<void> => {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), {recursive: true});
    await writeFile(join(dir, path), content);
  }
};
const plan = () => planPackages(dir, {platform: 'linux/arm64', glibc: '2.31'});

test('what a library is linked to is read from its headers', async () => {
  const glibc = ['2.17', '2.28', '2.9'];
  await write({
    'a.so': elfOf(X86_64, {needed: ['libz.so.1', 'libc.so.6'], runpath: '$ORIGIN/../lib:/usr/x', glibc}),
    'b.so': elfOf(AARCH64),
    'c.so': Buffer.from('\x7fELF\x01\x01\x01'.padEnd(64, '\0'), 'latin1'),
    'd.so': 'INPUT(libd.so.1)',
    'e.so': '',
  });
  expect(await readElfLinks(join(dir, 'a.so'))).toEqual({
    machine: X86_64,
    needed: ['libz.so.1', 'libc.so.6'],
    searchPaths: ['$ORIGIN/../lib', '/usr/x'],
    glibc: '2.28',
  });
  expect(await readElfLinks(join(dir, 'b.so'))).toMatchObject({machine: AARCH64, needed: [], glibc: null});
  expect(await readElfLinks(join(dir, 'c.so'))).toMatchObject({machine: null});
  expect(await readElfLinks(join(dir, 'd.so'))).toBeNull();
  expect(await readElfLinks(join(dir, 'e.so'))).toBeNull();
});

describe('the packages of an image', () => {
  test('are all that is installed', async () => {
    await write({
      'np/core.so': elfOf(AARCH64, {glibc: ['2.28']}),
      'np/a.py': 'a',
      'np.libs/x.so': elfOf(AARCH64),
    });
    const {entries, leftOut} = await plan();
    expect(entries.map(({path}) => path).sort()).toEqual([
      'opt/thaw/packages/np.libs/x.so',
      'opt/thaw/packages/np/a.py',
      'opt/thaw/packages/np/core.so',
    ]);
    expect(leftOut).toEqual([]);
  });

  test('leave out the libraries for others where a package has some for each', async () => {
    await write({'dbg/amd64.so': elfOf(X86_64), 'dbg/arm64.so': elfOf(AARCH64)});
    const {entries, leftOut} = await plan();
    expect(entries.map(({path}) => path)).toEqual(['opt/thaw/packages/dbg/arm64.so']);
    expect(leftOut).toEqual(['dbg/amd64.so']);
  });

  test('are refused with libraries for another processor alone, or for a newer glibc', async () => {
    await write({'np/core.so': elfOf(X86_64), 'other/core.so': elfOf(AARCH64)});
    await expect(plan()).rejects.toMatchObject({
      code: 'PACKAGES_UNAVAILABLE',
      facts: {reason: 'processor', file: 'np/core.so'},
    });
    await write({'np/core.so': elfOf(AARCH64, {glibc: ['2.34']})});
    await expect(plan()).rejects.toThrow('np/core.so needs glibc 2.34, and the base has 2.31');
  });
});
