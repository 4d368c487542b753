import {rm} from 'node:fs/promises';
import {availableParallelism} from 'node:os';
import {ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {Accept, Candidate, CandidateTimes, CpuClass, Objective, Shape, Verdict} from '../core/model.ts';
import {openBench, ROWS_MIN, type Bench} from './bench.ts';
import type {Calibration} from './calibration.ts';
import type {CandidateFile, CandidateOnDisk, ModelOnDisk} from './candidate.ts';
import {originalOf} from './candidate.ts';
import type {Cpu} from './cpu.ts';
import {costOf, decide, WORTHWHILE_SHARE} from './decide.ts';
import type {WantedMode} from './decide.ts';
import {outsideAccept} from './drift.ts';
import {examine, formOfOriginal, type Form} from './examine.ts';
import {isSmall, planCandidates} from './plan-candidates.ts';
import type {Probe} from './probe.ts';
import {whyQuantizedAlready} from './quantize/quantized.ts';
import type {OpenModel} from './read.ts';
import {merge, PLAIN_SESSION, sessionOptions} from './session-options.ts';
import {shapeForm} from './shape.ts';
import type {Shaped} from './shape.ts';
import {timeInTurns} from './timing.ts';
import type {Effort, Timings} from './timing.ts';
import {sumWeightBytes} from './weight-bytes.ts';

/** What a verdict depends on beside the model itself. */
export interface JudgeSettings {
  readonly mode: WantedMode;
  readonly objective: Objective;
  readonly accept: Accept;
  readonly calibration: Calibration | null;
  /** The kind of CPU that the forms shall be right on. */
  readonly madeFor: CpuClass;
  /** Whether ways to load the chosen form are measured too. */
  readonly shaping: boolean;
  /** Version of the ONNX Runtime that measures, and will serve. */
  readonly onnxruntime: string;
  /** Of `inspectCpu`. */
  readonly cpu: Cpu;
}

/** What judging needs besides. */
export interface JudgeRequest extends JudgeSettings {
  readonly source: OpenModel;
  /** Where candidates are written; only the chosen one stays. */
  readonly outDir: string;
  readonly probe: Probe;
  readonly signal: AbortSignal;
  /** How long to look at each form; 5 processes of 21 calls if not given, fewer calls if they are slow. */
  readonly effort?: Effort;
  /** Cores of this machine. */
  readonly cores?: number;
  /** Called when something else is being done, with what that is. */
  readonly onStep?: (step: string) => void;
}

/** The model as it shall be served: its files, and how to load them. */
export interface ChosenModel extends ModelOnDisk {
  readonly session: CandidateOnDisk['session'];
}

/** The verdict, and the files of what it chose. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly chosen: ChosenModel;
  /** The chosen form's own session options, for wherever it is not loaded in the chosen way. */
  readonly formSession: CandidateOnDisk['session'];
}

/**
 * Makes the forms that could pay, or the one that is asked for, holds each against the original on the judging half
 * of the rows, times them in fresh processes, in turns, and chooses; then measures how what was chosen is best loaded.
 *
 * @throws ThawError MODEL_INVALID if ONNX Runtime cannot load the original, CALIBRATION_INVALID if the original fails
 *   on the rows or labels do not fit it, MODEL_UNSUPPORTED if a mode was asked for by name and cannot be had,
 *   RUNTIME_UNAVAILABLE, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function judge(request: JudgeRequest): Promise<Judgement> {
  const {source, mode, objective, accept, signal, onStep} = request;
  const original = originalOf(source);
  const forms: Form[] = [];
  let kept: readonly CandidateFile[] = [];
  try {
    onStep?.('looking at the original');
    const bench = await openBench(request, original);
    const rows = bench.halves.judging.rows.length;
    const calibrationRows = bench.halves.calibrating.rows.length;
    const {tried, untried} = planCandidates({
      asked: mode,
      objective,
      bytes: source.model.bytes,
      weights: sumWeightBytes(source.proto),
      quantizedAlready: whyQuantizedAlready(source.proto),
      calibrationRows,
    });
    forms.push(formOfOriginal(original, bench));
    for (const form of tried) forms.push(await examine(request, bench, form));
    refuseImpossible(source.path, mode, forms);

    const timings = await timeForms(request, bench, forms);
    const candidates = forms.map((form) => candidateOf(source, form, timings.get(form.mode)));
    const {originalNotFinite} = bench;
    const decision = decide({mode, objective, accept, rows, candidates, untried, originalNotFinite});
    const chosen = candidates.find((each) => each.mode === decision.chosen)!;
    const {onDisk} = forms.find((each) => each.mode === decision.chosen)!;
    const shaped = await shapeChosen(request, bench, chosen, onDisk!);
    throwIfInterrupted(signal);
    const verdict: Verdict = {
      schema: 'thaw.verdict/1',
      model: source.model.digest,
      asked: mode,
      objective,
      accept,
      rows,
      calibrationRows,
      cpu: request.cpu.name,
      cpuClass: request.cpu.class,
      madeFor: request.madeFor,
      onnxruntime: request.onnxruntime,
      candidates,
      untried,
      ...decision,
      shapings: shaped.shapings,
      shape: shaped.shape,
      shapeWhy: shaped.why,
      warnings: warningsOf(request, bench, chosen),
    };
    const {files, digest, bytes, session} = shaped;
    kept = files;
    return {verdict, chosen: {files, digest, bytes, session}, formSession: onDisk!.session};
  } finally {
    const own = new Set([...original.files, ...kept].map(({file}) => file));
    const files = forms.flatMap(({onDisk}) => onDisk?.files ?? []).map(({file}) => file);
    for (const file of files) if (!own.has(file)) await rm(file, {force: true});
  }
}

function refuseImpossible(path: string, mode: WantedMode, forms: readonly Form[]): void {
  const refused = forms.find((form) => form.mode === mode && form.mode !== 'none' && form.failure !== null);
  if (!refused) return;
  const {failure} = refused;
  throw new ThawError('MODEL_UNSUPPORTED', `${path} cannot be served as ${mode}: ${failure}`, {
    file: path,
    mode,
    failure,
  });
}

/** Nearer than this to being 10 % better, noise decides: then it is measured as long again. */
const CLOSE = 0.05;

/** Times what runs and could be chosen. */
async function timeForms(request: JudgeRequest, bench: Bench, forms: readonly Form[]): Promise<Timings> {
  const {mode, probe, objective, onStep} = request;
  const {halves, effort} = bench;
  const timed = forms.filter(
    ({mode: form, failure, accepted}) =>
      failure === null && (mode !== 'auto' || form === 'none' || accepted !== false),
  );
  const costIn = (timings: Timings, {mode: form, onDisk}: Form): number => {
    const times = timings.get(form);
    return typeof times === 'object' ? costOf(objective, onDisk!.bytes, times) : Infinity;
  };
  return timeInTurns({
    contenders: timed.map(({mode: name, onDisk}) => {
      return {name, file: onDisk!.files[0]!.file, session: merge(PLAIN_SESSION, onDisk!.session)};
    }),
    probe,
    row: halves.judging.rows[0] ?? null,
    effort,
    isClose: (timings) => {
      const [original = NaN, ...others] = timed.map((form) => costIn(timings, form));
      const share = Math.min(...others) / original;
      return mode === 'auto' && halves.judging.rows.length > 0 && Math.abs(share - WORTHWHILE_SHARE) < CLOSE;
    },
    onRound: (round, rounds) => {
      const what = timed.length === 1 ? 'the original' : `${timed.length} forms`;
      onStep?.(`timing ${what}, round ${round} of ${rounds}`);
    },
  });
}

function candidateOf(
  source: OpenModel,
  {mode, onDisk, failure, calibrator, keptFloat, quantizeMs, drift, accuracy, accepted}: Form,
  timing: CandidateTimes | string | undefined,
): Candidate {
  const failed = failure ?? (typeof timing === 'string' ? timing : null);
  return {
    mode,
    digest: onDisk?.digest ?? source.model.digest,
    bytes: onDisk?.bytes ?? 0,
    session: onDisk?.session ?? {},
    calibrator,
    keptFloat,
    quantizeMs,
    failure: failed,
    times: failed === null && typeof timing === 'object' ? timing : null,
    drift: failed === null ? drift : [],
    accuracy,
    accepted: accepted === null ? null : accepted && failed === null,
  };
}

/** How the chosen form is best loaded; as it is where that is not worth measuring. */
async function shapeChosen(
  request: JudgeRequest,
  {effort, halves}: Bench,
  {failure}: Candidate,
  form: CandidateOnDisk,
): Promise<Shaped> {
  const {source, objective, probe, outDir, signal} = request;
  const {cores = availableParallelism(), onStep = () => undefined} = request;
  const why = whyUnshaped(request, failure);
  if (why !== null) {
    const {files, digest, bytes} = form;
    const weights = files.length > 1 ? 'mapped' : 'inside';
    const shape: Shape = {weights, prepacking: true, threads: null};
    return {shapings: [], shape, why, files, digest, bytes, session: sessionOptions(form.session, shape)};
  }
  const needsPrepacking = NEED_PREPACKING.some((operator) => operator in source.model.operators);
  const {rows} = halves.judging;
  return shapeForm({form, objective, needsPrepacking, rows, effort, cores, probe, outDir, signal, onStep});
}

/** Operators that are many times slower without prepacking. Forms that have them say so in their own options. */
const NEED_PREPACKING = ['com.microsoft.MatMulNBits', 'com.microsoft.MatMulBnb4'];

function whyUnshaped({shaping, source}: JudgeRequest, failure: string | null): string | null {
  if (!shaping) return 'loaded as it is: other ways were not asked for';
  if (failure !== null) return 'loaded as it is: it could not be measured';
  if (isSmall(source.model.bytes)) return 'loaded as it is: so small a model loads in an instant';
  return null;
}

/** What somebody should know who relies on the verdict. */
function warningsOf(
  {mode, madeFor, cpu, accept}: JudgeRequest,
  {halves, originalNotFinite}: Bench,
  chosen: Candidate,
): string[] {
  const rows = halves.judging.rows.length;
  const warnings: string[] = [];
  if (chosen.mode !== 'none') {
    const outside = outsideAccept(chosen.drift, accept);
    if (rows === 0) {
      warnings.push(
        `nobody knows how far ${chosen.mode} is from the original: there are no calibration rows`,
      );
    } else if (outside.length > 0) {
      warnings.push(`${chosen.mode} is outside accept: ${outside.join('; ')}`);
    } else if (chosen.accepted === false) {
      warnings.push(`${chosen.mode} is outside accept`);
    } else if (rows < ROWS_MIN) {
      warnings.push(`${chosen.mode} was judged on no more than ${rows === 1 ? '1 row' : `${rows} rows`}`);
    }
    if (madeFor !== 'any' && madeFor !== cpu.class) {
      warnings.push(`${chosen.mode} was made for ${madeFor} and measured on ${cpu.name}`);
    }
  }
  if (mode !== 'none' && originalNotFinite !== null) {
    warnings.push(`the original itself gives NaN or infinity: ${originalNotFinite}`);
  }
  return warnings;
}
