import {readFile} from 'node:fs/promises';
import {basename, dirname, isAbsolute, join, relative, resolve} from 'node:path';
import {digestOfJson, type Digest} from '../core/digest.ts';
import {systemCode, ThawError} from '../core/errors.ts';
import {withoutCredentials} from './credentials.ts';
import {readPyproject, type Pyproject} from './pyproject.ts';
import {normalizedName, parseRequirements, type Statement} from './requirement-lines.ts';
import type {Tools} from './tools.ts';

/** What a project needs of others. */
export interface Requirements {
  /** The file, relative to the project. */
  readonly file: string;
  /** All files that were read, absolute: where one of them changes, so may the packages. */
  readonly files: readonly string[];
  /** All in one, for pip and uv; it may be shown and stored, for no address in it has credentials. */
  readonly text: string;
  readonly digest: Digest;
  readonly parts: RequirementParts;
}

/** What pip and uv are given. Addresses have their credentials in them: never to be shown or stored. */
export interface RequirementParts {
  readonly options: readonly string[];
  readonly packages: readonly {readonly name: string; readonly text: string}[];
  readonly constraints: readonly string[];
}

/** Where packages are looked for if nobody says. */
const USUAL = ['requirements.txt', 'pyproject.toml'];

/**
 * Reads what a project needs: its requirements file with all that it includes, or the dependencies of its pyproject.toml.
 *
 * @param named relative to the project; null: the usual files
 * @param tools to read pyproject.toml with; asked for only then
 * @returns null if nothing is named and none of the usual files is there
 * @throws ThawError PACKAGES_UNAVAILABLE with the fact `reason`: `file` for one that cannot be read, `source-only`,
 * `dynamic`, `poetry`; what `tools` throws
 */
export async function readRequirements(
  projectDir: string,
  named: string | null,
  tools: () => Promise<Tools>,
): Promise<Requirements | null> {
  for (const name of named === null ? USUAL : [named]) {
    const file = resolve(projectDir, name);
    const shown = relative(projectDir, file).replaceAll('\\', '/');
    const text = await readText(file, shown, named === null);
    if (text === null) continue;
    if (!/\.toml$/i.test(file)) return readFlat(projectDir, file, shown);
    const declared = await readPyproject(file, shown, await tools());
    // A pyproject.toml may well be there for a linter's settings alone.
    if (named === null && !declared.project && !declared.poetry) continue;
    return fromPyproject(declared, file, shown);
  }
  return null;
}

async function readText(file: string, shown: string, mayBeMissing: boolean): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).replace(/^\uFEFF/, '');
  } catch (error) {
    if (mayBeMissing && systemCode(error) === 'ENOENT') return null;
    const code = systemCode(error) ?? 'unknown';
    const what = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
    const facts = {reason: 'file', file: shown, code};
    throw new ThawError('PACKAGES_UNAVAILABLE', `${shown} ${what}`, facts, {cause: error});
  }
}

async function readFlat(projectDir: string, file: string, shown: string): Promise<Requirements> {
  const files: string[] = [];
  const parts = {
    options: [] as string[],
    packages: [] as {name: string; text: string}[],
    constraints: [] as string[],
  };
  const read = async (path: string, isConstraint: boolean, by: string): Promise<void> => {
    if (files.includes(path)) return;
    files.push(path);
    const name = relative(projectDir, path).replaceAll('\\', '/');
    const text = await readText(path, path === file ? name : `${name}, which ${by} includes,`, false);
    for (const statement of parseRequirements(text!)) await take(statement, path, name, isConstraint);
  };
  const take = async (
    statement: Statement,
    path: string,
    name: string,
    isConstraint: boolean,
  ): Promise<void> => {
    const here = dirname(path);
    switch (statement.kind) {
      case 'source':
        throw sourceOnly(`${name}:${statement.line}`, statement.text);
      case 'option':
        parts.options.push(statement.text);
        return;
      case 'find-links':
        parts.options.push(
          `--find-links ${isAddress(statement.path) ? statement.path : resolve(here, statement.path)}`,
        );
        return;
      case 'include':
      case 'constraint':
        if (isAddress(statement.path)) {
          parts.options.push(`${statement.kind === 'include' ? '-r' : '-c'} ${statement.path}`);
        } else {
          const next = resolve(here, statement.path);
          await read(next, isConstraint || statement.kind === 'constraint', `${name}:${statement.line}`);
        }
        return;
      case 'wheel': {
        const wheel = isAbsolute(statement.file) ? statement.file : join(here, statement.file);
        const of = normalizedName(wheel.replaceAll('\\', '/').split('/').at(-1)!.split('-')[0]!);
        // Once it is locked by its hash, it is looked for like any other.
        parts.options.push(`--find-links ${dirname(wheel)}`);
        parts.packages.push({name: of, text: wheel});
        return;
      }
      case 'package':
        if (isConstraint) parts.constraints.push(statement.text);
        else parts.packages.push({name: statement.name, text: statement.text});
    }
  };
  await read(file, false, shown);
  return requirementsOf(shown, files, parts);
}

const isAddress = (text: string): boolean => /^[a-z+]+:\/\//i.test(text);

function fromPyproject(declared: Pyproject, file: string, shown: string): Requirements {
  const packages = declared.dependencies.map((text) => {
    const [statement] = parseRequirements(text);
    if (statement?.kind !== 'package') throw sourceOnly(shown, text);
    const source = Object.entries(declared.sources).find(([name]) => normalizedName(name) === statement.name);
    if (source !== undefined) throw sourceOnly(shown, `${statement.name} (${source[1]})`);
    return {name: statement.name, text};
  });
  const options = declared.indexes.map(
    ({url, default: isDefault}) => `${isDefault ? '--index-url' : '--extra-index-url'} ${url}`,
  );
  return requirementsOf(shown, [file], {options, packages, constraints: []});
}

function requirementsOf(file: string, files: readonly string[], parts: RequirementParts): Requirements {
  // Folders of this machine mean nothing elsewhere, and would make equal projects unequal.
  const options = parts.options.filter((option) => !/^--find-links (?!\w+:\/\/)/.test(option));
  const packages = parts.packages.map(({text}) => (isAbsolute(text) ? basename(text) : text));
  const text = withoutCredentials([...options, ...packages].map((line) => `${line}\n`).join(''));
  const constraints = withoutCredentials(parts.constraints.join('\n'));
  return {file, files, text, digest: digestOfJson({text, constraints}), parts};
}

/** The parts of requirements that were read back as text. */
export function partsOf(text: string): RequirementParts {
  const statements = parseRequirements(text);
  return {
    options: statements.flatMap((each) =>
      each.kind === 'option' ? [each.text] : each.kind === 'find-links' ? [`--find-links ${each.path}`] : [],
    ),
    packages: statements.flatMap((each) =>
      each.kind === 'package'
        ? [{name: each.name, text: each.text}]
        : each.kind === 'wheel'
          ? [{name: normalizedName(each.file.split(/[\\/]/).at(-1)!.split('-')[0]!), text: each.file}]
          : [],
    ),
    constraints: [],
  };
}

function sourceOnly(where: string, what: string): ThawError {
  const shown = withoutCredentials(what);
  const message = `${where}: ${shown} is source code, and images are built from wheels alone`;
  return new ThawError('PACKAGES_UNAVAILABLE', message, {reason: 'source-only', package: shown, where});
}
