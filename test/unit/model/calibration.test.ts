import {join} from 'node:path';
import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import type {TensorInfo} from '../../../src/core/model.ts';
import {parseCalibration, readCalibration} from '../../../src/model/calibration.ts';

const features: TensorInfo = {name: 'x', type: 'FP32', shape: ['batch', 2]};
const ids: TensorInfo = {name: 'ids', type: 'INT64', shape: ['batch', 'length']};
const mask: TensorInfo = {name: 'mask', type: 'INT64', shape: ['batch', 'length']};

const parse = (text: string, inputs: readonly TensorInfo[] = [features]) =>
  parseCalibration('rows.jsonl', Buffer.from(text), inputs).rows;

function problem(text: string, inputs?: readonly TensorInfo[]): ThawError {
  try {
    parse(text, inputs);
  } catch (error) {
    expect(error).toBeInstanceOf(ThawError);
    return error as ThawError;
  }
  throw new Error('nothing was wrong');
}

test('a row gives every input a flat tensor and its shape', () => {
  expect(parse('{"x": [[1, 2], [3, 4]]}')).toEqual([{x: {shape: [2, 2], data: [1, 2, 3, 4]}}]);
});

test('the batch may be left out; a single input may be bare, or called features', () => {
  const wanted = {x: {shape: [1, 2], data: [1, 2]}};
  const lines = ['{"x": [1, 2]}', '[1, 2]', '{"features": [1, 2]}', '', '[[1, 2]]\r'];
  expect(parse(`\u{FEFF}${lines.join('\n')}\n`)).toEqual([wanted, wanted, wanted, wanted]);
});

test('an input that is called features is that input', () => {
  expect(parse('{"features": [1, 2]}', [{...features, name: 'features'}])).toHaveLength(1);
});

test('several inputs of several types', () => {
  const inputs = [
    ids,
    {name: 'on', type: 'BOOL', shape: []},
    {name: 'word', type: 'BYTES', shape: [1]},
  ] as const;
  expect(parse('{"ids": [[1, 2, 3]], "on": true, "word": ["a"]}', inputs)).toEqual([
    {
      ids: {shape: [1, 3], data: [1, 2, 3]},
      on: {shape: [], data: [true]},
      word: {shape: [1], data: ['a']},
    },
  ]);
});

test.each([
  ['{"x": [1, 2', undefined, 'not JSON'],
  ['7', undefined, 'not an object'],
  ['{"y": [1, 2]}', undefined, 'no input y; it has x'],
  ['{"x": [1, 2, 3]}', undefined, 'input x has shape [3], the model takes [batch, 2]'],
  ['{"x": 1}', undefined, 'input x has shape [], the model takes [batch, 2]'],
  ['{"x": [[1, 2], [3]]}', undefined, 'ragged'],
  ['{"x": [1, "2"]}', undefined, 'input x is FP32 and has an element "2"'],
  ['{"x": [1, null]}', undefined, 'element null'],
  ['{"ids": [[1.5]]}', [ids], 'input ids is INT64 and has an element 1.5'],
  ['{"ids": [[1]]}', [ids, mask], 'input mask is missing'],
  ['[1]', [ids, mask], 'name them'],
  ['{"ids": [[1, 2]], "mask": [[1]]}', [ids, mask], 'input mask has length = 1, another input has 2'],
])('%s is refused with file and line', (line, inputs, what) => {
  const first = inputs ? '' : '{"x": [1, 2]}\n';
  const error = problem(`${first}${line}\n`, inputs);
  expect(error.code).toBe('CALIBRATION_INVALID');
  expect(error.message).toContain(`rows.jsonl:${inputs ? 1 : 2}: `);
  expect(error.message).toContain(what);
  expect(error.facts).toMatchObject({file: 'rows.jsonl', line: inputs ? 1 : 2});
});

test('a file without rows, and no file at all', async () => {
  expect(problem('\n  \n').message).toContain('has no rows');
  await expect(readCalibration(join('no', 'such.jsonl'), [features])).rejects.toMatchObject({
    code: 'CALIBRATION_INVALID',
    message: expect.stringContaining('no such file'),
  });
});

test('any JSON at all gives rows or a CALIBRATION_INVALID', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string()), (line) => {
      try {
        parse(line);
      } catch (error) {
        expect(error).toMatchObject({code: 'CALIBRATION_INVALID'});
      }
    }),
    {numRuns: 1000},
  );
});

test('a line may say what is right for it', () => {
  const labels = (text: string, inputs: readonly TensorInfo[] = [features]) =>
    parseCalibration('rows.jsonl', Buffer.from(text), inputs).labels;
  const lines = [
    '{"x": [1, 2], "label": 3}',
    '{"features": [1, 2], "label": "cat"}',
    '[1, 2]',
    '{"x": [[1, 2], [3, 4]], "label": [0, 1]}',
  ];
  expect(labels(lines.join('\n'))).toEqual([3, 'cat', null, [0, 1]]);
  expect(parse(lines.join('\n')).map((row) => Object.keys(row))).toEqual([['x'], ['x'], ['x'], ['x']]);
  expect(problem('{"x": [1, 2], "label": {"is": 1}}')).toMatchObject({
    code: 'CALIBRATION_INVALID',
    message: 'rows.jsonl:1: label is {"is":1}: no number, text, or list of these',
  });
});

test('an input that is called label is that input, and there are no labels', () => {
  const inputs = [{...features, name: 'label'}];
  const {rows, labels} = parseCalibration('rows.jsonl', Buffer.from('{"label": [1, 2]}'), inputs);
  expect(rows).toEqual([{label: {shape: [1, 2], data: [1, 2]}}]);
  expect(labels).toEqual([null]);
});
