import {mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {beforeEach, describe, expect, it, onTestFinished} from 'vitest';
import {writeFailure, writeWhole} from '../../../src/core/disk.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-disk-'));
  onTestFinished(() => rm(dir, {recursive: true, force: true}));
});

describe('a file that is written whole', () => {
  it('comes with its folder and leaves nothing else', async () => {
    const file = join(dir, 'not/there/yet/file');
    await writeWhole(file, 'old');
    await writeWhole(file, [Buffer.from('ne'), Buffer.from(''), Buffer.from('w')]);
    expect(await readFile(file, 'utf8')).toBe('new');
    expect(await readdir(join(file, '..'))).toEqual(['file']);
  });

  it('stays as it was when its content breaks off', async () => {
    const file = join(dir, 'file');
    await writeFile(file, 'old');
    const broken = function* () {
      yield Buffer.from('ne');
      throw new RangeError('no more');
    };
    await expect(writeWhole(file, broken())).rejects.toThrow(RangeError);
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(dir)).toEqual(['file']);
  });

  it('stays as it was when it is called off half-way', async () => {
    const file = join(dir, 'file');
    await writeFile(file, 'old');
    const {signal, abort} = abortable();
    const interrupted = function* () {
      yield Buffer.from('ne');
      abort();
      yield Buffer.from('w');
    };
    await expect(writeWhole(file, interrupted(), {signal})).rejects.toMatchObject({code: 'INTERRUPTED'});
    expect(await readFile(file, 'utf8')).toBe('old');
    expect(await readdir(dir)).toEqual(['file']);
  });

  it('leaves nothing when it cannot be put in place', async () => {
    const folder = join(dir, 'folder');
    await writeWhole(join(folder, 'file'), 'x');
    await expect(writeWhole(folder, 'x')).rejects.toBeInstanceOf(Error);
    expect(await readdir(dir)).toEqual(['folder']);
  });
});

describe('a write that fails', () => {
  const failed = async (code: string, context = {}) =>
    writeFailure(Object.assign(new Error(code), {code}), join(dir, 'blob'), context);

  it('for want of space is DISK_FULL with the path, the bytes needed and the bytes free', async () => {
    for (const code of ['ENOSPC', 'EDQUOT']) {
      expect(await failed(code, {neededBytes: 1234})).toMatchObject({
        code: 'DISK_FULL',
        facts: {path: join(dir, 'blob'), neededBytes: 1234, freeBytes: expect.any(Number) as number},
      });
    }
  });

  it('for want of permission is PERMISSION_DENIED', async () => {
    for (const code of ['EACCES', 'EPERM', 'EROFS']) {
      expect(await failed(code)).toMatchObject({
        code: 'PERMISSION_DENIED',
        facts: {path: join(dir, 'blob'), code},
      });
    }
  });

  it('because it was called off is INTERRUPTED, whatever came of that', async () => {
    const {signal, abort} = abortable();
    abort();
    expect(await failed('ENOSPC', {signal})).toMatchObject({code: 'INTERRUPTED'});
  });

  it('for another reason is what it was', async () => {
    expect(await failed('EIO')).toMatchObject({code: 'EIO', message: 'EIO'});
  });
});

function abortable() {
  const controller = new AbortController();
  return {signal: controller.signal, abort: () => controller.abort()};
}
