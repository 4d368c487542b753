/** Whether the values of one sample tend to be larger than those of another. */
export interface RankTest {
  /** Pairs of one value from each in which b's is the larger; equal ones count half. */
  readonly u: number;
  /** u as a share of all pairs: 0.5 where neither tends to be larger. Cliff's delta is 2 · superiority − 1. */
  readonly superiority: number;
  /** How likely a superiority at least that far from 0.5 is where both come from one distribution, two-sided. */
  readonly pValue: number;
}

/** Up to so many values on both sides the exact distribution is counted out; beyond, the normal one is as good. */
const EXACT_MAX = 25;

/**
 * The Mann–Whitney U test. Exact for small samples without ties; else by the normal approximation with correction
 * for ties and continuity. Makes no assumption about the distributions, but takes values to be independent.
 *
 * @returns null unless both samples have values
 */
export function rankTest(a: readonly number[], b: readonly number[]): RankTest | null {
  if (a.length === 0 || b.length === 0) return null;
  const pairs = a.length * b.length;
  const {rankSumB, tieSizes} = rankTogether(a, b);
  const u = rankSumB - (b.length * (b.length + 1)) / 2;
  const isExact = tieSizes.length === 0 && Math.max(a.length, b.length) <= EXACT_MAX;
  const larger = Math.max(u, pairs - u);
  const tail = isExact
    ? exactTail(larger, a.length, b.length)
    : approximateTail(larger, a.length, b.length, tieSizes);
  return {u, superiority: u / pairs, pValue: Math.min(1, 2 * tail)};
}

function rankTogether(
  a: readonly number[],
  b: readonly number[],
): {rankSumB: number; tieSizes: readonly number[]} {
  const all = [...a.map((value) => ({value, fromB: 0})), ...b.map((value) => ({value, fromB: 1}))].sort(
    (x, y) => x.value - y.value,
  );
  const tieSizes: number[] = [];
  let rankSumB = 0;
  for (let start = 0; start < all.length;) {
    let end = start;
    let fromB = 0;
    while (end < all.length && all[end]?.value === all[start]?.value) fromB += all[end++]?.fromB ?? 0;
    // Ranks count from 1; equal values share the mean of theirs.
    rankSumB += fromB * ((start + 1 + end) / 2);
    if (end - start > 1) tieSizes.push(end - start);
    start = end;
  }
  return {rankSumB, tieSizes};
}

/**
 * P(U ≥ u) where every order of the values is equally likely: the coefficients of the Gaussian binomial, which are
 * whole numbers below 2⁵³ up to 25 values on each side.
 */
function exactTail(u: number, m: number, n: number): number {
  const ways = new Float64Array(m * n + 1);
  ways[0] = 1;
  for (let i = 1; i <= m; i++) {
    for (let k = m * n; k >= n + i; k--) ways[k] = (ways[k] ?? 0) - (ways[k - n - i] ?? 0);
    for (let k = i; k <= m * n; k++) ways[k] = (ways[k] ?? 0) + (ways[k - i] ?? 0);
  }
  const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
  return sum(ways.subarray(u)) / sum(ways);
}

function approximateTail(u: number, m: number, n: number, tieSizes: readonly number[]): number {
  const all = m + n;
  const ties = tieSizes.reduce((sum, size) => sum + size ** 3 - size, 0);
  const deviation = Math.sqrt(((m * n) / 12) * (all + 1 - ties / (all * (all - 1))));
  return deviation === 0 ? 0.5 : normalTail((u - (m * n) / 2 - 0.5) / deviation);
}

/** P(Z ≥ z) of the standard normal distribution, to about 14 digits. */
export function normalTail(z: number): number {
  const density = Math.exp(-(z * z) / 2) / Math.sqrt(2 * Math.PI);
  if (z < 0) return 1 - normalTail(-z);
  if (z < 3) {
    // Φ(z) − ½ = φ(z) · (z + z³/3 + z⁵/(3·5) + …)
    let term = z;
    let sum = z;
    for (let k = 3; term > sum * 1e-17; k += 2) {
      term *= (z * z) / k;
      sum += term;
    }
    return 0.5 - density * sum;
  }
  // Laplace's continued fraction: φ(z) / (z + 1/(z + 2/(z + 3/(z + …)))).
  let fraction = z;
  for (let k = 200; k >= 1; k--) fraction = z + k / fraction;
  return density / fraction;
}
