import {randomUUID} from 'node:crypto';
import {rm} from 'node:fs/promises';
import {join} from 'node:path';
import type {Row} from '../calibration.ts';
import {writeModel} from '../candidate.ts';
import type {OutputRow} from '../drift.ts';
import {createReadExternal} from '../external.ts';
import type {Probe} from '../probe.ts';
import type {OpenModel} from '../read.ts';
import {entropyRange} from './calibrate/entropy.ts';
import {BINS} from './calibrate/histogram.ts';
import {withExtremes, withHistograms} from './calibrate/instrument.ts';
import type {Instrumented} from './calibrate/instrument.ts';
import {minMaxRange} from './calibrate/min-max.ts';
import {percentileRange} from './calibrate/percentile.ts';
import {planStatic} from './static/plan.ts';
import type {Range, Ranges} from './static/range.ts';

/** The ways to a range, by what they do about outliers. */
export const CALIBRATORS = ['min-max', 'percentile', 'entropy'] as const;
export type Calibrator = (typeof CALIBRATORS)[number];

/** What calibration needs. */
export interface CalibrateRequest {
  readonly source: Pick<OpenModel, 'path' | 'proto'>;
  readonly rows: readonly Row[];
  readonly calibrator: Calibrator;
  readonly probe: Probe;
  /** Where instrumented copies of the model are written; none stays. */
  readonly dir: string;
  readonly signal: AbortSignal;
  /** Called after each process: how many are done, of how many. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The ranges for `quantizeStatic`, or why there are none. */
export type CalibrateResult = {readonly failure: null; readonly ranges: Ranges} | {readonly failure: string};

/** Numbers that one process may answer with: they all are in memory at once, as text. */
const ANSWERS_MAX = 4e6;

/**
 * Finds out, on rows, the ranges of all values that a static quantization may want, with ONNX Runtime doing the
 * measuring: a copy of the model gives out nothing but the smallest and the largest element of each value; for
 * calibrators that look closer, a second copy gives out a histogram between those two. No activations leave the
 * measuring process, and what does is bounded, whatever the rows.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED, RUNTIME_UNAVAILABLE, INTERRUPTED; MODEL_INVALID for a weight whose
 *   values do not fit its shape
 */
export async function calibrate(request: CalibrateRequest): Promise<CalibrateResult> {
  const {source, rows, calibrator} = request;
  const plan = planStatic(source.proto, createReadExternal(source.path), new Map());
  if ('failure' in plan) return plan;
  if (rows.length === 0) return {failure: 'there are no rows to calibrate with'};
  const closer = calibrator !== 'min-max';
  const values = [...plan.values.keys()];
  const batches = closer ? batchesOf(rows, values.length) : [];
  const step = countSteps(request, 1 + batches.length);

  const extremes = await runInstrumented(request, withExtremes(plan.model, values), [rows], step);
  if ('failure' in extremes) return extremes;
  const seen = extremesOf(extremes);
  if (seen.failure !== null || !closer) return seen;

  // What is the same everywhere has no histogram, and needs none.
  const spread = new Map([...seen.ranges].filter(([, {low, high}]) => Math.fround(high - low) > 0));
  if (spread.size === 0) return seen;
  const counted = await runInstrumented(request, withHistograms(plan.model, spread), batches, step);
  if ('failure' in counted) return counted;
  const rangeOf = calibrator === 'percentile' ? percentileRange : entropyRange;
  const ranges = new Map(seen.ranges);
  for (const [value, range] of spread) {
    const counts = sumOf(counted.get(value)!.map(([histogram = []]) => histogram));
    ranges.set(value, rangeOf({range, counts}));
  }
  return {failure: null, ranges};
}

/** What the outputs for each value were, row by row. */
type Answers = ReadonlyMap<string, readonly (readonly (readonly number[])[])[]>;

async function runInstrumented(
  {source, probe, dir, signal}: CalibrateRequest,
  {model, outputs}: Instrumented,
  batches: readonly (readonly Row[])[],
  step: () => void,
): Promise<Answers | {readonly failure: string}> {
  const file = join(dir, `calibration-${randomUUID()}.onnx`);
  const answers = new Map(
    [...outputs.keys()].map((value) => [value, [] as (readonly (readonly number[])[])[]]),
  );
  const written = await writeModel(model, source.path, file, signal);
  try {
    for (const rows of batches) {
      const result = await probe({model: file, session: {}, rows, warmCalls: 0, wantOutputs: true});
      if (!result.ok) return {failure: `it cannot be calibrated: ${result.message}`};
      for (const row of result.rows) {
        for (const [value, names] of outputs) {
          answers.get(value)!.push(names.map((name) => numbersIn(row, name)));
        }
      }
      step();
    }
    return answers;
  } finally {
    for (const part of written.files) await rm(part.file, {force: true});
  }
}

/** The elements of an output; what is not finite is NaN. */
const numbersIn = (row: OutputRow, name: string): number[] =>
  row[name]!.data.map((element) => (element === null ? NaN : Number(element)));

function extremesOf(answers: Answers): CalibrateResult {
  const ranges = new Map<string, Range>();
  for (const [value, rows] of answers) {
    const seen = rows.map(([low, high]) => ({low: low![0]!, high: high![0]!}));
    const odd = seen.findIndex(({low, high}) => !Number.isFinite(low) || !Number.isFinite(high));
    if (odd !== -1) return {failure: `${value} has NaN or infinity in row ${odd + 1}`};
    ranges.set(value, minMaxRange(seen));
  }
  return {failure: null, ranges};
}

/** As many rows at once as give no more histograms than may be in memory. */
function batchesOf(rows: readonly Row[], values: number): Row[][] {
  const size = Math.max(1, Math.floor(ANSWERS_MAX / (values * (BINS + 1))));
  return Array.from({length: Math.ceil(rows.length / size)}, (_, batch) =>
    rows.slice(batch * size, (batch + 1) * size),
  );
}

/** Adds up histograms; the largest element's bin is counted into the last. */
function sumOf(histograms: readonly (readonly number[])[]): Float64Array {
  const counts = new Float64Array(BINS);
  for (const histogram of histograms) {
    for (const [bin, count] of histogram.entries()) counts[Math.min(bin, BINS - 1)]! += count;
  }
  return counts;
}

function countSteps({onProgress}: CalibrateRequest, total: number): () => void {
  let done = 0;
  return () => {
    done++;
    onProgress?.(done, total);
  };
}
