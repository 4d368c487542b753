import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {rm} from 'node:fs/promises';
import {posix} from 'node:path';
import type {Header} from 'tar-stream';
import type {Digest} from '../../core/digest.ts';
import {messageOf, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Layer} from '../../core/image.ts';
import {blobPath, type Descriptor} from '../blobs.ts';
import {meter} from '../meter.ts';
import {readMembers, type MemberContent, type ReadMember} from '../tar-members.ts';
import {parseElfMachine, parseGlibcVersion} from './abi.ts';
import {GZIP_LAYER, nameOfLayer, unpacked, UNPACKED_BYTES_MAX, type LayerStore} from './layer-format.ts';
import {BadMember, type Tree, type TreeMember} from './tree.ts';

/** What is kept of a file while the layers flow by. */
export interface FileFacts {
  /** Of what may be a library. */
  readonly library: {
    readonly digest: Digest;
    /** ELF's number for its CPU; null if it is not ELF. */
    readonly machine: number | null;
    readonly glibc: string | null;
  } | null;
  /** Of the few files that are read as text; null also if one is absurdly long. */
  readonly text: string | null;
}

/** A base that is being read: its layers make one tree and share their bounds. */
export interface BaseReading extends LayerStore {
  readonly tree: Tree<FileFacts>;
  members: number;
  unpackedBytes: number;
  textBytes: number;
}

const MEMBERS_MAX = 1_000_000;
const LIBC_BYTES_MAX = 16 << 20;
const TEXTS_BYTES_MAX = 64 << 20;
const HEAD_BYTES = 64;

const LIBRARY = /^(?:ld|lib).*\.so(?:\.|$)/;
const LIBC = /^libc[.-][^/]*so/;
const TEXTS: readonly {readonly path: RegExp; readonly bytesMax: number}[] = [
  {path: /^(?:etc|usr\/lib)\/os-release$/, bytesMax: 1 << 16},
  {path: /^var\/lib\/dpkg\/status$/, bytesMax: 32 << 20},
  {path: /^var\/lib\/dpkg\/status\.d\/[^/]+$/, bytesMax: 1 << 20},
];

/**
 * Reads a layer of a base, gzip as it lies in the cache, and applies it to the tree. Nothing is written; a blob that
 * does not have its digest is removed from the cache.
 *
 * @param nth counted from 0, upwards
 * @throws ThawError IMAGE_INVALID, INTERRUPTED
 */
export async function readLayer(layer: Descriptor, nth: number, reading: BaseReading): Promise<Layer> {
  const {cacheDir, refuse, signal} = reading;
  const name = nameOfLayer(nth);
  const file = blobPath(cacheDir, layer.digest);
  const blob = meter();
  const unpackedBefore = reading.unpackedBytes;
  const content = meter((bytes) => {
    reading.unpackedBytes = unpackedBefore + bytes;
    if (reading.unpackedBytes > UNPACKED_BYTES_MAX)
      throw refuse('it unpacks to more than any provider takes');
  });
  const read: ReadMember = async (header, member) => {
    try {
      await readMember(header, member, nth, reading);
    } catch (error) {
      throw error instanceof BadMember ? refuse(`${name}: ${describe(header)} ${error.message}`) : error;
    }
  };
  try {
    const unpack = (packed: AsyncIterable<Uint8Array>) => unpacked(packed, 'gzip');
    const source = createReadStream(file, {highWaterMark: 1 << 18});
    await readMembers([source, blob.through, unpack, content.through], read, signal);
  } catch (error) {
    throwIfInterrupted(signal);
    throw error instanceof ThawError ? error : refuse(`${name} cannot be unpacked: ${messageOf(error)}`);
  }
  const {digest, bytes} = blob.read();
  if (digest !== layer.digest) {
    await rm(file, {force: true});
    throw refuse(`${name} had other content in the cache, from which it is removed now`);
  }
  const {digest: diffId, bytes: unpackedBytes} = content.read();
  return {role: 'base', mediaType: GZIP_LAYER, digest, bytes, diffId, unpackedBytes};
}

const describe = ({name}: Header): string =>
  JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);

async function readMember(
  header: Header,
  content: MemberContent,
  nth: number,
  reading: BaseReading,
): Promise<void> {
  if (++reading.members > MEMBERS_MAX) throw new BadMember(`is one of more than ${MEMBERS_MAX} files`);
  reading.tree.apply(await memberOf(header, content, reading), nth);
  content.resume();
}

async function memberOf(
  header: Header,
  content: MemberContent,
  reading: BaseReading,
): Promise<TreeMember<FileFacts>> {
  const {name: path, type, linkname, pax} = header as Header & {pax?: {[key: string]: string} | null};
  const target = linkname ?? '';
  if (Object.keys(pax ?? {}).some((key) => key.startsWith('GNU.sparse.'))) {
    throw new BadMember('is a sparse file, which thaw does not read');
  }
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return {kind: 'file', path, content: await readFacts(path, header.size ?? 0, content, reading)};
    case 'directory':
      return {kind: 'directory', path};
    case 'symlink':
      return {kind: 'symlink', path, target};
    case 'link':
      return {kind: 'link', path, target};
    case 'character-device':
    case 'block-device':
    case 'fifo':
      return {kind: 'other', path};
    default:
      throw new BadMember('is of a type that thaw does not know');
  }
}

async function readFacts(
  path: string,
  bytes: number,
  content: MemberContent,
  reading: BaseReading,
): Promise<FileFacts> {
  const clean = posix.normalize(`/${path}`).slice(1);
  const isLibrary = LIBRARY.test(posix.basename(clean));
  const isLibc = isLibrary && LIBC.test(posix.basename(clean)) && bytes <= LIBC_BYTES_MAX;
  const isText = TEXTS.some(({path, bytesMax}) => path.test(clean) && bytes <= bytesMax);
  if (!isLibrary && !isText) return NOTHING_KNOWN;
  if (isText) reading.textBytes += bytes;
  if (reading.textBytes > TEXTS_BYTES_MAX)
    throw new BadMember('makes the lists of packages too long to read');

  const hash = createHash('sha256');
  const kept: Uint8Array[] = [];
  let keptBytes = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    if (!isLibc && !isText && keptBytes >= HEAD_BYTES) continue;
    kept.push(isLibc || isText ? chunk : chunk.slice(0, HEAD_BYTES));
    keptBytes += chunk.length;
  }
  const all = Buffer.concat(kept);
  return {
    library: isLibrary
      ? {
          digest: `sha256:${hash.digest('hex')}`,
          machine: parseElfMachine(all),
          glibc: isLibc ? parseGlibcVersion(all) : null,
        }
      : null,
    text: isText ? all.toString('utf8') : null,
  };
}

const NOTHING_KNOWN: FileFacts = {library: null, text: null};
