import {copyFile, mkdir, mkdtemp, rename, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {basename, dirname, extname, join, resolve} from 'node:path';
import {unfinishedName, writeFailure} from '../core/disk.ts';
import {ThawError} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import type {Accept, CpuClass, Objective, Verdict} from '../core/model.ts';
import type {HostOnnxRuntime} from '../core/ports.ts';
import {readCalibration} from '../model/calibration.ts';
import {writeModel} from '../model/candidate.ts';
import {inspectCpu} from '../model/cpu.ts';
import type {WantedMode} from '../model/decide.ts';
import {judge, type Judgement} from '../model/judge.ts';
import {createProbe} from '../model/probe.ts';
import {openModel, type OpenModel} from '../model/read.ts';

export interface QuantizeFileRequest {
  /** Path of the ONNX file. */
  readonly model: string;
  readonly mode: WantedMode;
  readonly cpu: CpuClass;
  readonly objective: Objective;
  readonly accept: Accept;
  /** JSON lines of rows to calibrate and to judge by. */
  readonly calibration: string | null;
  /** Where the result goes; null: beside the model as `<name>.<mode>.onnx`, and nowhere if the original is kept. */
  readonly out: string | null;
  /** The folder that thaw is installed in. */
  readonly packageDir: string;
  readonly hostOnnxRuntime: () => Promise<HostOnnxRuntime>;
  readonly signal: AbortSignal;
  readonly onStep: (step: string) => void;
}

/** What became of a model. */
export interface QuantizedFile {
  readonly schema: 'thaw.quantize/1';
  /** The model to use from now on: the result, or the original where it is kept and no other file was asked for. */
  readonly file: string;
  readonly bytes: number;
  /** Session options to load it with. */
  readonly session: JsonObject;
  readonly verdict: Verdict;
}

/**
 * Measures the forms of a model and writes the chosen one, whole or not at all.
 *
 * @throws ThawError USAGE if the result would replace the model; else as `openModel`, `readCalibration` and `judge`
 */
export async function quantizeFile(request: QuantizeFileRequest): Promise<QuantizedFile> {
  const {model, mode, cpu: madeFor, objective, accept, out, packageDir, signal, onStep} = request;
  if (out !== null && resolve(out) === resolve(model)) {
    throw new ThawError('USAGE', `the result would replace the model ${model} itself`, {
      flag: '--out',
      file: out,
    });
  }
  onStep('reading the model');
  const source = await openModel(model, signal);
  const rowsFile = request.calibration;
  const calibration = rowsFile === null ? null : await readCalibration(rowsFile, source.model.inputs);
  const onnxruntime = await request.hostOnnxRuntime();
  const outDir = await mkdtemp(join(tmpdir(), 'thaw-quantize-'));
  try {
    const judgement = await judge({
      source,
      mode,
      objective,
      accept,
      calibration,
      madeFor,
      shaping: false,
      onnxruntime: onnxruntime.version,
      cpu: await inspectCpu(),
      outDir,
      probe: createProbe({
        nodePath: process.execPath,
        probeFile: join(packageDir, 'dist', 'runtime', 'probe.cjs'),
        onnxruntimeDir: onnxruntime.dir,
        signal,
      }),
      signal,
      onStep,
    });
    const file = outFile(source, judgement.verdict, out);
    if (file !== model) await deliver(judgement, file, signal);
    const {verdict, chosen} = judgement;
    return {schema: 'thaw.quantize/1', file, bytes: chosen.bytes, session: chosen.session, verdict};
  } finally {
    await rm(outDir, {recursive: true, force: true});
  }
}

function outFile({path}: OpenModel, {chosen}: Verdict, out: string | null): string {
  if (out !== null) return out;
  if (chosen === 'none') return path;
  return join(dirname(path), `${basename(path, extname(path))}.${chosen}.onnx`);
}

/** Brings the chosen form to where it shall be. One with weights in another file is written anew: it names that file. */
async function deliver({chosen}: Judgement, file: string, signal: AbortSignal): Promise<void> {
  const [first] = chosen.files;
  if (chosen.files.length > 1) {
    const {path, proto} = await openModel(first!.file, signal);
    await writeModel(proto, path, file, signal);
    return;
  }
  const unfinished = unfinishedName(file);
  try {
    await mkdir(dirname(file), {recursive: true});
    await copyFile(first!.file, unfinished);
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, {force: true}).catch(() => undefined);
    throw await writeFailure(error, file, {neededBytes: chosen.bytes, signal});
  }
}
