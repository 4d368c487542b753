import {expect, test} from 'vitest';
import {makeTensor} from '../../../src/model/tensor.ts';
import {sumWeightBytes} from '../../../src/model/weight-bytes.ts';
import {graph, graphAttribute, model, node, numbers, tensorAttribute, value} from './build-model.ts';

test('weights are summed by the operators that read them, in branches and Constant nodes too', () => {
  const branch = graph({
    node: [
      node('Constant', [], ['inner'], [tensorAttribute('value', makeTensor('', [5], numbers(5)))]),
      node('Conv', ['x', 'inner'], ['z']),
    ],
    output: [value('z', [1])],
  });
  const sums = sumWeightBytes(
    model({
      node: [
        node('Gather', ['table', 'ids'], ['x']),
        node('MatMul', ['x', 'w'], ['y']),
        node('LSTM', ['y', 'r'], ['s']),
        node('Add', ['s', 'b'], ['t']),
        node('If', ['on'], ['out'], [graphAttribute('then_branch', branch)]),
      ],
      initializer: [
        makeTensor('table', [2], numbers(2)),
        makeTensor('w', [3], numbers(3)),
        makeTensor('r', [4], numbers(4)),
        makeTensor('b', [1], numbers(1)),
      ],
      input: [value('ids', [1])],
      output: [value('out', [1])],
    }),
  );
  expect(sums).toEqual({embeddings: 8, products: 12, recurrences: 16, convolutions: 20, others: 4});
});
