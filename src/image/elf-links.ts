import {open, type FileHandle} from 'node:fs/promises';
import {parseElfMachine} from './base/abi.ts';

/** What a program or a library asks of the machine that it is loaded on. */
export interface ElfLinks {
  /** ELF's number for the processor; null for 32 bits, or the other byte order. */
  readonly machine: number | null;
  /** The libraries that it is linked to, by the names that the loader looks for. */
  readonly needed: readonly string[];
  /** Where it says that they are, `$ORIGIN` being its own folder. */
  readonly searchPaths: readonly string[];
  /** The newest glibc that a symbol of it is from: `2.28`; null if none is. */
  readonly glibc: string | null;
}

const HEADER_BYTES = 64;
const MAGIC = 0x7f454c46;
const PROGRAM_HEADER = {offset: 32, count: 56, bytes: 56} as const;
const SEGMENT = {type: 0, offset: 8, address: 16, fileBytes: 32} as const;
const LOADED = 1;
const DYNAMIC = 2;
const TAG = {
  needed: 1,
  strings: 5,
  rpath: 15,
  runpath: 29,
  versions: 0x6ffffffe,
  versionCount: 0x6fffffff,
} as const;
/** Names of libraries and folders, and lists of versions, are not longer. */
const NAME_BYTES_MAX = 4096;
const VERSIONS_BYTES_MAX = 1 << 16;
const DYNAMIC_BYTES_MAX = 1 << 16;

/**
 * Reads what a file is linked to (System V ABI, chapters 4 and 5), and no more of it than that.
 *
 * @returns null if it is no ELF file
 */
export async function readElfLinks(file: string): Promise<ElfLinks | null> {
  const handle = await open(file);
  try {
    const head = await readAt(handle, 0, HEADER_BYTES);
    if (head.length < HEADER_BYTES || head.readUInt32BE(0) !== MAGIC) return null;
    const machine = parseElfMachine(head);
    if (machine === null) return {machine, needed: [], searchPaths: [], glibc: null};
    return {machine, ...(await readDynamic(handle, head))};
  } finally {
    await handle.close();
  }
}

type Linked = Omit<ElfLinks, 'machine'>;

async function readDynamic(handle: FileHandle, head: Buffer): Promise<Linked> {
  const count = head.readUInt16LE(PROGRAM_HEADER.count);
  const table = await readAt(
    handle,
    Number(head.readBigUInt64LE(PROGRAM_HEADER.offset)),
    count * PROGRAM_HEADER.bytes,
  );
  const segments = Array.from({length: Math.floor(table.length / PROGRAM_HEADER.bytes)}, (_, nth) => {
    const segment = table.subarray(nth * PROGRAM_HEADER.bytes);
    const field = (at: number): number => Number(segment.readBigUInt64LE(at));
    return {
      type: segment.readUInt32LE(SEGMENT.type),
      offset: field(SEGMENT.offset),
      address: field(SEGMENT.address),
      bytes: field(SEGMENT.fileBytes),
    };
  });
  const dynamic = segments.find(({type}) => type === DYNAMIC);
  if (dynamic === undefined) return {needed: [], searchPaths: [], glibc: null};

  const tags = await readTags(handle, dynamic.offset, Math.min(dynamic.bytes, DYNAMIC_BYTES_MAX));
  const offsetOf = (address: number): number => {
    const within = segments.find(
      ({type, address: from, bytes}) => type === LOADED && address >= from && address < from + bytes,
    );
    return within === undefined ? address : address - within.address + within.offset;
  };
  const strings = offsetOf(tags.get(TAG.strings)?.[0] ?? 0);
  const stringAt = async (at: number): Promise<string> => {
    const bytes = await readAt(handle, strings + at, NAME_BYTES_MAX);
    const end = bytes.indexOf(0);
    return bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  };
  const named = (tag: number): Promise<string[]> => Promise.all((tags.get(tag) ?? []).map(stringAt));
  const paths = [...(await named(TAG.runpath)), ...(await named(TAG.rpath))];
  const versions = tags.get(TAG.versions)?.[0];
  return {
    needed: await named(TAG.needed),
    searchPaths: paths.flatMap((path) => path.split(':')).filter((path) => path !== ''),
    glibc:
      versions === undefined
        ? null
        : await readGlibc(handle, offsetOf(versions), tags.get(TAG.versionCount)?.[0] ?? 0, stringAt),
  };
}

async function readTags(
  handle: FileHandle,
  offset: number,
  bytes: number,
): Promise<ReadonlyMap<number, readonly number[]>> {
  const table = await readAt(handle, offset, bytes);
  const tags = new Map<number, number[]>();
  for (let at = 0; at + 16 <= table.length; at += 16) {
    const tag = Number(table.readBigInt64LE(at));
    if (tag === 0) break;
    tags.set(tag, [...(tags.get(tag) ?? []), Number(table.readBigUInt64LE(at + 8))]);
  }
  return tags;
}

/** The versions that are asked of each library: a list of lists, linked by offsets. */
async function readGlibc(
  handle: FileHandle,
  offset: number,
  count: number,
  stringAt: (at: number) => Promise<string>,
): Promise<string | null> {
  const table = await readAt(handle, offset, VERSIONS_BYTES_MAX);
  let newest: string | null = null;
  for (let at = 0, nth = 0; nth < count && at + 16 <= table.length; nth++) {
    let version = at + table.readUInt32LE(at + 8);
    for (let left = table.readUInt16LE(at + 2); left > 0 && version + 16 <= table.length; left--) {
      const name = /^GLIBC_(\d+\.\d+)/.exec(await stringAt(table.readUInt32LE(version + 8)))?.[1];
      if (name !== undefined && (newest === null || isNewer(name, newest))) newest = name;
      version += table.readUInt32LE(version + 12);
    }
    const next = table.readUInt32LE(at + 12);
    if (next === 0) break;
    at += next;
  }
  return newest;
}

/** Compares versions of glibc. */
export function isNewer(version: string, than: string): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  const [c = 0, d = 0] = than.split('.').map(Number);
  return a > c || (a === c && b > d);
}

async function readAt(handle: FileHandle, position: number, bytes: number): Promise<Buffer> {
  const {buffer, bytesRead} = await handle.read(Buffer.alloc(bytes), 0, bytes, position);
  return buffer.subarray(0, bytesRead);
}
