import {gzipSync} from 'node:zlib';
import {pack, type Header} from 'tar-stream';
import {digestOf, type Digest} from '../../../../src/core/digest.ts';
import type {Platform} from '../../../../src/core/image.ts';
import {ABI, LINKED_LIBRARIES} from '../../../../src/image/base/abi.ts';
import type {Descriptor} from '../../../../src/image/blobs.ts';
import type {FakeRegistry} from '../registry/fake-registry.ts';

/** A member of a layer; one that is only a path and a text is a file. */
export type Member = Partial<Header> & {readonly name: string; readonly text?: string | Buffer};

/** An archive of members, in their order, with headers as they are given. */
export async function tarOf(members: readonly Member[]): Promise<Buffer> {
  const tar = pack();
  for (const {text, ...header} of members) {
    const content = text ?? '';
    const fields = {mtime: new Date(0), ...header, size: header.size ?? Buffer.byteLength(content)};
    if ((header.type ?? 'file') === 'file') tar.entry(fields, content);
    else tar.entry(fields);
  }
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The first bytes of a library for a CPU, and some text behind them. */
export function elf(machine: number, text = ''): Buffer {
  const header = Buffer.alloc(64);
  header.writeUInt32BE(0x7f454c46, 0);
  header[4] = 2;
  header[5] = 1;
  header.writeUInt16LE(machine, 18);
  return Buffer.concat([header, Buffer.from(text)]);
}

export const glibcText = (version: string): string =>
  `\0GNU C Library (Debian GLIBC ${version}-9) stable release version ${version}.\n`;

/** The files of a base that will do, as Debian lays them out: `lib` is a link, and the loader's path leads through it. */
export function baseFiles(platform: Platform = 'linux/amd64', glibc = '2.36'): readonly Member[] {
  const {machine, multiarch, loader} = ABI[platform];
  const folder = `usr/lib/${multiarch}`;
  const top = loader.split('/')[1] ?? 'lib';
  const tops = [...new Set(['lib', top])];
  return [
    ...tops.map((name): Member => ({name, type: 'symlink', linkname: `usr/${name}`})),
    ...tops.map((name): Member => ({name: `usr/${name}/`, type: 'directory'})),
    {name: `${folder}/ld-linux.so`, text: elf(machine, 'loader')},
    {name: `usr${loader}`, type: 'symlink', linkname: `/${folder}/ld-linux.so`},
    ...LINKED_LIBRARIES.filter((soname) => soname !== 'libstdc++.so.6').map((soname): Member => ({
      name: `${folder}/${soname}`,
      text: elf(machine, soname === 'libc.so.6' ? glibcText(glibc) : soname),
    })),
    {name: `${folder}/libstdc++.so.6.0.30`, text: elf(machine, 'libstdc++')},
    {name: `${folder}/libstdc++.so.6`, type: 'symlink', linkname: 'libstdc++.so.6.0.30'},
    {name: 'etc/ssl/certs/ca-certificates.crt', text: 'PEM'},
    {name: 'usr/lib/os-release', text: 'NAME="Debian"\nID=debian\n'},
    {name: 'etc/os-release', type: 'symlink', linkname: '../usr/lib/os-release'},
    {name: 'var/lib/dpkg/status.d/libc6', text: 'Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\n'},
    {name: 'var/lib/dpkg/status.d/libc6.md5sums', text: '0 usr/lib/libc.so.6\n'},
  ];
}

const TYPES = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  index: 'application/vnd.oci.image.index.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  gzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
} as const;

/** A layer as a registry has it, and the digest of what is in it. */
export interface PackedLayer {
  readonly blob: Buffer;
  readonly mediaType: string;
  readonly diffId: string;
}

/** Packs a layer as gzip. */
export async function layerOf(members: readonly Member[]): Promise<PackedLayer> {
  const tar = await tarOf(members);
  return {blob: gzipSync(tar), mediaType: TYPES.gzip, diffId: digestOf(tar)};
}

export interface BaseImage {
  readonly layers: readonly PackedLayer[];
  readonly platform?: Platform;
  readonly env?: readonly string[];
  /** Instead of what the layers really hold. */
  readonly diffIds?: readonly string[];
}

/** Puts a base into a registry under a tag. */
export function putBase(registry: FakeRegistry, path: string, image: BaseImage): Digest {
  const [repository = '', tag = 'latest'] = path.split(':');
  const {layers, platform = 'linux/amd64', env = [], diffIds = layers.map(({diffId}) => diffId)} = image;
  const [os, architecture] = platform.split('/');
  const put = (bytes: Buffer, mediaType: string): Descriptor => {
    const digest = digestOf(bytes);
    registry.blobs.set(digest, bytes);
    registry.links.add(`${repository}@${digest}`);
    return {mediaType, digest, size: bytes.length};
  };
  const document = {
    os,
    architecture,
    config: {Env: env, User: 'root'},
    rootfs: {type: 'layers', diff_ids: diffIds},
  };
  const config = put(Buffer.from(JSON.stringify(document)), TYPES.config);
  const blobs = layers.map(({blob, mediaType}) => put(blob, mediaType));
  return putManifest(registry, repository, tag, TYPES.manifest, {config, layers: blobs});
}

/** Puts an index over images that are there already. */
export function putIndex(
  registry: FakeRegistry,
  path: string,
  images: readonly (readonly [Platform, Digest])[],
): Digest {
  const [repository = '', tag = 'latest'] = path.split(':');
  const manifests = images.map(([platform, digest]) => {
    const [os, architecture] = platform.split('/');
    const size = registry.manifests.get(`${repository}@${digest}`)?.bytes.length ?? 0;
    return {mediaType: TYPES.manifest, digest, size, platform: {os, architecture}};
  });
  return putManifest(registry, repository, tag, TYPES.index, {manifests});
}

function putManifest(
  registry: FakeRegistry,
  repository: string,
  tag: string,
  mediaType: string,
  content: object,
): Digest {
  const bytes = Buffer.from(JSON.stringify({schemaVersion: 2, mediaType, ...content}));
  const digest = digestOf(bytes);
  for (const name of [`@${digest}`, `:${tag}`]) {
    registry.manifests.set(`${repository}${name}`, {bytes, type: mediaType});
  }
  return digest;
}
