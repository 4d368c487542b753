import {randomUUID} from 'node:crypto';
import {mkdir, readdir, readFile, rename, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Version} from '../../core/deployment.ts';
import type {Digest} from '../../core/digest.ts';
import type {OpContext} from '../../core/driver.ts';
import {systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import {layRuntime} from './lay-runtime.ts';
import {versionDir, type FunctionPaths} from './paths.ts';
import type {VersionRef} from './protocol.ts';

/** A version whose folder is whole. */
export type VersionOnDisk = Omit<Version, 'live'> & {
  /** False: its files are in an image of a container engine alone. */
  readonly unpacked?: false;
  /** What runs otherwise than in the image; left out where nothing does. */
  readonly notes?: readonly string[];
};

/** Written last: a folder without it is not whole. */
const MARK = 'version.json';
/** Versions that a rollback can go back to, the live one included. */
const VERSIONS_KEPT = 5;

/** Lists the versions that lie in a function's folder, the oldest first. */
export async function listVersions(paths: FunctionPaths): Promise<VersionOnDisk[]> {
  const names = await readdir(paths.versionsDir).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  const found = await Promise.all(
    names.filter((name) => /^[1-9][0-9]*$/.test(name)).map((name) => readVersion(paths, name)),
  );
  return found.filter((version) => version !== null).sort((a, b) => Number(a.version) - Number(b.version));
}

/**
 * Lays out an image's model, handler and configuration in a folder of their own, beside what runs them on this machine,
 * as the process engine has it. Does nothing if that version is there already.
 *
 * @param unpack whether its files are wanted; where containers run the image itself, the version's name is all
 * @returns whether the version is new
 * @throws ThawError IMAGE_MISSING, and what unpacking and fetching throw
 */
export async function writeVersion(
  context: OpContext,
  paths: FunctionPaths,
  {version, image}: VersionRef,
  unpack: boolean,
): Promise<boolean> {
  const dir = versionDir(paths, version);
  const there = await readVersion(paths, version);
  if (there?.image === image && (!unpack || there.unpacked !== false)) return false;
  const from = context.image;
  if (from === null || from.image.digest !== image) {
    throw new ThawError('IMAGE_MISSING', `the image ${image} is not at hand`, {image});
  }
  await removeUnfinished(paths);
  const unfinished = `${dir}.${process.pid}.${randomUUID().slice(0, 8)}.tmp`;
  let notes: readonly string[] = [];
  try {
    await mkdir(unfinished, {recursive: true});
    if (unpack) {
      await context.ports.unpackImage(from, ['model', 'handler', 'config'], unfinished);
      notes = await layRuntime(context, from.image.runtime, unfinished);
    }
    throwIfInterrupted(context.signal);
    const at = new Date(context.ports.clock.now()).toISOString();
    await writeFile(
      join(unfinished, MARK),
      JSON.stringify({
        version,
        image,
        at,
        ...(unpack ? {} : {unpacked: false}),
        ...(notes.length > 0 && {notes}),
      }),
    );
    await rm(dir, {recursive: true, force: true});
    await rename(unfinished, dir);
  } catch (error) {
    await rm(unfinished, {recursive: true, force: true});
    throw error;
  }
  return there?.image !== image;
}

/** Removes the oldest versions beyond those that are kept; never the live one. */
export async function pruneVersions(paths: FunctionPaths, live: string): Promise<void> {
  const others = (await listVersions(paths)).filter(({version}) => version !== live);
  for (const {version} of others.slice(0, Math.max(0, others.length - (VERSIONS_KEPT - 1)))) {
    await rm(versionDir(paths, version), {recursive: true, force: true});
  }
}

async function readVersion(paths: FunctionPaths, name: string): Promise<VersionOnDisk | null> {
  try {
    const mark = JSON.parse(await readFile(join(versionDir(paths, name), MARK), 'utf8')) as {
      image: Digest;
      at: string;
      unpacked?: false;
      notes?: readonly string[];
    };
    const {image, at, unpacked, notes} = mark;
    return {version: name, image, at, ...(unpacked === false && {unpacked}), ...(notes && {notes})};
  } catch {
    return null;
  }
}

/** Folders of a thaw that was killed while it wrote them. */
async function removeUnfinished(paths: FunctionPaths): Promise<void> {
  const names = await readdir(paths.versionsDir).catch(() => []);
  for (const name of names) {
    const pid = /^[0-9]+\.([0-9]+)\.[0-9a-f]+\.tmp$/.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) {
      await rm(join(paths.versionsDir, name), {recursive: true, force: true});
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
