import {createReadStream, type Stats} from 'node:fs';
import {lstat, mkdir, readFile, rename, rm, rmdir, stat} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {Readable} from 'node:stream';
import {pipeToFile, unfinishedName, writeFailure} from '../core/disk.ts';
import {systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {PlannedFile, ScaffoldPlan} from './plan.ts';

/** What to do about files that exist and differ: refuse to write anything, replace them, or leave them be. */
export type OnConflict = 'refuse' | 'overwrite' | 'keep';

/** What became of each planned file, by its path. */
export interface Scaffolded {
  readonly written: readonly string[];
  /** They were there already, byte for byte. */
  readonly unchanged: readonly string[];
  readonly kept: readonly string[];
}

/** The planned files that exist with other content, by their path. Reads only. */
export async function findConflicts(plan: ScaffoldPlan, dir: string): Promise<readonly string[]> {
  const {differing} = await compare(plan, dir);
  return differing.map((file) => file.path);
}

/**
 * Writes a planned project into a folder, which may exist and hold other files. All or nothing: every file is first
 * written whole under another name, and whatever goes wrong (Ctrl-C included) leaves the folder as it was.
 *
 * @throws ThawError FILE_EXISTS, naming every file in the way, before anything is written; MODEL_NOT_FOUND
 *   if a file to be copied is not there; DISK_FULL; PERMISSION_DENIED; INTERRUPTED
 */
export async function writeScaffold(
  plan: ScaffoldPlan,
  dir: string,
  {onConflict, signal}: {readonly onConflict: OnConflict; readonly signal: AbortSignal},
): Promise<Scaffolded> {
  const {missing, unchanged, differing} = await compare(plan, dir);
  if (differing.length > 0 && onConflict === 'refuse') throw filesExist(dir, differing);
  const wanted = onConflict === 'overwrite' ? [...missing, ...differing] : missing;

  const undo: (() => Promise<void>)[] = [];
  try {
    const staged = new Map<PlannedFile, string>();
    for (const file of wanted) {
      throwIfInterrupted(signal);
      await makeFolder(dirname(join(dir, file.path)), undo);
      staged.set(file, await stage(file, dir, undo, signal));
    }
    throwIfInterrupted(signal);
    const replaced: string[] = [];
    for (const file of differing.filter((file) => staged.has(file))) {
      replaced.push(await setAside(join(dir, file.path), undo));
    }
    for (const [file, temporary] of staged) await putInPlace(temporary, join(dir, file.path), undo);
    for (const path of replaced) await rm(path, {force: true});
  } catch (error) {
    for (const step of undo.toReversed()) await step().catch(() => undefined);
    throw await asThawError(error, dir, signal);
  }

  const paths = (files: readonly PlannedFile[]) => files.map((file) => file.path);
  return {
    written: paths(wanted),
    unchanged: paths(unchanged),
    kept: onConflict === 'keep' ? paths(differing) : [],
  };
}

/**
 * Sorts the planned files by what is there now.
 *
 * @throws ThawError FILE_EXISTS if a folder is where a file shall be, or a file where a folder shall be: neither is
 *   ever replaced.
 */
async function compare(plan: ScaffoldPlan, dir: string) {
  const missing: PlannedFile[] = [];
  const unchanged: PlannedFile[] = [];
  const differing: PlannedFile[] = [];
  const obstructed: PlannedFile[] = [];
  for (const file of plan.files) {
    const path = join(dir, file.path);
    const there = await statIfAny(path);
    if (there === 'obstructed' || there?.isDirectory()) obstructed.push(file);
    else if (!there) missing.push(file);
    else if (await holds(path, there, file)) unchanged.push(file);
    else differing.push(file);
  }
  if (obstructed.length > 0) {
    const files = obstructed.map((file) => file.path);
    throw new ThawError(
      'FILE_EXISTS',
      `${files.join(', ')} cannot be written in ${dir}: a folder is where a file shall be, or a file where a folder shall be`,
      {dir, files},
    );
  }
  return {missing, unchanged, differing};
}

async function statIfAny(path: string): Promise<Stats | 'obstructed' | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    if (systemCode(error) === 'ENOTDIR') return 'obstructed';
    throw error;
  }
}

/** Whether the file at a path has the planned content. */
async function holds(path: string, there: Stats, file: PlannedFile): Promise<boolean> {
  if (!there.isFile()) return false;
  if ('content' in file) {
    return there.size === file.content.byteLength && Buffer.compare(await readFile(path), file.content) === 0;
  }
  const source = await stat(file.copyOf);
  if (source.ino === there.ino && source.dev === there.dev) return true;
  return source.size === there.size && (await sameBytes(path, file.copyOf));
}

/** Compares two files of one size, piece by piece. */
async function sameBytes(a: string, b: string): Promise<boolean> {
  const others = createReadStream(b)[Symbol.asyncIterator]();
  try {
    for await (const piece of createReadStream(a) as AsyncIterable<Buffer>) {
      const other = (await others.next()) as IteratorResult<Buffer, undefined>;
      if (other.done || !piece.equals(other.value)) return false;
    }
    return true;
  } finally {
    await others.return?.();
  }
}

/** Makes a folder and those above it, one by one, so that exactly the new ones can be taken away again. */
async function makeFolder(path: string, undo: (() => Promise<void>)[]): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return;
    if (systemCode(error) !== 'ENOENT') throw error;
    await makeFolder(dirname(path), undo);
    return makeFolder(path, undo);
  }
  undo.push(() => rmdir(path));
}

/** Writes a file's content beside where it shall be, and returns where. */
async function stage(
  file: PlannedFile,
  dir: string,
  undo: (() => Promise<void>)[],
  signal: AbortSignal,
): Promise<string> {
  const temporary = unfinishedName(join(dir, file.path));
  undo.push(() => rm(temporary, {force: true}));
  const source = 'content' in file ? Readable.from([file.content]) : createReadStream(file.copyOf);
  await pipeToFile(temporary, source, [], {flush: true, signal});
  return temporary;
}

/** Gives a file that will be replaced another name, and returns it. */
async function setAside(path: string, undo: (() => Promise<void>)[]): Promise<string> {
  const aside = unfinishedName(path);
  await rename(path, aside);
  undo.push(() => rename(aside, path));
  return aside;
}

async function putInPlace(temporary: string, path: string, undo: (() => Promise<void>)[]): Promise<void> {
  await rename(temporary, path);
  undo.push(() => rm(path, {force: true}));
}

function filesExist(dir: string, files: readonly PlannedFile[]): ThawError {
  const paths = files.map((file) => file.path);
  const verb = paths.length === 1 ? 'exists' : 'exist';
  return new ThawError('FILE_EXISTS', `${paths.join(', ')} already ${verb} in ${dir}, with other content`, {
    dir,
    files: paths,
  });
}

async function asThawError(error: unknown, dir: string, signal: AbortSignal): Promise<unknown> {
  const {path} = error as {path?: unknown};
  const file = typeof path === 'string' ? path : dir;
  const failure = await writeFailure(error, file, {signal});
  if (systemCode(failure) !== 'ENOENT') return failure;
  return new ThawError('MODEL_NOT_FOUND', `there is no file ${file} to copy`, {dir, file}, {cause: error});
}
