import {copyFile, cp, mkdir, readFile, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {OpContext} from '../../core/driver.ts';
import {systemCode} from '../../core/errors.ts';
import type {ImageRuntime} from '../../core/image.ts';

const RUNTIME = join('opt', 'thaw', 'runtime');
const CONFIG = join('opt', 'thaw', 'config');
/** Names the Python that runs a version; only where there is one. */
export const INTERPRETER_FILE = join(RUNTIME, 'interpreter');
/** The programs that serve, from the root folder of a version. */
export const NODE_SERVER = join(RUNTIME, 'server.cjs');
export const PYTHON_SERVER = join(RUNTIME, 'server.py');

/**
 * Lays out what runs a version's model and handler on this machine: thaw's server for Node with this machine's ONNX
 * Runtime, or the one for Python, with the name of a Python that has the packages.
 *
 * @param rootDir the folder in which the image's other parts lie already
 */
export async function layRuntime(context: OpContext, runtime: ImageRuntime, rootDir: string): Promise<void> {
  await mkdir(join(rootDir, RUNTIME), {recursive: true});
  return runtime.kind === 'node' ? layNode(context, rootDir) : layPython(context, runtime, rootDir);
}

async function layNode(context: OpContext, rootDir: string): Promise<void> {
  const builtDir = join(context.packageDir, 'dist', 'runtime');
  for (const file of ['server.cjs', 'worker.cjs', 'clouds.cjs']) {
    await copyFile(join(builtDir, file), join(rootDir, RUNTIME, file)).catch((error: unknown) => {
      if (file === 'server.cjs' || systemCode(error) !== 'ENOENT') throw error;
    });
  }
  const onnxRuntime = await context.ports.hostOnnxRuntime(context.progress, context.signal);
  const target = join(rootDir, RUNTIME, 'onnxruntime');
  try {
    await symlink(onnxRuntime.dir, target, process.platform === 'win32' ? 'junction' : 'dir');
  } catch {
    await cp(onnxRuntime.dir, target, {recursive: true});
  }
}

async function layPython(
  context: OpContext,
  {version, provided}: Extract<ImageRuntime, {kind: 'python'}>,
  rootDir: string,
): Promise<void> {
  const builtDir = join(context.packageDir, 'dist', 'runtime', 'python');
  await cp(builtDir, join(rootDir, RUNTIME), {recursive: true});
  const {platform} = context.image!.image;
  const read = (name: string): Promise<string> =>
    readFile(join(rootDir, CONFIG, name), 'utf8').catch(() => '');
  const [requirements, lock] = [await read('requirements.txt'), await read('requirements.lock')];
  const packages = lock === '' ? null : {requirements, lock};
  const {makePythonEnvironment} = context.ports;
  const {python} = await makePythonEnvironment(
    {version, platform, provided, packages},
    () => undefined,
    context.signal,
  );
  await writeFile(join(rootDir, INTERPRETER_FILE), python);
}
