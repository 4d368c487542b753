import {access} from 'node:fs/promises';
import {delimiter, join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import {commandsIn, inspectPython, isNewEnough, minorOf, type Python, type Search} from './python.ts';

/** What a Python of this machine is wanted for. */
export interface PythonWish {
  /** A name on the PATH, or a path; null: whichever suits. */
  readonly named: string | null;
  /** The minor version that is preferred; null: any. */
  readonly version: string | null;
  /** Names of packages that it must have. */
  readonly provided: readonly string[];
}

/**
 * Chooses among this machine's Pythons: one that has the packages, of the preferred version if there is one. Every
 * folder of the PATH is looked into, for what is found first may be a shim that only says that it leads nowhere.
 *
 * @throws ThawError PYTHON_UNAVAILABLE with `reason`: `missing`, `old`, or `provided` where none has the packages;
 * INTERRUPTED
 */
export async function choosePython(
  {named, version, provided}: PythonWish,
  search: Search & {readonly env: {readonly [name: string]: string | undefined}},
): Promise<Python> {
  const commands = named === null ? await candidates(version, search.env) : [named];
  const found: Python[] = [];
  for (const command of commands) {
    const python = await inspectPython(command, provided, search);
    if (python === null || found.some(({executable}) => executable === python.executable)) continue;
    found.push(python);
    const fits = isNewEnough(python) && has(python, provided);
    if (fits && (version === null || minorOf(python.version) === version)) return python;
  }
  const usable = found.filter(isNewEnough);
  const second = usable.find((python) => has(python, provided));
  if (second !== undefined) return second;
  throw noneOf(found, usable, {named, version, provided});
}

const has = ({packages}: Python, names: readonly string[]): boolean =>
  names.every((name) => packages[name] !== undefined);

/** Where Pythons lie: those with the version in their name first, each of them wherever it lies. */
export async function candidates(
  version: string | null,
  env: {readonly [name: string]: string | undefined},
): Promise<readonly string[]> {
  const usual = commandsIn(env);
  if (process.platform === 'win32') return usual;
  const names = [...(version === null ? [] : [`python${version}`]), 'python3', 'python'];
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const paths = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  const there = await Promise.all(
    paths.map((path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    ),
  );
  const active = usual.filter((command) => !names.includes(command));
  return [...new Set([...active, ...paths.filter((_, nth) => there[nth])])];
}

function noneOf(
  found: readonly Python[],
  usable: readonly Python[],
  {named, version, provided}: PythonWish,
): ThawError {
  const [first] = found;
  if (usable.length > 0) {
    const seen = usable.map((python) => `${python.executable} (${python.version})`);
    const message = `no Python here has ${provided.join(', ')}: looked at ${seen.join(', ')}`;
    return new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'provided', provided: [...provided]});
  }
  if (first !== undefined) {
    const message = `${first.command} is Python ${first.version}: thaw takes 3.9 or newer`;
    const facts = {reason: 'old', python: first.command, version: first.version};
    return new ThawError('PYTHON_UNAVAILABLE', message, facts);
  }
  const message =
    named === null ? 'there is no Python on the PATH' : `${named} does not run, or is no Python`;
  return new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'missing', python: named, version});
}
