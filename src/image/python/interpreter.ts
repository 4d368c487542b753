import type {Digest} from '../../core/digest.ts';
import {ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import type {FetchFile, ProgressFn} from '../../core/ports.ts';
import type {Compiler, HostInterpreter} from '../../core/python.ts';
import type {Base} from '../base/base.ts';
import {prepareHost} from './host.ts';
import {DEFAULT_VERSION, INTERPRETERS, RELEASES, type InterpreterPins} from './interpreter-pins.ts';
import {IN_IMAGE, prepareStandalone} from './standalone.ts';

/** Where an image's Python shall be from. */
export type InterpreterWish = 'auto' | 'base' | 'standalone' | 'host';

/** The Python of an image. */
export interface Interpreter {
  readonly kind: 'base' | 'standalone' | 'host';
  /** The minor version: `3.12`. */
  readonly version: string;
  /** Such as 3.12.16; null if only the base knows. */
  readonly fullVersion: string | null;
  /** In the image, absolute. */
  readonly path: string;
  /** What goes to `opt/thaw/python`; null if the base has it. */
  readonly dir: string | null;
  /** Variables that it needs. */
  readonly env: {readonly [name: string]: string};
  /** Where it is from; null unless it was fetched. */
  readonly download: {readonly url: string; readonly digest: Digest} | null;
  /** Whether such an image is for this machine alone. */
  readonly localOnly: boolean;
  /** One line that says which it is and why. */
  readonly why: string;
}

export interface InterpreterRequest {
  readonly wish: InterpreterWish;
  /** The minor version that it shall have; null: any. */
  readonly version: string | null;
  /** The minor version that is taken where any will do, such as that of the user's own Python; null: none. */
  readonly preferred: string | null;
  /** Names of packages that it has to have. */
  readonly provided: readonly string[];
  readonly platform: Platform;
  readonly base: Base;
  /** This machine's Python of a minor version. */
  readonly inspectHost: (version: string | null) => Promise<HostInterpreter>;
  readonly fetchFile: FetchFile;
  /** Finds a Python of a minor version that compiles; `own` is tried first. */
  readonly createCompiler: (version: string, own: string | null) => Promise<Compiler | null>;
  /** Kept folders are made in it. */
  readonly keepIn: string;
  readonly env: {readonly [name: string]: string | undefined};
  readonly pins?: InterpreterPins;
  readonly progress: ProgressFn;
  readonly signal: AbortSignal;
}

/**
 * Opens the Python that an image shall have. `auto` takes the base's, else a relocatable build, else a copy of this
 * machine's own, and says so: an image with that is for this machine. Packages that it has to have are only in the latter.
 *
 * @throws ThawError PYTHON_UNAVAILABLE with `reason`: `base`, `version`, `host`, and what `inspectHost` throws;
 * FETCH_FAILED, CONTENT_MISMATCH, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function openInterpreter(request: InterpreterRequest): Promise<Interpreter> {
  const {wish, signal} = request;
  throwIfInterrupted(signal);
  if (wish === 'base') return ofBase(request) ?? refuseBase(request);
  if (wish === 'standalone') return standalone(request, 'a relocatable build, as asked');
  if (wish === 'host') return ofHost(request, 'this machine’s own, as asked');
  const own = ofBase(request);
  if (own !== null) return own;
  if (request.provided.length > 0) {
    return ofHost(
      request,
      `this machine’s own, for the base has no Python with ${request.provided.join(', ')}`,
    );
  }
  let failure: ThawError;
  try {
    return await standalone(request, 'a relocatable build');
  } catch (error) {
    throwIfInterrupted(signal);
    if (!(error instanceof ThawError) || error.code === 'DISK_FULL') throw error;
    failure = error;
  }
  try {
    const {reason} = failure.facts;
    const why =
      typeof reason === 'string' ? `no relocatable build can be fetched: ${reason}` : failure.message;
    return await ofHost(request, `this machine’s own, because ${why}`);
  } catch (error) {
    if (!(error instanceof ThawError) || error.code !== 'PYTHON_UNAVAILABLE') throw error;
    const message = `${failure.message}; and ${error.message}`;
    throw new ThawError(failure.code, message, {...failure.facts, wanted: 'interpreter'}, {cause: failure});
  }
}

const pythonsOf = (base: Base) => (base.kind === 'registry' ? base.pythons : []);

function ofBase({base, version}: InterpreterRequest): Interpreter | null {
  const found = pythonsOf(base).find((python) => version === null || python.version === version);
  if (found === undefined) return null;
  return {
    kind: 'base',
    version: found.version,
    fullVersion: null,
    path: found.path,
    dir: null,
    env: {},
    download: null,
    localOnly: false,
    why: `Python ${found.version}: the base’s own, ${found.path}`,
  };
}

function refuseBase({base, version}: InterpreterRequest): never {
  const has = pythonsOf(base).map((python) => python.path);
  const wanted = version === null ? 'Python' : `Python ${version}`;
  const message = `the base has no ${wanted}: ${has.length === 0 ? 'it has none at all' : `it has ${has.join(', ')}`}`;
  throw new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'base', has, version});
}

async function standalone(request: InterpreterRequest, how: string): Promise<Interpreter> {
  const {preferred, provided, platform, pins = INTERPRETERS} = request;
  if (provided.length > 0) {
    const message = `a relocatable build of Python has no ${provided.join(', ')}, which python.provided says`;
    throw new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'provided', provided: [...provided]});
  }
  const known = Object.keys(pins);
  const suggested = preferred !== null && known.includes(preferred) ? preferred : null;
  const version =
    request.version ?? suggested ?? (known.includes(DEFAULT_VERSION) ? DEFAULT_VERSION : known[0]!);
  const pin = pins[version]?.[platform];
  if (pin === undefined) {
    const message = `there is no relocatable build of Python ${version} for images: there is ${known.join(', ')}`;
    throw new ThawError('PYTHON_UNAVAILABLE', message, {reason: 'version', version, known});
  }
  const dir = await prepareStandalone({...request, pin, version});
  return {
    kind: 'standalone',
    version,
    fullVersion: pin.version,
    path: `${IN_IMAGE}/bin/python${version}`,
    dir,
    env: {},
    download: {url: `${RELEASES}/${pin.path}`, digest: pin.digest},
    localOnly: false,
    why: `Python ${pin.version}: ${how}`,
  };
}

async function ofHost(request: InterpreterRequest, how: string): Promise<Interpreter> {
  const host = await request.inspectHost(request.version ?? request.preferred);
  const version = host.version.split('.').slice(0, 2).join('.');
  const {base} = request;
  const glibc = base.kind === 'host' ? base.glibc : base.contents.glibc;
  const {dir, hasLibraries} = await prepareHost({
    ...request,
    host,
    version: request.version ?? version,
    glibc,
  });
  return {
    kind: 'host',
    version,
    fullVersion: host.version,
    path: `${IN_IMAGE}/bin/python${version}`,
    dir,
    env: hasLibraries ? {LD_LIBRARY_PATH: `${IN_IMAGE}/lib`} : {},
    download: null,
    localOnly: true,
    why: `Python ${host.version}: ${how}; such an image is for this machine`,
  };
}
