import {expect, test} from 'vitest';
import {createRandom, nextUint32} from '../../../src/benchmark/random.ts';

test('the generator is xoshiro128**, by the vector published with it', () => {
  const state = Uint32Array.of(1, 2, 3, 4);
  expect(Array.from({length: 10}, () => nextUint32(state))).toEqual([
    11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
  ]);
});

test('one seed gives one sequence, and neighbouring seeds have nothing in common', () => {
  const first = (seed: number): number[] => Array.from({length: 1000}, createRandom(seed));
  expect(first(1)).toEqual(first(1));
  const [a, b] = [first(1), first(2)];
  const mean = a.reduce((sum, value) => sum + value, 0) / a.length;
  const covariance = a.reduce((sum, value, i) => sum + (value - 0.5) * ((b[i] ?? 0) - 0.5), 0) / a.length;
  // Four standard errors: √(1/12/1000) and 1/12/√1000.
  expect(Math.abs(mean - 0.5)).toBeLessThan(0.037);
  expect(Math.abs(covariance)).toBeLessThan(0.0106);
  expect(Math.min(...a)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...a)).toBeLessThan(1);
});
