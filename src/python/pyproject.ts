import {join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import type {Tools} from './tools.ts';

/** What a pyproject.toml says of packages. */
export interface Pyproject {
  /** Whether it has a `[project]` table. */
  readonly project: boolean;
  readonly dependencies: readonly string[];
  /** Whether something else has to be run to know the dependencies. */
  readonly dynamic: boolean;
  /** Whether they are declared as only Poetry reads them. */
  readonly poetry: boolean;
  /** Indexes that uv is told of. */
  readonly indexes: readonly {readonly url: string; readonly default: boolean}[];
  /** By package: what uv shall build it from, such as `git`. */
  readonly sources: {readonly [name: string]: string};
}

const INVALID = 3;

/**
 * Reads a pyproject.toml by the user's Python.
 *
 * @throws ThawError PACKAGES_UNAVAILABLE with the fact `reason`: `file`, `poetry`, `dynamic`; INTERRUPTED
 */
export async function readPyproject(
  file: string,
  shown: string,
  {run, signal, programsDir, python}: Tools,
): Promise<Pyproject> {
  const {stdout, stderr, exitCode} = await run(
    python.command,
    [join(programsDir, 'thaw_pyproject.py'), file],
    {signal, env: {PYTHONIOENCODING: 'utf-8', PYTHONDONTWRITEBYTECODE: '1'}},
  );
  const refuse = (reason: string, what: string): ThawError =>
    new ThawError('PACKAGES_UNAVAILABLE', `${shown} ${what}`, {reason, file: shown});
  const lastLine = stderr.trim().split('\n').at(-1) ?? '';
  if (exitCode === INVALID) throw refuse('file', `is not TOML: ${lastLine}`);
  if (exitCode !== 0) throw refuse('file', `cannot be read by Python ${python.version}: ${lastLine}`);
  const declared = JSON.parse(stdout) as Pyproject;
  if (declared.dynamic) throw refuse('dynamic', 'leaves its dependencies to whatever builds it (dynamic)');
  if (declared.poetry && declared.dependencies.length === 0) {
    throw refuse('poetry', 'declares its dependencies for Poetry alone, not under [project]');
  }
  return declared;
}
