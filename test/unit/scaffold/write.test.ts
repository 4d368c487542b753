import {chmod, mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {textFile, type ScaffoldPlan} from '../../../src/scaffold/plan.ts';
import {findConflicts, writeScaffold} from '../../../src/scaffold/write.ts';
import {contentsOf, temporaryFolder} from './temporary-folder.ts';

const signal = new AbortController().signal;
const plan: ScaffoldPlan = {
  name: 'demo',
  files: [textFile('a.txt', 'new a'), textFile('deep/er/b.txt', 'new b'), textFile('deep/c.txt', 'new c')],
};
const planned = plan.files.map((file) => file.path);

describe('writing a project', () => {
  it('makes the folder, those above it and those in it', async () => {
    const dir = join(await temporaryFolder(), 'not', 'there', 'yet');
    expect(await writeScaffold(plan, dir, {onConflict: 'refuse', signal})).toEqual({
      written: planned,
      unchanged: [],
      kept: [],
    });
    expect(await contentsOf(dir)).toEqual(['a.txt', 'deep', 'deep/c.txt', 'deep/er', 'deep/er/b.txt']);
    expect(await readFile(join(dir, 'deep', 'er', 'b.txt'), 'utf8')).toBe('new b');
  });

  it('does not mind other files, nor its own from before', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'mine.txt'), 'mine');
    await writeFile(join(dir, 'a.txt'), 'new a');
    expect(await writeScaffold(plan, dir, {onConflict: 'refuse', signal})).toEqual({
      written: ['deep/er/b.txt', 'deep/c.txt'],
      unchanged: ['a.txt'],
      kept: [],
    });
    expect(await readFile(join(dir, 'mine.txt'), 'utf8')).toBe('mine');
  });

  it('refuses before it writes anything, and names every file in the way', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'deep'));
    await writeFile(join(dir, 'a.txt'), 'old a');
    await writeFile(join(dir, 'deep', 'c.txt'), 'old c');
    const before = await contentsOf(dir);
    expect(await findConflicts(plan, dir)).toEqual(['a.txt', 'deep/c.txt']);
    await expect(writeScaffold(plan, dir, {onConflict: 'refuse', signal})).rejects.toMatchObject({
      code: 'FILE_EXISTS',
      message: `a.txt, deep/c.txt already exist in ${dir}, with other content`,
      facts: {dir, files: ['a.txt', 'deep/c.txt']},
    });
    expect(await contentsOf(dir)).toEqual(before);
    expect(await readFile(join(dir, 'a.txt'), 'utf8')).toBe('old a');
  });

  it('replaces files, or leaves them be, when it is told to', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'a.txt'), 'old a');
    const kept = await writeScaffold(plan, dir, {onConflict: 'keep', signal});
    expect(kept).toMatchObject({written: ['deep/er/b.txt', 'deep/c.txt'], kept: ['a.txt']});
    expect(await readFile(join(dir, 'a.txt'), 'utf8')).toBe('old a');

    const replaced = await writeScaffold(plan, dir, {onConflict: 'overwrite', signal});
    expect(replaced).toMatchObject({written: ['a.txt'], kept: []});
    expect(await readFile(join(dir, 'a.txt'), 'utf8')).toBe('new a');
    expect((await contentsOf(dir)).filter((path) => path.includes('unfinished'))).toEqual([]);
  });

  it('never puts a file in the place of a folder, nor a folder in the place of a file', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'a.txt'));
    await writeFile(join(dir, 'deep'), 'a file');
    await expect(writeScaffold(plan, dir, {onConflict: 'overwrite', signal})).rejects.toMatchObject({
      code: 'FILE_EXISTS',
      message: expect.stringContaining('a folder is where a file shall be') as string,
      facts: {files: planned},
    });
    expect(await contentsOf(dir)).toEqual(['a.txt', 'deep']);
  });

  it('takes away what it made, and only that, when it is interrupted half-way', async () => {
    const parent = await temporaryFolder();
    const dir = join(parent, 'project');
    await mkdir(join(dir, 'deep'), {recursive: true});
    await writeFile(join(dir, 'a.txt'), 'old a');
    const interrupt = new AbortController();
    // The second file of three pulls the plug while it is read.
    const interrupting: ScaffoldPlan = {
      name: 'demo',
      files: plan.files.map((file, index) =>
        index === 1
          ? {
              path: file.path,
              get content() {
                interrupt.abort();
                return new Uint8Array(8);
              },
            }
          : file,
      ),
    };
    await expect(
      writeScaffold(interrupting, dir, {onConflict: 'overwrite', signal: interrupt.signal}),
    ).rejects.toMatchObject({code: 'INTERRUPTED'});
    expect(await contentsOf(parent)).toEqual(['project', 'project/a.txt', 'project/deep']);
    expect(await readFile(join(dir, 'a.txt'), 'utf8')).toBe('old a');
  });

  it('takes away what it made when a file that it shall copy is not there', async () => {
    const parent = await temporaryFolder();
    const broken: ScaffoldPlan = {
      name: 'demo',
      files: [...plan.files, {path: 'model/gone.onnx', copyOf: join(parent, 'gone.onnx')}],
    };
    await expect(
      writeScaffold(broken, join(parent, 'project'), {onConflict: 'refuse', signal}),
    ).rejects.toMatchObject({code: 'MODEL_NOT_FOUND', facts: {file: join(parent, 'gone.onnx')}});
    expect(await contentsOf(parent)).toEqual([]);
  });

  it.skipIf(process.platform === 'win32' || process.getuid?.() === 0)(
    'says which folder it may not write in',
    async () => {
      const dir = await temporaryFolder();
      await chmod(dir, 0o555);
      await expect(writeScaffold(plan, dir, {onConflict: 'refuse', signal})).rejects.toMatchObject({
        code: 'PERMISSION_DENIED',
      });
    },
  );
});
