import {readdir, readFile, stat} from 'node:fs/promises';
import {join, posix} from 'node:path';
import type {PlannedFile} from './plan.ts';
import {includedFiles, listsDependencies} from './requirements.ts';

/** Where a handler's packages are listed. */
export interface ListedPackages {
  /** Relative to the handler's folder. */
  readonly file: 'requirements.txt' | 'pyproject.toml';
  readonly text: string;
  /** It and the files that it includes and that lie below the folder. */
  readonly files: readonly string[];
}

/** Made by Python or by tools, in any folder. */
const LEFT_OUT = /^(\..*|__pycache__|node_modules)$|\.pyc$/;

/** Finds the list of packages beside a handler; null if there is none. */
export async function readListedPackages(root: string): Promise<ListedPackages | null> {
  const requirements = await readText(join(root, 'requirements.txt'));
  if (requirements !== null) {
    const files = await withIncluded(root, 'requirements.txt', requirements);
    return {file: 'requirements.txt', text: requirements, files};
  }
  const pyproject = await readText(join(root, 'pyproject.toml'));
  if (pyproject === null || !listsDependencies(pyproject)) return null;
  return {file: 'pyproject.toml', text: pyproject, files: ['pyproject.toml']};
}

async function withIncluded(root: string, file: string, text: string): Promise<readonly string[]> {
  const files = new Map([[file, text]]);
  for (const [from, included] of files) {
    for (const named of includedFiles(included)) {
      const path = posix.join(posix.dirname(from), named.replaceAll('\\', '/'));
      if (path.startsWith('../') || posix.isAbsolute(path) || files.has(path)) continue;
      const content = await readText(join(root, path));
      if (content !== null) files.set(path, content);
    }
  }
  return [...files.keys()];
}

/** The files of a handler to copy: single ones, and all in its folders but what is hidden or made by tools. */
export async function readHandlerFiles(
  root: string,
  {files, folders}: {readonly files: readonly string[]; readonly folders: readonly string[]},
): Promise<readonly PlannedFile[]> {
  const found = await Promise.all(folders.map((folder) => filesBelow(root, folder)));
  const paths = [...new Set([...files, ...found.flat()])].sort();
  return paths.map((path) => ({path, copyOf: join(root, path)}));
}

async function filesBelow(root: string, folder: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(root, folder), {withFileTypes: true})) {
    if (LEFT_OUT.test(entry.name)) continue;
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) found.push(...(await filesBelow(root, path)));
    // A link to a file is copied as that file; one to a folder may lead anywhere.
    else if (entry.isFile() || (await isFile(join(root, path)))) found.push(path);
  }
  return found;
}

const isFile = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isFile(),
    () => false,
  );

const readText = (path: string): Promise<string | null> => readFile(path, 'utf8').catch(() => null);
