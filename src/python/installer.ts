import {join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import {isAtLeast} from './python.ts';
import {markersOf, pipTarget, uvPlatforms, type LockTarget} from './target.ts';
import type {Tools} from './tools.ts';

/** What brings packages: the user's own uv, or pip. */
export interface Installer {
  readonly kind: 'uv' | 'pip';
  readonly version: string;
}

/** The first pip that says what it would install. */
const PIP_MINIMUM = '22.2';
/** Where the user has told uv to look for packages. */
const UV_SETTINGS = [
  'UV_DEFAULT_INDEX',
  'UV_INDEX',
  'UV_INDEX_URL',
  'UV_EXTRA_INDEX_URL',
  'UV_FIND_LINKS',
  'UV_NO_INDEX',
  'UV_CONFIG_FILE',
];
/** Settings of pip that say where packages are. uv does not read them. */
const PIP_SETTING = /\.(?:index-url|extra-index-url|find-links|no-index)='[^']/;

/**
 * Finds uv, which is quicker, or pip. Where the user has set an index for pip and none for uv, it is pip.
 *
 * @throws ThawError PACKAGES_UNAVAILABLE with `reason: 'no-installer'`; INTERRUPTED
 */
export async function findInstaller(tools: Tools): Promise<Installer> {
  const {run, signal, env, python} = tools;
  const uv = /^uv (\S+)/.exec((await run('uv', ['--version'], {signal})).stdout)?.[1] ?? null;
  if (uv !== null && UV_SETTINGS.some((name) => env[name])) return {kind: 'uv', version: uv};
  const pip = await findPip(tools);
  const usable = pip !== null && isAtLeast(pip, PIP_MINIMUM);
  if (uv === null && usable) return {kind: 'pip', version: pip};
  if (uv !== null) {
    const set =
      usable && PIP_SETTING.test((await run(python.command, [...PIP, 'config', 'list'], {signal})).stdout);
    return set ? {kind: 'pip', version: pip} : {kind: 'uv', version: uv};
  }
  const what = pip === null ? 'has no pip' : `has pip ${pip}, which cannot say what it would install`;
  const message = `there is no uv, and ${python.command} (Python ${python.version}) ${what}`;
  throw new ThawError('PACKAGES_UNAVAILABLE', message, {reason: 'no-installer', python: python.command});
}

const PIP = ['-m', 'pip', '--disable-pip-version-check'];

async function findPip({run, signal, python}: Tools): Promise<string | null> {
  const {stdout} = await run(python.command, [...PIP, '--version'], {signal});
  return /^pip (\S+)/.exec(stdout)?.[1] ?? null;
}

/** How an installer ended. */
export interface Ended {
  readonly ok: boolean;
  readonly stdout: string;
  /** All that it said, without credentials. */
  readonly said: string;
}

/** Runs pip or uv for a target. */
export type RunInstaller = (args: readonly string[], cwd: string) => Promise<Ended>;

/** What the user may have set for their own work, and would stand in the way of any installation elsewhere. */
const PIP_ENV = {PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_DRY_RUN: '0', PYTHONDONTWRITEBYTECODE: '1'};

/**
 * Makes what runs pip as if it were on the target.
 *
 * @param clean takes credentials out of what is shown
 */
export function createPip(target: LockTarget, tools: Tools, clean: (text: string) => string): RunInstaller {
  const {run, signal, python, programsDir, onStep, onOutput} = tools;
  return async ([command = '', ...args], cwd) => {
    const quiet = ['--disable-pip-version-check', '--no-input', '--progress-bar', 'off'];
    const {exitCode, stdout, stderr} = await run(
      python.command,
      [
        join(programsDir, 'thaw_pip.py'),
        command,
        ...quiet,
        '--only-binary=:all:',
        ...pipTarget(target),
        ...args,
      ],
      {
        signal,
        cwd,
        env: {...PIP_ENV, THAW_TARGET: JSON.stringify(markersOf(target))},
        onLine: (line) => {
          const shown = clean(line);
          onOutput(shown);
          const step = stepOf(shown);
          if (step !== null) onStep(step);
        },
      },
    );
    return {ok: exitCode === 0, stdout, said: clean(`${stdout}\n${stderr}`)};
  };
}

function stepOf(line: string): string | null {
  const [, verb, what] = /^(Collecting|Downloading|Installing) (\S+)/.exec(line) ?? [];
  if (verb === undefined || what === undefined) return null;
  return verb === 'Installing' ? 'unpacking packages' : `fetching ${what.split('/').at(-1)}`;
}

/** Makes what runs uv for a target. */
export function createUv(target: LockTarget, tools: Tools, clean: (text: string) => string): RunInstaller {
  const {run, signal, python, onOutput} = tools;
  return async (args, cwd) => {
    const options = [
      '--only-binary',
      ':all:',
      '--python',
      python.executable,
      '--python-version',
      target.version,
    ];
    let ended: Ended = {ok: false, stdout: '', said: 'uv knows no platform with a glibc as old as this'};
    for (const platform of uvPlatforms(target)) {
      const {exitCode, stdout, stderr} = await run(
        'uv',
        [...args, ...options, '--python-platform', platform],
        {
          signal,
          cwd,
          env: {UV_PYTHON_DOWNLOADS: 'never', UV_NO_PROGRESS: '1', NO_COLOR: '1'},
          onLine: (line) => onOutput(clean(line)),
        },
      );
      ended = {ok: exitCode === 0, stdout, said: clean(stderr || stdout)};
      // An older uv knows fewer of them.
      if (!/invalid value '[^']*' for '--python-platform/.test(stderr)) break;
    }
    return ended;
  };
}
