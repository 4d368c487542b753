import {execFile} from 'node:child_process';
import {readdir, readFile, realpath} from 'node:fs/promises';
import {join, posix} from 'node:path';
import {promisify} from 'node:util';
import {ThawError} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import {directoryEntry, fileEntry, type Entry} from '../entries.ts';
import {
  ABI,
  CERTIFICATE_BUNDLES,
  GLIBC_MIN_VERSION,
  isGlibcEnough,
  libraryDirs,
  LINKED_LIBRARIES,
  NONROOT,
  parseGlibcVersion,
} from './abi.ts';

/** Where the certificates lie in a base that is made of the host's files. */
export const CERTIFICATES = 'etc/ssl/certs/ca-certificates.crt';

/** The linked ones, and what the resolver opens by name. */
const LIBRARIES = [...LINKED_LIBRARIES, 'libresolv.so.2'] as const;

/** Part of libc itself in newer versions of glibc. */
const LIBRARIES_IF_PRESENT = ['libnss_dns.so.2', 'libnss_files.so.2'] as const;

/** The files of this machine that a base layer is made of. */
export interface HostBase {
  readonly kind: 'host';
  readonly platform: Platform;
  readonly glibc: string;
  readonly loader: string;
  /** By the name that programs ask for: `libc.so.6`. */
  readonly libraries: {readonly [soname: string]: string};
  readonly certificates: string | null;
  readonly osRelease: string | null;
}

/**
 * Finds on this machine what an image of a platform needs under it.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED if this machine is not of that platform, has no glibc, or one that is too
 * old
 */
export async function inspectHostBase(platform: Platform): Promise<HostBase> {
  const abi = ABI[platform];
  const host = `${process.platform}/${process.arch}`;
  if (process.platform !== 'linux' || process.arch !== abi.arch) {
    throw unsupported(
      platform,
      `it would be made from this machine's own files, and this machine is ${host}`,
    );
  }
  const known = await readLibraryPaths(platform);
  const libc = known.get('libc.so.6');
  const glibc = libc === undefined ? null : parseGlibcVersion(await readFile(libc));
  if (libc === undefined || glibc === null) throw unsupported(platform, 'this machine has no glibc');
  if (!isGlibcEnough(glibc)) {
    throw unsupported(platform, `it needs glibc ${GLIBC_MIN_VERSION}, and this machine has ${glibc}`);
  }

  const missing = LIBRARIES.filter((soname) => !known.has(soname));
  if (missing.length > 0) throw unsupported(platform, `this machine has no ${missing.join(', ')}`);
  const wanted = [...LIBRARIES, ...LIBRARIES_IF_PRESENT].flatMap((soname) => {
    const file = known.get(soname);
    return file === undefined ? [] : [[soname, file] as const];
  });
  return {
    kind: 'host',
    platform,
    glibc,
    loader: abi.loader,
    libraries: Object.fromEntries(wanted),
    certificates: await firstFile(CERTIFICATE_BUNDLES),
    osRelease: await firstFile(['/etc/os-release', '/usr/lib/os-release']),
  };
}

/**
 * Lays out the base layer: the loader where every program expects it, and all libraries in the folder of libc,
 * which the loader searches without being told. There is no shell and nothing that could be run.
 */
export function planBase(base: HostBase): readonly Entry[] {
  const libraryDir = posix.dirname(base.libraries['libc.so.6'] ?? '/lib/libc.so.6').slice(1);
  return [
    fileEntry(base.loader.slice(1), {file: base.loader}, {executable: true}),
    ...Object.entries(base.libraries).map(([soname, file]) =>
      fileEntry(`${libraryDir}/${soname}`, {file}, {executable: true}),
    ),
    ...(base.certificates === null ? [] : [fileEntry(CERTIFICATES, {file: base.certificates})]),
    ...(base.osRelease === null ? [] : [fileEntry('etc/os-release', {file: base.osRelease})]),
    textEntry('etc/passwd', [
      'root:x:0:0:root:/root:/sbin/nologin',
      `nonroot:x:${NONROOT}:${NONROOT}:nonroot:/tmp:/sbin/nologin`,
    ]),
    textEntry('etc/group', ['root:x:0:', `nonroot:x:${NONROOT}:`]),
    textEntry('etc/nsswitch.conf', ['passwd: files', 'group: files', 'hosts: files dns']),
    directoryEntry('tmp', 0o1777),
  ];
}

function textEntry(path: string, lines: readonly string[]): Entry {
  return fileEntry(path, {bytes: Buffer.from(`${lines.join('\n')}\n`)});
}

/** The libraries that this machine's loader knows, by soname. */
export async function readLibraryPaths(platform: Platform): Promise<ReadonlyMap<string, string>> {
  for (const ldconfig of ['/sbin/ldconfig', '/usr/sbin/ldconfig', '/usr/bin/ldconfig']) {
    try {
      const {stdout} = await promisify(execFile)(ldconfig, ['-p'], {maxBuffer: 1 << 24, env: {LC_ALL: 'C'}});
      const known = parseLdconfig(stdout, platform);
      if (known.has('libc.so.6')) return known;
    } catch {
      // Not there, or no cache: look where libraries usually lie.
    }
  }
  return findLibraries(platform);
}

async function findLibraries(platform: Platform): Promise<ReadonlyMap<string, string>> {
  const known = new Map<string, string>();
  for (const folder of libraryDirs(platform)) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (name.includes('.so') && !known.has(name)) known.set(name, join(folder, name));
    }
  }
  return known;
}

/** Reads `ldconfig -p`: the first file of each name that is of the platform's own ABI. */
export function parseLdconfig(text: string, platform: Platform): ReadonlyMap<string, string> {
  const known = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*(\S+) \(([^)]*)\) => (\/.*)$/.exec(line);
    const [, soname, abi, file] = match ?? [];
    if (soname === undefined || abi === undefined || file === undefined) continue;
    if (abi.split(/,\s*/).includes(ABI[platform].tag) && !known.has(soname)) known.set(soname, file);
  }
  return known;
}

async function firstFile(candidates: readonly string[]): Promise<string | null> {
  for (const file of candidates) {
    const real = await realpath(file).catch(() => null);
    if (real !== null) return real;
  }
  return null;
}

function unsupported(platform: Platform, why: string): ThawError {
  return new ThawError(
    'PLATFORM_UNSUPPORTED',
    `no base for an image of ${platform} can be made here: ${why}`,
    {platform, host: `${process.platform}/${process.arch}`, why, wanted: 'base'},
  );
}
