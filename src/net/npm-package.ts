import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {mkdir, mkdtemp, readdir, rename, rm, stat, utimes} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {createGunzip} from 'node:zlib';
import {digestOfJson, shortDigest} from '../core/digest.ts';
import {pipeToFile, writeFailure} from '../core/disk.ts';
import {messageOf, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {FetchPackage, PackagePin, ProgressFn} from '../core/ports.ts';
import {isAlive, machineKey} from './living-process.ts';

/** Where fetched packages are kept, and the environment that the user's npm runs in. */
export interface FetchPackageOptions {
  readonly cacheDir: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Makes the function that brings npm packages into `cacheDir/packages`.
 *
 * A package is unpacked in a temporary folder beside its final place and then renamed into it, so what stands
 * there is always whole. Two processes may fetch the same package at once: the later rename loses and uses what
 * the earlier one left. Temporary folders name their process, and are swept once it is gone.
 */
export function createFetchPackage({cacheDir, env = process.env}: FetchPackageOptions): FetchPackage {
  const packagesDir = packagesDirOf(cacheDir);
  return async (pin, keep, progress, signal) => {
    const finalDir = join(packagesDir, folderName(pin, keep));
    if (await markUsed(finalDir)) return finalDir;
    throwIfInterrupted(signal);
    try {
      await mkdir(packagesDir, {recursive: true});
      await sweepAbandoned(packagesDir);
      const workDir = await mkdtemp(join(packagesDir, workPrefix(process.pid)));
      try {
        const archive = await packWithNpm(pin, workDir, env, progress, signal);
        const unpackedDir = join(workDir, 'unpacked');
        await unpackVerified(archive, pin, keep, unpackedDir, signal);
        await renameOrYield(unpackedDir, finalDir);
      } finally {
        await rm(workDir, {recursive: true, force: true, maxRetries: 3});
      }
    } catch (error) {
      throw await asThawError(error, pin, packagesDir, signal);
    }
    return finalDir;
  };
}

/** Where a cache keeps its packages. */
export const packagesDirOf = (cacheDir: string): string => join(cacheDir, 'packages');

/** Whether a package is there; if so, it bears the time of its last use from now on. */
async function markUsed(dir: string): Promise<boolean> {
  const now = new Date();
  // A cache that may only be read is as good.
  await utimes(dir, now, now).catch(() => undefined);
  return exists(dir);
}

/** One folder for each combination of content and wanted files. */
export function folderName(pin: PackagePin, keep: readonly string[]): string {
  const key = shortDigest(digestOfJson({integrity: pin.integrity, keep: keep.toSorted()}));
  return `${pin.name.replace('/', '+')}-${pin.version}-${key}`;
}

/**
 * Runs `npm pack` and returns the path of the archive. The user's own npm cache is asked first, without the
 * network; a download then goes through a cache folder of its own, whose growth is the progress.
 */
async function packWithNpm(
  pin: PackagePin,
  workDir: string,
  env: NodeJS.ProcessEnv,
  progress: ProgressFn,
  signal: AbortSignal,
): Promise<string> {
  const cached = await runNpmPack(pin, workDir, ['--offline'], env, signal);
  if (cached.failure === null) return cached.archive;

  const npmCacheDir = join(workDir, 'npm-cache');
  const stopWatching = watchSize(npmCacheDir, (bytes) => {
    progress(bytes, null);
  });
  try {
    const fetched = await runNpmPack(pin, workDir, ['--cache', npmCacheDir], env, signal);
    if (fetched.failure === null) return fetched.archive;
    throw npmError(pin, fetched.failure);
  } finally {
    stopWatching();
    // Unpacking needs the room.
    await rm(npmCacheDir, {recursive: true, force: true, maxRetries: 3});
  }
}

/** How a run of npm failed: its own code and words, or the reason why it did not run. */
interface NpmFailure {
  readonly code: string | null;
  readonly words: string;
}

type PackResult = {readonly failure: null; readonly archive: string} | {readonly failure: NpmFailure};

async function runNpmPack(
  pin: PackagePin,
  workDir: string,
  flags: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<PackResult> {
  const {execa} = await import('execa');
  const spec = `${pin.name}@${pin.version}`;
  const quiet = ['--ignore-scripts', '--loglevel=error', '--no-update-notifier', '--no-progress'];
  const result = await execa(
    'npm',
    ['pack', spec, '--json', '--pack-destination', workDir, ...quiet, ...flags],
    {
      cwd: workDir,
      env,
      extendEnv: false,
      stdin: 'ignore',
      reject: false,
      cancelSignal: signal,
      forceKillAfterDelay: 2000,
    },
  );
  throwIfInterrupted(signal);
  if (result.failed) {
    if (result.code === 'ENOENT') return {failure: {code: 'ENOENT', words: 'npm was not found on the PATH'}};
    return {failure: parseNpmFailure(result.stdout, result.stderr, result.shortMessage ?? 'npm pack failed')};
  }
  const archive = (await readdir(workDir)).find((file) => file.endsWith('.tgz'));
  if (archive === undefined) return {failure: {code: null, words: 'npm pack left no archive'}};
  return {failure: null, archive: join(workDir, archive)};
}

/** With `--json` npm says what went wrong as JSON on stdout; before it reads its options, as text on stderr. */
export function parseNpmFailure(stdout: string, stderr: string, otherwise: string): NpmFailure {
  let code: string | null = null;
  let words = '';
  try {
    const {error} = JSON.parse(stdout) as {error?: {code?: string; summary?: string}};
    code = error?.code ?? null;
    words = error?.summary ?? '';
  } catch {
    // Not JSON: stderr has it.
  }
  if (words === '') {
    words = stderr
      .split('\n')
      .map((line) => line.replace(/^npm (error|ERR!) ?/, '').trim())
      .filter((line) => line !== '' && !line.startsWith('A complete log of this run'))
      .slice(-3)
      .join(' ');
  }
  if (words === '') words = otherwise;
  code ??= /\bcode (E[A-Z0-9]+)/.exec(stderr)?.[1] ?? null;
  return {code, words: withoutCredentials(words)};
}

/** A registry's address may carry a password. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/@\s]+@/g, '//***@');
}

function npmError(pin: PackagePin, failure: NpmFailure): Error {
  // npm filled the cache's disk, and passes on what the system said.
  if (failure.code === 'ENOSPC') return Object.assign(new Error(failure.words), {code: failure.code});
  const facts = {package: pin.name, version: pin.version, npm: failure.code};
  return new ThawError(
    'FETCH_FAILED',
    `npm could not fetch ${pin.name}@${pin.version}: ${failure.words}`,
    facts,
  );
}

/** Reports a growing folder's size until stopped. */
function watchSize(dir: string, report: (bytes: number) => void): () => void {
  let busy = false;
  let largest = 0;
  const look = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    const bytes = await sizeOf(dir);
    busy = false;
    // npm moves what it has downloaded: never report a step back.
    if (bytes > largest) report((largest = bytes));
  };
  const timer = setInterval(() => void look(), 150);
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}

async function sizeOf(dir: string): Promise<number> {
  const entries = await readdir(dir, {recursive: true, withFileTypes: true}).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map(async (entry) => (await stat(join(entry.parentPath, entry.name)).catch(() => null))?.size ?? 0);
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

/**
 * Unpacks the wanted files of an archive while its content is held to the pin.
 *
 * @throws ThawError FETCH_FAILED if the content is another, no wanted file is in it, or a path leads out of it
 */
async function unpackVerified(
  archive: string,
  pin: PackagePin,
  keep: readonly string[],
  intoDir: string,
  signal: AbortSignal,
): Promise<void> {
  const {default: tar} = await import('tar-stream');
  const refuse = (why: string): ThawError =>
    new ThawError('FETCH_FAILED', `${pin.name}@${pin.version} ${why}`, {
      package: pin.name,
      version: pin.version,
    });

  const hash = createHash('sha512');
  const hashing = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const entries = tar.extract();
  let kept = 0;
  const unpacking = (async () => {
    for await (const entry of entries) {
      const {name, type, mode} = entry.header;
      if (!isInside(name)) throw refuse(`holds ${JSON.stringify(name)}, a path that leads out of it`);
      const path = name.slice(name.indexOf('/') + 1);
      const wanted = keep.some(
        (prefix) => path === prefix || path.startsWith(`${prefix.replace(/\/$/, '')}/`),
      );
      if (!wanted || type === 'directory') {
        entry.resume();
        continue;
      }
      if (type !== 'file') throw refuse(`holds ${JSON.stringify(name)}, which is a ${type} and not a file`);
      const file = join(intoDir, ...path.split('/'));
      await mkdir(dirname(file), {recursive: true});
      const executable = ((mode ?? 0) & 0o111) !== 0;
      await pipeToFile(file, entry as unknown as AsyncIterable<Uint8Array>, [], {
        mode: executable ? 0o755 : 0o644,
        signal,
      });
      kept += 1;
    }
  })();
  const reading = pipeline(createReadStream(archive), hashing, createGunzip(), entries, {signal});
  // Both end before anyone goes on, so that nothing is written any more when the folder is removed.
  const [unpacked, read] = await Promise.allSettled([unpacking, reading]);
  if (unpacked.status === 'rejected') throw unpacked.reason;
  if (read.status === 'rejected') throw read.reason;

  const found = `sha512-${hash.digest('base64')}`;
  if (found !== pin.integrity) {
    throw new ThawError(
      'FETCH_FAILED',
      `${pin.name}@${pin.version} came with other content than expected: ${found}, expected ${pin.integrity}`,
      {package: pin.name, version: pin.version, found, expected: pin.integrity},
    );
  }
  if (kept === 0) throw refuse(`has nothing under ${keep.join(', ')}`);
}

/** Whether a path in an archive stays below the folder it is unpacked in, on every operating system. */
function isInside(name: string): boolean {
  return !/^[/\\]|^[a-zA-Z]:|\\|\0/.test(name) && !name.split('/').includes('..');
}

/** Puts a finished folder in its place, unless another process was faster. */
async function renameOrYield(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!(await exists(to))) throw error;
  }
}

/** Temporary folders name the machine and the process that they belong to. */
export function workPrefix(pid: number): string {
  return `.fetch-${machineKey()}-${pid}-`;
}

const ABANDONED_AFTER_MS = 24 * 60 * 60 * 1000;

/** Removes what processes that were killed half-way have left. */
export async function sweepAbandoned(packagesDir: string): Promise<void> {
  for (const name of await readdir(packagesDir)) {
    const match = /^\.fetch-([0-9a-f]{8})-([0-9]+)-/.exec(name);
    if (match === null) continue;
    const dir = join(packagesDir, name);
    const here = match[1] === machineKey();
    const abandoned = here ? !isAlive(Number(match[2])) : (await ageMs(dir)) > ABANDONED_AFTER_MS;
    // Whatever still writes there is not ours to wait for: the next sweep gets the rest.
    if (abandoned) await rm(dir, {recursive: true, force: true, maxRetries: 1}).catch(() => undefined);
  }
}

async function ageMs(dir: string): Promise<number> {
  const found = await stat(dir).catch(() => null);
  return found === null ? 0 : Date.now() - found.mtimeMs;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

async function asThawError(
  error: unknown,
  pin: PackagePin,
  packagesDir: string,
  signal: AbortSignal,
): Promise<ThawError> {
  if (error instanceof ThawError) return error;
  throwIfInterrupted(signal);
  const failure = await writeFailure(error, packagesDir);
  const refused = failure instanceof ThawError ? failure : null;
  return new ThawError(
    refused?.code ?? 'FETCH_FAILED',
    `${pin.name}@${pin.version} could not be put into the cache: ${messageOf(failure)}`,
    {package: pin.name, version: pin.version, ...refused?.facts},
    {cause: error},
  );
}
