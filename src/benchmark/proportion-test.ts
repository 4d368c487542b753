/** So many of so many. */
export interface Count {
  readonly count: number;
  readonly of: number;
}

/** Tables that are exactly as likely as the one that was seen may come out a rounding error beside it. */
const ROUNDING = 1e-7;

/**
 * Fisher's exact test of two proportions, two-sided: where both are the same, how likely it is to see what was seen or
 * something no more likely. 1 where either is of nothing.
 */
export function proportionTest(a: Count, b: Count): number {
  if (a.of === 0 || b.of === 0) return 1;
  const logChances = hypergeometric(a.of, b.of, a.count + b.count);
  const seen = logChances.get(a.count) ?? 0;
  const atMost = [...logChances.values()].filter((logChance) => logChance <= seen + ROUNDING);
  return Math.min(
    1,
    atMost.reduce((sum, logChance) => sum + Math.exp(logChance), 0),
  );
}

/** Logarithms of how likely each number of hits in a is, where all hits fall on a and b alike. */
function hypergeometric(a: number, b: number, hits: number): Map<number, number> {
  const least = Math.max(0, hits - b);
  let logChance = logChoose(a, least) + logChoose(b, hits - least) - logChoose(a + b, hits);
  const logChances = new Map<number, number>();
  for (let inA = least; inA <= Math.min(a, hits); inA++) {
    logChances.set(inA, logChance);
    logChance += Math.log(((a - inA) * (hits - inA)) / ((inA + 1) * (b - hits + inA + 1)));
  }
  return logChances;
}

function logChoose(n: number, k: number): number {
  const fewer = Math.min(k, n - k);
  let sum = 0;
  for (let i = 1; i <= fewer; i++) sum += Math.log((n - fewer + i) / i);
  return sum;
}
