import {mkdtemp, readFile, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {checkInputs, convertModel, type Converted} from '../python/convert/convert.ts';
import {environmentDir, environmentIn, hasEnvironment, makeEnvironment} from '../python/environment.ts';
import {parseInputShape} from '../python/convert/input-shape.ts';
import {planPackages, type PackagePlan} from '../python/convert/packages.ts';
import {findPython, type Python} from '../python/python.ts';
import type {Running} from '../python/run.ts';
import {defaultOut, describeSource, readSource, runsCode, type Source} from '../python/convert/source.ts';
import {writeWhole} from '../core/disk.ts';
import {ThawError} from '../core/errors.ts';
import type {TensorInfo} from '../core/model.ts';
import {formatBytes} from '../core/units.ts';
import {runCommand} from '../docker/command-line.ts';
import {writeModel} from '../model/candidate.ts';
import {figure} from '../model/drift.ts';
import {createProbe} from '../model/probe.ts';
import {openModel, type OpenModel} from '../model/read.ts';
import {compareWithOriginal, type Agreement} from './compare-conversion.ts';
import type {Workshop} from './compose.ts';
import {withTask} from './progress.ts';
import {askConfirmation} from './prompts.ts';
import type {Terminal} from './terminal.ts';

export interface ConvertToOnnxRequest {
  /** A file, or `module:Class`. */
  readonly source: string;
  readonly out: string | null;
  readonly checkpoint: string | null;
  /** Inputs as `--input-shape` gives them. */
  readonly inputShapes: readonly string[];
  readonly opset: number | null;
  readonly python: string | null;
  readonly yes: boolean;
  readonly workshop: Workshop;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

/** What became of a model. */
export interface ConvertedFile {
  readonly schema: 'thaw.convert/1';
  readonly file: string;
  readonly bytes: number;
  readonly kind: Source['kind'];
  readonly opset: number;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
  /** How the result agrees with the original, per output. */
  readonly agreement: readonly Agreement[];
  readonly python: {readonly command: string; readonly version: string};
  /** Of the libraries that took part. */
  readonly versions: {readonly [name: string]: string};
}

/**
 * Converts a model to ONNX with the user's Python, holds it against the original, and writes it whole or not at all.
 *
 * @throws ThawError USAGE, FILE_EXISTS, MODEL_NOT_FOUND, MODEL_INVALID, CONVERSION_REFUSED, PYTHON_UNAVAILABLE,
 * PACKAGES_UNAVAILABLE, ANSWER_MISSING, INTERRUPTED
 */
export async function convertToOnnx(request: ConvertToOnnxRequest): Promise<ConvertedFile> {
  const {checkpoint, opset, yes, workshop, terminal, signal} = request;
  const inputs = request.inputShapes.map(parseInputShape);
  const source = await readSource(request.source, checkpoint);
  checkInputs(source, inputs);
  const out = await checkedOut(request, source);

  const {cacheDir, root} = workshop.installation;
  const programsDir = join(root, 'dist', 'python');
  const search = {run: runCommand, signal, programsDir, env: process.env};
  const python = await findPython(request.python, search);
  const plan = planPackages(source, python);
  const dir = plan.install.length === 0 ? null : environmentDir(cacheDir, plan, python);
  const installs = dir !== null && !(await hasEnvironment(dir));

  announce(terminal, source, python, plan, installs);
  if (!yes && (installs || runsCode(source))) {
    await askConfirmation(terminal, questionFor(source, installs), '--yes');
  }

  const notes: string[] = [];
  const runningWith = (onStep: (step: string) => void): Running => ({
    run: runCommand,
    signal,
    onStep,
    onNote: (note) => notes.push(note),
    onOutput: (line) => terminal.detail(line),
  });
  if (dir !== null) await workshop.claimCache();
  if (dir !== null) {
    const make = (onStep: (step: string) => void): Promise<void> =>
      makeEnvironment(dir, plan, python, runningWith(onStep));
    if (installs) {
      await withTask(
        terminal,
        'installing the converters',
        (task) => make((step) => task.update(step)),
        () => 'converters installed',
      );
    } else await make(() => undefined);
  }

  const workDir = await mkdtemp(join(tmpdir(), 'thaw-convert-'));
  try {
    const environment = environmentIn(dir, python, plan);
    const {converted, checked} = await withTask(terminal, 'converting', async (task) => {
      const convert = (varying: boolean): Promise<Converted> =>
        convertModel(
          {source, inputs, opset, varying, environment, programsDir, workDir},
          runningWith((step) => task.update(step)),
        );
      const check = async (candidate: Converted): Promise<Checked> => {
        task.update('comparing with the original');
        return checkConverted(candidate, workshop, signal, task.bytes);
      };
      const first = await convert(true);
      try {
        return {converted: first, checked: await check(first)};
      } catch (error) {
        // Some models look as if their batch could vary, and were traced for one size after all.
        const fixedMightDo = first.varying && inputs.length > 0 && isRefusal(error);
        if (!fixedMightDo) throw error;
        const second = await convert(false);
        return {converted: second, checked: await check(second)};
      }
    });
    for (const note of notes) terminal.note(`  ${note}`);
    await deliver(checked.opened, out, signal);
    return report(request, source, python, converted, checked, out);
  } finally {
    await rm(workDir, {recursive: true, force: true});
  }
}

async function checkedOut({out}: ConvertToOnnxRequest, source: Source): Promise<string> {
  if (out !== null) return out;
  const file = defaultOut(source);
  const there = await stat(file).catch(() => null);
  if (there === null) return file;
  throw new ThawError('FILE_EXISTS', `${file} is there already, and --out names no other file`, {
    flag: '--out',
    file,
  });
}

function announce(
  terminal: Terminal,
  source: Source,
  python: Python,
  plan: PackagePlan,
  installs: boolean,
): void {
  terminal.note(describeSource(source));
  terminal.note(`  Python ${python.version}: ${python.executable}`);
  for (const line of plan.notes) terminal.note(`  ${line}`);
  if (installs) {
    terminal.note(
      `  to be installed in thaw's cache, apart from everything else: ${plan.install.join(', ')}`,
    );
    terminal.note(`  with what they need about ${formatBytes(plan.downloadMb * 1e6)} to download`);
  }
}

function questionFor(source: Source, installs: boolean): string {
  const subject = source.kind === 'class' ? source.module : 'this file';
  const code = `run the code that ${subject} holds`;
  if (!installs) return `Loading it can ${code}. Go on?`;
  return runsCode(source) ? `Loading it can ${code}. Install this and go on?` : 'Install this?';
}

const isRefusal = (error: unknown): boolean =>
  error instanceof ThawError && ['CONVERSION_REFUSED', 'MODEL_INVALID'].includes(error.code);

interface Checked {
  readonly opened: OpenModel;
  readonly agreement: readonly Agreement[];
}

/** Reads the result as thaw reads any model, runs it in the ONNX Runtime that will serve it, and compares. */
async function checkConverted(
  converted: Converted,
  workshop: Workshop,
  signal: AbortSignal,
  progress: (doneBytes: number, totalBytes: number | null) => void,
): Promise<Checked> {
  const opened = await openModel(converted.file, signal);
  const onnxruntime = await workshop.hostOnnxRuntime(progress);
  const probe = createProbe({
    nodePath: process.execPath,
    probeFile: join(workshop.installation.root, 'dist', 'runtime', 'probe.cjs'),
    onnxruntimeDir: onnxruntime.dir,
    signal,
  });
  return {opened, agreement: await compareWithOriginal(opened.model, converted, probe)};
}

async function deliver(
  {path, proto, externalFiles}: OpenModel,
  out: string,
  signal: AbortSignal,
): Promise<void> {
  if (externalFiles.length > 0) await writeModel(proto, path, out, signal);
  else await writeWhole(out, await readFile(path), {signal});
}

function report(
  {terminal}: ConvertToOnnxRequest,
  source: Source,
  python: Python,
  {versions}: Converted,
  {opened: {model}, agreement}: Checked,
  file: string,
): ConvertedFile {
  const {bytes, opset, inputs, outputs} = model;
  const by = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  terminal.note(`  by ${by.join(', ')}; opset ${opset}, ${formatBytes(bytes)}`);
  for (const {name, type, shape} of inputs) terminal.note(`  takes ${name}: ${type} [${shape.join(', ')}]`);
  for (const {output, cosine, maxAbs, rows, equal} of agreement) {
    const how =
      equal === null
        ? `cosine ${figure(cosine)}, at most ${figure(maxAbs)} apart`
        : `${equal} of ${rows} equal`;
    terminal.note(`  ${output}: ${how}, held against the original`);
  }
  terminal.note(`  next: thaw init my-function --model ${file}`);
  terminal.result(file);
  return {
    schema: 'thaw.convert/1',
    file,
    bytes,
    kind: source.kind,
    opset,
    inputs,
    outputs,
    agreement,
    python: {command: python.command, version: python.version},
    versions,
  };
}
