import {constants} from 'node:fs';
import {copyFile, link, mkdir, readdir, writeFile} from 'node:fs/promises';
import {arch} from 'node:os';
import {dirname, join, relative} from 'node:path';
import {digestOfJson, shortDigest} from '../core/digest.ts';
import {ThawError} from '../core/errors.ts';
import type {Platform} from '../core/image.ts';
import {keepFolder, type Kept} from '../core/kept-folder.ts';
import type {PythonEnvironment, PythonNeeds} from '../core/ports.ts';
import {choosePython} from './choose-python.ts';
import {createCleaner} from './credentials.ts';
import {environmentsDirOf} from './environment.ts';
import {explainFailure} from './failure.ts';
import {findInstaller} from './installer.ts';
import {expectLock, planWanted, type Lock} from './lock.ts';
import {bringPackages} from './packages.ts';
import {minorOf, type Python} from './python.ts';
import {normalizedName} from './requirement-lines.ts';
import {partsOf} from './requirements.ts';
import {forUv, inSecret, write, type Wanted} from './resolve.ts';
import type {Tools} from './tools.ts';

/** What makes environments for functions. */
export interface EnvironmentTools extends Omit<Tools, 'python' | 'onNote'> {
  /** The Python that the user has named; null: whichever suits. */
  readonly named: string | null;
}

/** Part of every key: raise it when an environment shall be made or described otherwise. */
const FORMAT = 1;

type KeptEnvironment = Kept & Pick<PythonEnvironment, 'notes'>;

/**
 * Makes an environment of this machine's Python for a function, or finds the one that was made before. Where this machine
 * is what the image is for, it holds the very files of the image; elsewhere the packages are chosen anew, in the same
 * versions if these can be had.
 *
 * @throws ThawError PYTHON_UNAVAILABLE, PACKAGES_UNAVAILABLE, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function makeFunctionEnvironment(
  needs: PythonNeeds,
  {named, ...rest}: EnvironmentTools,
): Promise<PythonEnvironment> {
  const {version, provided, packages} = needs;
  const python = await choosePython({named, version, provided}, rest);
  const notes: string[] = [];
  const tools: Tools = {...rest, python, onNote: (note) => notes.push(note)};
  const minor = minorOf(python.version);
  if (minor !== version) notes.push(`Python ${python.version} runs it here; the image has ${version}`);
  const same = isHost(needs.platform, python) && minor === version;
  const key = digestOfJson({
    format: FORMAT,
    executable: python.executable,
    version: python.version,
    platform: needs.platform,
    packages: packages && {...packages},
    provided: [...provided],
    own: provided.length === 0 ? null : {folders: [...python.siteFolders], packages: {...python.packages}},
  });
  const dir = join(environmentsDirOf(tools.cacheDir), `function-${python.version}-${shortDigest(key)}`);
  const kept = await keepFolder<KeptEnvironment>(dir, async (unfinished) => {
    tools.onStep('making an environment');
    await makeVenv(unfinished, tools);
    const site = siteFolderOf(unfinished, minor);
    if (provided.length > 0) await showOwnPackages(site, python);
    const first = packages === null ? null : await bring(packages, same, site, needs, tools);
    return {name: `Python ${python.version} for a function${first === null ? '' : ` with ${first}`}`, notes};
  });
  return {dir, notes: kept.notes};
}

/** Whether files for a platform run on this machine. */
function isHost(platform: Platform, {system, implementation}: Python): boolean {
  const own = {x64: 'linux/amd64', arm64: 'linux/arm64'}[arch()];
  return process.platform === 'linux' && system === 'linux' && implementation !== 'PyPy' && own === platform;
}

/** pip is not in it: what installs is outside. */
async function makeVenv(dir: string, {run, signal, python, onOutput}: Tools): Promise<void> {
  const {exitCode, stdout, stderr} = await run(python.executable, ['-m', 'venv', '--without-pip', dir], {
    signal,
    onLine: onOutput,
  });
  if (exitCode === 0) return;
  const lastLines = (stderr || stdout).trim().split(/\r?\n/).slice(-6);
  const message = `${python.command} (Python ${python.version}) cannot make an environment: ${lastLines.at(-1) || 'it says nothing'}`;
  const facts = {reason: 'no-venv', python: python.command, version: python.version, system: python.system};
  throw new ThawError('PYTHON_UNAVAILABLE', message, {...facts, lastLines});
}

const siteFolderOf = (dir: string, minor: string): string =>
  process.platform === 'win32'
    ? join(dir, 'Lib', 'site-packages')
    : join(dir, 'lib', `python${minor}`, 'site-packages');

/** Behind its own packages come those of the Python that it was made from, whether or not that is an environment too. */
async function showOwnPackages(site: string, {siteFolders}: Python): Promise<void> {
  const lines = siteFolders.map((folder) => `import site; site.addsitedir(${JSON.stringify(folder)})`);
  await writeFile(join(site, 'thaw_own_packages.pth'), lines.map((line) => `${line}\n`).join(''));
}

/** Brings the packages, and returns the first one's name with its version. */
async function bring(
  {lock: text, requirements}: NonNullable<PythonNeeds['packages']>,
  same: boolean,
  site: string,
  {provided}: PythonNeeds,
  tools: Tools,
): Promise<string | null> {
  const lock = expectLock(text);
  const parts = partsOf(requirements);
  if (same) {
    const {dir} = await bringPackages({lock: text, options: parts.options, projectDir: process.cwd()}, tools);
    await linkFiles(dir, site);
  } else {
    // What was added for the model's sake is in the lock alone.
    const added = lock.packages
      .filter(({name}) => name === 'onnxruntime')
      .map(({name, version}) => `${name}==${version}`);
    const asked = {parts, file: '', files: [], text: '', digest: lock.digest} as const;
    await installAnew(planWanted({requirements: asked, additions: added, provided}), lock, site, tools);
  }
  const [first] = lock.packages;
  return first === undefined ? null : `${first.name} ${first.version}`;
}

/** The files are the cache's own: by links, which cost neither time nor space, where that can be. */
async function linkFiles(from: string, to: string): Promise<void> {
  for (const member of await readdir(from, {recursive: true, withFileTypes: true})) {
    if (member.isDirectory()) continue;
    const file = join(member.parentPath, member.name);
    const target = join(to, relative(from, file));
    await mkdir(dirname(target), {recursive: true});
    await link(file, target).catch(() => copyFile(file, target, constants.COPYFILE_FICLONE));
  }
}

/** Lets pip or uv choose for this machine: first in the versions of the lock, then, if these cannot be had, in others. */
async function installAnew(
  wanted: Wanted,
  lock: Pick<Lock, 'packages' | 'target'>,
  site: string,
  tools: Tools,
): Promise<void> {
  const {python, env, onStep, onNote} = tools;
  const installer = await findInstaller(tools);
  const clean = createCleaner(JSON.stringify(wanted), env);
  const {lines, flags} = installer.kind === 'uv' ? forUv(wanted.options) : {lines: wanted.options, flags: []};
  const command =
    installer.kind === 'uv'
      ? ['uv', 'pip', 'install', '--python', python.executable, ...flags]
      : [
          python.executable,
          '-m',
          'pip',
          'install',
          '--no-input',
          '--progress-bar',
          'off',
          '--ignore-installed',
        ];
  onStep('choosing packages for this machine');
  const attempt = (constraints: readonly string[]): Promise<{ok: boolean; said: string}> =>
    inSecret(async (dir) => {
      const files = {packages: join(dir, 'packages.txt'), constraints: join(dir, 'constraints.txt')};
      await write(files.packages, [...lines, ...wanted.packages]);
      await write(files.constraints, constraints);
      const [program = '', ...args] = command;
      const what = [
        '--only-binary',
        ':all:',
        '--target',
        site,
        '-r',
        files.packages,
        '-c',
        files.constraints,
      ];
      const {exitCode, stdout, stderr} = await tools.run(program, [...args, ...what], {
        signal: tools.signal,
        env: {PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', UV_PYTHON_DOWNLOADS: 'never', NO_COLOR: '1'},
        onLine: (line) => tools.onOutput(clean(line)),
      });
      return {ok: exitCode === 0, said: clean(`${stdout}\n${stderr}`)};
    });
  const pinned = lock.packages.map(({name, version}) => `${normalizedName(name)}==${version}`);
  const first = await attempt([...wanted.constraints, ...pinned]);
  if (first.ok) return;
  const second = await attempt(wanted.constraints);
  if (!second.ok) {
    const target = {...lock.target, version: minorOf(python.version)};
    throw explainFailure(second.said, {
      installer: installer.kind,
      target,
      source: 'the packages, for this machine',
    });
  }
  onNote(
    'the packages that the image has are not all to be had for this machine: it runs with other versions',
  );
}
