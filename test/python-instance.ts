import type {ChildProcess} from 'node:child_process';
import {cp, mkdir, mkdtemp, readFile, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {digestOf} from '../src/core/digest.ts';
import type {ServeManifest} from '../src/core/model.ts';
import {fixture, startProgram, type RunningServer} from './instance.ts';
import {openPython} from './parts/python.ts';
import type {RuntimeUnderTest} from './runtime/runtime-under-test.ts';

/** The folder with `server.py` and the package `thaw_runtime`. */
const RUNTIME_DIR = fileURLToPath(new URL('../src/runtime/python', import.meta.url));

/** What an instance folder of a Python function is made from. */
export interface PythonInstanceParts {
  /** Path of the model file; without one the handler brings its own. */
  readonly model?: string;
  /** Source of `app.py`, or the project's files by their names. */
  readonly handler?: string | {readonly [file: string]: string};
  /** What the manifest says of the handler beside its file. */
  readonly choice?: {
    readonly file?: string;
    readonly name?: string | null;
    readonly event?: 'http' | 'direct';
  };
  /** Files of installed packages by their names. */
  readonly packages?: {readonly [file: string]: string};
  /** The function's name; `demo` if not given. */
  readonly name?: string;
  readonly session?: ServeManifest['session'];
  readonly shaped?: ServeManifest['shaped'];
  /** The ONNX Runtime that measured. */
  readonly onnxruntime?: string;
}

/** Lays out `opt/thaw` of one instance in a new temporary folder, as an image or the process engine has it. */
export async function layPythonInstance(parts: PythonInstanceParts): Promise<string> {
  const instanceDir = await mkdtemp(join(tmpdir(), 'thaw-instance-'));
  const thawDir = join(instanceDir, 'opt', 'thaw');
  await cp(RUNTIME_DIR, join(thawDir, 'runtime'), {
    recursive: true,
    filter: (file) => !file.includes('__pycache__'),
  });
  const {model, handler, choice = {}, packages} = parts;
  const files = typeof handler === 'string' ? {'app.py': handler} : (handler ?? {});
  await writeFiles(join(thawDir, 'handler'), files);
  if (packages !== undefined) await writeFiles(join(thawDir, 'packages'), packages);
  if (model !== undefined) await cp(model, join(thawDir, 'model', basename(model)));
  const manifest: ServeManifest = {
    schema: 'thaw.serve/1',
    name: parts.name ?? 'demo',
    file: model === undefined ? null : basename(model),
    model: model === undefined ? null : digestOf(await readFile(model)),
    onnxruntime: model === undefined ? null : (parts.onnxruntime ?? '1.30.0'),
    session: parts.session ?? {},
    ...(parts.shaped && {shaped: parts.shaped}),
    ...(handler !== undefined && {handler: {file: 'app.py', name: null, event: 'http', ...choice}}),
    inputs: [],
    outputs: [],
  };
  await writeFiles(join(thawDir, 'config'), {'serve.json': JSON.stringify(manifest)});
  return instanceDir;
}

async function writeFiles(folder: string, files: {readonly [file: string]: string}): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), {recursive: true});
    await writeFile(join(folder, file), text);
  }
}

/**
 * Starts `server.py` of an instance folder and waits for its ready line.
 *
 * @param python the interpreter
 * @param env the whole environment of the process, beside PORT=0
 * @param started called with the process at once
 * @throws ServerFailed if it ends before it is ready
 */
export function startPythonServer(
  python: string,
  instanceDir: string,
  env: {readonly [name: string]: string} = {},
  args: readonly string[] = [],
  started?: (child: ChildProcess) => void,
): Promise<RunningServer> {
  const server = join(instanceDir, 'opt', 'thaw', 'runtime', 'server.py');
  return startProgram(instanceDir, python, ['-s', server, ...args], env, started);
}

/** The runtime for handlers in Python, run by one that has numpy and ONNX Runtime. */
export const pythonRuntime: RuntimeUnderTest = {
  lay: (handler) => layPythonInstance({model: fixture('linear.onnx'), ...(handler !== null && {handler})}),
  start: async (instanceDir, env) => startPythonServer((await openPython()).file, instanceDir, env),
};
