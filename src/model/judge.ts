import {rm} from 'node:fs/promises';
import type {Digest} from '../core/digest.ts';
import {digestOfJson} from '../core/digest.ts';
import {ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {JsonObject} from '../core/json.ts';
import type {
  Accept,
  Candidate,
  CandidateTimes,
  Model,
  Objective,
  QuantizeMode,
  ServeManifest,
  Verdict,
} from '../core/model.ts';
import {chooseRows} from './calibration.ts';
import type {Calibration, Row} from './calibration.ts';
import type {CandidateOnDisk} from './candidate.ts';
import {originalOf, writeDynamic} from './candidate.ts';
import {decide} from './decide.ts';
import type {WantedMode} from './decide.ts';
import {measureDrift, outsideAccept} from './drift.ts';
import type {DriftResult, OutputRow} from './drift.ts';
import type {Probe, ProbeResult} from './probe.ts';
import type {OpenModel} from './read.ts';

/** The session options that candidates are measured and served with. */
const SESSION: JsonObject = {graphOptimizationLevel: 'all'};

/** Raised whenever the rules change, so that no stored verdict outlives them. */
const RULES = 1;

/** Beyond these, more rows tell nothing new about drift. */
const ROWS_MAX = 256;
const ELEMENTS_MAX = 2_000_000;

const PROCESSES = 5;
const WARM_CALLS = 20;

/** What a verdict depends on beside the model itself. */
export interface JudgeSettings {
  readonly mode: WantedMode;
  readonly objective: Objective;
  readonly accept: Accept;
  readonly calibration: Calibration | null;
  /** Version of the ONNX Runtime that measures, and will serve. */
  readonly onnxruntime: string;
  /** Of `inspectCpu`. */
  readonly cpu: string;
}

/** What judging needs besides. */
export interface JudgeRequest extends JudgeSettings {
  readonly source: OpenModel;
  /** Where candidates are written; only the chosen one stays. */
  readonly outDir: string;
  readonly probe: Probe;
  readonly signal: AbortSignal;
  /** Fresh processes for each candidate; 5 if not given. */
  readonly processes?: number;
  /** Calls in each process after the first; 20 if not given. */
  readonly warmCalls?: number;
  /** Called after each process: how many are done, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The verdict, and the files of what it chose. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly chosen: CandidateOnDisk;
}

/**
 * Makes the candidates that the mode asks for, measures each in fresh processes, in turns, compares their outputs on
 * the calibration rows with the original's, and chooses.
 *
 * @throws ThawError MODEL_INVALID if ONNX Runtime cannot load the original, CALIBRATION_INVALID if the original fails
 *   on the rows, MODEL_UNSUPPORTED if a mode was asked for by name and cannot be had, RUNTIME_UNAVAILABLE, DISK_FULL,
 *   PERMISSION_DENIED, INTERRUPTED
 */
export async function judge(request: JudgeRequest): Promise<Judgement> {
  const {source, mode, signal, outDir} = request;
  const original = originalOf(source);
  const forms: Form[] = [{mode: 'none', onDisk: original, failure: null}];
  let chosen: CandidateOnDisk | null = null;
  try {
    if (mode !== 'none') forms.push(formOf('dynamic', await writeDynamic(source, outDir, signal)));
    const judged = await compare(request, forms);
    const refused = judged.candidates.find(
      (candidate) => candidate.mode === mode && candidate.failure !== null,
    );
    if (refused && mode !== 'none') {
      throw new ThawError(
        'MODEL_UNSUPPORTED',
        `${source.path} cannot be served as ${mode}: ${refused.failure}`,
        {
          file: source.path,
          mode,
          failure: refused.failure,
        },
      );
    }
    const decision = decide({...request, ...judged});
    const {objective, accept, cpu, onnxruntime} = request;
    const verdict: Verdict = {
      schema: 'thaw.verdict/1',
      model: source.model.digest,
      objective,
      accept,
      rows: judged.rows,
      cpu,
      onnxruntime,
      candidates: judged.candidates,
      ...decision,
    };
    throwIfInterrupted(signal);
    chosen = forms.find((form) => form.mode === decision.chosen)?.onDisk ?? original;
    return {verdict, chosen};
  } finally {
    const losers = forms.filter(({mode: form, onDisk}) => form !== 'none' && onDisk !== chosen);
    for (const {onDisk} of losers) for (const {file} of onDisk?.files ?? []) await rm(file, {force: true});
  }
}

/**
 * The files that a stored verdict chose, made again if need be.
 *
 * @returns null if they do not come out as the verdict knows them: then it must be judged again
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function restoreChosen(
  verdict: Verdict,
  source: OpenModel,
  outDir: string,
  signal: AbortSignal,
): Promise<CandidateOnDisk | null> {
  if (verdict.model !== source.model.digest) return null;
  if (verdict.chosen === 'none') return originalOf(source);
  const made = await writeDynamic(source, outDir, signal);
  if ('failure' in made) return null;
  const known = verdict.candidates.find((candidate) => candidate.mode === verdict.chosen);
  if (known?.digest === made.digest) return made;
  for (const {file} of made.files) await rm(file, {force: true});
  return null;
}

/** The digest of everything that a verdict depends on: equal keys, same verdict but for the noise of measuring. */
export function verdictKey(model: Pick<Model, 'digest'>, settings: JudgeSettings): Digest {
  const {mode, objective, accept, calibration, onnxruntime, cpu} = settings;
  return digestOfJson({
    rules: RULES,
    session: SESSION,
    model: model.digest,
    calibration: calibration?.digest ?? null,
    mode,
    objective,
    accept,
    onnxruntime,
    cpu,
  });
}

/** What the runtime needs to serve what was chosen, under the function's name. */
export function serveManifest(
  name: string,
  {inputs, outputs}: Pick<Model, 'inputs' | 'outputs'>,
  chosen: CandidateOnDisk,
  onnxruntime: string,
): ServeManifest {
  return {
    schema: 'thaw.serve/1',
    name,
    file: chosen.files[0]!.path,
    model: chosen.digest,
    onnxruntime,
    session: SESSION,
    inputs,
    outputs,
  };
}

/** A candidate before it is measured. */
interface Form {
  readonly mode: QuantizeMode;
  readonly onDisk: CandidateOnDisk | null;
  readonly failure: string | null;
}

function formOf(mode: QuantizeMode, made: CandidateOnDisk | {readonly failure: string}): Form {
  return 'failure' in made
    ? {mode, onDisk: null, failure: made.failure}
    : {mode, onDisk: made, failure: null};
}

interface Comparison {
  readonly rows: number;
  readonly candidates: readonly Candidate[];
  readonly originalNotFinite: string | null;
}

async function compare(request: JudgeRequest, forms: readonly Form[]): Promise<Comparison> {
  const rows = chooseRows(request.calibration?.rows ?? [], ROWS_MAX, ELEMENTS_MAX);
  const progress = countProgress(request, forms);
  const outputs = await outputsOf(request, forms, rows, progress);
  const drifts = new Map(
    forms.map((form) => [form.mode, driftOf(outputs.get('none')!, outputs.get(form.mode))] as const),
  );
  const runnable = forms.filter(
    ({mode, failure}) =>
      failure === null && failureIn(outputs.get(mode)) === null && !drifts.get(mode)?.broken,
  );
  const timings = await timingsOf(request, runnable, rows, progress);
  const originalNotFinite = drifts.get('none')?.originalNotFinite ?? null;
  const candidates = forms.map((form): Candidate => {
    const {mode, onDisk} = form;
    const drift = mode === 'none' ? [] : (drifts.get(mode)?.drift ?? []);
    const timing = timings.get(mode);
    const failure =
      form.failure ??
      failureIn(outputs.get(mode)) ??
      drifts.get(mode)?.broken ??
      (typeof timing === 'string' ? timing : null);
    const within =
      mode === 'none' || (originalNotFinite === null && outsideAccept(drift, request.accept).length === 0);
    return {
      mode,
      digest: onDisk?.digest ?? request.source.model.digest,
      bytes: onDisk?.bytes ?? 0,
      failure,
      times: failure === null && typeof timing === 'object' ? timing : null,
      drift: failure === null ? drift : [],
      accepted: rows.length === 0 ? null : failure === null && within,
    };
  });
  return {rows: rows.length, candidates, originalNotFinite};
}

type Outputs = ReadonlyMap<QuantizeMode, ProbeResult>;

/** Runs every form once over all rows. */
async function outputsOf(
  request: JudgeRequest,
  forms: readonly Form[],
  rows: readonly Row[],
  progress: () => void,
): Promise<Outputs> {
  const outputs = new Map<QuantizeMode, ProbeResult>();
  for (const {mode, onDisk} of forms) {
    if (!onDisk) continue;
    const probeWith = (fed: readonly Row[]) =>
      request.probe({
        model: onDisk.files[0]!.file,
        session: SESSION,
        rows: fed,
        warmCalls: 0,
        wantOutputs: fed.length > 0,
      });
    const result = await probeWith(rows);
    if (mode === 'none' && !result.ok) {
      throwForOriginal(request, result, rows.length > 0 ? await probeWith([]) : null);
    }
    outputs.set(mode, result);
    progress();
  }
  return outputs;
}

type Failure = ProbeResult & {readonly ok: false};

/**
 * A model that does not load, or fails on the user's own rows, is the user's to mend. One that loads and fails on
 * mere zeros may be fine: it is kept, unmeasured.
 *
 * @param onZeros how it did without the rows, if there are rows
 */
function throwForOriginal(
  {source: {path}, calibration}: JudgeRequest,
  {code, message}: Failure,
  onZeros: ProbeResult | null,
): void {
  if (code === 'RUNTIME_UNAVAILABLE') throw new ThawError('RUNTIME_UNAVAILABLE', message, {});
  if (calibration && onZeros && (onZeros.ok || onZeros.code === 'MODEL_FAILED')) {
    throw new ThawError(
      'CALIBRATION_INVALID',
      `${calibration.file}: ${path} fails on these rows: ${message}`,
      {
        file: calibration.file,
        model: path,
      },
    );
  }
  if (!onZeros && code === 'MODEL_FAILED') return;
  throw new ThawError('MODEL_INVALID', `ONNX Runtime cannot run ${path}: ${message}`, {file: path});
}

const failureIn = (result: ProbeResult | undefined): string | null =>
  result && !result.ok ? result.message : null;

function driftOf(original: ProbeResult, candidate: ProbeResult | undefined): DriftResult | null {
  const rows = (result: ProbeResult | undefined): readonly OutputRow[] => (result?.ok ? result.rows : []);
  if (rows(original).length === 0 || !candidate?.ok) return null;
  return measureDrift(rows(original), rows(candidate));
}

/** Times of each form, in turns so that a passing load on the machine meets all alike; or why there are none. */
async function timingsOf(
  request: JudgeRequest,
  forms: readonly Form[],
  rows: readonly Row[],
  progress: () => void,
): Promise<ReadonlyMap<QuantizeMode, CandidateTimes | string>> {
  const {processes = PROCESSES, warmCalls = WARM_CALLS, probe} = request;
  const runs = new Map(forms.map(({mode}) => [mode, [] as (ProbeResult & {ok: true})[]]));
  const failures = new Map<QuantizeMode, string>();
  for (let round = 0; round < processes; round++) {
    for (const {mode, onDisk} of round % 2 === 0 ? forms : forms.toReversed()) {
      const model = onDisk!.files[0]!.file;
      const asked = {model, session: SESSION, rows: rows.slice(0, 1), warmCalls, wantOutputs: false};
      const result = await probe(asked);
      if (result.ok) runs.get(mode)!.push(result);
      else failures.set(mode, result.message);
      progress();
    }
  }
  return new Map(
    forms.map(({mode}) => {
      const done = runs.get(mode)!;
      const times: CandidateTimes = {
        processes: done.length,
        loadMs: median(done.map(({loadMs}) => loadMs)),
        firstMs: median(done.map(({firstMs}) => firstMs)),
        warmMs: median(done.map(({warmMs}) => warmMs ?? NaN)),
        rssMb: median(done.map(({rssMb}) => rssMb)),
      };
      return [mode, failures.get(mode) ?? times] as const;
    }),
  );
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2;
}

function countProgress(
  {processes = PROCESSES, onProgress}: JudgeRequest,
  forms: readonly Form[],
): () => void {
  const total = forms.filter(({onDisk}) => onDisk !== null).length * (processes + 1);
  let done = 0;
  return () => onProgress?.(++done, total);
}
