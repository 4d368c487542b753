import {execFile} from 'node:child_process';
import {createReadStream} from 'node:fs';
import {mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {Readable} from 'node:stream';
import {promisify} from 'node:util';
import {extract} from 'tar-stream';
import {describe, expect, test} from 'vitest';
import {digestOf} from '../../../../src/core/digest.ts';
import type {ImageOnDisk} from '../../../../src/core/ports.ts';
import {blobPath} from '../../../../src/image/blobs.ts';
import {streamArchive, writeArchive} from '../../../../src/image/docker/archive.ts';
import {writeLayout} from '../../../../src/image/layout.ts';
import {failureOf, ignore, never, scratch, smallImage} from '../fixture.ts';

async function packaged(model = 'weights'): Promise<ImageOnDisk & {readonly folder: string}> {
  const folder = await scratch();
  const {image, documents} = await smallImage(join(folder, 'cache'), model);
  const written = await writeLayout(image, documents, join(folder, 'cache'), join(folder, 'image'), never);
  return {...written, folder};
}

/** The members of an archive, by their paths. */
async function membersOf(file: string): Promise<ReadonlyMap<string, Buffer>> {
  const members = new Map<string, Buffer>();
  const tar = extract();
  tar.on('entry', (header, stream, next) => {
    const chunks: Uint8Array[] = [];
    stream.on('data', (chunk) => chunks.push(chunk as Uint8Array));
    stream.on('end', () => {
      expect(header).toMatchObject({type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: new Date(0)});
      expect(members.has(header.name)).toBe(false);
      members.set(header.name, Buffer.concat(chunks));
      next();
    });
  });
  const ended = new Promise<void>((resolve, reject) => {
    tar.on('finish', resolve);
    tar.on('error', reject);
  });
  createReadStream(file).pipe(tar);
  await ended;
  return members;
}

const json = (members: ReadonlyMap<string, Buffer>, path: string): unknown =>
  JSON.parse(String(members.get(path)));

describe('an archive for engines', () => {
  test('is one for those that read docker’s format, with the layers as they are', async () => {
    const {folder, ...from} = await packaged();
    await writeArchive(from, join(folder, 'small.tar'), ignore, never);
    const members = await membersOf(join(folder, 'small.tar'));

    const [{Config, RepoTags, Layers}] = json(members, 'manifest.json') as [
      {Config: string; RepoTags: string[]; Layers: string[]},
    ];
    expect(RepoTags).toEqual(['small:latest', `small:${from.image.digest.slice(7, 19)}`]);
    expect(Layers).toEqual(from.image.layers.map(({digest}) => `blobs/${digest.replace(':', '/')}`));
    for (const [index, path] of Layers.entries()) {
      expect(digestOf(members.get(path) ?? '')).toBe(from.image.layers[index]?.digest);
    }
    const config = json(members, Config) as {rootfs: {diff_ids: string[]}};
    expect(config.rootfs.diff_ids).toEqual(from.image.layers.map(({diffId}) => diffId));
    expect(`blobs/${digestOf(members.get(Config) ?? '').replace(':', '/')}`).toBe(Config);
  });

  test('is one for those that read layouts, where it keeps its digest under both names', async () => {
    const {folder, ...from} = await packaged();
    await writeArchive(from, join(folder, 'small.tar'), ignore, never);
    const members = await membersOf(join(folder, 'small.tar'));

    expect(json(members, 'oci-layout')).toEqual({imageLayoutVersion: '1.0.0'});
    const {manifests} = json(members, 'index.json') as {manifests: {digest: string; size: number}[]};
    const tags = ['latest', from.image.digest.slice(7, 19)];
    expect(manifests).toMatchObject(
      tags.map((tag) => ({
        digest: from.image.digest,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        annotations: {
          'io.containerd.image.name': `docker.io/library/small:${tag}`,
          'org.opencontainers.image.ref.name': tag,
        },
      })),
    );
    const manifest = members.get(`blobs/${from.image.digest.replace(':', '/')}`);
    expect(digestOf(manifest ?? '')).toBe(from.image.digest);
    expect(manifest?.length).toBe(manifests[0]?.size);
  });

  test('is the same bytes each time, and what tar itself can read', async () => {
    const {folder, ...from} = await packaged();
    const [first, second] = [join(folder, 'first.tar'), join(folder, 'new', 'second.tar')];
    await writeArchive(from, first, ignore, never);
    await writeArchive(from, second, ignore, never);
    expect(digestOf(await readFile(second))).toBe(digestOf(await readFile(first)));
    const {stdout} = await promisify(execFile)('tar', ['-tf', first]);
    expect(stdout.trim().split('\n')).toHaveLength(3 + 2 + 2);
  });

  test('replaces a file, and tells how far it is', async () => {
    const {folder, ...from} = await packaged();
    const file = join(folder, 'small.tar');
    await writeFile(file, 'what was there');
    const told: [number, number | null][] = [];
    await writeArchive(from, file, (done, total) => told.push([done, total]), never);
    expect((await membersOf(file)).size).toBe(7);
    const [done, total] = told.at(-1) ?? [];
    expect(done).toBe(total);
    expect(total).toBeGreaterThan(from.image.layers.reduce((sum, {bytes}) => sum + bytes, 0));
  });

  test('is not written where a folder is, and nothing is left of it', async () => {
    const {folder, ...from} = await packaged();
    await mkdir(join(folder, 'there'));
    await writeFile(join(folder, 'there/file'), '');
    const before = await readdir(folder);
    const error = await failureOf(writeArchive(from, join(folder, 'there'), ignore, never));
    expect(error).toMatchObject({code: 'FILE_EXISTS', facts: {path: join(folder, 'there')}});
    expect(await readdir(folder)).toEqual(before);
  });

  test('of a layer that has other content is not written, and the one before stays', async () => {
    const {folder, ...from} = await packaged();
    const file = join(folder, 'small.tar');
    await writeFile(file, 'what was there');
    const [layer] = from.image.layers;
    const blob = blobPath(from.layoutDir, layer!.digest);
    const content = await readFile(blob);
    await rm(blob);
    await writeFile(
      blob,
      content.map((byte) => byte ^ 1),
    );
    expect(await failureOf(writeArchive(from, file, ignore, never))).toMatchObject({code: 'IMAGE_STALE'});
    expect(await readFile(file, 'utf8')).toBe('what was there');
    expect((await readdir(folder)).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  test('that is called off leaves nothing', async () => {
    const noise = Array.from({length: 400_000}, (_, i) => Math.sin(i).toString(36)).join('');
    const {folder, ...from} = await packaged(noise);
    const controller = new AbortController();
    const abort = (done: number): void => {
      if (done > 100_000) controller.abort();
    };
    const error = await failureOf(writeArchive(from, join(folder, 'small.tar'), abort, controller.signal));
    expect(error.code).toBe('INTERRUPTED');
    expect((await readdir(folder)).toSorted()).toEqual(['cache', 'image']);
  });

  test('can be streamed, to be read no further than anyone wants', async () => {
    const {folder: _, ...from} = await packaged();
    const stream = await streamArchive(from, ignore);
    for await (const chunk of Readable.from(stream)) {
      expect((chunk as Buffer).subarray(0, 13).toString()).toBe('manifest.json');
      break;
    }
  });
});
