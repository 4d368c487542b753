import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import {normalTail, rankTest} from '../../../src/benchmark/rank-test.ts';
import {sequence} from './sequence.ts';

// scipy.stats.mannwhitneyu(b, a), by test/fixtures/statistics.py.
test.each([
  ['three against three', [1, 2, 3], [4, 5, 6], 9, 0.1],
  [
    'few, exactly',
    [12.1, 9.8, 11.4, 10.2, 13.3, 9.9, 10.7],
    [11.9, 12.6, 14.2, 10.9, 13.8, 15.1],
    36,
    0.03496503496503496,
  ],
  ['25 on each side', sequence(25, 389, 1009, 10), sequence(25, 521, 1013, 10, 12), 359, 0.3753357253517162],
  ['3 against 25', sequence(3, 389, 1009, 10), sequence(25, 521, 1013, 10, 1), 37, 1],
  ['ties', [1, 1, 2, 2, 2, 3, 4], [2, 2, 3, 3, 4, 5, 5, 5], 45.5, 0.043147274227167166],
  ['many', sequence(60, 389, 1009, 10), sequence(80, 521, 1013, 10, 15), 2961.5, 0.01816443463553022],
  ['many with heavy ties', sequence(300, 7, 11, 1), sequence(200, 5, 13, 1), 34682, 0.0029963047457042006],
  [
    'far apart',
    sequence(200, 389, 1009, 10),
    sequence(200, 521, 1013, 10, 80),
    39039.5,
    6.261158855298368e-61,
  ],
])('U and p of %s are what scipy says', (_, a, b, u, pValue) => {
  const result = rankTest(a, b);
  expect(result?.u).toBe(u);
  expect(result?.superiority).toBe(u / (a.length * b.length));
  expect((result?.pValue ?? 0) / pValue).toBeCloseTo(1, 9);
});

// scipy.stats.norm.sf
test.each([
  [-2.5, 0.9937903346742238],
  [0, 0.5],
  [0.5, 0.3085375387259869],
  [1.959963984540054, 0.025],
  [2.999, 0.0013543365337271057],
  [3, 0.0013498980316300933],
  [5, 2.866515718791933e-7],
  [8, 6.22096057427174e-16],
  [20, 2.7536241186061556e-89],
])('the normal tail beyond %d is right to 11 digits', (z, expected) => {
  expect(normalTail(z) / expected).toBeCloseTo(1, 11);
});

test('samples of equal values tell nothing, and none at all give no test', () => {
  expect(rankTest([5, 5, 5], [5, 5])).toEqual({u: 3, superiority: 0.5, pValue: 1});
  expect(rankTest([], [1])).toBeNull();
  expect(rankTest([1], [])).toBeNull();
});

test('turned round, the superiority is what is left, and p is the same', () => {
  const values = fc.array(fc.integer({min: 0, max: 40}), {minLength: 1, maxLength: 60});
  fc.assert(
    fc.property(values, values, (a, b) => {
      const [there, back] = [rankTest(a, b), rankTest(b, a)];
      expect((there?.superiority ?? 0) + (back?.superiority ?? 0)).toBeCloseTo(1, 12);
      expect(there?.pValue).toBeCloseTo(back?.pValue ?? -1, 12);
      // By the definition, pair by pair.
      const wins = b.flatMap((y) => a.map((x): number => (y > x ? 1 : y === x ? 0.5 : 0)));
      expect(there?.u).toBe(wins.reduce((sum, win) => sum + win, 0));
    }),
  );
});
