import {join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import type {FetchPackage, HostOnnxRuntime, ProgressFn} from '../core/ports.ts';
import {
  GLIBC_MIN,
  ONNX_RUNTIME,
  ONNX_RUNTIME_ARCHIVE_BYTES,
  ONNX_RUNTIME_FILES,
  type OnnxRuntimeTarget,
} from './pins.ts';

export {ONNX_RUNTIME, type OnnxRuntimeTarget} from './pins.ts';

/** What decides whether ONNX Runtime has a binary for a machine. */
export interface HostKind {
  /** As `process.platform` and `process.arch` name them. */
  readonly platform: string;
  readonly arch: string;
  /** The version of glibc that Node runs on; null where there is none, as on musl, macOS and Windows. */
  readonly glibc: string | null;
}

/**
 * Brings ONNX Runtime for a target into thaw's cache and returns the folder with its binding and its library,
 * and nothing else.
 *
 * @throws ThawError FETCH_FAILED, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function onnxRuntimeFor(
  target: OnnxRuntimeTarget,
  fetchPackage: FetchPackage,
  progress: ProgressFn,
  signal: AbortSignal,
): Promise<HostOnnxRuntime> {
  const {folder, files} = ONNX_RUNTIME_FILES[target];
  const dir = await fetchPackage(
    ONNX_RUNTIME,
    files.map((file) => `${folder}/${file}`),
    (doneBytes) => {
      progress(Math.min(doneBytes, ONNX_RUNTIME_ARCHIVE_BYTES), ONNX_RUNTIME_ARCHIVE_BYTES);
    },
    signal,
  );
  return {version: ONNX_RUNTIME.version, dir: join(dir, ...folder.split('/'))};
}

/**
 * ONNX Runtime for this machine.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED where there is no binary for it; else as `onnxRuntimeFor`
 */
export async function hostOnnxRuntime(
  fetchPackage: FetchPackage,
  progress: ProgressFn,
  signal: AbortSignal,
): Promise<HostOnnxRuntime> {
  return onnxRuntimeFor(targetOf(inspectHost()), fetchPackage, progress, signal);
}

/**
 * The target whose binaries run on a machine.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED
 */
export function targetOf(host: HostKind): OnnxRuntimeTarget {
  const os = host.platform === 'win32' ? 'windows' : host.platform;
  const cpu = host.arch === 'x64' ? 'amd64' : host.arch;
  const target = `${os}/${cpu}`;
  const facts = {platform: host.platform, arch: host.arch, glibc: host.glibc};
  if (target === 'darwin/amd64') {
    throw new ThawError(
      'PLATFORM_UNSUPPORTED',
      `ONNX Runtime ${ONNX_RUNTIME.version} has no binary for Macs with an Intel processor`,
      facts,
    );
  }
  if (!(target in ONNX_RUNTIME_FILES)) {
    throw new ThawError(
      'PLATFORM_UNSUPPORTED',
      `ONNX Runtime ${ONNX_RUNTIME.version} has no binary for ${host.platform} on ${host.arch}`,
      facts,
    );
  }
  if (host.platform === 'linux' && host.glibc === null) {
    throw new ThawError(
      'PLATFORM_UNSUPPORTED',
      `ONNX Runtime ${ONNX_RUNTIME.version} needs glibc ${GLIBC_MIN} or later, and this Linux has none (musl?)`,
      facts,
    );
  }
  if (host.glibc !== null && isOlder(host.glibc, GLIBC_MIN)) {
    throw new ThawError(
      'PLATFORM_UNSUPPORTED',
      `ONNX Runtime ${ONNX_RUNTIME.version} needs glibc ${GLIBC_MIN} or later, and this Linux has ${host.glibc}`,
      facts,
    );
  }
  return target as OnnxRuntimeTarget;
}

/** What this machine is, in the terms that matter here. */
function inspectHost(): HostKind {
  return {platform: process.platform, arch: process.arch, glibc: inspectGlibc()};
}

/** Node reports the glibc that it runs on only where it was built for glibc. */
function inspectGlibc(): string | null {
  if (process.platform !== 'linux') return null;
  // Without this, a report looks up the names of all open connections, which can take seconds.
  const excluded = process.report as {excludeNetwork?: boolean};
  const before = excluded.excludeNetwork;
  excluded.excludeNetwork = true;
  const report = process.report.getReport() as {header?: {glibcVersionRuntime?: string}};
  if (before !== undefined) excluded.excludeNetwork = before;
  return report.header?.glibcVersionRuntime ?? null;
}

function isOlder(version: string, than: string): boolean {
  const [a = 0, b = 0] = version.split('.').map(Number);
  const [c = 0, d = 0] = than.split('.').map(Number);
  return a < c || (a === c && b < d);
}
