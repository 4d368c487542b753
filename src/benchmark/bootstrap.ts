import {createRandom, type Random} from './random.ts';
import {quantileOf} from './statistics.ts';

/** Bounds within which a value lies with 95 % confidence. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** How a quantile differs between two distributions of which only samples are known. */
export interface QuantileShift {
  /** b's quantile over a's. */
  readonly ratio: Interval;
  /** b's quantile minus a's, in the unit of the values. */
  readonly difference: Interval;
}

const CONFIDENCE = 0.95;
const RESAMPLES = 10_000;
/** Values drawn at most for one sample, so that large samples take a second and not an hour. */
const DRAWS_MAX = 1e8;

/**
 * Estimates how far the q quantile of b's distribution lies from that of a's: both samples are drawn anew from
 * themselves many times, and the intervals are the middle 95 % of what the quantiles of those draws do (the
 * percentile bootstrap; BCa's correction rests on the jackknife, which is not consistent for quantiles).
 *
 * It takes the values of a sample for independent of each other. Null where a sample has too few values to hold the
 * quantile between two of them: see `leastSamplesForShift`.
 *
 * @param q between 0 and 1, exclusive
 * @param seed same seed, same intervals
 */
export function bootstrapShift(
  a: readonly number[],
  b: readonly number[],
  q: number,
  seed: number,
): QuantileShift | null {
  if (Math.min(a.length, b.length) < leastSamplesForShift(q)) return null;
  const random = createRandom(seed);
  const resamples = Math.max(1000, Math.min(RESAMPLES, Math.floor(DRAWS_MAX / Math.max(a.length, b.length))));
  const ofA = resampleQuantile(a, q, resamples, random);
  const ofB = resampleQuantile(b, q, resamples, random);
  return {
    ratio: middleOf(ofB.map((value, i) => value / (ofA[i] ?? 0))),
    difference: middleOf(ofB.map((value, i) => value - (ofA[i] ?? 0))),
  };
}

/**
 * The fewest values that hold a quantile between their smallest and their largest with 95 % confidence: 1 − qⁿ and
 * 1 − (1 − q)ⁿ ≥ 0.975. With fewer a bootstrap, which knows no value but these, would claim too much.
 */
export function leastSamplesForShift(q: number): number {
  return Math.ceil(Math.log((1 - CONFIDENCE) / 2) / Math.log(Math.max(q, 1 - q)));
}

function resampleQuantile(
  values: readonly number[],
  q: number,
  resamples: number,
  random: Random,
): Float64Array {
  const sorted = Float64Array.from(values).sort();
  const n = sorted.length;
  const position = (n - 1) * q;
  const times = new Uint32Array(n);
  return Float64Array.from({length: resamples}, () => {
    times.fill(0);
    for (let i = 0; i < n; i++) {
      const index = Math.floor(random() * n);
      times[index] = (times[index] ?? 0) + 1;
    }
    // Counting instead of sorting: the draw comes out sorted because its source is.
    const [at, drawn] = walkTo(Math.floor(position), times, 0, 0);
    const [above] = walkTo(Math.ceil(position), times, at, drawn);
    const low = sorted[at] ?? Number.NaN;
    return low + ((sorted[above] ?? Number.NaN) - low) * (position - Math.floor(position));
  });
}

/** Goes on from an index before which so many values were drawn to the one that holds a rank (from 0). */
function walkTo(
  rank: number,
  times: Uint32Array,
  index: number,
  drawnBefore: number,
): [index: number, drawnBefore: number] {
  for (;;) {
    const drawn = drawnBefore + (times[index] ?? Infinity);
    if (drawn > rank) return [index, drawnBefore];
    drawnBefore = drawn;
    index++;
  }
}

function middleOf(values: Float64Array): Interval {
  const sorted = values.sort();
  const tail = (1 - CONFIDENCE) / 2;
  return {low: quantileOf(sorted, tail) ?? Number.NaN, high: quantileOf(sorted, 1 - tail) ?? Number.NaN};
}
