import {createReadStream} from 'node:fs';
import {chmod, mkdir, rm, symlink} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {createGunzip} from 'node:zlib';
import {digestOfJson, shortDigest} from '../../core/digest.ts';
import {pipeToFile} from '../../core/disk.ts';
import {messageOf, systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import {keepFolder, readKept, type Kept} from '../../core/kept-folder.ts';
import type {FetchFile, ProgressFn} from '../../core/ports.ts';
import type {Compiler} from '../../core/python.ts';
import {readElfLinks} from '../elf-links.ts';
import {readMembers} from '../tar-members.ts';
import {compileTree, listFiles} from './compile-tree.ts';
import {RELEASES, type InterpreterPin} from './interpreter-pins.ts';
import {isKeptInImages} from './stdlib.ts';

/** Where an interpreter lies in an image. */
export const IN_IMAGE = '/opt/thaw/python';

export interface StandaloneRequest {
  readonly pin: InterpreterPin;
  /** The minor version. */
  readonly version: string;
  readonly platform: Platform;
  /** Kept folders are made in it. */
  readonly keepIn: string;
  readonly fetchFile: FetchFile;
  /** Finds what compiles its library; the interpreter itself, if it runs on this machine. */
  readonly createCompiler: (version: string, own: string | null) => Promise<Compiler | null>;
  readonly env: {readonly [name: string]: string | undefined};
  readonly progress: ProgressFn;
  readonly signal: AbortSignal;
}

/** Part of every key: raise it when the same build shall give another folder. */
const FORMAT = 1;

/**
 * Brings a relocatable build of CPython into the cache: the program, the libraries that it is linked to, and the standard
 * library, compiled.
 *
 * @returns the folder, which goes to `opt/thaw/python` as it is
 * @throws ThawError FETCH_FAILED, CONTENT_MISMATCH, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function prepareStandalone(request: StandaloneRequest): Promise<string> {
  const {pin, version, platform, keepIn, fetchFile, createCompiler, env, progress, signal} = request;
  const key = digestOfJson({format: FORMAT, digest: pin.digest});
  const name = `cpython-${pin.version}-${platform.replace('/', '-')}-${shortDigest(key)}`;
  const dir = join(keepIn, name);
  if ((await readKept(dir)) === null) await mkdir(keepIn, {recursive: true});
  await keepFolder<Kept>(dir, async (unfinished) => {
    const [tree, archive] = [join(unfinished, 'tree'), join(unfinished, 'archive.tar.gz')];
    await mkdir(tree, {recursive: true});
    await fetchFile({url: addressOf(pin, env), digest: pin.digest}, archive, progress, signal);
    await unpack(archive, tree, version, signal);
    await rm(archive);
    await leaveUnlinked(tree, version);
    await linkNames(tree, version);
    const compiler = await createCompiler(version, join(tree, 'bin', `python${version}`));
    const library = `lib/python${version}`;
    if (compiler !== null) await compileTree(join(tree, library), `${IN_IMAGE}/${library}`, compiler);
    throwIfInterrupted(signal);
    return {name: `CPython ${pin.version} for ${platform}`};
  });
  return join(dir, 'tree');
}

/** A mirror has the paths of the releases. */
function addressOf({path}: InterpreterPin, env: {readonly [name: string]: string | undefined}): string {
  const mirror = env['THAW_PYTHON_MIRROR'] || env['UV_PYTHON_INSTALL_MIRROR'] || RELEASES;
  return `${mirror.replace(/\/+$/, '')}/${path}`;
}

/** Unpacks what is of use; everything in the archive lies in `python/`. */
async function unpack(archive: string, tree: string, version: string, signal: AbortSignal): Promise<void> {
  const library = `lib/python${version}/`;
  const isWanted = (path: string): boolean =>
    path === `bin/python${version}` ||
    /^lib\/[^/]+\.so(?:\.[\d.]+)?$/.test(path) ||
    /^LICENSE|^licenses\//.test(path) ||
    (path.startsWith(library) && isKeptInImages(path.slice(library.length)));
  try {
    await readMembers(
      [createReadStream(archive), createGunzip()],
      async ({name, type, mode}, content) => {
        const path = name.replace(/^(?:\.\/)?python\//, '');
        if (type !== 'file' || path.split('/').includes('..') || !isWanted(path)) {
          content.resume();
          return;
        }
        const file = join(tree, ...path.split('/'));
        await mkdir(dirname(file), {recursive: true});
        const executable = ((mode ?? 0) & 0o111) !== 0;
        await pipeToFile(file, content, [], {mode: executable ? 0o755 : 0o644, signal});
        if (executable && process.platform !== 'win32') await chmod(file, 0o755);
      },
      signal,
    );
  } catch (error) {
    throwIfInterrupted(signal);
    // What the disk refuses has a code of the system's.
    if (error instanceof ThawError || systemCode(error)?.startsWith('E') === true) throw error;
    const message = `the archive with Python ${version} cannot be unpacked: ${messageOf(error)}`;
    throw new ThawError('FETCH_FAILED', message, {reason: messageOf(error)}, {cause: error});
  }
  const program = join('bin', `python${version}`).replaceAll('\\', '/');
  if ((await listFiles(tree)).includes(program)) return;
  throw new ThawError('FETCH_FAILED', `the archive has no ${program} in it`, {reason: 'no interpreter'});
}

/** Libraries beside it are for programs that Python is a part of, unless it is linked to them itself. */
async function leaveUnlinked(tree: string, version: string): Promise<void> {
  const {needed = []} = (await readElfLinks(join(tree, 'bin', `python${version}`))) ?? {};
  for (const path of await listFiles(tree)) {
    const name = /^lib\/([^/]+)$/.exec(path)?.[1];
    if (name !== undefined && !needed.includes(name)) await rm(join(tree, path));
  }
}

/** The names that programs are used to. Where links cannot be made, the full name has to do. */
export async function linkNames(tree: string, version: string): Promise<void> {
  for (const name of ['python3', 'python']) {
    await symlink(`python${version}`, join(tree, 'bin', name)).catch(() => undefined);
  }
}
