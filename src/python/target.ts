import type {Platform} from '../core/image.ts';

/** What packages are chosen for: never what this machine happens to be. */
export interface LockTarget {
  readonly platform: Platform;
  /** Python's minor version: `3.11`. */
  readonly version: string;
  /** The base's: `2.36`. Wheels made for a newer one are not taken. */
  readonly glibc: string;
}

const MACHINES: {readonly [P in Platform]: string} = {'linux/amd64': 'x86_64', 'linux/arm64': 'aarch64'};

/** A platform's processor, as Python names it. */
const machineOf = (platform: Platform): string => MACHINES[platform];

/** The oldest glibc that a `manylinux_2_…` tag is in use for, and what older tags were called. */
const MANYLINUX_MIN = 5;
const OLD_NAMES: {readonly [minor: number]: string} = {
  17: 'manylinux2014',
  12: 'manylinux2010',
  5: 'manylinux1',
};
/** The processors beside x86-64 came in with this glibc. */
const MANYLINUX_MIN_ARM = 17;

/** Platform tags of wheels that run on a target, the most specific first. */
export function platformTags({platform, glibc}: LockTarget): readonly string[] {
  const machine = machineOf(platform);
  const least = machine === 'x86_64' ? MANYLINUX_MIN : MANYLINUX_MIN_ARM;
  const tags: string[] = [];
  for (let minor = minorOf(glibc); minor >= least; minor--) {
    tags.push(`manylinux_2_${minor}_${machine}`);
    if (OLD_NAMES[minor] !== undefined) tags.push(`${OLD_NAMES[minor]}_${machine}`);
  }
  // Says nothing of glibc; what such a wheel needs is seen from its libraries.
  return [...tags, `linux_${machine}`];
}

/** The versions of glibc that uv knows platforms for. */
const UV_GLIBC_MINORS = [40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17];

/** A target as uv's `--python-platform` may name it, the most specific first: older versions of uv know fewer. */
export function uvPlatforms({platform, glibc}: LockTarget): readonly string[] {
  const known = UV_GLIBC_MINORS.filter((minor) => minor <= minorOf(glibc));
  return known.map((minor) => `${machineOf(platform)}-manylinux_2_${minor}`);
}

const minorOf = (version: string): number => Number(version.split('.')[1] ?? 0);

/** What conditions of requirements (PEP 508) are decided by. */
export function markersOf({platform, version}: LockTarget): {readonly [name: string]: string} {
  return {
    implementation_name: 'cpython',
    implementation_version: `${version}.0`,
    os_name: 'posix',
    platform_machine: machineOf(platform),
    platform_python_implementation: 'CPython',
    platform_release: '',
    platform_system: 'Linux',
    platform_version: '',
    python_full_version: `${version}.0`,
    python_version: version,
    sys_platform: 'linux',
  };
}

/** pip's options for a target. */
export function pipTarget(target: LockTarget): readonly string[] {
  return [
    ...platformTags(target).flatMap((tag) => ['--platform', tag]),
    '--python-version',
    target.version,
    '--implementation',
    'cp',
    '--abi',
    `cp${target.version.replace('.', '')}`,
    '--abi',
    'abi3',
    '--abi',
    'none',
  ];
}

/** A target, for people. */
export const describeTarget = ({platform, version, glibc}: LockTarget): string =>
  `${platform}, Python ${version}, glibc ${glibc}`;
