import {cp, mkdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {digestOf, digestOfJson, shortDigest} from '../../core/digest.ts';
import {ThawError} from '../../core/errors.ts';
import {keepFolder, type Kept} from '../../core/kept-folder.ts';
import type {Compiler} from '../../core/python.ts';
import type {Entry} from '../entries.ts';
import {compileTree, listFiles} from './compile-tree.ts';
import {entriesOf} from './interpreter-layer.ts';

/** Where thaw's own server for Python lies in an image. */
const IN_IMAGE = '/opt/thaw/runtime';
/** What is started. */
export const SERVER_IN_IMAGE = `${IN_IMAGE}/server.py`;

/**
 * Lays out thaw's server for Python, compiled where that is possible.
 *
 * @param serverDir the folder with `server.py`, as it is built
 * @param keepIn kept folders are made in it
 * @throws ThawError RUNTIME_UNAVAILABLE if it is not there; DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function planServer(
  serverDir: string,
  compiler: Compiler | null,
  keepIn: string,
): Promise<readonly Entry[]> {
  const sources = (await listFiles(serverDir).catch(() => [])).filter((path) => path.endsWith('.py'));
  if (!sources.includes('server.py')) {
    const file = join(serverDir, 'server.py');
    throw new ThawError('RUNTIME_UNAVAILABLE', `a part of the runtime is missing: ${file}`, {file});
  }
  if (compiler === null) return entriesOf(serverDir, IN_IMAGE.slice(1));
  const digests = await Promise.all(
    sources.map(async (path) => digestOf(await readFile(join(serverDir, path)))),
  );
  const key = digestOfJson({sources, digests, compiler: compiler.version});
  const dir = join(keepIn, `server-${compiler.tag}-${shortDigest(key)}`);
  await keepFolder<Kept>(dir, async (unfinished) => {
    const tree = join(unfinished, 'tree');
    await mkdir(unfinished, {recursive: true});
    await cp(serverDir, tree, {recursive: true});
    await compileTree(tree, IN_IMAGE, compiler);
    return {name: `thaw’s server for Python, compiled by ${compiler.version}`};
  });
  return entriesOf(join(dir, 'tree'), IN_IMAGE.slice(1));
}
