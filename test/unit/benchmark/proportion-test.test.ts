import {expect, test} from 'vitest';
import {proportionTest} from '../../../src/benchmark/proportion-test.ts';

// scipy.stats.fisher_exact, by test/fixtures/statistics.py.
test.each([
  [0, 60, 6, 60, 0.027411633549740966],
  [3, 10, 9, 10, 0.019766611097880443],
  [5, 20, 5, 20, 1],
  [1, 1000, 19, 3000, 0.03771587015040067],
  [0, 10, 0, 20, 1],
])('%i of %i against %i of %i has the p that scipy says', (a, ofA, b, ofB, pValue) => {
  expect(proportionTest({count: a, of: ofA}, {count: b, of: ofB})).toBeCloseTo(pValue, 10);
  expect(proportionTest({count: b, of: ofB}, {count: a, of: ofA})).toBeCloseTo(pValue, 10);
});

test('of nothing there is nothing to tell', () => {
  expect(proportionTest({count: 0, of: 0}, {count: 3, of: 3})).toBe(1);
});
