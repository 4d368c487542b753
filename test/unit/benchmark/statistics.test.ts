import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import {
  estimateQuantile,
  leastSamplesFor,
  mean,
  median,
  quantileRanks,
} from '../../../src/benchmark/statistics.ts';

const oneTo = (n: number): number[] => Array.from({length: n}, (_, i) => i + 1);

test.each([
  [[], null],
  [[7], 7],
  [[3, 1, 2], 2],
  [[4, 1, 3, 2], 2.5],
])('the median of %j is %s', (values, expected) => {
  expect(median(values)).toBe(expected);
});

test('a median leaves its values as they are', () => {
  const values = [3, 1, 2];
  median(values);
  expect(values).toEqual([3, 1, 2]);
});

test.each([
  [[], null],
  [[2, 4, 9], 5],
])('the mean of %j is %s', (values, expected) => {
  expect(mean(values)).toBe(expected);
});

// numpy.quantile(range(1, n + 1), q), whose default is the same type 7.
test.each([
  [5, 0.5, 3],
  [60, 0.95, 57.05],
  [60, 0.9, 54.1],
  [300, 0.99, 297.01],
])('of 1 to %i the %d quantile is %d', (n, q, expected) => {
  expect(estimateQuantile(oneTo(n), q).point).toBeCloseTo(expected, 10);
});

// 1 − qⁿ ≥ 0.95, the closed form of the one-sided bound by the maximum.
test.each([
  [0.5, 5],
  [0.9, 29],
  [0.95, 59],
  [0.99, 299],
])('the %d quantile takes at least %i values', (q, least) => {
  expect(1 - q ** least).toBeGreaterThanOrEqual(0.95);
  expect(1 - q ** (least - 1)).toBeLessThan(0.95);
  expect(leastSamplesFor(q)).toBe(least);
  expect(estimateQuantile(oneTo(least), q)).toMatchObject({point: expect.any(Number), high: least});
  expect(estimateQuantile(oneTo(least - 1), q)).toMatchObject({point: null, high: null});
});

// From tables of the cumulative binomial. For n = 10 and q = 1/2: P(B ≤ 1) = 0.0107, P(B ≤ 2) = 0.0547; for n = 20:
// P(B ≤ 5) = 0.0207, P(B ≤ 6) = 0.0577; for n = 100: P(B ≤ 41) = 0.0443, P(B ≤ 42) = 0.0666; the upper ranks by
// symmetry. For n = 10 and q = 0.9: P(B ≤ 6) = 0.0128, P(B ≤ 7) = 0.0702.
test.each([
  [4, 0.5, null, null],
  [5, 0.5, 1, 5],
  [10, 0.5, 2, 9],
  [20, 0.5, 6, 15],
  [100, 0.5, 42, 59],
  [10, 0.9, 7, null],
  [0, 0.5, null, null],
  // P(B ≤ 0) = 0.05, the limit itself.
  [1, 0.95, 1, null],
])('of %i values the bounds of the %d quantile have the ranks %s and %s', (n, q, low, high) => {
  expect(quantileRanks(n, q)).toEqual({low, high});
});

// scipy.stats.quantile_test(...).confidence_interval, one-sided, by test/fixtures/statistics.py.
test.each([
  [12, 0.5, 3, 10],
  [60, 0.5, 24, 37],
  [60, 0.9, 50, 59],
  [60, 0.95, 54, 60],
  [300, 0.99, 294, 300],
  [500, 0.95, 467, 484],
  [3000, 0.999, 2994, 3000],
  [2994, 0.999, 2988, null],
])('of %i values scipy bounds the %d quantile by the same ranks, %s and %s', (n, q, low, high) => {
  expect(quantileRanks(n, q)).toEqual({low, high});
});

test('values that never came stand above all others, and a quantile among them is infinite', () => {
  const values = [...oneTo(60), Infinity, Infinity, Infinity, Infinity];
  expect(estimateQuantile(values, 0.5)).toMatchObject({point: 32.5});
  expect(estimateQuantile(values, 0.95).point).toBe(Infinity);
});

test('each rank is the tightest that has 95 % confidence, by the binomial summed exactly', () => {
  // Exact: the binomial with q = a/b, in whole numbers.
  const cumulative = (n: number, a: bigint, b: bigint): bigint[] => {
    let choose = 1n;
    let sum = 0n;
    return Array.from({length: n + 1}, (_, k) => {
      if (k > 0) choose = (choose * BigInt(n - k + 1)) / BigInt(k);
      sum += choose * a ** BigInt(k) * (b - a) ** BigInt(n - k);
      return sum;
    });
  };
  const quantile = fc.constantFrom(
    [1n, 2n] as const,
    [9n, 10n] as const,
    [19n, 20n] as const,
    [99n, 100n] as const,
  );
  fc.assert(
    fc.property(fc.integer({min: 1, max: 400}), quantile, (n, [a, b]) => {
      const atMost = cumulative(n, a, b);
      const whole = b ** BigInt(n);
      const lowRanks = oneTo(n).filter((rank) => (atMost[rank - 1] ?? 0n) * 20n <= whole);
      const highRanks = oneTo(n).filter((rank) => (atMost[rank - 1] ?? 0n) * 20n >= whole * 19n);
      expect(quantileRanks(n, Number(a) / Number(b))).toEqual({
        low: lowRanks.at(-1) ?? null,
        high: highRanks[0] ?? null,
      });
    }),
    {numRuns: 150},
  );
});

test('bounds of samples of a known distribution hold in about 95 of 100 cases or more', () => {
  // Uniform on [0, 1]: the q quantile is q. A fixed generator, so the counts are always the same.
  let state = 42;
  const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  const runs = 2000;
  for (const [n, q] of [
    [12, 0.5],
    [80, 0.95],
    [320, 0.99],
  ] as const) {
    let lowHolds = 0;
    let highHolds = 0;
    for (let run = 0; run < runs; run++) {
      const {low, high} = estimateQuantile(
        Array.from({length: n}, random).sort((x, y) => x - y),
        q,
      );
      if (low !== null && low <= q) lowHolds++;
      if (high !== null && high >= q) highHolds++;
    }
    // Three standard errors of a proportion of 0.95 over 2,000 runs are 0.015.
    expect(lowHolds / runs).toBeGreaterThan(0.935);
    expect(highHolds / runs).toBeGreaterThan(0.935);
  }
});

test('a point lies within its bounds, and bounds of many values can be told', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({min: 0, max: 1e6, noNaN: true}), {minLength: 1, maxLength: 700}),
      fc.constantFrom(0.5, 0.9, 0.95, 0.99),
      (values, q) => {
        const {point, low, high} = estimateQuantile(
          [...values].sort((x, y) => x - y),
          q,
        );
        if (point === null) return;
        expect(low).toBeLessThanOrEqual(point);
        expect(high).toBeGreaterThanOrEqual(point);
      },
    ),
  );
  // The normal approximation: 950,000 ± 1.645 · √(10⁶ · 0.95 · 0.05).
  const {low, high} = quantileRanks(1_000_000, 0.95);
  expect(Math.abs((low ?? 0) - 949_641)).toBeLessThan(5);
  expect(Math.abs((high ?? 0) - 950_360)).toBeLessThan(5);
});
