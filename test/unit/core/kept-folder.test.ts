import {mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {beforeEach, expect, test} from 'vitest';
import {keepFolder, readKept, type Kept} from '../../../src/core/kept-folder.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-kept-'));
  return () => rm(dir, {recursive: true, force: true});
});

/** Counts how often it is asked, and fills a folder with one file. */
const maker = () => {
  let times = 0;
  return {
    times: () => times,
    make: async (unfinished: string): Promise<Kept & {times: number}> => {
      times += 1;
      const mine = times;
      await mkdir(unfinished);
      await new Promise((resolve) => setTimeout(resolve, 20));
      await writeFile(join(unfinished, 'file'), String(mine));
      return {name: 'a folder', times: mine};
    },
  };
};

test('a folder is made once, and bears the time of its last use', async () => {
  const folder = join(dir, 'cache', 'folder');
  const {make, times} = maker();
  const first = await keepFolder(folder, make);
  await utimes(folder, 1000, 1000);
  expect(await keepFolder(folder, make)).toEqual(first);
  expect(times()).toBe(1);
  expect((await stat(folder)).mtimeMs).toBeGreaterThan(1_000_000_000_000);
  expect(await readKept(folder)).toEqual({name: 'a folder', times: 1});
});

test('of two that make it at once, both get the one that was first', async () => {
  const folder = join(dir, 'folder');
  const {make, times} = maker();
  const [one, two] = await Promise.all([keepFolder(folder, make), keepFolder(folder, make)]);
  expect(times()).toBe(2);
  expect(one).toEqual(two);
  expect(await readdir(dir)).toEqual(['folder']);
});

test('one that fails half-way leaves nothing', async () => {
  const failing = async (unfinished: string): Promise<Kept> => {
    await mkdir(unfinished);
    await writeFile(join(unfinished, 'half'), '');
    throw new Error('no more');
  };
  await expect(keepFolder(join(dir, 'folder'), failing)).rejects.toThrow('no more');
  expect(await readdir(dir)).toEqual([]);
});

test('a folder without its mark is none', async () => {
  await mkdir(join(dir, 'folder'));
  expect(await readKept(join(dir, 'folder'))).toBeNull();
  expect(await readKept(join(dir, 'nowhere'))).toBeNull();
});
