import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {digestOfJson, shortDigest} from '../core/digest.ts';
import {ThawError} from '../core/errors.ts';
import {keepFolder, readKept} from '../core/kept-folder.ts';
import {NO_NETWORK, NO_SPACE} from './failure.ts';
import type {Python} from './python.ts';
import type {Running} from './run.ts';

/** Where environments are kept in thaw's cache, one folder each. */
export const environmentsDirOf = (cacheDir: string): string => join(cacheDir, 'python');

/** What an environment shall hold. */
export interface EnvironmentPlan {
  /** What the packages are for, in an error: `the converters`. */
  readonly purpose: string;
  /** As pip takes them. Empty: the user's own Python has all that is needed, and is used as it is. */
  readonly install: readonly string[];
  /** Whether the packages of the user's own Python are seen. */
  readonly ownPackages: boolean;
}

/** A Python to run programs in. */
export interface Environment {
  readonly python: string;
  readonly env: {readonly [name: string]: string};
}

const OWN_PACKAGES = 'thaw_own_packages.pth';

/** The folder of the environment that a plan means: the same Python and packages give the same one. */
export function environmentDir(cacheDir: string, plan: EnvironmentPlan, python: Python): string {
  const key = digestOfJson({
    executable: python.executable,
    version: python.version,
    install: [...plan.install],
    own: plan.ownPackages ? {folders: [...python.siteFolders], packages: {...python.packages}} : null,
  });
  return join(environmentsDirOf(cacheDir), `${python.version}-${shortDigest(key)}`);
}

/** Whether an environment is there and whole. */
export async function hasEnvironment(dir: string): Promise<boolean> {
  return (await readKept(dir)) !== null;
}

/** The environment that lies in a folder; null: the user's own Python as it is. */
export function environmentIn(dir: string | null, python: Python, plan: EnvironmentPlan): Environment {
  // What the user has set up for their own Python would find its way into one that is to be alone.
  const env: {readonly [name: string]: string} = plan.ownPackages
    ? {}
    : {PYTHONPATH: '', PYTHONNOUSERSITE: '1'};
  return {python: dir === null ? python.command : programIn(dir, 'python'), env};
}

/** A program of an environment. */
function programIn(dir: string, name: string): string {
  return process.platform === 'win32' ? join(dir, 'Scripts', `${name}.exe`) : join(dir, 'bin', name);
}

/**
 * Makes an environment, under another name until all is installed; one that is there is only marked as used.
 *
 * @throws ThawError PYTHON_UNAVAILABLE with `reason: 'no-venv'`; PACKAGES_UNAVAILABLE; INTERRUPTED
 */
export async function makeEnvironment(
  dir: string,
  plan: EnvironmentPlan,
  python: Python,
  running: Running,
): Promise<void> {
  await keepFolder(dir, async (unfinished) => {
    await install(unfinished, plan, python, running);
    const first = plan.install[0]?.replace('==', ' ') ?? 'nothing';
    return {name: `Python ${python.version} with ${first}`};
  });
}

async function install(dir: string, plan: EnvironmentPlan, python: Python, running: Running): Promise<void> {
  const {run, signal, onStep, onOutput} = running;
  const options = {signal, onLine: onOutput};
  onStep('making an environment');
  // uv sees no packages outside of its environments.
  const uv = !plan.ownPackages && (await run('uv', ['--version'], {signal})).exitCode === 0;
  const made = uv
    ? await run('uv', ['venv', '--quiet', '--python', python.executable, dir], options)
    : await run(python.command, ['-m', 'venv', dir], options);
  if (made.exitCode !== 0) throw noEnvironment(python, made.stderr || made.stdout);
  if (plan.ownPackages) await showOwnPackages(dir, python, running);
  onStep(`installing ${plan.install.length} packages`);
  const program = programIn(dir, 'python');
  const installed = uv
    ? await run('uv', ['pip', 'install', '--python', program, ...plan.install], options)
    : await run(program, ['-m', 'pip', ...PIP_INSTALL, ...plan.install], {
        signal,
        onLine: (line) => {
          onOutput(line);
          tellPackage(line, onStep);
        },
      });
  if (installed.exitCode !== 0) {
    throw notInstalled(uv ? 'uv' : 'pip', plan, python, installed.stderr || installed.stdout);
  }
}

const PIP_INSTALL = ['install', '--disable-pip-version-check', '--no-input', '--progress-bar', 'off'];

/** Lets an environment see the packages of the user's own Python behind its own, editable ones included. */
async function showOwnPackages(dir: string, python: Python, {run, signal}: Running): Promise<void> {
  const asked = await run(
    programIn(dir, 'python'),
    ['-c', "import sysconfig; print(sysconfig.get_path('purelib'))"],
    {signal},
  );
  const lines = python.siteFolders.map((folder) => `import site; site.addsitedir(${JSON.stringify(folder)})`);
  await writeFile(join(asked.stdout.trim(), OWN_PACKAGES), `${lines.join('\n')}\n`);
}

function tellPackage(line: string, onStep: (step: string) => void): void {
  const [, what] = /^(?:Collecting|Downloading|Installing collected packages:) ?(\S+)/.exec(line) ?? [];
  if (what !== undefined) onStep(line.startsWith('Installing') ? 'unpacking packages' : `fetching ${what}`);
}

function noEnvironment(python: Python, said: string): ThawError {
  const lastLines = said.trim().split(/\r?\n/).slice(-6);
  const message = `${python.command} (Python ${python.version}) cannot make an environment: ${lastLines.at(-1) || 'it says nothing'}`;
  const facts = {
    reason: 'no-venv',
    python: python.command,
    version: python.version,
    system: python.system,
    lastLines,
  };
  return new ThawError('PYTHON_UNAVAILABLE', message, facts);
}

const NO_SUCH =
  /No matching distribution found for (\S+)|Could not find a version that satisfies the requirement (\S+)|no version of (\S+)/;
function notInstalled(installer: string, plan: EnvironmentPlan, python: Python, said: string): ThawError {
  const lines = said.trim().split(/\r?\n/);
  const lastLines = lines.slice(-8);
  const facts = {installer, packages: [...plan.install], version: python.version, lastLines};
  const failed = (reason: string, what: string): ThawError =>
    new ThawError('PACKAGES_UNAVAILABLE', `${installer} could not install ${plan.purpose}: ${what}`, {
      ...facts,
      reason,
    });
  if (NO_SPACE.test(said)) return failed('disk', 'no space left on the disk');
  // pip says both where it was offline: that there is no such package follows from that alone.
  if (NO_NETWORK.test(said)) return failed('network', 'the package index cannot be reached');
  const missing = NO_SUCH.exec(said)
    ?.slice(1)
    .find((name) => name !== undefined);
  if (missing !== undefined)
    return failed('no-match', `there is no ${missing} for Python ${python.version} here`);
  return failed(
    'failed',
    lines.findLast((line) => /error/i.test(line))?.trim() || lastLines.at(-1) || 'it says nothing',
  );
}
