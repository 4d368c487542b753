import {expect, test} from 'vitest';
import {measureAccuracy} from '../../../src/model/accuracy.ts';
import type {OutputRow} from '../../../src/model/drift.ts';

const scores = (...vectors: readonly (readonly number[])[]): OutputRow => ({
  y: {type: 'FP32', shape: [vectors.length, vectors[0]!.length], data: vectors.flat()},
});

test('a model says a label by its largest score, vector by vector', () => {
  const outputs = [scores([0.1, 0.9]), scores([0.7, 0.3]), scores([0.2, 0.8], [0.6, 0.4])];
  expect(measureAccuracy([1, 1, [1, 0]], outputs)).toEqual({accuracy: 0.75, failure: null});
});

test('an output of integers or text says labels itself', () => {
  const integers: OutputRow = {label: {type: 'INT64', shape: [1], data: ['3']}, ...scores([9, 0])};
  expect(measureAccuracy([3], [integers])).toEqual({accuracy: 1, failure: null});
  const words: OutputRow = {label: {type: 'BYTES', shape: [1], data: ['cat']}};
  expect(measureAccuracy(['dog', 'cat'], [words, words])).toEqual({accuracy: 0.5, failure: null});
});

test('rows without a label do not count, and without any there is no accuracy', () => {
  const outputs = [scores([0, 1]), scores([0, 1])];
  expect(measureAccuracy([null, 1], outputs)).toEqual({accuracy: 1, failure: null});
  expect(measureAccuracy([null, null], outputs)).toEqual({accuracy: null, failure: null});
  expect(measureAccuracy([], [])).toEqual({accuracy: null, failure: null});
});

test('labels that do not fit the outputs are told', () => {
  expect(measureAccuracy([1], [scores([0, 1], [1, 0])])).toEqual({
    failure: 'row 1 has 1 labels, and the model gives 2',
  });
  const single: OutputRow = {y: {type: 'FP32', shape: [1, 1], data: [0.4]}};
  expect(measureAccuracy([1], [single])).toEqual({
    failure: 'there are labels, but no output gives labels or a score for each',
  });
});
