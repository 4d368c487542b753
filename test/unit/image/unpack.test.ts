import {mkdir, readdir, readFile, readlink, rm, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {pack, type Header} from 'tar-stream';
import {describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import type {Layer} from '../../../src/core/image.ts';
import type {ImageOnDisk} from '../../../src/core/ports.ts';
import {blobPath, blobsDir} from '../../../src/image/blobs.ts';
import {writeLayout} from '../../../src/image/layout.ts';
import {unpackImage} from '../../../src/image/unpack.ts';
import {failureOf, never, scratch, smallImage} from './fixture.ts';

type Member = Partial<Header> & Pick<Header, 'name'> & {content?: string};

/** A layout with one layer, archived as given and truly described. */
async function layoutOf(members: readonly Member[]): Promise<ImageOnDisk & {folder: string}> {
  const tar = pack();
  for (const {content, ...header} of members) tar.entry(header, content ?? '');
  tar.finalize();
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar) chunks.push(chunk as Uint8Array);
  return layoutOfTar(Buffer.concat(chunks));
}

async function layoutOfTar(tar: Buffer): Promise<ImageOnDisk & {folder: string}> {
  const folder = await scratch();
  const layoutDir = join(folder, 'image');
  const {image} = await smallImage(join(folder, 'cache'), 'weights');
  const blob = gzipSync(tar);
  const layer: Layer = {
    role: 'model',
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: digestOf(blob),
    bytes: blob.length,
    diffId: digestOf(tar),
    unpackedBytes: tar.length,
  };
  await mkdir(blobsDir(layoutDir), {recursive: true});
  await writeFile(blobPath(layoutDir, layer.digest), blob);
  return {image: {...image, layers: [layer]}, layoutDir, folder};
}

async function smallLayout() {
  const folder = await scratch();
  const cacheDir = join(folder, 'cache');
  const {image, documents} = await smallImage(cacheDir, 'weights');
  const from = await writeLayout(image, documents, cacheDir, join(folder, 'image'), never);
  return {from, folder, image};
}

describe('unpacking an image', () => {
  test('writes the layers of the wanted roles, and no others', async () => {
    const {from, folder} = await smallLayout();
    await unpackImage(from, ['model', 'config'], join(folder, 'both'));
    expect(await readFile(join(folder, 'both/opt/thaw/model/model.onnx'), 'utf8')).toBe('weights');
    expect(await readFile(join(folder, 'both/opt/thaw/config/serve.json'), 'utf8')).toBe('{}');
    await unpackImage(from, ['config'], join(folder, 'one'));
    expect(await readdir(join(folder, 'one/opt/thaw'))).toEqual(['config']);
  });

  test('replaces a folder that was there, whole', async () => {
    const {from, folder} = await smallLayout();
    await mkdir(join(folder, 'into/old'), {recursive: true});
    await unpackImage(from, ['config'], join(folder, 'into'));
    expect(await readdir(join(folder, 'into'))).toEqual(['opt']);
    expect((await readdir(folder)).sort()).toEqual(['cache', 'image', 'into']);
  });

  test('keeps modes and inner links, and drops the set-user-id bit', async () => {
    const from = await layoutOf([
      {name: 'bin/run', mode: 0o4755, content: 'x'},
      {name: './bin/again', type: 'link', linkname: 'bin/run'},
      {name: 'usr/lib/deep/link', type: 'symlink', linkname: '../../../bin/run'},
      {name: 'tmp/', type: 'directory', mode: 0o1777},
    ]);
    const into = join(from.folder, 'into');
    await unpackImage(from, ['model'], into);
    expect(await readFile(join(into, 'bin/again'), 'utf8')).toBe('x');
    if (process.platform === 'win32') return;
    expect((await stat(join(into, 'bin/run'))).mode & 0o7777).toBe(0o755);
    expect((await stat(join(into, 'tmp'))).mode & 0o7777).toBe(0o1777);
    expect(await readlink(join(into, 'usr/lib/deep/link'))).toBe('../../../bin/run');
  });

  const hostile: readonly [string, readonly Member[]][] = [
    ['an absolute path', [{name: '/escaped', content: 'x'}]],
    ['a path with ..', [{name: 'a/../../escaped', content: 'x'}]],
    ['a path that is ..', [{name: '..', type: 'directory'}]],
    ['a backslash', [{name: '..\\escaped', content: 'x'}]],
    ['a drive letter', [{name: 'C:/escaped', content: 'x'}]],
    ['an absolute link', [{name: 'l', type: 'symlink', linkname: '/etc'}]],
    ['a link that leads outside', [{name: 'a/l', type: 'symlink', linkname: '../../escaped'}]],
    [
      'a file through a link',
      [
        {name: 'inside/', type: 'directory'},
        {name: 'l', type: 'symlink', linkname: 'inside'},
        {name: 'l/escaped', content: 'x'},
      ],
    ],
    [
      'a folder in place of a link',
      [
        {name: 'inside/', type: 'directory'},
        {name: 'l', type: 'symlink', linkname: 'inside'},
        {name: 'l/', type: 'directory'},
      ],
    ],
    ['a hard link to the outside', [{name: 'h', type: 'link', linkname: '../escaped'}]],
    ['a hard link to nothing', [{name: 'h', type: 'link', linkname: 'nothing'}]],
    [
      'a hard link through a link',
      [
        {name: 'f', content: 'x'},
        {name: 'l', type: 'symlink', linkname: 'f'},
        {name: 'h', type: 'link', linkname: 'l'},
      ],
    ],
    ['a device', [{name: 'null', type: 'character-device', devmajor: 1, devminor: 3}]],
    ['a pipe', [{name: 'pipe', type: 'fifo'}]],
    ['a whiteout', [{name: 'etc/.wh.passwd', content: ''}]],
    [
      'a file in a file',
      [
        {name: 'f', content: 'x'},
        {name: 'f/g', content: 'x'},
      ],
    ],
  ];
  test.each(hostile)('refuses %s and writes nothing', async (_, members) => {
    const from = await layoutOf(members);
    const error = await failureOf(unpackImage(from, ['model'], join(from.folder, 'into')));
    expect(error.code).toBe('IMAGE_INVALID');
    expect(error.message).toContain(JSON.stringify(members.at(-1)?.name));
    expect((await readdir(from.folder)).sort()).toEqual(['cache', 'image']);
  });

  test('refuses a layer of which one bit has changed, and leaves the previous folder', async () => {
    const {from, folder, image} = await smallLayout();
    const into = join(folder, 'into');
    await unpackImage(from, ['model'], into);
    const blob = blobPath(from.layoutDir, image.layers[0]?.digest ?? image.digest);
    const content = await readFile(blob);
    for (const at of [4, 30, content.length - 1]) {
      const changed = Buffer.from(content);
      changed.writeUInt8((changed[at] ?? 0) ^ 1, at);
      await rm(blob);
      await writeFile(blob, changed);
      expect(await failureOf(unpackImage(from, ['model'], into))).toMatchObject({code: 'IMAGE_INVALID'});
      expect(await readFile(join(into, 'opt/thaw/model/model.onnx'), 'utf8')).toBe('weights');
    }
    expect((await readdir(folder)).sort()).toEqual(['cache', 'image', 'into']);
  });

  test('refuses a layer that is missing, cut short, no archive, or more than it says', async () => {
    const whole = await layoutOf([{name: 'f', content: 'x'.repeat(100_000)}]);
    const [layer] = whole.image.layers;
    if (layer === undefined) throw new Error('no layer');
    const into = join(whole.folder, 'into');
    const small = {...whole, image: {...whole.image, layers: [{...layer, unpackedBytes: 5000}]}};
    expect((await failureOf(unpackImage(small, ['model'], into))).message).toContain('more than was packed');

    const blob = blobPath(whole.layoutDir, layer.digest);
    await writeFile(blob, (await readFile(blob)).subarray(0, 100));
    expect(await failureOf(unpackImage(whole, ['model'], into))).toMatchObject({code: 'IMAGE_INVALID'});
    await rm(blob);
    expect(await failureOf(unpackImage(whole, ['model'], into))).toMatchObject({code: 'IMAGE_INVALID'});

    const noise = await layoutOfTar(Buffer.alloc(5000, 'no archive'));
    expect(await failureOf(unpackImage(noise, ['model'], join(noise.folder, 'into')))).toMatchObject({
      code: 'IMAGE_INVALID',
    });
  });
});
