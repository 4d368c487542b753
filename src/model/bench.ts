import {ThawError} from '../core/errors.ts';
import {measureAccuracy} from './accuracy.ts';
import type {Label, Row} from './calibration.ts';
import type {CandidateOnDisk} from './candidate.ts';
import {measureDrift} from './drift.ts';
import type {OutputRow} from './drift.ts';
import {splitRows} from './halves.ts';
import type {Halves} from './halves.ts';
import type {JudgeRequest} from './judge.ts';
import {isSmall} from './plan-candidates.ts';
import type {ProbeResult} from './probe.ts';
import {PLAIN_SESSION} from './session-options.ts';
import type {Effort} from './timing.ts';

/** Beyond these, more rows tell nothing new about drift. */
const ROWS_MAX = 256;
const ELEMENTS_MAX = 2_000_000;

/** Fewer rows than these are judged however long they take. */
export const ROWS_MIN = 8;

/** How long one form may take to compute all rows, and how long one process may repeat its inference. */
const ROWS_MS_MAX = 4000;
const WARM_MS_MAX = 1000;

const PROCESSES = 5;
const WARM_CALLS = 20;

/** The original, measured: what all forms are held against. */
export interface Bench {
  readonly halves: Halves;
  readonly effort: Effort;
  /** One process that loads the original and computes a half of the rows; 0 if it cannot be run. */
  readonly processMs: number;
  /** Its outputs on the judging rows. */
  readonly outputs: readonly OutputRow[];
  /** Share of the labels that it gives; null without labels. */
  readonly accuracy: number | null;
  /** Why it could not be run. */
  readonly failure: string | null;
  /** Where it gives NaN or infinity itself. */
  readonly originalNotFinite: string | null;
}

/**
 * Runs the original: how fast it is says how much can be measured, what it says is what all others are held to.
 *
 * @throws ThawError MODEL_INVALID, CALIBRATION_INVALID, RUNTIME_UNAVAILABLE, INTERRUPTED
 */
export async function openBench(request: JudgeRequest, original: CandidateOnDisk): Promise<Bench> {
  const {calibration} = request;
  const all = {rows: calibration?.rows ?? [], labels: calibration?.labels ?? []};
  const limits = {rowsMax: ROWS_MAX, elementsMax: ELEMENTS_MAX};
  const one = splitRows(all, limits).judging.rows.slice(0, 1);
  const look = await runOriginal(request, original, one, 2);
  const warmMs = look.ok ? (look.warmMs ?? 0) : 0;
  // Of a small model nothing in an image may depend on times: not even which rows judged it.
  const halves = isSmall(request.source.model.bytes)
    ? splitRows(all, limits)
    : splitRows(all, {...limits, rowsMax: rowsWithin(warmMs)});
  const {rows, labels} = halves.judging;
  const ran = rows.length > 0 ? await runOriginal(request, original, rows, 0) : look;
  const outputs = ran.ok && rows.length > 0 ? ran.rows : [];
  return {
    halves,
    effort: request.effort ?? effortFor(warmMs),
    processMs: look.ok ? look.loadMs + look.firstMs + rows.length * warmMs : 0,
    outputs,
    accuracy: accuracyOf(request, labels, outputs),
    failure: ran.ok ? null : ran.message,
    originalNotFinite: measureDrift(outputs, outputs).originalNotFinite,
  };
}

/** As many rows as can be computed in a few seconds, a power of two so that noise seldom changes it. */
function rowsWithin(warmMs: number): number {
  let rows = ROWS_MAX;
  while (rows > ROWS_MIN && rows * warmMs > ROWS_MS_MAX) rows /= 2;
  return rows;
}

function effortFor(warmMs: number): Effort {
  const warmCalls = Math.max(1, Math.min(WARM_CALLS, Math.floor(WARM_MS_MAX / Math.max(warmMs, 0.001))));
  return {processes: warmMs > WARM_MS_MAX ? 3 : PROCESSES, warmCalls};
}

/** Runs the original as it came. */
export async function runOriginal(
  request: Pick<JudgeRequest, 'source' | 'calibration' | 'probe'>,
  {files}: CandidateOnDisk,
  rows: readonly Row[],
  warmCalls: number,
): Promise<ProbeResult> {
  const model = files[0]!.file;
  const probeWith = (fed: readonly Row[]) =>
    request.probe({model, session: PLAIN_SESSION, rows: fed, warmCalls, wantOutputs: fed.length > 0});
  const result = await probeWith(rows);
  if (!result.ok) throwForOriginal(request, result, rows.length > 0 ? await probeWith([]) : null);
  return result;
}

type Failure = ProbeResult & {readonly ok: false};

/**
 * A model that does not load, or fails on the user's own rows, is the user's to mend. One that loads and fails on
 * mere zeros may be fine: it is kept, unmeasured.
 *
 * @param onZeros how it did without the rows, if there are rows
 */
function throwForOriginal(
  {source: {path}, calibration}: Pick<JudgeRequest, 'source' | 'calibration'>,
  {code, message}: Failure,
  onZeros: ProbeResult | null,
): void {
  if (code === 'RUNTIME_UNAVAILABLE') throw new ThawError('RUNTIME_UNAVAILABLE', message, {});
  if (calibration && onZeros && (onZeros.ok || onZeros.code === 'MODEL_FAILED')) {
    throw new ThawError(
      'CALIBRATION_INVALID',
      `${calibration.file}: ${path} fails on these rows: ${message}`,
      {file: calibration.file, model: path},
    );
  }
  if (!onZeros && code === 'MODEL_FAILED') return;
  throw new ThawError('MODEL_INVALID', `ONNX Runtime cannot run ${path}: ${message}`, {file: path});
}

/** @throws ThawError CALIBRATION_INVALID for labels that do not fit the model */
export function accuracyOf(
  {calibration}: Pick<JudgeRequest, 'calibration'>,
  labels: readonly (Label | null)[],
  outputs: readonly OutputRow[],
): number | null {
  const result = measureAccuracy(labels, outputs);
  if (result.failure === null) return result.accuracy;
  const file = calibration?.file ?? '';
  throw new ThawError('CALIBRATION_INVALID', `${file}: ${result.failure}`, {file});
}
