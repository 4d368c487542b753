import {readdir, rename, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {expect, test} from 'vitest';
import {fileEntry, measureEntries} from '../../../src/image/entries.ts';
import {openFileMemory} from '../../../src/image/file-memory.ts';
import {never, scratch} from './fixture.ts';

/** Until a file has been left alone for so long that its times can be relied on. */
async function settle(file: string): Promise<void> {
  for (;;) {
    const {mtimeMs, ctimeMs} = await stat(file);
    if (Date.now() - Math.max(mtimeMs, ctimeMs) > 2_200) return;
    await sleep(100);
  }
}

async function settledFile(content: string): Promise<{file: string; cache: string}> {
  const [folder, cache] = [await scratch(), await scratch()];
  const file = join(folder, 'library.so');
  await writeFile(file, content);
  await settle(file);
  return {file, cache};
}

/** Asks a memory that was opened anew, and says whether it had to look. */
async function ask(file: string, cache: string, answer: string): Promise<{said: string; looked: boolean}> {
  const memory = await openFileMemory(cache);
  let looked = false;
  const said = await memory.recall('what it holds', [file], async () => {
    looked = true;
    return answer;
  });
  await memory.save();
  return {said, looked};
}

test('an answer is kept from one process to the next while nobody touches the file', async () => {
  const {file, cache} = await settledFile('one');
  expect(await ask(file, cache, 'first')).toEqual({said: 'first', looked: true});
  expect(await ask(file, cache, 'second')).toEqual({said: 'first', looked: false});
});

test('a file that is written again, even with its old size and time, is looked at anew', async () => {
  const {file, cache} = await settledFile('one');
  const {atime, mtime} = await stat(file);
  await ask(file, cache, 'first');
  await writeFile(file, 'two');
  await utimes(file, atime, mtime);
  expect(await ask(file, cache, 'second')).toEqual({said: 'second', looked: true});
});

test('so is one that another file has taken the place of', async () => {
  const {file, cache} = await settledFile('one');
  await writeFile(`${file}.new`, 'two');
  await ask(file, cache, 'first');
  await rename(`${file}.new`, file);
  expect(await ask(file, cache, 'second')).toEqual({said: 'second', looked: true});
});

test('what was written only just now is not relied on', async () => {
  const [folder, cache] = [await scratch(), await scratch()];
  const file = join(folder, 'library.so');
  await writeFile(file, 'one');
  // Times that lie ahead are those of a clock that cannot be relied on either.
  await utimes(file, new Date(), new Date(Date.now() + 3_600_000));
  expect((await ask(file, cache, 'first')).looked).toBe(true);
  expect((await ask(file, cache, 'second')).looked).toBe(true);
  expect(await readdir(cache)).toEqual([]);
});

test('a file that changes while it is looked at is not remembered', async () => {
  const {file, cache} = await settledFile('one');
  const memory = await openFileMemory(cache);
  await memory.recall('what it holds', [file], async () => {
    await writeFile(file, 'two');
    return 'half of each';
  });
  await memory.save();
  expect((await ask(file, cache, 'second')).said).toBe('second');
});

test('a memory that is damaged, or was made for another question, is no answer', async () => {
  const {file, cache} = await settledFile('one');
  await ask(file, cache, 'first');
  const [name = ''] = await readdir(cache);
  for (const damage of [
    '{"what it',
    '[1, 2]',
    '{"what it holds": {"stamp": 7}}',
    '{"what it holds": null}',
  ]) {
    await writeFile(join(cache, name), damage);
    expect((await ask(file, cache, 'anew')).said).toBe('anew');
  }
});

test('a large file is not read again, but what is left of it after another cut is', async () => {
  const {file, cache} = await settledFile('x'.repeat(2_000_000));
  const memory = await openFileMemory(cache);
  const measure = async (bytes: number) => {
    const cut = {head: Buffer.from('y'), bytes};
    return measureEntries([fileEntry('lib', {file, cut})], never, memory);
  };
  const [long] = await measure(1_900_000);
  const [short] = await measure(1_800_000);
  const [whole] = await measureEntries([fileEntry('lib', {file})], never, memory);
  expect(new Set([long, short, whole].map((entry) => entry?.kind === 'file' && entry.digest)).size).toBe(3);
  expect(await measure(1_900_000)).toEqual([long]);
});
