import {spawn} from 'node:child_process';
import {ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import type {TensorInfo} from '../core/model.ts';
import type {Row} from './calibration.ts';
import type {OutputRow} from './drift.ts';

/** What one fresh process shall do with a model. */
export interface ProbeRequest {
  /** Path of the model file. */
  readonly model: string;
  /** Session options, passed to ONNX Runtime as they are. */
  readonly session: JsonObject;
  /** Without rows the model is fed zeros. */
  readonly rows: readonly Row[];
  readonly warmCalls: number;
  readonly wantOutputs: boolean;
}

/** What it measured, or why it could not. */
export type ProbeResult =
  | {
      readonly ok: true;
      readonly loadMs: number;
      readonly firstMs: number;
      /** Median; null where no warm call was asked for. */
      readonly warmMs: number | null;
      readonly rssMb: number;
      readonly inputs: readonly TensorInfo[];
      readonly outputs: readonly TensorInfo[];
      readonly rows: readonly OutputRow[];
    }
  | {
      readonly ok: false;
      /**
       * Where it went wrong, if the probe tells: `RUNTIME_UNAVAILABLE` before the model, `MODEL_INVALID` while it
       * was loaded, `MODEL_FAILED` while it ran.
       */
      readonly code?: string | null;
      readonly message: string;
    };

/**
 * Measures a model in a process of its own.
 *
 * @throws ThawError RUNTIME_UNAVAILABLE, INTERRUPTED
 */
export type Probe = (request: ProbeRequest) => Promise<ProbeResult>;

/** What the real probe needs. */
export interface ProbeParts {
  /** The Node.js to measure with. */
  readonly nodePath: string;
  /** The built `probe.cjs`. */
  readonly probeFile: string;
  /** The folder with ONNX Runtime's binding and library. */
  readonly onnxruntimeDir: string;
  readonly signal: AbortSignal;
}

/** What a process needs of the environment to start at all; everything else could change what is measured. */
const ENVIRONMENT = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'LD_LIBRARY_PATH'];

/** Makes the probe that runs thaw's own server code over a model, in a new process each time. */
export function createProbe({nodePath, probeFile, onnxruntimeDir, signal}: ProbeParts): Probe {
  const inherited = ENVIRONMENT.flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const env = {...Object.fromEntries(inherited), ORT_DISABLE_TELEMETRY: '1'};
  return async (request) => {
    throwIfInterrupted(signal);
    const child = spawn(nodePath, [probeFile], {env, stdio: 'pipe', windowsHide: true});
    const kill = (): void => void child.kill('SIGKILL');
    signal.addEventListener('abort', kill);
    const [stdout, stderr]: [Buffer[], Buffer[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A process that ends before it has read everything: its exit tells more than the broken pipe.
    child.stdin.on('error', () => undefined);
    child.stdin.end(JSON.stringify({...request, onnxruntime: onnxruntimeDir}));
    try {
      const ending = await new Promise<string>((resolve, reject) => {
        child.once('error', (error) => {
          reject(
            new ThawError(
              'RUNTIME_UNAVAILABLE',
              `${nodePath} cannot be started: ${error.message}`,
              {file: nodePath},
              {cause: error},
            ),
          );
        });
        child.once('close', (code, killedBy) => resolve(killedBy ?? `exit code ${code}`));
      });
      throwIfInterrupted(signal);
      return parseAnswer(Buffer.concat(stdout).toString(), ending, Buffer.concat(stderr).toString());
    } finally {
      signal.removeEventListener('abort', kill);
    }
  };
}

function parseAnswer(stdout: string, ending: string, stderr: string): ProbeResult {
  try {
    return JSON.parse(stdout) as ProbeResult;
  } catch {
    const lastWords = stderr.trim().split('\n').at(-1) ?? '';
    return {
      ok: false,
      message: `the measuring process ended with ${ending}: ${lastWords || 'it said nothing'}`,
    };
  }
}
