import type {Row} from '../calibration.ts';
import type {OutputRow} from '../drift.ts';
import type {MakeSwitched, SwitchedModel} from './switches.ts';
import {compare} from './trials.ts';
import type {Trials} from './trials.ts';

/** One part of the model and what it costs to have only that part quantized. */
export interface Sensitivity {
  readonly nodes: readonly string[];
  /** Noise to signal of the output that suffers most; Infinity where the outputs cannot be compared. */
  readonly nsr: number;
}

/** Rows are taken as long as all groups together need no more inferences than this; but two in any case. */
const INFERENCES_MAX = 96;
const [ROWS_MIN, ROWS_MAX] = [2, 8];

/** They all are in memory at once, as text. */
const NUMBERS_MAX = 2e6;

/**
 * Finds out what each group of nodes costs if it alone is quantized, the worst first. One process does it all, in a
 * model with switches; more only where the rows are too large for one.
 *
 * @param numbersMax how many numbers may go to and come from one process
 * @returns null if it cannot be had this way
 */
export async function rankBySwitches(
  makeSwitched: MakeSwitched,
  groups: readonly (readonly string[])[],
  {rows, original}: {readonly rows: readonly Row[]; readonly original: readonly OutputRow[]},
  trials: Trials,
  numbersMax = NUMBERS_MAX,
): Promise<Sensitivity[] | null> {
  const switched = makeSwitched();
  if (switched.failure !== null) return null;
  const enough = Math.floor(INFERENCES_MAX / groups.length);
  const count = Math.min(rows.length, ROWS_MAX, Math.max(ROWS_MIN, enough));
  const [ranked, expected] = [rows.slice(0, count), original.slice(0, count)];
  const outputs = await trials.outputs(switched, batchesOf(switched, groups, ranked, expected, numbersMax));
  if (typeof outputs === 'string') return null;
  const sensitivities = groups.map((nodes, group) => {
    const {nsr} = compare(expected, outputs.slice(group * count, (group + 1) * count));
    return {nodes, nsr};
  });
  return worstFirst(sensitivities);
}

/** Sorted by what they cost; equals stay in their order. */
export const worstFirst = (sensitivities: readonly Sensitivity[]): Sensitivity[] =>
  sensitivities.toSorted((a, b) => (a.nsr === b.nsr ? 0 : b.nsr - a.nsr));

/** Each group with each row, parted into as many as one process may have. */
function batchesOf(
  {select}: SwitchedModel,
  groups: readonly (readonly string[])[],
  rows: readonly Row[],
  original: readonly OutputRow[],
  numbersMax: number,
): Row[][] {
  const all = groups.flatMap((nodes) => rows.map((row) => select(row, new Set(nodes))));
  const sizes = rows.map((row, at) => numbersIn(row) + numbersIn(original[at] ?? {}));
  const size = Math.max(1, Math.floor(numbersMax / Math.max(1, ...sizes)));
  return Array.from({length: Math.ceil(all.length / size)}, (_, batch) =>
    all.slice(batch * size, (batch + 1) * size),
  );
}

const numbersIn = (row: Row | OutputRow): number =>
  Object.values(row).reduce((sum, {data}) => sum + data.length, 0);
