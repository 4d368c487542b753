import {constants} from 'node:fs';
import {copyFile, mkdir, realpath, stat} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {digestOfJson, shortDigest} from '../../core/digest.ts';
import {systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import {keepFolder, type Kept} from '../../core/kept-folder.ts';
import type {Compiler, HostInterpreter} from '../../core/python.ts';
import {ABI, LINKED_LIBRARIES} from '../base/abi.ts';
import {readLibraryPaths} from '../base/host.ts';
import {isNewer, readElfLinks} from '../elf-links.ts';
import {compileTree, listFiles} from './compile-tree.ts';
import {IN_IMAGE, linkNames} from './standalone.ts';
import {isKeptInImages} from './stdlib.ts';

export interface HostRequest {
  readonly host: HostInterpreter;
  readonly version: string;
  readonly platform: Platform;
  /** Of the base. */
  readonly glibc: string;
  /** Kept folders are made in it. */
  readonly keepIn: string;
  readonly createCompiler: (version: string, own: string | null) => Promise<Compiler | null>;
  readonly signal: AbortSignal;
}

/** A copy of this machine's interpreter. */
export interface HostCopy {
  /** It goes to `opt/thaw/python` as it is. */
  readonly dir: string;
  /** Whether libraries lie in it that the loader has to be told of. */
  readonly hasLibraries: boolean;
}

/** Part of every key: raise it when the same interpreter shall give another folder. */
const FORMAT = 2;

type KeptCopy = Kept & Omit<HostCopy, 'dir'>;

/**
 * Copies this machine's interpreter with its standard library, the libraries that these are linked to, and the packages
 * that the image takes along.
 *
 * @throws ThawError PYTHON_UNAVAILABLE with `reason: 'host'` where it is for another platform or a newer glibc;
 * DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function prepareHost(request: HostRequest): Promise<HostCopy> {
  const {host, version, platform, keepIn, createCompiler, signal} = request;
  expectOfPlatform(request);
  const {size, mtimeMs} = await stat(host.executable);
  const packages = host.packages.map(({name, version}) => `${name} ${version}`);
  const key = digestOfJson({format: FORMAT, executable: host.executable, size, mtimeMs, packages});
  const dir = join(keepIn, `host-python-${host.version}-${shortDigest(key)}`);
  const {hasLibraries} = await keepFolder<KeptCopy>(dir, async (unfinished) => {
    const tree = join(unfinished, 'tree');
    await copyParts(tree, host, version);
    const hasLibraries = await copyLibraries(tree, host, platform);
    await linkNames(tree, version);
    const compiler = await createCompiler(version, host.executable);
    if (compiler !== null) await compileTree(join(tree, 'lib'), `${IN_IMAGE}/lib`, compiler);
    throwIfInterrupted(signal);
    return {name: `this machine's Python ${host.version}`, hasLibraries};
  });
  await expectGlibc(join(dir, 'tree'), request);
  return {dir: join(dir, 'tree'), hasLibraries};
}

function refuse(why: string, {platform, version}: HostRequest): ThawError {
  const message = `this machine's own Python cannot be the one of an image for ${platform}: ${why}`;
  return new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'host', platform, version});
}

function expectOfPlatform(request: HostRequest): void {
  const {host, version, platform} = request;
  if (process.platform !== 'linux' || process.arch !== ABI[platform].arch) {
    throw refuse(`this machine is ${process.platform}/${process.arch}`, request);
  }
  if (!host.version.startsWith(`${version}.`)) {
    throw refuse(`it is ${host.version}, and ${version} is wanted`, request);
  }
}

/** Its programs and extensions must not ask for a newer glibc than the base has. */
async function expectGlibc(tree: string, request: HostRequest): Promise<void> {
  for (const path of await listFiles(tree)) {
    if (!/\.so(?:\.|$)|^bin\//.test(path)) continue;
    const glibc = (await readElfLinks(join(tree, path)))?.glibc ?? null;
    if (glibc === null || !isNewer(glibc, request.glibc)) continue;
    throw refuse(`${path} needs glibc ${glibc}, and the base has ${request.glibc}`, request);
  }
}

async function copyParts(tree: string, host: HostInterpreter, version: string): Promise<void> {
  const library = join(tree, 'lib', `python${version}`);
  await copy(host.executable, join(tree, 'bin', `python${version}`));
  for (const path of await listFiles(host.stdlib)) {
    if (isKeptInImages(path)) await copyIfThere(join(host.stdlib, path), join(library, path));
  }
  for (const {files} of host.packages) {
    for (const {path, file} of files) {
      if (!NOT_FOR_IMPORT.test(path)) await copyIfThere(file, join(tree, host.siteFolder, path));
    }
  }
}

/** Headers, what was compiled for other paths, and programs that test. */
const NOT_FOR_IMPORT = /\.(?:h|hpp|cuh|a|pyc|pth)$|\/bin\/(?:test_\w+|\w*Test|tutorial_\w+)$/;

async function copy(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), {recursive: true});
  await copyFile(from, to, constants.COPYFILE_FICLONE);
}

/** Links that lead nowhere are found in installations, too. */
async function copyIfThere(from: string, to: string): Promise<void> {
  await copy(from, to).catch((error: unknown) => {
    if (!['ENOENT', 'ENOTDIR', 'EISDIR'].includes(systemCode(error) ?? '')) throw error;
  });
}

/** Every base has these, or it would be none. */
const OF_EVERY_BASE: readonly string[] = LINKED_LIBRARIES;

/**
 * Copies what the copied programs and extensions are linked to, and what that is linked to, into the folder beside the
 * standard library.
 */
async function copyLibraries(tree: string, host: HostInterpreter, platform: Platform): Promise<boolean> {
  const known = await readLibraryPaths(platform);
  const loader = ABI[platform].loader.split('/').at(-1)!;
  const done = new Set<string>([...OF_EVERY_BASE, loader]);
  const origins = new Map(
    host.packages.flatMap(({files}) =>
      files.map(({path, file}) => [join(tree, host.siteFolder, path), file] as const),
    ),
  );
  const first = (await listFiles(tree)).filter((path) => /\.so(?:\.|$)|^bin\//.test(path));
  const ahead = first.map((path) => {
    const file = join(tree, path);
    return {file, origin: path.startsWith('bin/') ? host.executable : (origins.get(file) ?? file)};
  });
  // Libraries that packages bring along are found by where they lie.
  const brought = new Set(first.map((path) => path.split('/').at(-1)!));
  let hasLibraries = false;
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    const links = await readElfLinks(next.file);
    for (const soname of links?.needed ?? []) {
      if (done.has(soname)) continue;
      const near = (links?.searchPaths ?? []).map((path) =>
        join(path.replace(/\$(?:ORIGIN|\{ORIGIN\})/g, dirname(next.origin)), soname),
      );
      const found = await firstFile([...near, ...(known.has(soname) ? [known.get(soname)!] : [])]);
      if (found === null || (brought.has(soname) && !known.has(soname))) continue;
      done.add(soname);
      const file = join(tree, 'lib', soname);
      await copy(found, file);
      hasLibraries = true;
      ahead.push({file, origin: found});
    }
  }
  return hasLibraries;
}

async function firstFile(candidates: readonly string[]): Promise<string | null> {
  for (const candidate of candidates) {
    const file = await realpath(candidate).catch(() => null);
    if (file !== null) return file;
  }
  return null;
}
