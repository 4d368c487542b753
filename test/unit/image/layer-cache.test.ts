import {link, mkdir, readdir, readFile, stat, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import type {CacheItem} from '../../../src/core/cache.ts';
import {shortDigest} from '../../../src/core/digest.ts';
import type {Layer} from '../../../src/core/image.ts';
import {blobPath, blobsDir} from '../../../src/image/blobs.ts';
import {fileEntry} from '../../../src/image/entries.ts';
import {openLayerCache} from '../../../src/image/layer-cache.ts';
import {buildLayer, recordsDir} from '../../../src/image/layer.ts';
import {ignore, never, scratch} from './fixture.ts';

const build = (cacheDir: string, content: string): Promise<Layer> => {
  const entries = [fileEntry('opt/thaw/model/model.onnx', {bytes: Buffer.from(content)})];
  return buildLayer({role: 'model', entries, compression: 6}, cacheDir, 0, ignore, never);
};

/** Makes a layer look as if it had been built and used long ago. */
async function age({paths}: CacheItem): Promise<void> {
  for (const path of paths) {
    if (path.endsWith('.json')) {
      const record = JSON.parse(await readFile(path, 'utf8')) as object;
      await writeFile(path, JSON.stringify({...record, modifiedMs: 1_600_000_000_000}));
      await utimes(path, 1_700_000_000, 1_700_000_000);
    } else await utimes(path, 1_600_000_000, 1_600_000_000);
  }
}

describe('the cache of layers', () => {
  test('is empty where nothing was built', async () => {
    const cache = openLayerCache(await scratch());
    expect(await cache.list()).toEqual([]);
    await cache.sweep();
  });

  test('lists each layer with the size of its blob, and nothing that thaw did not put there', async () => {
    const cacheDir = await scratch();
    const layer = await build(cacheDir, 'weights');
    await writeFile(join(blobsDir(cacheDir), 'notes.txt'), 'mine');
    await writeFile(join(recordsDir(cacheDir), 'mine.json'), JSON.stringify({digest: layer.digest}));
    const items = await openLayerCache(cacheDir).list();
    expect(items).toMatchObject([
      {
        kind: 'layer',
        name: `model ${shortDigest(layer.digest)}`,
        bytes: layer.bytes,
        freeableBytes: layer.bytes,
      },
    ]);
    expect(items[0]?.paths).toHaveLength(2);
    expect(items[0]?.paths.join()).not.toContain('mine.json');
  });

  test('knows that a layout holds the same bytes', async () => {
    const cacheDir = await scratch();
    const layer = await build(cacheDir, 'weights');
    await link(blobPath(cacheDir, layer.digest), join(cacheDir, 'layout'));
    const [item] = await openLayerCache(cacheDir).list();
    expect(item).toMatchObject({bytes: layer.bytes, freeableBytes: 0});
  });

  test('sees when a layer was last used: a build that finds it counts', async () => {
    const cacheDir = await scratch();
    const layer = await build(cacheDir, 'weights');
    const cache = openLayerCache(cacheDir);
    const [item] = await cache.list();
    if (item === undefined) throw new Error('nothing was listed');
    await age(item);
    expect((await cache.list())[0]?.lastUsedMs).toBe(1_700_000_000_000);
    await build(cacheDir, 'weights');
    expect((await cache.list())[0]?.lastUsedMs).toBeGreaterThan(1_700_000_000_000);
    // Found, not built anew: the blob is as old as it was.
    expect((await stat(blobPath(cacheDir, layer.digest))).mtimeMs).toBe(1_600_000_000_000);
  });

  test('removes a layer with its record, and builds it again as it was', async () => {
    const cacheDir = await scratch();
    const [layer, other] = [await build(cacheDir, 'weights'), await build(cacheDir, 'others')];
    const cache = openLayerCache(cacheDir);
    const item = (await cache.list()).find(({name}) => name.endsWith(shortDigest(layer.digest)));
    if (item === undefined) throw new Error('it was not listed');
    await cache.remove(item);
    expect((await cache.list()).map(({name}) => name)).toEqual([`model ${shortDigest(other.digest)}`]);
    expect(await readdir(recordsDir(cacheDir))).toHaveLength(1);
    expect(await build(cacheDir, 'weights')).toEqual(layer);
  });

  test('lists a record whose blob is gone, so that it can be removed too', async () => {
    const cacheDir = await scratch();
    await mkdir(recordsDir(cacheDir), {recursive: true});
    const digest = `sha256:${'a'.repeat(64)}`;
    await writeFile(join(recordsDir(cacheDir), `${'b'.repeat(64)}.json`), JSON.stringify({digest}));
    await writeFile(join(recordsDir(cacheDir), `${'c'.repeat(64)}.json`), '{"dig');
    const cache = openLayerCache(cacheDir);
    const items = await cache.list();
    expect(items).toMatchObject([{name: 'a'.repeat(12), bytes: 0}]);
  });
});
