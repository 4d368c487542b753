import {mkdir, readdir} from 'node:fs/promises';
import {dirname, join, relative} from 'node:path';
import type {Compiler} from '../../core/python.ts';

/** The files of a folder, relative to it, with forward slashes, in order. */
export async function listFiles(dir: string): Promise<readonly string[]> {
  const members = await readdir(dir, {recursive: true, withFileTypes: true});
  return members
    .filter((member) => !member.isDirectory())
    .map((member) => relative(dir, join(member.parentPath, member.name)).replaceAll('\\', '/'))
    .sort();
}

/** Where the bytecode of a module lies, relative to the same folder as the module. */
export function bytecodePath(path: string, {tag}: Pick<Compiler, 'tag'>): string {
  const folder = path.includes('/') ? `${dirname(path)}/` : '';
  return `${folder}__pycache__/${path.slice(folder.length, -'.py'.length)}.${tag}.pyc`;
}

/**
 * Compiles the modules of a folder, beside them.
 *
 * @param inImage the folder's path in the image
 */
export async function compileTree(dir: string, inImage: string, compiler: Compiler): Promise<void> {
  const sources = (await listFiles(dir)).filter((path) => path.endsWith('.py'));
  const jobs = sources.map((path) => ({
    source: join(dir, path),
    target: join(dir, bytecodePath(path, compiler)),
    name: `${inImage}/${path}`,
  }));
  for (const folder of new Set(jobs.map(({target}) => dirname(target))))
    await mkdir(folder, {recursive: true});
  await compiler.compile(jobs);
}
