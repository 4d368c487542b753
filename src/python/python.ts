import {join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import type {RunProgram} from './run.ts';

/** A Python of the user's, and what it has. */
export interface Python {
  /** How it is run: a name on the PATH, or a path. */
  readonly command: string;
  readonly executable: string;
  /** Such as 3.11.7. */
  readonly version: string;
  /** CPython, PyPy. */
  readonly implementation: string;
  /** As Python names machines: x86_64, AMD64, arm64, aarch64. */
  readonly machine: string;
  /** linux, darwin, win32. */
  readonly system: string;
  /** Where its packages lie. */
  readonly siteFolders: readonly string[];
  /** Versions of the packages that matter here. */
  readonly packages: {readonly [name: string]: string};
  /** Whether it can make environments, with pip in them. */
  readonly hasVenv: boolean;
}

/** The oldest that today's packages are made for. */
const PYTHON_MINIMUM = '3.9';

const ANSWER_MS = 120_000;

/**
 * Finds the user's Python: the one that is named, else that of the active environment, else the first on the
 * PATH that is new enough.
 *
 * @throws ThawError PYTHON_UNAVAILABLE with the fact `reason`: `missing` or `old`; INTERRUPTED
 */
export async function findPython(
  named: string | null,
  {
    run,
    signal,
    programsDir,
    env,
  }: {
    readonly run: RunProgram;
    readonly signal: AbortSignal;
    readonly programsDir: string;
    readonly env: {readonly [name: string]: string | undefined};
  },
): Promise<Python> {
  const commands = named === null ? commandsIn(env) : [named];
  let old: Python | null = null;
  for (const command of commands) {
    const python = await inspectPython(command, [], {run, signal, programsDir});
    if (python === null) continue;
    if (isNewEnough(python)) return python;
    old ??= python;
  }
  if (old !== null) {
    const message = `${old.command} is Python ${old.version}: thaw takes ${PYTHON_MINIMUM} or newer`;
    throw new ThawError('PYTHON_UNAVAILABLE', message, {
      reason: 'old',
      python: old.command,
      version: old.version,
    });
  }
  const message =
    named === null
      ? `there is no Python: none of ${commands.join(', ')} runs`
      : `${named} does not run, or is no Python`;
  throw new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'missing', python: named});
}

/** How programs of the user's are run, and where thaw's own lie. */
export interface Search {
  readonly run: RunProgram;
  readonly signal: AbortSignal;
  readonly programsDir: string;
}

/**
 * Asks a Python what it is and has; null if it does not run, or is none.
 *
 * @param names of packages that are of interest, beside the usual ones
 */
export async function inspectPython(
  command: string,
  names: readonly string[],
  {run, signal, programsDir}: Search,
): Promise<Python | null> {
  const program = join(programsDir, 'thaw_inspect.py');
  const {stdout, exitCode} = await run(command, [program, ...names], {signal, timeoutMs: ANSWER_MS});
  return exitCode === 0 ? parseAnswer(command, stdout) : null;
}

/** Whether today's packages are made for it. */
export const isNewEnough = ({version}: Python): boolean => isAtLeast(version, PYTHON_MINIMUM);

/** The minor version: `3.11`. */
export const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');

/** Where a Python may be: that of the active environment, then what the PATH has. */
export function commandsIn(env: {readonly [name: string]: string | undefined}): string[] {
  const windows = process.platform === 'win32';
  const active = env['VIRTUAL_ENV'] || env['CONDA_PREFIX'];
  const own = active
    ? [
        windows
          ? join(active, env['VIRTUAL_ENV'] ? 'Scripts' : '', 'python.exe')
          : join(active, 'bin', 'python'),
      ]
    : [];
  return [...own, ...(windows ? ['python', 'py', 'python3'] : ['python3', 'python'])];
}

function parseAnswer(command: string, stdout: string): Python | null {
  try {
    const said = JSON.parse(stdout.trim().split('\n').at(-1)!) as JsonObject & Omit<Python, 'command'>;
    return typeof said.version === 'string' && Array.isArray(said.siteFolders) ? {...said, command} : null;
  } catch {
    return null;
  }
}

/** Compares versions by their numbers. */
export function isAtLeast(version: string, least: string): boolean {
  const [a, b] = [version, least].map((text) =>
    text.split(/[.+a-z]/).map((part) => Number.parseInt(part, 10) || 0),
  );
  for (const [at, part] of b!.entries()) if ((a![at] ?? 0) !== part) return (a![at] ?? 0) > part;
  return true;
}
