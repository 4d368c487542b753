import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import type {Row} from '../../../src/model/calibration.ts';
import {splitRows} from '../../../src/model/halves.ts';

const rowOf = (value: number): Row => ({x: {shape: [1, 2], data: [value, value]}});
const filled = (values: readonly number[]) => ({rows: values.map(rowOf), labels: values});
const LIMITS = {rowsMax: 256, elementsMax: 2_000_000};
const valuesOf = (half: {readonly rows: readonly Row[]}) => half.rows.map((row) => row['x']!.data[0]);

test('every other row judges, the rest calibrate, and labels stay with their rows', () => {
  const {judging, calibrating} = splitRows(filled([0, 1, 2, 3, 4]), LIMITS);
  expect(valuesOf(judging)).toEqual([0, 2, 4]);
  expect(judging.labels).toEqual([0, 2, 4]);
  expect(valuesOf(calibrating)).toEqual([1, 3]);
  expect(calibrating.labels).toEqual([1, 3]);
});

test('a single row judges, and nothing calibrates', () => {
  const {judging, calibrating} = splitRows(filled([7]), LIMITS);
  expect(valuesOf(judging)).toEqual([7]);
  expect(calibrating.rows).toEqual([]);
  expect(splitRows(filled([]), LIMITS).judging.rows).toEqual([]);
});

test('of many rows each half takes its share evenly from the whole file', () => {
  const {judging, calibrating} = splitRows(filled(Array.from({length: 100}, (_, value) => value)), {
    rowsMax: 5,
    elementsMax: 1000,
  });
  expect(valuesOf(judging)).toEqual([0, 20, 40, 60, 80]);
  expect(valuesOf(calibrating)).toEqual([10, 30, 50, 70, 90]);
  const few = splitRows(filled([0, 1, 2, 3]), {rowsMax: 5, elementsMax: 2});
  expect([valuesOf(few.judging), valuesOf(few.calibrating)]).toEqual([[0], [2]]);
});

test('the halves have no row in common, not even a copy, and stay within their limits', () => {
  const values = fc.array(fc.integer({min: 0, max: 20}), {maxLength: 60});
  fc.assert(
    fc.property(values, fc.integer({min: 1, max: 20}), (given, rowsMax) => {
      const {judging, calibrating} = splitRows(filled(given), {...LIMITS, rowsMax});
      const judged = new Set(valuesOf(judging));
      expect(valuesOf(calibrating).filter((value) => judged.has(value))).toEqual([]);
      expect(Math.max(judging.rows.length, calibrating.rows.length)).toBeLessThanOrEqual(rowsMax);
      expect(judging.rows.length).toBe(Math.min(rowsMax, Math.ceil(given.length / 2)));
      expect(valuesOf(judging)).toEqual([...judging.labels]);
    }),
  );
});
