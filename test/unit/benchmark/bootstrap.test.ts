import {expect, test} from 'vitest';
import {bootstrapShift, leastSamplesForShift} from '../../../src/benchmark/bootstrap.ts';
import {createRandom} from '../../../src/benchmark/random.ts';
import {sequence} from './sequence.ts';

// scipy.stats.bootstrap(method='percentile', 200,000 resamples), by test/fixtures/statistics.py. A bootstrap is
// random: two of 10,000 resamples differ by about a tenth of the width.
test.each([
  [
    '12 and 15 medians',
    sequence(12, 389, 1009, 10, 100),
    sequence(15, 521, 1013, 10, 110),
    0.5,
    [0.7472140762463343, 1.2758358662613982],
    [-43.1, 36.3],
  ],
  [
    '60 and 80 medians',
    sequence(60, 389, 1009, 10, 100),
    sequence(80, 521, 1013, 10, 110),
    0.5,
    [0.949759326113117, 1.1835799859055671],
    [-7.9, 25.55],
  ],
  [
    '95th percentiles of 200 and 150',
    sequence(200, 389, 1009, 10, 100),
    sequence(150, 521, 1013, 10, 120),
    0.95,
    [1.0669202267812223, 1.1217020612929218],
    [13.285, 23.44],
  ],
])('the intervals of %s are those of scipy', (_, a, b, q, ratio, difference) => {
  const shift = bootstrapShift(a, b, q, 1);
  const near = (value: number | undefined, [low = 0, high = 0]: number[], at: number): void => {
    expect(Math.abs((value ?? Infinity) - at)).toBeLessThan((high - low) / 10);
  };
  near(shift?.ratio.low, ratio, ratio[0] ?? 0);
  near(shift?.ratio.high, ratio, ratio[1] ?? 0);
  near(shift?.difference.low, difference, difference[0] ?? 0);
  near(shift?.difference.high, difference, difference[1] ?? 0);
});

test('of six values the interval is what all 6⁶ draws give', () => {
  const medians: number[] = [];
  for (let draw = 0; draw < 6 ** 6; draw++) {
    const drawn = Array.from({length: 6}, (_, i) => 1 + (Math.floor(draw / 6 ** i) % 6)).sort(
      (x, y) => x - y,
    );
    medians.push(((drawn[2] ?? 0) + (drawn[3] ?? 0)) / 2);
  }
  medians.sort((x, y) => x - y);
  const at = (share: number): number => medians[Math.round(share * (medians.length - 1))] ?? 0;
  // Halfway values are possible: without them the interval would be another.
  expect([at(0.025), at(0.975)]).toEqual([1.5, 5.5]);
  const none = Array.from({length: 6}, () => 0);
  const shift = bootstrapShift(none, [1, 2, 3, 4, 5, 6], 0.5, 1);
  expect(shift?.difference).toEqual({low: 1.5, high: 5.5});
});

test('one seed gives the same intervals again, and the order of the values does not matter', () => {
  const [a, b] = [sequence(40, 389, 1009, 10, 100), sequence(50, 521, 1013, 10, 110)];
  expect(bootstrapShift(a, b, 0.5, 7)).toEqual(bootstrapShift(a.toReversed(), b, 0.5, 7));
});

// 1 − qⁿ ≥ 0.975, and for the median the same from below.
test.each([
  [0.5, 6],
  [0.9, 36],
  [0.95, 72],
  [0.99, 368],
])('the %d quantile takes %i values on both sides', (q, least) => {
  expect(1 - q ** least).toBeGreaterThanOrEqual(0.975);
  expect(1 - q ** (least - 1)).toBeLessThan(0.975);
  expect(leastSamplesForShift(q)).toBe(least);
  const values = (n: number): number[] => sequence(n, 389, 1009, 10, 100);
  expect(bootstrapShift(values(least), values(least), q, 1)).not.toBeNull();
  expect(bootstrapShift(values(least - 1), values(least), q, 1)).toBeNull();
  expect(bootstrapShift(values(least), values(least - 1), q, 1)).toBeNull();
});

test('an interval of 95 % covers the true ratio in about 95 of 100 draws', () => {
  // Log-normal times, as latencies are: exp(σ·Z), whose q quantile is exp(σ·z_q), b 1.2 times as large.
  const random = createRandom(7);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const draw = (n: number, factor: number, sigma: number): number[] =>
    Array.from({length: n}, () => factor * Math.exp(sigma * normal()));
  const runs = 250;
  for (const [n, m, q, z] of [
    [12, 20, 0.5, 0],
    [72, 72, 0.95, 1.6448536269514722],
  ] as const) {
    const truth = 1.2 * Math.exp((0.5 - 0.3) * z);
    let covered = 0;
    for (let run = 0; run < runs; run++) {
      const shift = bootstrapShift(draw(n, 1, 0.3), draw(m, 1.2, 0.5), q, run);
      if (shift && shift.ratio.low <= truth && truth <= shift.ratio.high) covered++;
    }
    // Three standard errors of a proportion of 0.95 over 250 draws are 0.041; small samples may be a little wide.
    expect(covered / runs).toBeGreaterThan(0.909);
    expect(covered / runs).toBeLessThan(0.992);
  }
});
