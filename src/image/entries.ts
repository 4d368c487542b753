import {createReadStream} from 'node:fs';
import {readFile, stat} from 'node:fs/promises';
import {digestOf, type Digest} from '../core/digest.ts';
import {systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {Cut} from './elf.ts';
import {noMemory, type FileMemory} from './file-memory.ts';
import {meter} from './meter.ts';

/** Where a file's content comes from: memory, or a file of this machine, perhaps cut. */
export type Source = {readonly bytes: Uint8Array} | FileSource;

/** A file of this machine: the whole of it, or only its beginning with other first bytes. */
export interface FileSource {
  readonly file: string;
  readonly cut?: Cut;
}

/** One member of a layer. Paths are relative to the image's root, with forward slashes. */
export type Entry =
  | {readonly kind: 'file'; readonly path: string; readonly mode: number; readonly source: Source}
  | {readonly kind: 'directory'; readonly path: string; readonly mode: number}
  | {readonly kind: 'symlink'; readonly path: string; readonly target: string};

/** A file whose size and content are known, so that a layer can be named before it is written. */
export type MeasuredEntry =
  | (Extract<Entry, {kind: 'file'}> & {readonly bytes: number; readonly digest: Digest})
  | Exclude<Entry, {kind: 'file'}>;

/** A file that everybody may read, and run if it is a program. */
export function fileEntry(path: string, source: Source, options: {executable?: boolean} = {}): Entry {
  return {kind: 'file', path, mode: options.executable === true ? 0o755 : 0o644, source};
}

/** A folder; needed only where its mode is not the usual 0755. */
export function directoryEntry(path: string, mode = 0o755): Entry {
  return {kind: 'directory', path, mode};
}

/**
 * Puts entries in the order of their paths, with every parent folder before what lies in it.
 *
 * @throws TypeError for a path that no archive should carry, or two entries of one path: a planner's bug.
 */
export function planEntries(entries: readonly Entry[]): readonly Entry[] {
  const byPath = new Map<string, Entry>();
  for (const entry of entries) {
    const parts = entry.path.split('/');
    if (parts.some((part) => part === '' || part === '.' || part === '..') || /[\\\0]/.test(entry.path)) {
      throw new TypeError(`not a path inside an image: ${entry.path}`);
    }
    if (byPath.has(entry.path)) throw new TypeError(`two entries of one layer are called ${entry.path}`);
    byPath.set(entry.path, entry);
  }
  for (const {path} of entries) {
    for (let slash = path.lastIndexOf('/'); slash > 0; slash = path.lastIndexOf('/', slash - 1)) {
      const parent = path.slice(0, slash);
      const present = byPath.get(parent);
      if (present === undefined) byPath.set(parent, directoryEntry(parent));
      else if (present.kind !== 'directory')
        throw new TypeError(`${path} lies in ${parent}, which is no folder`);
    }
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files up to this size are kept in memory when they are measured: nobody can change them any more. */
const KEPT_BYTES = 1 << 20;

/**
 * Finds every file's size and digest. Large ones that nobody has touched since they were last read are not read again.
 *
 * @throws ThawError INPUT_INVALID if a file cannot be read, INTERRUPTED
 */
export async function measureEntries(
  entries: readonly Entry[],
  signal: AbortSignal,
  memory: FileMemory = noMemory,
): Promise<readonly MeasuredEntry[]> {
  const measured: MeasuredEntry[] = [];
  for (const entry of entries) {
    throwIfInterrupted(signal);
    if (entry.kind !== 'file') measured.push(entry);
    else if ('bytes' in entry.source) {
      measured.push({...entry, bytes: entry.source.bytes.length, digest: digestOf(entry.source.bytes)});
    } else measured.push({...entry, ...(await measureFile(entry.source, memory, signal))});
  }
  return measured;
}

async function measureFile(
  source: FileSource,
  memory: FileMemory,
  signal: AbortSignal,
): Promise<{bytes: number; digest: Digest; source: Source}> {
  const {file, cut} = source;
  try {
    const found = await stat(file);
    if (!found.isFile()) throw new ThawError('INPUT_INVALID', `${file} is not a file`, {file});
    if (found.size <= KEPT_BYTES) {
      const content = cutTo(cut, await readFile(file));
      return {bytes: content.length, digest: digestOf(content), source: {bytes: content}};
    }
    const measured = await memory.recall(nameOf(source), [file], async () => {
      const through = meter();
      for await (const _ of through.through(readSource(source, signal)));
      return through.read();
    });
    return {...measured, source};
  } catch (error) {
    throwIfInterrupted(signal);
    throw error instanceof ThawError ? error : unreadable(file, error);
  }
}

/**
 * A file's digest, as `measureEntries` finds it.
 *
 * @throws ThawError INPUT_INVALID, INTERRUPTED
 */
export async function digestFile(file: string, memory: FileMemory, signal: AbortSignal): Promise<Digest> {
  return (await measureFile({file}, memory, signal)).digest;
}

/** Asks what a file holds, or what is left of it once it is cut. */
function nameOf({file, cut}: FileSource): string {
  return cut === undefined
    ? `digest of ${file}`
    : `digest of ${file} cut to ${cut.bytes} with ${digestOf(cut.head)}`;
}

function cutTo(cut: Cut | undefined, content: Buffer): Buffer {
  return cut === undefined
    ? content
    : Buffer.concat([cut.head, content.subarray(cut.head.length, cut.bytes)]);
}

/** Streams a file's content, or what is left of it once it is cut. */
export async function* readSource({file, cut}: FileSource, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const range = cut === undefined ? {} : {start: cut.head.length, end: cut.bytes - 1};
  if (cut !== undefined) yield cut.head;
  yield* createReadStream(file, {
    highWaterMark: 1 << 18,
    ...range,
    ...(signal && {signal}),
  }) as AsyncIterable<Buffer>;
}

/** A file that was to go into the image and cannot be read. */
export function unreadable(file: string, cause: unknown): ThawError {
  const code = systemCode(cause) ?? 'unknown';
  return new ThawError('INPUT_INVALID', `${file} cannot be read (${code})`, {file, code}, {cause});
}
