import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, test} from 'vitest';
import {keepFolder, readKept} from '../../../src/core/kept-folder.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-kept-'));
});
afterEach(() => rm(dir, {recursive: true, force: true}));

/** Makes a folder with a file of some text in it. */
const keep = (text: string) =>
  keepFolder(join(dir, 'it'), async (unfinished) => {
    await mkdir(unfinished);
    await writeFile(join(unfinished, 'file'), text);
    return {name: text};
  });
const fileIn = () => readFile(join(dir, 'it', 'file'), 'utf8');

describe('a kept folder', () => {
  test('is made once, and says of itself what was found when it was made', async () => {
    expect(await keep('first')).toEqual({name: 'first'});
    expect(await keep('second')).toEqual({name: 'first'});
    expect(await fileIn()).toBe('first');
    expect(await readKept(join(dir, 'it'))).toEqual({name: 'first'});
  });

  test('takes the place of one that is not whole', async () => {
    await mkdir(join(dir, 'it'));
    await writeFile(join(dir, 'it', 'file'), 'half of an earlier one');
    expect(await keep('whole')).toEqual({name: 'whole'});
    expect(await fileIn()).toBe('whole');
    expect(await readdir(dir)).toEqual(['it']);
  });

  test('is one, however many make it at once', async () => {
    const made = await Promise.all(['a', 'b', 'c'].map(keep));
    expect(new Set(made.map(({name}) => name))).toEqual(new Set([await fileIn()]));
    expect(await readdir(dir)).toEqual(['it']);
  });

  test('that cannot be made leaves nothing', async () => {
    const failing = keepFolder(join(dir, 'it'), async (unfinished) => {
      await mkdir(unfinished);
      throw new RangeError('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await readdir(dir)).toEqual([]);
  });
});
