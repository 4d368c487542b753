import {describe, expect, test} from 'vitest';
import type {TensorType} from '../../../src/core/model.ts';
import {figure, measureDrift, outsideAccept} from '../../../src/model/drift.ts';
import type {OutputRow} from '../../../src/model/drift.ts';

const row = (
  data: readonly (number | string | boolean | null)[],
  shape: readonly number[] = [1, data.length],
  type: TensorType = 'FP32',
): OutputRow => ({y: {type, shape, data}});

test('cosine, noise and the largest error are taken over all rows together', () => {
  // Σref·y = 3·3 + 4·2 + 0·1 = 17, Σref² = 25, Σy² = 14, Σ(y−ref)² = 0 + 4 + 1.
  const {drift} = measureDrift([row([3, 4]), row([0])], [row([3, 2]), row([1])]);
  expect(drift).toHaveLength(1);
  expect(drift[0]!.cosine).toBeCloseTo(17 / Math.sqrt(25 * 14), 12);
  expect(drift[0]!.nsr).toBeCloseTo(5 / 25, 12);
  expect(drift[0]!.maxAbs).toBe(2);
});

test('equal outputs have not drifted at all', () => {
  const {drift} = measureDrift([row([0.1, 0.7])], [row([0.1, 0.7])]);
  expect(drift[0]).toMatchObject({nsr: 0, maxAbs: 0, top1Drop: 0});
  expect(drift[0]!.cosine).toBeCloseTo(1, 12);
});

describe('top-1', () => {
  test('is the share of score vectors whose largest element moved', () => {
    const scores = row([1, 2, 5, 4, 0, 9, 3, 1], [4, 2]);
    const moved = row([2, 1, 5, 4, 0, 9, 3, 1], [4, 2]);
    expect(measureDrift([scores], [moved]).drift[0]!.top1Drop).toBe(0.25);
  });

  test('does not exist where the output is no vector of scores', () => {
    expect(measureDrift([row([1, 2], [2, 1])], [row([2, 1], [2, 1])]).drift[0]!.top1Drop).toBeNull();
    const labels = row([1, 2], [1, 2], 'INT64');
    expect(measureDrift([labels], [labels]).drift[0]!.top1Drop).toBeNull();
  });
});

describe('figures that no division gives', () => {
  test('zeros that stay zeros are exact', () => {
    expect(measureDrift([row([0])], [row([0])]).drift[0]).toMatchObject({cosine: 1, nsr: 0});
  });

  test('zeros that became something are as wrong as can be, in numbers that JSON carries', () => {
    expect(measureDrift([row([0])], [row([1])]).drift[0]).toMatchObject({
      cosine: 0,
      nsr: Number.MAX_VALUE,
      maxAbs: 1,
    });
  });
});

test('NaN or infinity where the original has a number breaks a candidate', () => {
  const {broken, drift} = measureDrift([row([1, 2]), row([3, 4])], [row([1, 2]), row([3, null])]);
  expect(broken).toBe('output y of row 2 has NaN or infinity where the original has a number');
  expect(drift).toEqual([]);
});

test('NaN in the original is told, and left out of the figures', () => {
  const result = measureDrift([row([null, 2])], [row([null, 2])]);
  expect(result).toMatchObject({broken: null, originalNotFinite: 'output y of row 1'});
  expect(result.drift[0]).toMatchObject({cosine: 1, nsr: 0});
});

test.each([
  ['another shape', row([1, 2], [2, 1]), 'has shape [2, 1], not [1, 2]'],
  ['another type', row([1, 2], [1, 2], 'FP64'), 'is FP64, not FP32'],
  ['no such output', {}, 'is missing'],
])('%s breaks a candidate', (_, candidate, what) => {
  expect(measureDrift([row([1, 2])], [candidate]).broken).toContain(what);
});

test('labels, flags and large integers are compared as numbers, strings by being equal', () => {
  expect(
    measureDrift([row([true, false], [2], 'BOOL')], [row([true, true], [2], 'BOOL')]).drift[0]!.nsr,
  ).toBe(1);
  const wide = row(['9007199254740993'], [1], 'INT64');
  expect(measureDrift([wide], [wide]).drift[0]!.nsr).toBe(0);
  const words = measureDrift([row(['a', 'b'], [2], 'BYTES')], [row(['a', 'c'], [2], 'BYTES')]);
  expect(words.drift[0]).toMatchObject({nsr: 0.5, maxAbs: 1, top1Drop: null});
});

test('an output is outside accept by each figure, and the figure is named', () => {
  const accept = {cosine: 0.998, nsr: 0.01, top1Drop: 0.005};
  const fine = {output: 'y', cosine: 0.998, nsr: 0.01, maxAbs: 99, top1Drop: 0.005};
  expect(outsideAccept([fine, {...fine, top1Drop: null}], accept)).toEqual([]);
  expect(outsideAccept([{...fine, cosine: 0.9979}], accept)).toEqual(['y: cosine 0.9979 < 0.998']);
  expect(outsideAccept([{...fine, nsr: 0.02, top1Drop: 0.5}], accept)).toEqual([
    'y: nsr 0.02 > 0.01, top1Drop 0.5 > 0.005',
  ]);
});

test('figures for people keep the digits that matter', () => {
  expect([1, 0, 0.99991234, 0.0131, 0.00003].map(figure)).toEqual(['1', '0', '0.999912', '0.0131', '3.0e-5']);
});

test('the largest element counts where elements are scores, not in maps, features and embeddings', () => {
  const top1 = (shape: readonly number[], data: readonly number[]) => {
    const rows = [{y: {type: 'FP32' as const, shape, data}}];
    return measureDrift(rows, rows).drift[0]!.top1Drop;
  };
  expect(top1([1, 3], [2, -1, 5])).toBe(0);
  expect(top1([3], [2, -1, 5])).toBe(0);
  expect(top1([1, 2, 2], [0.9, 0.1, 0.25, 0.75])).toBe(0);
  expect(top1([1, 2, 2], [0.9, 0.1, 3, 4])).toBeNull();
  expect(top1([1, 1, 2, 2], [0.9, 0.2, 0.3, 0.4])).toBeNull();
  expect(top1([1, 2], [0.6, -0.8])).toBeNull();
  expect(top1([1, 2], [0, 1])).toBe(0);
});
