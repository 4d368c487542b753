import {execFile} from 'node:child_process';
import {readFile, realpath} from 'node:fs/promises';
import {promisify} from 'node:util';
import {inspectBlob, sizeOf} from '../blobs.ts';
import type {FileMemory} from '../file-memory.ts';
import {parseDistribution} from './abi.ts';
import type {BaseContents, BaseLibrary, SystemPackage} from './contents.ts';
import type {HostBase} from './host.ts';

/** Where package managers write down what is installed. */
const DATABASES = [
  '/var/lib/dpkg/status',
  '/var/lib/rpm/rpmdb.sqlite',
  '/var/lib/rpm/Packages',
  '/usr/lib/sysimage/rpm/rpmdb.sqlite',
];

/**
 * Asks this machine's package manager which packages the base's files are from, and in which versions; once, as long
 * as neither they nor what is installed has changed.
 */
export async function inspectHostContents(base: HostBase, memory: FileMemory): Promise<BaseContents> {
  const libraries = Object.entries(base.libraries).sort(([a], [b]) => (a < b ? -1 : 1));
  const databases = await existing(DATABASES);
  const files = [...libraries.map(([, file]) => file), ...databases];
  const found = await memory.recall(
    `packages of ${libraries.map(([soname]) => soname).join(' ')}`,
    files,
    () => findPackages(libraries),
  );
  const osRelease = base.osRelease === null ? '' : await readFile(base.osRelease, 'utf8').catch(() => '');
  return {glibc: base.glibc, distribution: parseDistribution(osRelease), libraries: found, packages: []};
}

async function findPackages(
  libraries: readonly (readonly [soname: string, file: string])[],
): Promise<readonly BaseLibrary[]> {
  const files = libraries.map(([, file]) => file);
  const [fromDpkg, fromRpm] = await Promise.all([askDpkg(files), askRpm(files)]);
  const found = libraries.map(async ([soname, file]): Promise<BaseLibrary> => ({
    soname,
    digest: (await inspectBlob(file)).digest,
    package: fromDpkg.get(file) ?? fromRpm.get(file) ?? null,
  }));
  return Promise.all(found);
}

async function existing(files: readonly string[]): Promise<readonly string[]> {
  const sizes = await Promise.all(files.map(sizeOf));
  return files.filter((_, nth) => sizes[nth] !== null);
}

type Packages = ReadonlyMap<string, SystemPackage>;

/** Two questions in all: dpkg reads the file lists of all packages for each. */
async function askDpkg(files: readonly string[]): Promise<Packages> {
  const spellings = new Map<string, string>();
  for (const file of files) {
    // /lib has become a link to /usr/lib, and older packages still list their files under the former.
    for (const path of [file, await realpath(file)]) {
      const bare = path.replace(/^\/usr(?=\/)/, '');
      for (const spelling of [path, bare, `/usr${bare}`]) spellings.set(spelling, file);
    }
  }
  const owners = new Map<string, string>();
  for (const line of await ask('dpkg-query', ['-S', ...spellings.keys()])) {
    const [, owner, path = ''] = /^([^,\s]+): (\/.*)$/.exec(line) ?? [];
    const file = spellings.get(path);
    if (owner !== undefined && file !== undefined) owners.set(file, owner);
  }
  if (owners.size === 0) return new Map();

  const format = '${binary:Package} ${Package} ${Version}\\n';
  const known = new Map<string, SystemPackage>();
  for (const line of await ask('dpkg-query', ['-W', '-f', format, ...new Set(owners.values())])) {
    const [owner = '', name = '', version = ''] = line.split(' ');
    known.set(owner, {manager: 'deb', name, version});
  }
  return new Map(
    [...owners].flatMap(([file, owner]) => {
      const found = known.get(owner);
      return found === undefined ? [] : [[file, found] as const];
    }),
  );
}

async function askRpm(files: readonly string[]): Promise<Packages> {
  const known = new Map<string, SystemPackage>();
  // It answers in the order of the questions, and with a sentence where it does not know.
  const lines = await ask('rpm', ['-qf', '--queryformat', '%{NAME} %{VERSION}-%{RELEASE}\\n', ...files]);
  for (const [index, file] of files.entries()) {
    const [, name, version] = /^(\S+) (\S+)$/.exec(lines[index] ?? '') ?? [];
    if (name !== undefined && version !== undefined) known.set(file, {manager: 'rpm', name, version});
  }
  return known;
}

/** The lines that a program prints, also when it does not know all that it was asked; none if it is not there. */
async function ask(program: string, args: readonly string[]): Promise<readonly string[]> {
  const env = {...process.env, LC_ALL: 'C'};
  const {stdout} = await promisify(execFile)(program, [...args], {env}).catch(
    (error: unknown) => error as {stdout?: string},
  );
  return (stdout ?? '').split('\n');
}
