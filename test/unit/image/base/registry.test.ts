import {chmod, readdir, readFile, rm, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gunzipSync, gzipSync} from 'node:zlib';
import * as zlib from 'node:zlib';
import {beforeEach, describe, expect, test} from 'vitest';
import {digestOf} from '../../../../src/core/digest.ts';
import {ThawError} from '../../../../src/core/errors.ts';
import {ABI} from '../../../../src/image/base/abi.ts';
import {inspectLayers} from '../../../../src/image/base/inspect.ts';
import {openRegistryBase, type RegistryBase} from '../../../../src/image/base/registry.ts';
import {blobPath, blobsDir, inspectBlob} from '../../../../src/image/blobs.ts';
import {buildImage} from '../../../../src/image/build.ts';
import {openLayerCache} from '../../../../src/image/layer-cache.ts';
import type {PullInput} from '../../../../src/image/registry/pull.ts';
import {parseReference} from '../../../../src/image/registry/reference.ts';
import {findImageProblems} from '../../../../src/image/validate.ts';
import {buildInputWithoutBase, failureOf, ignore, never, scratch} from '../fixture.ts';
import {startFakeRegistry, type FakeRegistry} from '../registry/fake-registry.ts';
import {stillClock} from '../registry/still-clock.ts';
import {
  baseFiles,
  elf,
  glibcText,
  layerOf,
  putBase,
  putIndex,
  tarOf,
  type BaseImage,
  type Member,
} from './base-image.ts';

let registry: FakeRegistry;
let cacheDir: string;
beforeEach(async () => {
  registry = await startFakeRegistry();
  cacheDir = await scratch();
});

const open = (path = 'team/base:1', more: Partial<PullInput> = {}): Promise<RegistryBase> =>
  openRegistryBase({
    reference: parseReference(`${registry.host}/${path}`),
    platform: 'linux/amd64',
    cacheDir,
    credentials: null,
    clock: stillClock(),
    progress: ignore,
    signal: never,
    ...more,
  });

const put = (image: BaseImage, path = 'team/base:1') => putBase(registry, path, image);
const putFiles = async (...layers: readonly (readonly Member[])[]) =>
  put({layers: await Promise.all(layers.map(layerOf))});

/** What is wrong with a base of these layers. */
async function problemOf(...layers: readonly (readonly Member[])[]): Promise<string> {
  await putFiles(...layers);
  const error = await failureOf(open());
  expect(error).toMatchObject({code: 'IMAGE_INVALID', facts: {wanted: 'base'}});
  expect(error.message).toContain(`${registry.host}/team/base@sha256:`);
  return error.facts['what'] as string;
}

const without = (pattern: RegExp): readonly Member[] => baseFiles().filter(({name}) => !pattern.test(name));

describe('a base from a registry', () => {
  test('is found fit, with what it holds and declares', async () => {
    const digest = put({
      layers: [await layerOf(baseFiles()), await layerOf([{name: 'etc/extra', text: 'x'}])],
      env: ['PATH=/usr/bin', 'LANG=C.UTF-8', 'PORT=1', 'THAW_IMAGE=x', 'broken'],
    });
    const base = await open();
    expect(base).toMatchObject({
      kind: 'registry',
      reference: `${registry.host}/team/base@${digest}`,
      remembered: false,
      env: {PATH: '/usr/bin', LANG: 'C.UTF-8'},
      certificates: '/etc/ssl/certs/ca-certificates.crt',
      contents: {
        glibc: '2.36',
        distribution: 'debian',
        packages: [{manager: 'deb', name: 'libc6', version: '2.36-9'}],
      },
    });
    expect(Object.keys(base.env)).toEqual(['PATH', 'LANG']);
    const libstdc = base.contents.libraries.find(({soname}) => soname === 'libstdc++.so.6');
    expect(libstdc?.digest).toBe(digestOf(elf(ABI['linux/amd64'].machine, 'libstdc++')));
    expect(base.layers.map(({role}) => role)).toEqual(['base', 'base']);
    for (const {digest, bytes, diffId, unpackedBytes} of base.layers) {
      const blob = await readFile(blobPath(cacheDir, digest));
      expect([blob.length, gunzipSync(blob).length]).toEqual([bytes, unpackedBytes]);
      expect(digestOf(gunzipSync(blob))).toBe(diffId);
    }
  });

  test('is known by the Pythons that it has: what is not there any more, or leads nowhere, is none', async () => {
    const python = (name: string): Member => ({name: `usr/local/bin/${name}`, text: 'ELF'});
    put({
      layers: [
        await layerOf([...baseFiles(), python('python3.9'), python('python3.12'), python('python3.7')]),
        await layerOf([
          {name: 'usr/local/bin/.wh.python3.7', text: ''},
          {name: 'usr/bin/python3.11', type: 'symlink', linkname: '../local/bin/python3.12'},
          {name: 'usr/bin/python3.8', type: 'symlink', linkname: 'gone'},
          {name: 'usr/bin/python3', type: 'symlink', linkname: 'python3.11'},
          {name: 'usr/bin/python3.11-config', text: ''},
        ]),
      ],
    });
    const found = [
      {path: '/usr/local/bin/python3.12', version: '3.12'},
      {path: '/usr/local/bin/python3.9', version: '3.9'},
      {path: '/usr/bin/python3.11', version: '3.11'},
    ];
    const {reference, pythons} = await open();
    expect(pythons).toEqual(found);
    const digest = reference.slice(reference.indexOf('@'));
    expect(await open(`team/base${digest}`)).toMatchObject({remembered: true, pythons: found});
  });

  test('becomes the first layers of an image, the same in two folders, and its record names it', async () => {
    put({
      layers: [await layerOf(baseFiles()), await layerOf([{name: 'tmp/', type: 'directory', mode: 0o1777}])],
    });
    const build = async () => {
      const input = await buildInputWithoutBase(await scratch());
      return buildImage({...input, base: await open('team/base:1', {cacheDir: input.cacheDir})});
    };
    const [one, two] = [await build(), await build()];
    expect(two.image).toEqual(one.image);
    expect(await findImageProblems(one)).toEqual([]);
    const {layers, base} = one.image;
    expect(layers.map(({role}) => role)).toEqual(['base', 'base', 'runtime', 'model', 'handler', 'config']);
    expect(base).toEqual({kind: 'registry', reference: (await open()).reference, glibc: '2.36'});
  });

  test('is found fit where nothing is merged: libraries in /lib, and the loader’s path a link to them', async () => {
    const apart = baseFiles()
      .filter(({name}) => !/^(usr\/)?lib(64)?\/?$|ld-linux/.test(name))
      .map((member) => ({...member, name: member.name.replace(/^usr(\/lib\/.*lib(c|m|gcc_s)\W)/, '.$1')}));
    const folder = 'lib/x86_64-linux-gnu';
    await putFiles(
      [{name: `./${folder}/ld-linux-x86-64.so.2`, text: elf(62)}, ...apart],
      [{name: './lib64/ld-linux-x86-64.so.2', type: 'symlink', linkname: `/${folder}/ld-linux-x86-64.so.2`}],
    );
    expect((await open()).contents.libraries.map(({soname}) => soname)).toContain('libgcc_s.so.1');
  });

  test('with libraries for another processor beside its own is found fit by its own', async () => {
    const foreign = [
      {name: 'usr/lib/x86_64-linux-gnu/libforeign.so.1', text: elf(3)},
      {name: 'usr/lib64/libc.so.6', text: elf(62, glibcText('2.36'))},
      {name: 'usr/lib/x86_64-linux-gnu/libc.so.6', text: elf(3, glibcText('2.10'))},
    ];
    await putFiles(baseFiles(), foreign);
    const {contents} = await open();
    expect(contents.glibc).toBe('2.36');
    expect(contents.libraries.map(({soname}) => soname)).not.toContain('libforeign.so.1');
  });

  test('lists the packages that are installed, once each', async () => {
    const paragraph = (name: string, status: string) =>
      `Package: ${name}\nStatus: ${status}\nArchitecture: all\nVersion: 1:2-3\nDescription: x\n more: words\n`;
    const status = [
      paragraph('tzdata', 'install ok installed'),
      paragraph('gone', 'deinstall ok config-files'),
    ];
    await putFiles(baseFiles(), [{name: 'var/lib/dpkg/status', text: status.join('\n')}]);
    expect((await open()).contents.packages).toEqual([
      {manager: 'deb', name: 'libc6', version: '2.36-9'},
      {manager: 'deb', name: 'tzdata', version: '1:2-3', architecture: 'all'},
    ]);
  });

  test('is taken for the platform that is wanted, out of an index', async () => {
    const amd64 = put({layers: [await layerOf(baseFiles())]}, 'team/base:amd64');
    const arm64 = put(
      {layers: [await layerOf(baseFiles('linux/arm64'))], platform: 'linux/arm64'},
      'team/base:arm64',
    );
    putIndex(registry, 'team/base:1', [
      ['linux/amd64', amd64],
      ['linux/arm64', arm64],
    ]);
    const base = await open('team/base:1', {platform: 'linux/arm64'});
    expect(base).toMatchObject({platform: 'linux/arm64', contents: {glibc: '2.36'}});
    expect(base.reference).toContain(arm64);
    const other = await failureOf(open(`team/base@${arm64}`));
    expect(other).toMatchObject({code: 'PLATFORM_UNSUPPORTED', facts: {there: ['linux/arm64']}});
  });

  test('that holds libraries of another processor than it says is refused', async () => {
    const why = await failureOf(
      (async () => {
        put({layers: [await layerOf(baseFiles('linux/arm64'))]});
        return open();
      })(),
    );
    expect(why.message).toContain('no glibc for linux/amd64');
    const lying = baseFiles().map((member) =>
      member.name.endsWith('/libc.so.6') ? {...member, text: elf(183, glibcText('2.36'))} : member,
    );
    expect(await problemOf(lying)).toBe('its libc.so.6 is not for linux/amd64');
  });

  test.for<[string, () => Promise<string>, string]>([
    [
      'musl',
      () => problemOf([{name: 'lib/ld-musl-x86_64.so.1', text: elf(62)}]),
      'it is built on musl, as Alpine is, and Node and ONNX Runtime need glibc',
    ],
    [
      'an old glibc',
      () => problemOf(baseFiles('linux/amd64', '2.27')),
      'its glibc is 2.27, and Node and ONNX Runtime need 2.28 or later',
    ],
    ['no libstdc++', () => problemOf(without(/libstdc/)), 'it has no libstdc++.so.6'],
    [
      'two libraries too few',
      () => problemOf(without(/libm\.so|libgcc/)),
      'it has no libm.so.6, libgcc_s.so.1',
    ],
    [
      'no loader',
      () => problemOf(without(/ld-linux/)),
      'it has no loader for linux/amd64 at /lib64/ld-linux-x86-64.so.2',
    ],
    [
      'a library that an upper layer takes away',
      () => problemOf(baseFiles(), [{name: 'usr/lib/x86_64-linux-gnu/.wh.libm.so.6'}]),
      'it has no libm.so.6',
    ],
    [
      'another libc',
      () => problemOf([...without(/libc\.so/), {name: 'usr/lib/libc.so.6', text: elf(62, 'mine')}]),
      'its libc.so.6 is not glibc',
    ],
    [
      'nothing in it',
      () => problemOf([]),
      'it has no glibc for linux/amd64: no libc.so.6 where its loader looks',
    ],
  ])('with %s is refused, saying so', async ([, problem, expected]) => {
    expect(await problem()).toBe(expected);
  });

  test('is remembered by digest, so that no registry is asked again', async () => {
    const digest = await putFiles(baseFiles());
    const first = await open();
    registry.set({fault: () => '500'});
    const second = await open(`team/base@${digest}`);
    expect(second).toEqual({...first, remembered: true});
    expect(registry.seen).toEqual([]);
    expect((await failureOf(open('team/base:1'))).code).toBe('PROVIDER_UNREACHABLE');
  });

  test('is remembered by the digest of its index too, and of no other platform', async () => {
    const image = await putFiles(baseFiles());
    const index = putIndex(registry, 'team/base:all', [['linux/amd64', image]]);
    await open(`team/base@${index}`);
    registry.set({fault: () => '500'});
    expect((await open(`team/base@${index}`)).reference).toContain(image);
    const other = await failureOf(open(`team/base@${index}`, {platform: 'linux/arm64'}));
    expect(other.code).toBe('PROVIDER_UNREACHABLE');
  });

  test.for<[string, (file: string) => Promise<void>]>([
    ['cut short', (file) => writeFile(file, 'x')],
    ['altered', async (file) => writeFile(file, Buffer.alloc((await readFile(file)).length, 'x'))],
    ['gone', (file) => rm(file)],
  ])('of which a layer in the cache is %s, is pulled again', async ([, spoil]) => {
    const digest = await putFiles(baseFiles());
    const [layer] = (await open()).layers;
    const file = blobPath(cacheDir, layer!.digest);
    await chmod(file, 0o644);
    await spoil(file);
    await utimes(file, 1, 1).catch(() => undefined);
    const again = await open(`team/base@${digest}`);
    expect(again.remembered).toBe(false);
    expect(await inspectBlob(file)).toEqual({digest: layer!.digest, size: layer!.bytes});
  });

  test('is remembered wrongly by nobody: a record that is not whole counts for nothing', async () => {
    const digest = await putFiles(baseFiles());
    await open();
    const records = join(cacheDir, 'layers');
    for (const name of await readdir(records))
      await writeFile(join(records, name), '{"role":"base","layers":');
    expect((await open(`team/base@${digest}`)).remembered).toBe(false);
  });

  test('is shown in the cache as what it is, and pruned blob by blob', async () => {
    const digest = await putFiles(baseFiles());
    await open();
    const cache = openLayerCache(cacheDir);
    const items = await cache.list();
    expect(items.map(({name}) => name.split(' ')[0])).toEqual(['base', 'base', 'base']);
    expect(items.map(({lastUsedMs}) => lastUsedMs > Date.now() - 60_000)).toEqual([true, true, true]);
    for (const item of items) await cache.remove(item);
    expect(await cache.list()).toEqual([]);
    expect((await open(`team/base@${digest}`)).remembered).toBe(false);
  });

  test('that is not gzip becomes gzip, the same each time', async () => {
    const tar = await tarOf(baseFiles());
    const layer = {blob: tar, diffId: digestOf(tar)};
    const digests = [];
    for (const mediaType of [
      'application/vnd.oci.image.layer.v1.tar',
      'application/vnd.docker.image.rootfs.diff.tar',
    ]) {
      put({layers: [{...layer, mediaType}]});
      cacheDir = await scratch();
      const base = await open();
      const [built] = base.layers;
      expect(built).toMatchObject({
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
        diffId: layer.diffId,
        unpackedBytes: tar.length,
      });
      expect(digestOf(gunzipSync(await readFile(blobPath(cacheDir, built!.digest))))).toBe(layer.diffId);
      digests.push(built!.digest);
    }
    expect(new Set(digests).size).toBe(1);
  });

  test('of Docker’s media types is used as it is, under the name that OCI has for them', async () => {
    const layer = await layerOf(baseFiles());
    put({layers: [{...layer, mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip'}]});
    expect((await open()).layers).toMatchObject([
      {digest: digestOf(layer.blob), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip'},
    ]);
  });

  const {zstdCompressSync} = zlib as {zstdCompressSync?: (content: Buffer) => Buffer};
  test('packed with zstd becomes gzip where Node knows zstd, and says so where it does not', async () => {
    const tar = await tarOf(baseFiles());
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+zstd';
    const magic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
    put({layers: [{blob: zstdCompressSync?.(tar) ?? magic, mediaType, diffId: digestOf(tar)}]});
    if (zstdCompressSync === undefined) {
      const error = await failureOf(open());
      expect(error.code).toBe('PLATFORM_UNSUPPORTED');
      expect(error.message).toContain(`Node ${process.versions.node} cannot read`);
    } else expect((await open()).layers[0]?.diffId).toBe(digestOf(tar));
  });
});

describe('a base that lies', () => {
  /** What is wrong with a base of one good layer and this one. */
  const problemWith = async (members: readonly Member[]): Promise<string> => problemOf(baseFiles(), members);

  test.for<[string, readonly Member[], string]>([
    ['a path upwards', [{name: '../../outside', text: 'x'}], '"../../outside" has a path that leads upwards'],
    [
      'a hard link to what is not there',
      [{name: 'a', type: 'link', linkname: '../etc/shadow'}],
      'has a path that leads upwards',
    ],
    [
      'a hard link to nothing',
      [{name: 'a', type: 'link', linkname: 'none'}],
      'links to "none", which is no file',
    ],
    [
      'a file below a file',
      [
        {name: 'etc/extra', text: 'x'},
        {name: 'etc/extra/x', text: 'x'},
      ],
      'lies in what is no folder',
    ],
    ['a sparse file', [{name: 's', pax: {'GNU.sparse.major': '1'}, text: 'x'}], 'is a sparse file'],
    ['an endless path', [{name: `${'long/'.repeat(2000)}x`, text: 'x'}], 'has a path of 10001 characters'],
    [
      'a giant header',
      [{name: 'x', pax: {comment: 'x'.repeat(5 << 20)}, text: 'x'}],
      'layer 2 cannot be unpacked: Header exceeds max size',
    ],
  ])('with %s is refused', async ([, members, expected]) => {
    expect(await problemWith(members)).toContain(expected);
  });

  test('is read all the same if it has absolute paths, devices, pipes and links to anywhere', async () => {
    await putFiles(baseFiles(), [
      {name: '/etc/absolute', text: 'x'},
      {name: 'dev/null', type: 'character-device', devmajor: 1, devminor: 3},
      {name: 'dev/sda', type: 'block-device', devmajor: 8, devminor: 0},
      {name: 'run/pipe', type: 'fifo'},
      {name: 'etc/mtab', type: 'symlink', linkname: '/proc/mounts'},
      {name: 'etc/far', type: 'symlink', linkname: '../../../../../../etc/shadow'},
    ]);
    expect((await open()).contents.glibc).toBe('2.36');
  });

  /** One good layer and one whose bytes are spoilt. */
  const problemOfBlob = async (
    spoil: (blob: Buffer) => Buffer,
    diffId?: string,
    mediaType?: string,
  ): Promise<string> => {
    const good = await layerOf(baseFiles());
    const bad = await layerOf([{name: 'x', text: 'x'.repeat(10_000)}]);
    const spoilt = {
      blob: spoil(bad.blob),
      mediaType: mediaType ?? bad.mediaType,
      diffId: diffId ?? bad.diffId,
    };
    put({layers: [good, spoilt]});
    return (await failureOf(open())).facts['what'] as string;
  };

  test('about what its layers hold is refused', async () => {
    expect(await problemOfBlob((blob) => blob, digestOf('lie'))).toBe(
      'layer 2 unpacks to other content than its configuration says',
    );
    const layer = await layerOf(baseFiles());
    put({layers: [layer], diffIds: []});
    expect((await failureOf(open())).message).toContain('lists 0 layers, and its manifest 1');
  });

  test.for<[string, (blob: Buffer) => Buffer, string]>([
    ['is cut', (blob) => blob.subarray(0, blob.length >> 1), 'layer 2 cannot be unpacked'],
    ['is not gzip', () => Buffer.from('#!/bin/sh'), 'layer 2 cannot be unpacked: it is not gzip'],
    ['is empty', () => Buffer.alloc(0), 'layer 2 cannot be unpacked: it is not gzip'],
    [
      'is no archive',
      () => gzipSync(Buffer.alloc(2048, 'x')),
      'layer 2 cannot be unpacked: Invalid tar header',
    ],
    [
      'ends in the middle of a member',
      (blob) => gzipSync(gunzipSync(blob).subarray(0, 1000)),
      'layer 2 cannot be unpacked',
    ],
    [
      'has a member of an impossible size',
      (blob) => {
        const tar = gunzipSync(blob);
        tar.write('77777777777\0', 124);
        tar.write('        ', 148);
        const sum = tar.subarray(0, 512).reduce((all, byte) => all + byte, 0);
        tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
        return gzipSync(tar);
      },
      'layer 2 cannot be unpacked',
    ],
  ])('in that a layer %s is refused', async ([, spoil, expected]) => {
    expect(await problemOfBlob(spoil)).toContain(expected);
  });

  test('about how a layer is packed is refused', async () => {
    expect(await problemOfBlob((blob) => blob, undefined, 'application/x-tar')).toContain(
      'application/x-tar',
    );
    expect(
      await problemOfBlob((blob) => blob, undefined, 'application/vnd.oci.image.layer.v1.tar'),
    ).toContain('layer 2 cannot be unpacked');
  });

  test('is found out where the cache lies, too, and the blob goes', async () => {
    await putFiles(baseFiles());
    const {layers} = await open();
    const [layer] = layers;
    const file = blobPath(cacheDir, layer!.digest);
    await chmod(file, 0o644);
    await writeFile(file, (await layerOf([...baseFiles(), {name: 'evil', text: 'x'}])).blob);
    const refuse = (what: string) => new ThawError('IMAGE_INVALID', what);
    const blobs = [{mediaType: layer!.mediaType, digest: layer!.digest, size: layer!.bytes}];
    const store = {cacheDir, refuse, signal: never};
    const error = await failureOf(inspectLayers(blobs, [layer!.diffId], 'linux/amd64', store));
    expect(error.message).toBe('layer 1 had other content in the cache, from which it is removed now');
    expect(await readdir(blobsDir(cacheDir))).not.toContain(layer!.digest.slice('sha256:'.length));
  });

  test('leaves nothing outside the cache, and nothing in it under a false name', async () => {
    const parent = await scratch();
    cacheDir = join(parent, 'a', 'cache');
    await problemWith([{name: '../../../outside', text: 'x'}]);
    await putFiles(baseFiles(), [
      {name: 'escape', type: 'symlink', linkname: parent},
      {name: 'escape/outside', text: 'x'},
    ]);
    await open();
    expect(await readdir(parent)).toEqual(['a']);
    expect(await readdir(join(parent, 'a'))).toEqual(['cache']);
    expect((await readdir(cacheDir)).sort()).toEqual(['blobs', 'layers']);
    for (const name of await readdir(blobsDir(cacheDir))) {
      expect((await inspectBlob(join(blobsDir(cacheDir), name))).digest).toBe(`sha256:${name}`);
    }
  });

  test('is not waited for once it is called off', async () => {
    await putFiles(baseFiles());
    expect((await failureOf(open('team/base:1', {signal: AbortSignal.abort()}))).code).toBe('INTERRUPTED');
  });
});
