import {expect, test} from 'vitest';
import {sampleRequest} from '../../../src/model/sample.ts';

test('a sample request gives every input its name, type and shape, with 1 where a dimension varies', () => {
  const request = sampleRequest({
    inputs: [
      {name: 'x', type: 'FP32', shape: ['batch', 3]},
      {name: 'ids', type: 'INT64', shape: ['batch', '?']},
      {name: 'attention_mask', type: 'INT64', shape: [2]},
      {name: 'flag', type: 'BOOL', shape: []},
      {name: 'word', type: 'BYTES', shape: [1]},
    ],
  });
  expect(request).toEqual({
    inputs: [
      {name: 'x', datatype: 'FP32', shape: [1, 3], data: [0.5, 0.5, 0.5]},
      {name: 'ids', datatype: 'INT64', shape: [1, 1], data: [0]},
      {name: 'attention_mask', datatype: 'INT64', shape: [2], data: [1, 1]},
      {name: 'flag', datatype: 'BOOL', shape: [], data: [true]},
      {name: 'word', datatype: 'BYTES', shape: [1], data: ['text']},
    ],
  });
});
