import {randomUUID} from 'node:crypto';
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {Accept, Calibrator, Candidate, QuantizeMode} from '../core/model.ts';
import {accuracyOf, runOriginal, type Bench} from './bench.ts';
import type {CandidateOnDisk} from './candidate.ts';
import {originalOf, writeCandidate, writeModel} from './candidate.ts';
import {measureDrift, outsideAccept} from './drift.ts';
import type {OutputRow} from './drift.ts';
import {prepareForm} from './forms.ts';
import type {FormRequest, PreparedForm} from './forms.ts';
import type {JudgeRequest} from './judge.ts';
import {isSmall} from './plan-candidates.ts';
import type {ChangingMode} from './plan-candidates.ts';
import type {QuantizeResult} from './quantize/mode.ts';
import {findMixed} from './quantize/sensitivity.ts';
import {merge, PLAIN_SESSION} from './session-options.ts';

/** A form of the model, and how it does on the judging rows. */
export interface Form {
  readonly mode: QuantizeMode;
  readonly onDisk: CandidateOnDisk | null;
  readonly failure: string | null;
  readonly calibrator: Calibrator | null;
  readonly keptFloat: readonly string[];
  /** See `Candidate`. */
  readonly quantizeMs: number | null;
  readonly drift: Candidate['drift'];
  readonly accuracy: number | null;
  readonly accepted: boolean | null;
}

/** The model as it came, as one of the forms. */
export function formOfOriginal(original: CandidateOnDisk, bench: Bench): Form {
  const {failure, accuracy, halves} = bench;
  return {
    mode: 'none',
    onDisk: original,
    failure,
    calibrator: null,
    keptFloat: [],
    quantizeMs: null,
    drift: [],
    accuracy,
    accepted: halves.judging.rows.length > 0 ? failure === null : null,
  };
}

/** Where a search for the nodes that must stay float is worth its time, if nobody asked for the mode by name. */
const SEARCHED: readonly QuantizeMode[] = ['dynamic', 'static'];

/** How long that search may take, roughly. */
const SEARCH_MS_MAX = 30_000;

/** How many forms it may run: steps so far apart that noise seldom changes the result. */
const SEARCH_RUNS = [100, 50, 25, 12] as const;

/** Of a small model nothing in an image may depend on times, and a process of it is short. */
const SEARCH_RUNS_OF_SMALL = 50;

/** What a process takes besides what it measures. */
const PROCESS_START_MS = 100;

/**
 * Makes a form and holds what it says against what the original says. What is outside `accept` is made again with its
 * sensitive nodes as they were; they are found on the calibrating rows.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, RUNTIME_UNAVAILABLE, INTERRUPTED; CALIBRATION_INVALID for labels
 *   that do not fit
 */
export async function examine(request: JudgeRequest, bench: Bench, mode: ChangingMode): Promise<Form> {
  const {source, outDir, signal, madeFor, accept, probe, onStep = () => undefined} = request;
  const {rows} = bench.halves.calibrating;
  const reference = once(() => calibratingOutputs(request, bench));
  const parts: FormRequest = {
    source,
    cpu: madeFor,
    rows,
    probe,
    dir: outDir,
    signal,
    nsrOf: async (result) => nsrOf(request, bench, result, await reference()),
    nsrMax: accept.nsr,
    onStep,
  };
  onStep(`making ${mode}`);
  const making = startStopwatch();
  const prepared = await making.time(() => prepareForm(mode, parts));
  if ('failure' in prepared) return failed(bench, mode, prepared.failure);
  const whole = await compareForm(request, bench, mode, prepared, [], making);
  const worthSearching = request.mode === mode || SEARCHED.includes(mode);
  if (whole.accepted !== false || whole.onDisk === null || rows.length === 0 || !worthSearching) return whole;
  if (bench.originalNotFinite !== null) return whole;

  const found = await making.time(async () =>
    findMixed({
      make: prepared.make,
      makeSwitched: prepared.makeSwitched,
      sourcePath: source.path,
      rows,
      original: await reference(),
      accept: tightened(accept),
      session: PLAIN_SESSION,
      probe,
      dir: outDir,
      signal,
      runsMax: isSmall(source.model.bytes) ? SEARCH_RUNS_OF_SMALL : searchRuns(bench),
      onProgress: (done, total) => onStep(`looking for the sensitive nodes of ${mode}, ${done} of ${total}`),
    }),
  );
  if (found.failure !== null || found.keptFloat.length === 0) return {...whole, quantizeMs: making.ms()};
  return compareForm(request, bench, mode, prepared, found.keptFloat, making);
}

/** Adds up the times that parts of some work take. */
interface Stopwatch {
  time<T>(work: () => Promise<T>): Promise<T>;
  ms(): number;
}

function startStopwatch(): Stopwatch {
  let ms = 0;
  return {
    async time(work) {
      const started = performance.now();
      try {
        return await work();
      } finally {
        ms += performance.now() - started;
      }
    },
    ms: () => ms,
  };
}

/** What just passes on the rows it was tuned on does not pass on others: so the search gets less leeway. */
const LEEWAY_SHARE = 0.75;

const tightened = ({cosine, nsr, top1Drop}: Accept): Accept => ({
  cosine: 1 - LEEWAY_SHARE * (1 - cosine),
  nsr: LEEWAY_SHARE * nsr,
  top1Drop: LEEWAY_SHARE * top1Drop,
});

function searchRuns({processMs}: Bench): number {
  const runs = SEARCH_MS_MAX / (PROCESS_START_MS + processMs);
  return SEARCH_RUNS.find((step) => step <= runs) ?? SEARCH_RUNS.at(-1)!;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}

async function calibratingOutputs(request: JudgeRequest, {halves}: Bench): Promise<readonly OutputRow[]> {
  const ran = await runOriginal(request, originalOf(request.source), halves.calibrating.rows, 0);
  return ran.ok ? ran.rows : [];
}

/** Noise to signal of the worst output on the calibrating rows; infinite for what cannot be compared. */
async function nsrOf(
  {source, outDir, signal, probe}: JudgeRequest,
  {halves}: Bench,
  {model, session}: QuantizeResult & {readonly failure: null},
  reference: readonly OutputRow[],
): Promise<number> {
  const file = join(outDir, `trial-${randomUUID()}.onnx`);
  const {files} = await writeModel(model, source.path, file, signal);
  try {
    const {rows} = halves.calibrating;
    const options = merge(PLAIN_SESSION, session);
    const ran = await probe({model: file, session: options, rows, warmCalls: 0, wantOutputs: true});
    if (!ran.ok) return Infinity;
    const {drift, broken} = measureDrift(reference, ran.rows);
    return broken === null ? Math.max(0, ...drift.map(({nsr}) => nsr)) : Infinity;
  } finally {
    for (const part of files) await rm(part.file, {force: true});
  }
}

async function compareForm(
  request: JudgeRequest,
  bench: Bench,
  mode: QuantizeMode,
  {make, calibrator}: PreparedForm,
  keptFloat: readonly string[],
  making: Stopwatch,
): Promise<Form> {
  const {source, outDir, probe, accept, signal, onStep = () => undefined} = request;
  const {halves, outputs, originalNotFinite} = bench;
  const onDisk = await making.time(async () => {
    const result = make(new Set(keptFloat));
    return result.failure === null ? writeCandidate(source, mode, result, outDir, signal) : result.failure;
  });
  if (typeof onDisk === 'string') return failed(bench, mode, onDisk);
  const form = {...failed(bench, mode, null), onDisk, calibrator, keptFloat, quantizeMs: making.ms()};
  onStep(`comparing ${mode}`);
  const {rows, labels} = halves.judging;
  const session = merge(PLAIN_SESSION, onDisk.session);
  const model = onDisk.files[0]!.file;
  const ran = await probe({model, session, rows, warmCalls: 0, wantOutputs: rows.length > 0});
  if (!ran.ok) return {...form, failure: ran.message};
  if (rows.length === 0) return form;
  const {drift, broken} = measureDrift(outputs, ran.rows);
  if (broken !== null) return {...form, failure: broken};
  const accuracy = accuracyOf(request, labels, ran.rows);
  const lost = (bench.accuracy ?? 0) - (accuracy ?? 0);
  const accepted =
    originalNotFinite === null && outsideAccept(drift, accept).length === 0 && lost <= accept.top1Drop;
  return {...form, drift, accuracy, accepted};
}

/** A form that could not be made, or of which nothing is known yet. */
const failed = <F extends string | null>({halves}: Bench, mode: QuantizeMode, failure: F) => ({
  mode,
  onDisk: null,
  failure,
  calibrator: null,
  keptFloat: [],
  quantizeMs: null,
  drift: [],
  accuracy: null,
  accepted: halves.judging.rows.length > 0 ? false : null,
});
