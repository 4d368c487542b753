/** A module to compile. */
export interface CompileJob {
  /** The file with its source. */
  readonly source: string;
  /** The file to write; its folder has to be there. */
  readonly target: string;
  /** What tracebacks show: where the source lies in the image. */
  readonly name: string;
}

/** A Python of this machine that compiles modules for one minor version. */
export interface Compiler {
  /** Such as 3.11.7: bytecode may differ from patch to patch. */
  readonly version: string;
  /** As files of bytecode are named after it: `cpython-311`. */
  readonly tag: string;
  /** Compiles what can be compiled; equal sources give equal bytes. */
  compile(jobs: readonly CompileJob[]): Promise<void>;
}

/** A Python of this machine, as the interpreter of images that stay here. */
export interface HostInterpreter {
  /** The program itself, no link and no shim. */
  readonly executable: string;
  /** Such as 3.11.2. */
  readonly version: string;
  /** linux, darwin, win32. */
  readonly system: string;
  /** The folder of its standard library. */
  readonly stdlib: string;
  /** Where it looks for packages, relative to the folder that it is installed in. */
  readonly siteFolder: string;
  /** Packages that it has and that the image takes along, with what they need. */
  readonly packages: readonly HostPackage[];
}

/** A package of this machine's Python. */
export interface HostPackage {
  readonly name: string;
  readonly version: string;
  /** Relative to the folder of packages, with forward slashes, and where each lies. */
  readonly files: readonly {readonly path: string; readonly file: string}[];
}
