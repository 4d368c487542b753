import type {Digest} from '../../core/digest.ts';

/** A library of the base, and the package of the system that it came with. */
export interface BaseLibrary {
  /** The name that programs ask for: `libc.so.6`. */
  readonly soname: string;
  readonly digest: Digest;
  /** Null where no package manager was asked, or none knows the file. */
  readonly package: SystemPackage | null;
}

/** A package of the system, as its package manager names it. */
export interface SystemPackage {
  readonly manager: 'deb' | 'rpm';
  readonly name: string;
  readonly version: string;
  /** Where it is not the image's own: `all`. */
  readonly architecture?: string;
}

/** What a base's files are, for the bill of materials. */
export interface BaseContents {
  readonly glibc: string;
  /** `ID` of os-release: `debian`; null where there is none. */
  readonly distribution: string | null;
  readonly libraries: readonly BaseLibrary[];
  /** Packages that lie in it whole, whether or not their files are among the libraries. */
  readonly packages: readonly SystemPackage[];
}
