import {copyFile, cp, mkdir, readFile, symlink} from 'node:fs/promises';
import {join} from 'node:path';
import type {OpContext} from '../../core/driver.ts';
import {systemCode} from '../../core/errors.ts';
import type {ImageRuntime} from '../../core/image.ts';

const RUNTIME = join('opt', 'thaw', 'runtime');
const CONFIG = join('opt', 'thaw', 'config');
/** The virtual environment that a version in Python runs in: a link to where it is kept. */
const ENVIRONMENT = join(RUNTIME, 'environment');
/** Its Python, from the root folder of a version; only there if that is what runs it. */
export const PYTHON =
  process.platform === 'win32'
    ? join(ENVIRONMENT, 'Scripts', 'python.exe')
    : join(ENVIRONMENT, 'bin', 'python');
/** The programs that serve, from the root folder of a version. */
export const NODE_SERVER = join(RUNTIME, 'server.cjs');
export const PYTHON_SERVER = join(RUNTIME, 'server.py');

/**
 * Lays out what runs a version's model and handler on this machine: thaw's server for Node with this machine's ONNX
 * Runtime, or the one for Python, in an environment with the packages.
 *
 * @param rootDir the folder in which the image's other parts lie already
 * @returns what runs otherwise than in the image, for people
 */
export async function layRuntime(
  context: OpContext,
  runtime: ImageRuntime,
  rootDir: string,
): Promise<readonly string[]> {
  await mkdir(join(rootDir, RUNTIME), {recursive: true});
  return runtime.kind === 'node' ? layNode(context, rootDir) : layPython(context, runtime, rootDir);
}

async function layNode(context: OpContext, rootDir: string): Promise<readonly string[]> {
  const builtDir = join(context.packageDir, 'dist', 'runtime');
  for (const file of ['server.cjs', 'worker.cjs', 'clouds.cjs']) {
    await copyFile(join(builtDir, file), join(rootDir, RUNTIME, file)).catch((error: unknown) => {
      if (file === 'server.cjs' || systemCode(error) !== 'ENOENT') throw error;
    });
  }
  const onnxRuntime = await context.ports.hostOnnxRuntime(context.progress, context.signal);
  await linkFolder(onnxRuntime.dir, join(rootDir, RUNTIME, 'onnxruntime'));
  return [];
}

/** A folder of the cache that is linked to is in use, and not pruned. */
async function linkFolder(from: string, to: string): Promise<void> {
  try {
    await symlink(from, to, process.platform === 'win32' ? 'junction' : 'dir');
  } catch {
    await cp(from, to, {recursive: true});
  }
}

async function layPython(
  context: OpContext,
  {version, provided}: Extract<ImageRuntime, {kind: 'python'}>,
  rootDir: string,
): Promise<readonly string[]> {
  const builtDir = join(context.packageDir, 'dist', 'runtime', 'python');
  await cp(builtDir, join(rootDir, RUNTIME), {recursive: true});
  const {platform} = context.image!.image;
  const read = (name: string): Promise<string> =>
    readFile(join(rootDir, CONFIG, name), 'utf8').catch(() => '');
  const [requirements, lock] = [await read('requirements.txt'), await read('requirements.lock')];
  const packages = lock === '' ? null : {requirements, lock};
  const {makePythonEnvironment} = context.ports;
  const needs = {version, platform, provided, packages};
  const {dir, notes} = await makePythonEnvironment(needs, context.signal);
  await linkFolder(dir, join(rootDir, ENVIRONMENT));
  return notes;
}
