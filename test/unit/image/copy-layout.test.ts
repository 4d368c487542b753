import {mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import type {ImageOnDisk} from '../../../src/core/ports.ts';
import {copyLayout} from '../../../src/image/copy-layout.ts';
import {readImage, writeLayout} from '../../../src/image/layout.ts';
import {findImageProblems} from '../../../src/image/validate.ts';
import {failureOf, never, scratch, smallImage} from './fixture.ts';

async function packaged(folder: string, model = 'weights'): Promise<ImageOnDisk> {
  const {image, documents} = await smallImage(join(folder, 'cache'), model);
  return writeLayout(image, documents, join(folder, 'cache'), join(folder, `image-of-${model}`), never);
}

describe('a copy of a layout', () => {
  test('is whole, in a new folder as in an empty one', async () => {
    const folder = await scratch();
    const from = await packaged(folder);
    await mkdir(join(folder, 'empty'));
    for (const outDir of [join(folder, 'new/folder'), join(folder, 'empty')]) {
      const copied = await copyLayout(from, outDir, never);
      expect(copied).toEqual({image: from.image, layoutDir: outDir});
      expect(await readImage(outDir)).toEqual(copied);
      expect(await findImageProblems(copied)).toEqual([]);
    }
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('takes the place of an image that thaw wrote, and is not disturbed by being made twice', async () => {
    const folder = await scratch();
    const outDir = join(folder, 'out');
    const [first, second] = [await packaged(folder, 'first'), await packaged(folder, 'second')];
    await copyLayout(first, outDir, never);
    await copyLayout(second, outDir, never);
    await copyLayout(second, outDir, never);
    expect((await readImage(outDir)).image.digest).toBe(second.image.digest);
    expect(await findImageProblems(await copyLayout(second, second.layoutDir, never))).toEqual([]);
  });

  test('replaces nothing else', async () => {
    const folder = await scratch();
    const from = await packaged(folder);
    const [file, full, foreign] = ['file', 'full', 'foreign'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(file, 'mine');
    await mkdir(full);
    await writeFile(join(full, 'mine'), 'mine');
    await mkdir(foreign);
    await writeFile(join(foreign, 'index.json'), '{"schemaVersion":2,"manifests":[]}');
    for (const outDir of [file, full, foreign]) {
      expect(await failureOf(copyLayout(from, outDir, never))).toMatchObject({
        code: 'FILE_EXISTS',
        facts: {path: outDir},
      });
    }
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect(await readdir(full)).toEqual(['mine']);
    expect(await readdir(foreign)).toEqual(['index.json']);
  });

  test('that is called off leaves no folder', async () => {
    const folder = await scratch();
    const from = await packaged(folder);
    const before = await readdir(folder);
    const error = await failureOf(copyLayout(from, join(folder, 'out'), AbortSignal.abort()));
    expect(error.code).toBe('INTERRUPTED');
    expect(await readdir(folder)).toEqual(before);
  });
});
