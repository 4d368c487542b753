/**
 * What `import {quantize} from 'thaw'` gives: thaw as a library.
 */
import {existsSync} from 'node:fs';
import {homedir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Accept, CpuClass, Objective, QuantizeMode} from '../core/model.ts';
import {DEFAULT_ACCEPT} from '../core/model.ts';
import {createFetchPackage} from '../net/npm-package.ts';
import {hostOnnxRuntime} from '../onnxruntime/index.ts';
import {quantizeFile, type QuantizedFile} from './quantize-file.ts';

export {ThawError} from '../core/errors.ts';
export type {Accept, CpuClass, Objective, QuantizedFile, QuantizeMode};
export type {Candidate, CandidateTimes, Drift, Verdict} from '../core/model.ts';

/** What `quantize` may be told; everything has a default. */
export interface QuantizeOptions {
  /** The best form by measurement (`auto`, if not given), or one form by name. */
  readonly mode?: 'auto' | QuantizeMode;
  /** The kind of CPU that the result shall be right on; `any` if not given. */
  readonly cpu?: CpuClass;
  /** What the result shall be best at; `balanced` if not given. */
  readonly objective?: Objective;
  /** A file with one JSON object of inputs a line: half of the rows calibrate, the other half judges. */
  readonly calibration?: string;
  /** How far from the original each output may be; by default cosine 0.998, nsr 0.01, top1Drop 0.005. */
  readonly accept?: Partial<Accept>;
  /** The file to write; by default the mode goes into the name of the model, and nothing is written if it stays. */
  readonly out?: string;
  /** Where ONNX Runtime is kept once it is fetched; by default where the command line keeps it. */
  readonly cacheDir?: string;
  /** Calls it off: it then throws INTERRUPTED and leaves nothing behind. */
  readonly signal?: AbortSignal;
  /** Called when something else is being done, with what that is. */
  readonly onStep?: (step: string) => void;
}

/**
 * Measures the forms of an ONNX model in fresh processes, as `thaw quantize` does, and writes the best one.
 *
 * @param model path of the ONNX file
 * @returns the file to use from now on, the session options to load it with, and the verdict with every figure
 * @throws ThawError with a `code` such as MODEL_INVALID, CALIBRATION_INVALID, MODEL_UNSUPPORTED or INTERRUPTED, and
 *   `facts` about it
 */
export async function quantize(model: string, options: QuantizeOptions = {}): Promise<QuantizedFile> {
  const {signal = new AbortController().signal, cacheDir = defaultCacheDir()} = options;
  return quantizeFile({
    model,
    mode: options.mode ?? 'auto',
    cpu: options.cpu ?? 'any',
    objective: options.objective ?? 'balanced',
    accept: {...DEFAULT_ACCEPT, ...options.accept},
    calibration: options.calibration ?? null,
    out: options.out ?? null,
    packageDir: packageDir(),
    hostOnnxRuntime: () => hostOnnxRuntime(createFetchPackage({cacheDir}), () => undefined, signal),
    signal,
    onStep: options.onStep ?? (() => undefined),
  });
}

/** The command line's cache folder. */
function defaultCacheDir(): string {
  const {THAW_CACHE_DIR, XDG_CACHE_HOME, LOCALAPPDATA} = process.env;
  if (THAW_CACHE_DIR) return THAW_CACHE_DIR;
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'thaw');
  const base = XDG_CACHE_HOME || (process.platform === 'win32' && LOCALAPPDATA) || join(homedir(), '.cache');
  return join(base, 'thaw');
}

/** The folder that thaw is installed in: the nearest one around this file that has the measuring program. */
function packageDir(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, 'dist', 'runtime', 'probe.cjs')) && dirname(dir) !== dir) dir = dirname(dir);
  return dir;
}
