import type {Platform} from '../../core/image.ts';

/** The user that images run as. */
export const NONROOT = 65_532;

/** The oldest glibc that Node and ONNX Runtime can run on. */
const GLIBC_MIN = [2, 28] as const;
export const GLIBC_MIN_VERSION = GLIBC_MIN.join('.');

/**
 * How each platform's loader is called by every program (its path is part of the ABI) and by `ldconfig -p`; `machine`
 * is ELF's number for the CPU.
 */
export const ABI = {
  'linux/amd64': {
    arch: 'x64',
    tag: 'x86-64',
    machine: 62,
    multiarch: 'x86_64-linux-gnu',
    loader: '/lib64/ld-linux-x86-64.so.2',
  },
  'linux/arm64': {
    arch: 'arm64',
    tag: 'AArch64',
    machine: 183,
    multiarch: 'aarch64-linux-gnu',
    loader: '/lib/ld-linux-aarch64.so.1',
  },
} as const satisfies Record<
  Platform,
  {arch: string; tag: string; machine: number; multiarch: string; loader: string}
>;

/** What Node and ONNX Runtime link against. */
export const LINKED_LIBRARIES = [
  'libc.so.6',
  'libm.so.6',
  'libpthread.so.0',
  'libdl.so.2',
  'librt.so.1',
  'libstdc++.so.6',
  'libgcc_s.so.1',
] as const;

/** The folders that loaders search without being told, and those of other distributions. */
export function libraryDirs(platform: Platform): readonly string[] {
  const {multiarch} = ABI[platform];
  return [`/lib/${multiarch}`, `/usr/lib/${multiarch}`, '/lib64', '/usr/lib64', '/lib', '/usr/lib'];
}

/** Where distributions keep the certificates that they trust, the most usual first. */
export const CERTIFICATE_BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
] as const;

/** Finds the version that glibc's own `libc.so.6` carries; null if the file is something else. */
export function parseGlibcVersion(libc: Uint8Array): string | null {
  const text = Buffer.from(libc.buffer, libc.byteOffset, libc.byteLength).toString('latin1');
  return /GNU C Library [^\n]{0,200}version (\d+\.\d+)/.exec(text)?.[1] ?? null;
}

/** Whether a version of glibc is new enough for Node and ONNX Runtime. */
export function isGlibcEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > GLIBC_MIN[0] || (major === GLIBC_MIN[0] && minor >= GLIBC_MIN[1]);
}

const ELF = {magic: 0x7f454c46, class64: 2, littleEndian: 1, machineOffset: 18} as const;

/** The CPU that a program or a library is for, by ELF's number; null if it is not ELF for 64 bits, little-endian. */
export function parseElfMachine(head: Uint8Array): number | null {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.byteLength);
  if (bytes.length < ELF.machineOffset + 2 || bytes.readUInt32BE(0) !== ELF.magic) return null;
  if (bytes[4] !== ELF.class64 || bytes[5] !== ELF.littleEndian) return null;
  return bytes.readUInt16LE(ELF.machineOffset);
}

/** Reads `ID` of an os-release file: `debian`. */
export function parseDistribution(osRelease: string): string | null {
  return /^ID=["']?([a-z0-9._-]+)["']?$/m.exec(osRelease)?.[1] ?? null;
}
