/** A quantile of a distribution of which only a sample is known. */
export interface QuantileEstimate {
  /** Null where there are too few values to bound the quantile from above. */
  readonly point: number | null;
  /** Each bound alone holds with 95 % confidence, whatever the distribution; null where n cannot carry it. */
  readonly low: number | null;
  readonly high: number | null;
}

const CONFIDENCE = 0.95;

/** A probability that is exactly the limit may come out a rounding error beside it. */
const ROUNDING = 1e-12;

/**
 * Estimates a quantile from a sample.
 *
 * The point is Hyndman and Fan's type 7 (the default of R and NumPy). The bounds are order statistics: how many of
 * n values lie below the true quantile is binomial, so no assumption about the distribution is made. The point is
 * given only where the upper bound exists: a p99 of ten values would be the maximum under another name.
 *
 * @param sorted the values, ascending
 * @param q between 0 and 1, exclusive
 */
export function estimateQuantile(sorted: readonly number[], q: number): QuantileEstimate {
  const {low, high} = quantileRanks(sorted.length, q);
  const at = (rank: number | null): number | null => (rank === null ? null : (sorted[rank - 1] ?? null));
  return {point: high === null ? null : quantileOf(sorted, q), low: at(low), high: at(high)};
}

/**
 * The ranks (from 1) of the order statistics that bound a quantile from below and from above with 95 % confidence
 * each: the largest `low` with P(B ≥ low) ≥ 0.95 and the smallest `high` with P(B < high) ≥ 0.95, for B ~
 * Binomial(n, q). Null where no rank does.
 */
export function quantileRanks(n: number, q: number): {low: number | null; high: number | null} {
  let low: number | null = null;
  let logMass = n * Math.log1p(-q);
  let atMost = 0;
  for (let k = 0; k < n; k++) {
    atMost += Math.exp(logMass);
    if (atMost <= 1 - CONFIDENCE + ROUNDING) low = k + 1;
    if (atMost >= CONFIDENCE - ROUNDING) return {low, high: k + 1};
    logMass += Math.log((n - k) / (k + 1)) + Math.log(q / (1 - q));
  }
  return {low, high: null};
}

/** The fewest values that bound a quantile from above with 95 % confidence: 1 − qⁿ ≥ 0.95. */
export function leastSamplesFor(q: number): number {
  return Math.ceil(Math.log(1 - CONFIDENCE) / Math.log(q));
}

/** The median, halfway between the middle two of an even number of values; null of none. */
export function median(values: readonly number[]): number | null {
  return quantileOf(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

/** The arithmetic mean; null of no values. */
export function mean(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A sample's own quantile, of Hyndman and Fan's type 7; null of no values. Values may be infinite. */
export function quantileOf(sorted: ArrayLike<number>, q: number): number | null {
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)];
  const above = sorted[Math.ceil(position)];
  if (below === undefined || above === undefined) return null;
  return below === above ? below : below + (above - below) * (position - Math.floor(position));
}
