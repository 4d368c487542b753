import type {Digest} from '../../core/digest.ts';
import type {Platform} from '../../core/image.ts';

/** A relocatable build of CPython, held to its content. */
export interface InterpreterPin {
  /** Such as 3.12.16. */
  readonly version: string;
  /** Under the address of the releases. */
  readonly path: string;
  readonly digest: Digest;
}

/** Where the builds are released; a mirror has the same paths under another address. */
export const RELEASES = 'https://github.com/astral-sh/python-build-standalone/releases/download';

/** Builds by minor version. */
export type InterpreterPins = {readonly [minor: string]: {readonly [P in Platform]: InterpreterPin}};

const RELEASE = '20261110';
const TRIPLES: {readonly [P in Platform]: string} = {
  'linux/amd64': 'x86_64-unknown-linux-gnu',
  'linux/arm64': 'aarch64-unknown-linux-gnu',
};

function pin(version: string, platform: Platform, digest: Digest): InterpreterPin {
  const file = `cpython-${version}%2B${RELEASE}-${TRIPLES[platform]}-install_only_stripped.tar.gz`;
  return {version, path: `${RELEASE}/${file}`, digest};
}

/** The builds that images may have, by minor version: those that need glibc 2.17. */
export const INTERPRETERS: InterpreterPins = {
  '3.11': {
    'linux/amd64': pin(
      '3.11.18',
      'linux/amd64',
      'sha256:3288c54cea3db350052019b3f8b558dd8a3da8afa6fda573f5fd2bcb37635b4a',
    ),
    'linux/arm64': pin(
      '3.11.18',
      'linux/arm64',
      'sha256:7e71f26a003949b57757e287f4f4b6689da07e7a229f5bbee7919c19ed77155d',
    ),
  },
  '3.12': {
    'linux/amd64': pin(
      '3.12.16',
      'linux/amd64',
      'sha256:6a9e62dad033790aef722dbd370e0ce76ce17b73627ba3ae679f537049350b39',
    ),
    'linux/arm64': pin(
      '3.12.16',
      'linux/arm64',
      'sha256:b6a41defec4975d94b4ff1950236e7383e5c02ba40ea48c9ec33c66087a35aab',
    ),
  },
  '3.13': {
    'linux/amd64': pin(
      '3.13.18',
      'linux/amd64',
      'sha256:f2d2199eb25880e07863b391cf7124e7ffa1338b0d65600dfcec117c4223a7fb',
    ),
    'linux/arm64': pin(
      '3.13.18',
      'linux/arm64',
      'sha256:55c00325f7c1fddf325dfc621aabdfbbac4dc54adda224af88ec411dc12db239',
    ),
  },
  '3.14': {
    'linux/amd64': pin(
      '3.14.10',
      'linux/amd64',
      'sha256:c2ff2e97422f5d3896a16e0317fd212ba977bbf2688d93a6f7a03d817506bd30',
    ),
    'linux/arm64': pin(
      '3.14.10',
      'linux/arm64',
      'sha256:38fd50f07170adc29d481913d1c30b17ecb538fbe290315fe1f83d84fdd5b694',
    ),
  },
};

/** The minor version that is taken if nobody says, and nothing here suggests one. */
export const DEFAULT_VERSION = '3.12';
