import {expect, test} from 'vitest';
import {merge, sessionOptions} from '../../../src/model/session-options.ts';

const PLAIN = {weights: 'inside', prepacking: true, threads: null} as const;

test('a shape becomes session options', () => {
  expect(sessionOptions({}, PLAIN)).toEqual({graphOptimizationLevel: 'all'});
  expect(sessionOptions({}, {...PLAIN, weights: 'mapped', threads: 1})).toEqual({
    graphOptimizationLevel: 'all',
    intraOpNumThreads: 1,
  });
  expect(sessionOptions({}, {weights: 'ahead', prepacking: false, threads: null})).toEqual({
    graphOptimizationLevel: 'disabled',
    extra: {session: {disable_prepacking: '1'}},
  });
});

test("the form's own options are added, and win", () => {
  const form = {extra: {session: {disable_quant_qdq: '1', disable_prepacking: '0'}}};
  expect(sessionOptions(form, {...PLAIN, prepacking: false})).toEqual({
    graphOptimizationLevel: 'all',
    extra: {session: {disable_quant_qdq: '1', disable_prepacking: '0'}},
  });
  expect(merge({a: {b: 1, c: [1]}}, {a: {c: [2]}, d: null})).toEqual({a: {b: 1, c: [2]}, d: null});
});
