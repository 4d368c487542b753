import {execFileSync, spawnSync} from 'node:child_process';
import {readdir, readFile, rm, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {blobPath, blobsDir} from '../../../src/image/blobs.ts';
import {
  directoryEntry,
  fileEntry,
  measureEntries,
  planEntries,
  type Entry,
} from '../../../src/image/entries.ts';
import {gzip, type Compression} from '../../../src/image/gzip.ts';
import {buildLayer, sweepCache} from '../../../src/image/layer.ts';
import {archive} from '../../../src/image/tar.ts';
import {failureOf, ignore, never, scratch, writeTree} from './fixture.ts';

const text = (content: string) => ({bytes: Buffer.from(content)});

const ENTRIES: readonly Entry[] = [
  fileEntry('opt/thaw/bin/run', text('#!/bin/sh\n'), {executable: true}),
  fileEntry('opt/thaw/model/größe.onnx', text('weights')),
  fileEntry(`opt/thaw/model/${'long/'.repeat(60)}name`, text('deep')),
  fileEntry('opt/thaw/empty', text('')),
  directoryEntry('tmp', 0o1777),
  {kind: 'symlink', path: 'lib64', target: 'usr/lib64'},
];

async function layerOf(entries: readonly Entry[], cacheDir: string, compression: Compression = 6) {
  return buildLayer({role: 'model', entries, compression}, cacheDir, 0, ignore, never);
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const hasTar = spawnSync('tar', ['--version']).status === 0 && process.platform === 'linux';

describe('a layer', () => {
  test('has the same bytes on every machine and at every time', async () => {
    const layer = await layerOf(ENTRIES, await scratch());
    expect(layer.diffId).toBe('sha256:547086ca00d2e1c6dd79375b040151cb0093f46278eeff408ccee235afb4d54f');
    expect(layer.digest).toBe('sha256:471862e7358db5cedb106580904f09590e3081a0f99f091c4797b3aa4b28e9cc');
    expect(layer.bytes).toBeLessThan(layer.unpackedBytes);
  });

  test('says the truth about its blob', async () => {
    const cache = await scratch();
    const layer = await layerOf(ENTRIES, cache);
    const blob = await readFile(blobPath(cache, layer.digest));
    expect(digestOf(blob)).toBe(layer.digest);
    expect(blob.length).toBe(layer.bytes);
    const tar = gunzipSync(blob);
    expect(digestOf(tar)).toBe(layer.diffId);
    expect(tar.length).toBe(layer.unpackedBytes);
  });

  test('does not depend on the order in which its entries are given, nor on the times of its files', async () => {
    const folder = await scratch();
    await writeTree(folder, {a: 'A', b: 'B'});
    const entries = ['a', 'b'].map((name) => fileEntry(`data/${name}`, {file: join(folder, name)}));
    const before = await layerOf(entries, await scratch());
    await utimes(join(folder, 'a'), 1, 1);
    expect(await layerOf(entries.toReversed(), await scratch())).toEqual(before);
  });

  test('bears the time it is told to', async () => {
    const cache = await scratch();
    const at = async (epochSeconds: number) =>
      (
        await buildLayer(
          {role: 'model', entries: ENTRIES, compression: 6},
          cache,
          epochSeconds,
          ignore,
          never,
        )
      ).digest;
    expect(await at(1_700_000_000)).not.toBe(await at(0));
  });

  test.skipIf(!hasTar)('is read by the system tar, with owner, modes and links', async () => {
    const cache = await scratch();
    const layer = await layerOf(ENTRIES, cache);
    const list = execFileSync('tar', ['-tvzf', blobPath(cache, layer.digest), '--numeric-owner'], {
      encoding: 'utf8',
      env: {...process.env, LC_ALL: 'C.UTF-8', TZ: 'UTC'},
    });
    expect(list).toContain('lrwxrwxrwx 0/0               0 1970-01-01 00:00 lib64 -> usr/lib64');
    expect(list).toContain('-rwxr-xr-x 0/0              10 1970-01-01 00:00 opt/thaw/bin/run');
    expect(list).toContain('drwxrwxrwt 0/0               0 1970-01-01 00:00 tmp/');
    expect(list).toContain(`opt/thaw/model/${'long/'.repeat(60)}name`);
  });

  test('lists every folder before what lies in it', () => {
    const paths = planEntries([fileEntry('a-b', text('')), fileEntry('a/b/c', text(''))]).map((e) => e.path);
    expect(paths).toEqual(['a', 'a-b', 'a/b', 'a/b/c']);
  });

  test.each(['/etc/passwd', '../x', 'a//b', 'a/./b', 'a\\b', ''])('never carries the path %j', (path) => {
    expect(() => planEntries([fileEntry(path, text(''))])).toThrow(TypeError);
  });

  test('refuses two entries of one path, and a file used as a folder', () => {
    const file = fileEntry('a', text(''));
    expect(() => planEntries([file, file])).toThrow('two entries');
    expect(() => planEntries([file, fileEntry('a/b', text(''))])).toThrow('is no folder');
  });

  test('names a file that cannot be read', async () => {
    const file = join(await scratch(), 'gone.onnx');
    const error = await failureOf(layerOf([fileEntry('m', {file})], await scratch()));
    expect(error).toMatchObject({code: 'INPUT_INVALID', facts: {file}});
  });

  test('holds a small file as it was when the layer was named', async () => {
    const file = join(await scratch(), 'small');
    await writeFile(file, 'before');
    const measured = await measureEntries([fileEntry('m', {file})], never);
    await writeFile(file, 'and after');
    expect((await collect(archive(measured, 0))).includes('before')).toBe(true);
  });

  test('is refused if a large file changes between being named and being archived', async () => {
    const folder = await scratch();
    const before = 'before'.repeat(300_000);
    await writeTree(folder, {grown: before, altered: before, shrunk: before});
    for (const [name, content] of [
      ['grown', `${before} and after`],
      ['altered', `AFTER!${before.slice(6)}`],
      ['shrunk', 'b'],
    ] as const) {
      const measured = await measureEntries([fileEntry('m', {file: join(folder, name)})], never);
      await writeFile(join(folder, name), content);
      const error = await failureOf(collect(archive(measured, 0)));
      expect(error).toMatchObject({code: 'IMAGE_STALE', facts: {file: join(folder, name)}});
    }
  });
});

describe('the cache', () => {
  test('gives an unchanged layer back without writing it again', async () => {
    const cache = await scratch();
    const layer = await layerOf(ENTRIES, cache);
    const {ino} = await stat(blobPath(cache, layer.digest));
    expect(await layerOf(ENTRIES, cache)).toEqual(layer);
    expect((await stat(blobPath(cache, layer.digest))).ino).toBe(ino);
  });

  test('makes a blob anew that is gone, cut short, or altered', async () => {
    const cache = await scratch();
    const layer = await layerOf(ENTRIES, cache);
    const file = blobPath(cache, layer.digest);
    const whole = await readFile(file);
    const altered = Buffer.from(whole);
    altered.writeUInt8((altered[50] ?? 0) ^ 1, 50);
    for (const damage of [null, whole.subarray(0, 40), altered]) {
      await rm(file, {force: true});
      if (damage !== null) await writeFile(file, damage);
      expect(await layerOf(ENTRIES, cache)).toEqual(layer);
      expect(digestOf(await readFile(file))).toBe(layer.digest);
    }
  });

  test('is not harmed by what a crash left: half a blob, half a record, a blob without a record', async () => {
    const cache = await scratch();
    const layer = await layerOf(ENTRIES, cache);
    const [record] = await readdir(join(cache, 'layers'));
    await writeFile(join(cache, 'layers', record ?? ''), '{"digest":"sha2');
    await writeTree(blobsDir(cache), {'.unfinished-0123-layer': 'half'});
    expect(await layerOf(ENTRIES, cache)).toEqual(layer);
    await rm(join(cache, 'layers', record ?? ''));
    expect(await layerOf(ENTRIES, cache)).toEqual(layer);
  });

  test('is swept of unfinished files once they are old enough to be nobody’s', async () => {
    const cache = await scratch();
    const layer = await layerOf(ENTRIES, cache);
    const left = join(blobsDir(cache), '.unfinished-0123-layer');
    await writeFile(left, 'half');
    await sweepCache(cache, Date.now());
    expect(await readdir(blobsDir(cache))).toHaveLength(2);
    await sweepCache(cache, Date.now() + 2 * 60 * 60 * 1000);
    expect(await readdir(blobsDir(cache))).toEqual([layer.digest.slice(7)]);
  });

  test('holds nothing of a build that was interrupted', async () => {
    const folder = await scratch();
    const cache = await scratch();
    await writeFile(join(folder, 'big'), Buffer.alloc(8_000_000, 'abc'));
    const stop = new AbortController();
    const building = buildLayer(
      {role: 'model', entries: [fileEntry('big', {file: join(folder, 'big')})], compression: 6},
      cache,
      0,
      (done) => {
        if (done > 1_000_000) stop.abort();
      },
      stop.signal,
    );
    expect(await failureOf(building)).toMatchObject({code: 'INTERRUPTED'});
    expect(await readdir(blobsDir(cache))).toEqual([]);
  });
});

describe('gzip', () => {
  const content = Buffer.alloc(300_000, 'the same text, over and over; ');
  async function* inChunks(bytes: number) {
    for (let from = 0; from < content.length; from += bytes) yield content.subarray(from, from + bytes);
  }

  test.each([1, 6, 7, 'stored'] as const)(
    '%s can be unpacked, whatever the chunks it came in',
    async (how) => {
      const first = await collect(gzip(inChunks(1000), how));
      expect(gunzipSync(first).equals(content)).toBe(true);
      expect((await collect(gzip(inChunks(77_777), how))).equals(first)).toBe(true);
      expect((await collect(gzip(inChunks(content.length), how))).equals(first)).toBe(true);
    },
  );

  test('tells neither time nor system', async () => {
    const packed = await collect(gzip(inChunks(1000), 6));
    expect([...packed.subarray(0, 10)]).toEqual([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  });

  test('stores nothing at all as valid gzip', async () => {
    async function* nothing() {}
    expect(gunzipSync(await collect(gzip(nothing(), 'stored')))).toHaveLength(0);
  });

  test('fails as its source fails', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield content;
      throw new Error('the disk is on fire');
    }
    for (const how of [6, 'stored'] as const) {
      await expect(collect(gzip(broken(), how))).rejects.toThrow('the disk is on fire');
    }
  });
});
