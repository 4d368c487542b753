import {mkdir, readdir, readFile, rm, rmdir, stat, writeFile} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';
import {digestOf, digestOfJson, shortDigest} from '../core/digest.ts';
import {throwIfInterrupted} from '../core/errors.ts';
import {keepFolder, type Kept} from '../core/kept-folder.ts';
import type {Compiler} from '../core/python.ts';
import {createCompiler} from './compile.ts';
import {createCleaner} from './credentials.ts';
import {environmentsDirOf} from './environment.ts';
import {explainFailure} from './failure.ts';
import {createPip, createUv, findInstaller} from './installer.ts';
import {expectLock} from './lock.ts';
import {parseMetadata, type InstalledPackage} from './metadata.ts';
import {forUv, inSecret, write} from './resolve.ts';
import type {LockTarget} from './target.ts';
import type {Tools} from './tools.ts';
import {planTrim, type InstalledFile} from './trim.ts';

/** Where the packages lie in an image: what tracebacks shall show. */
const IN_IMAGE = '/opt/thaw/packages';

/** Installed packages, as they go into an image. */
export interface Packages {
  /** The folder that modules are imported from. */
  readonly dir: string;
  readonly packages: readonly InstalledPackage[];
  /** Whether there are files that `site` has to read for some of them to be found. */
  readonly hasPathFiles: boolean;
  /** The Python that compiled the modules; null if none of their version is on this machine. */
  readonly compiled: string | null;
  /** Of what was installed, so much is of no use in an image. */
  readonly leftOutBytes: number;
}

type KeptPackages = Kept & Omit<Packages, 'dir'>;

export interface PackagesRequest {
  /** The lock's text. */
  readonly lock: string;
  /** Where to look, as the requirements say: addresses may have credentials. */
  readonly options: readonly string[];
  /** The folder that relative paths in options are meant from. */
  readonly projectDir: string;
}

/** Part of every key: raise it when the same lock shall give another folder. */
const FORMAT = 1;

/**
 * Brings the packages of a lock into the cache, each held to its hash, without what is of no use in an image, and compiled
 * if a Python of their version is on this machine. Packages that are there ask nobody.
 *
 * @throws ThawError PACKAGES_UNAVAILABLE with the fact `reason`; DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function bringPackages(request: PackagesRequest, tools: Tools): Promise<Packages> {
  const {target, packages} = expectLock(request.lock);
  const compiler = await createCompiler(target.version, tools);
  const locked = request.lock.replace(/^#.*\n/gm, '');
  const key = digestOfJson({
    format: FORMAT,
    lock: digestOf(locked),
    ...target,
    compiled: compiler?.version ?? null,
  });
  const dir = join(
    environmentsDirOf(tools.cacheDir),
    `packages-${target.version}-${target.platform.replace('/', '-')}-${shortDigest(key)}`,
  );
  const [first] = packages;
  const named = first === undefined ? 'none' : `${first.name} ${first.version}`;
  const kept = await keepFolder<KeptPackages>(dir, async (unfinished) => {
    const tree = join(unfinished, 'tree');
    await mkdir(tree, {recursive: true});
    await install(tree, target, request, tools);
    tools.onStep('leaving out what only compilers read');
    const leftOutBytes = await trim(tree);
    if (compiler !== null) {
      tools.onStep('compiling modules');
      await compileTree(tree, compiler);
    }
    throwIfInterrupted(tools.signal);
    return {
      name: `packages for ${target.platform}, Python ${target.version}: ${named}${packages.length > 1 ? ` and ${packages.length - 1} more` : ''}`,
      packages: await inspectPackages(tree),
      hasPathFiles: (await readdir(tree)).some((name) => name.endsWith('.pth')),
      compiled: compiler?.version ?? null,
      leftOutBytes,
    };
  });
  const {name: _name, ...found} = kept;
  return {...found, dir: join(dir, 'tree')};
}

async function install(
  tree: string,
  target: LockTarget,
  {lock, options, projectDir}: PackagesRequest,
  tools: Tools,
): Promise<void> {
  const installer = await findInstaller(tools);
  const clean = createCleaner(JSON.stringify(options), tools.env);
  tools.onStep('fetching packages');
  const ended = await inSecret(async (secretDir) => {
    const files = {lock: join(secretDir, 'packages.txt'), options: join(secretDir, 'options.txt')};
    const where = options.filter((option) => !/^-[rc] /.test(option));
    const {lines, flags} = installer.kind === 'uv' ? forUv(where) : {lines: where, flags: []};
    await write(files.lock, [lock]);
    await write(files.options, lines);
    const held = ['--require-hashes', '--no-deps', '--target', tree, '-r', files.lock, '-r', files.options];
    return installer.kind === 'uv'
      ? createUv(target, tools, clean)(['pip', 'install', ...held, ...UV_COPIES, ...flags], projectDir)
      : createPip(
          target,
          tools,
          clean,
        )(['install', '--no-compile', '--ignore-installed', ...held], projectDir);
  });
  if (ended.ok) return;
  throw explainFailure(ended.said, {installer: installer.kind, target, source: 'the locked packages'});
}

/** Links into its cache would be as good, were they not to lead out of ours. */
const UV_COPIES = ['--link-mode', 'hardlink', '--quiet'];

async function listFiles(tree: string): Promise<readonly InstalledFile[]> {
  const members = await readdir(tree, {recursive: true, withFileTypes: true});
  const files = members
    .filter((member) => !member.isDirectory())
    .map(async (member) => {
      const file = join(member.parentPath, member.name);
      return {path: relative(tree, file).replaceAll('\\', '/'), bytes: (await stat(file)).size};
    });
  return (await Promise.all(files)).sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Removes what is of no use, and lets each package's RECORD list what is left. */
async function trim(tree: string): Promise<number> {
  const files = await listFiles(tree);
  const removed = await planTrim(files, (path) => readFile(join(tree, path), 'latin1'));
  for (const path of removed) await rm(join(tree, path));
  await removeEmpty(tree);
  for (const {path} of files) {
    if (/^[^/]+\.dist-info\/RECORD$/.test(path)) await rewriteRecord(tree, path);
  }
  return files.filter(({path}) => removed.has(path)).reduce((sum, {bytes}) => sum + bytes, 0);
}

async function removeEmpty(folder: string): Promise<boolean> {
  const members = await readdir(folder, {withFileTypes: true});
  let left = members.length;
  for (const member of members) {
    if (!member.isDirectory() || !(await removeEmpty(join(folder, member.name)))) continue;
    await rmdir(join(folder, member.name));
    left -= 1;
  }
  return left === 0;
}

/**
 * What a package consists of is asked for at run time by some; hashes and sizes are not, and differ from one installer to
 * the other. It is written anew, for its bytes may belong to the installer's own cache.
 */
async function rewriteRecord(tree: string, path: string): Promise<void> {
  const file = join(tree, path);
  const lines = (await readFile(file, 'utf8')).split(/\r?\n/);
  const kept: string[] = [];
  for (const line of lines) {
    const name = line.startsWith('"') ? /^"([^"]*)"/.exec(line)?.[1] : line.split(',')[0];
    if (!name || name.startsWith('..') || name.endsWith('.pyc')) continue;
    const isThere = await stat(join(tree, name)).then(
      (found) => found.isFile(),
      () => false,
    );
    if (isThere) kept.push(name.includes(',') ? `"${name}",,` : `${name},,`);
  }
  await rm(file);
  await writeFile(
    file,
    kept
      .sort()
      .map((line) => `${line}\n`)
      .join(''),
  );
}

/** Compiles the modules of a folder into `__pycache__` beside them. */
async function compileTree(tree: string, compiler: Compiler): Promise<void> {
  const sources = (await listFiles(tree)).filter(({path}) => path.endsWith('.py'));
  const jobs = sources.map(({path}) => ({
    source: join(tree, path),
    target: join(tree, dirname(path), '__pycache__', `${nameOf(path)}.${compiler.tag}.pyc`),
    name: `${IN_IMAGE}/${path}`,
  }));
  for (const folder of new Set(jobs.map(({target}) => dirname(target)))) {
    await mkdir(folder, {recursive: true});
  }
  await compiler.compile(jobs);
  // What nothing in it could be compiled of leaves an empty one.
  await removeEmpty(tree);
}

const nameOf = (path: string): string => path.split('/').at(-1)!.slice(0, -'.py'.length);

async function inspectPackages(tree: string): Promise<readonly InstalledPackage[]> {
  const folders = (await readdir(tree)).filter((name) => name.endsWith('.dist-info')).sort();
  const texts = folders.map((folder) => readFile(join(tree, folder, 'METADATA'), 'utf8').catch(() => ''));
  return (await Promise.all(texts)).map(parseMetadata).filter(({name}) => name !== '');
}
