import {expect, test} from 'vitest';
import {operatorOf} from '../../../src/model/onnx.ts';
import type {GraphProto, ModelProto, NodeProto} from '../../../src/model/onnx.ts';
import {foldWeights} from '../../../src/model/quantize/fold-weights.ts';
import {makeTensor, tensorValues} from '../../../src/model/tensor.ts';
import type {ReadExternal} from '../../../src/model/tensor.ts';
import {
  bytesOf,
  graph,
  graphAttribute,
  intAttribute,
  intsAttribute,
  model,
  node,
  value,
} from './build-model.ts';

const nowhere: ReadExternal = () => {
  throw new Error('no external data here');
};

const int64 = (name: string, ...values: number[]) =>
  makeTensor(name, [values.length], BigInt64Array.from(values, BigInt));
const w = makeTensor('w', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6));

/** x times a weight that some nodes make of w. */
function around(nodes: readonly NodeProto[], more: Partial<GraphProto> = {}): ModelProto {
  return model({
    node: [...nodes, node('MatMul', ['x', 'made'], ['y'])],
    initializer: [
      w,
      int64('zero', 0),
      int64('one', 1),
      int64('last', -1),
      makeTensor('far', [1], BigInt64Array.of(2n ** 63n - 1n)),
    ],
    input: [value('x', ['rows', 2])],
    output: [value('y', ['rows', 3])],
    ...more,
  });
}

function folded(proto: ModelProto) {
  const before = bytesOf(proto);
  const {node: nodes, initializer} = foldWeights(proto, nowhere).graph!;
  expect(bytesOf(proto)).toEqual(before);
  const made = initializer.find(({name}) => name === 'made');
  return {
    operators: nodes.map(operatorOf),
    names: initializer.map(({name}) => name),
    made: made && {dims: [...made.dims], data: [...tensorValues(made, nowhere).data]},
  };
}

test.each([
  ['Identity', [node('Identity', ['w'], ['made'])], [2, 3], [1, 2, 3, 4, 5, 6]],
  ['Transpose', [node('Transpose', ['w'], ['made'])], [3, 2], [1, 4, 2, 5, 3, 6]],
  [
    'Transpose by a rule',
    [node('Transpose', ['w'], ['made'], [intsAttribute('perm', [0, 1])])],
    [2, 3],
    [1, 2, 3, 4, 5, 6],
  ],
  ['Slice of columns', [node('Slice', ['w', 'one', 'far', 'last'], ['made'])], [2, 2], [2, 3, 5, 6]],
  ['Slice up to the end', [node('Slice', ['w', 'zero', 'last', 'one'], ['made'])], [2, 2], [1, 2, 4, 5]],
  [
    'Slice by attributes',
    [node('Slice', ['w'], ['made'], [intsAttribute('starts', [1]), intsAttribute('ends', [9])])],
    [1, 3],
    [4, 5, 6],
  ],
  [
    'Concat of rows',
    [node('Concat', ['w', 'w'], ['made'], [intAttribute('axis', 0)])],
    [4, 3],
    [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6],
  ],
  [
    'Concat of columns',
    [node('Concat', ['w', 'w'], ['made'], [intAttribute('axis', -1)])],
    [2, 6],
    [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6],
  ],
  ['Unsqueeze', [node('Unsqueeze', ['w', 'zero'], ['made'])], [1, 2, 3], [1, 2, 3, 4, 5, 6]],
  [
    'Unsqueeze by attributes',
    [node('Unsqueeze', ['w'], ['made'], [intsAttribute('axes', [-1, 0])])],
    [1, 2, 3, 1],
    [1, 2, 3, 4, 5, 6],
  ],
  [
    'Squeeze',
    [node('Unsqueeze', ['w', 'zero'], ['u']), node('Squeeze', ['u', 'zero'], ['made'])],
    [2, 3],
    [1, 2, 3, 4, 5, 6],
  ],
])('%s', (_, nodes, dims, data) => {
  const result = folded(around(nodes));
  expect(result.made).toEqual({dims, data});
  expect(result.operators).toEqual(['MatMul']);
  expect(result.names).not.toContain('w');
});

test('a turn of three axes goes by the rule', () => {
  const turned = around([node('Transpose', ['v'], ['made'], [intsAttribute('perm', [2, 0, 1])])], {
    initializer: [makeTensor('v', [2, 1, 3], Float32Array.of(1, 2, 3, 4, 5, 6))],
  });
  expect(folded(turned).made).toEqual({dims: [3, 2, 1], data: [1, 4, 2, 5, 3, 6]});
});

test.each([
  ['computed', [node('Neg', ['w'], ['made'])]],
  ['cut by steps', [node('Slice', ['w', 'zero', 'far', 'zero', 'last'], ['made'])]],
  ['made of an input', [node('Concat', ['w', 'x'], ['made'], [intAttribute('axis', 0)])]],
])('a weight that is %s stays so', (_, nodes) => {
  const proto = around(nodes);
  expect(foldWeights(proto, nowhere)).toBe(proto);
});

test('what something else reads stays, and what nothing reads goes', () => {
  const nodes = [
    node('Slice', ['w', 'zero', 'one', 'zero'], ['first']),
    node('Slice', ['w', 'one', 'far', 'zero'], ['second']),
    node('Concat', ['second', 'first'], ['made'], [intAttribute('axis', 0)]),
    node('Neg', ['first'], ['z']),
  ];
  const {made, operators, names} = folded(around(nodes));
  expect(made).toEqual({dims: [2, 3], data: [4, 5, 6, 1, 2, 3]});
  expect(operators).toEqual(['Slice', 'Neg', 'MatMul']);
  expect(names).toContain('w');
});

test('inside a branch, of a weight outside: the made one belongs to the branch', () => {
  const branch = graph({
    node: [node('Transpose', ['w'], ['made']), node('MatMul', ['x', 'made'], ['inner'])],
    output: [value('inner', ['rows', 2])],
  });
  const condition = node(
    'If',
    ['flag'],
    ['y'],
    [graphAttribute('then_branch', branch), graphAttribute('else_branch', graph({}))],
  );
  const proto = model({node: [condition], initializer: [w]});
  const made = foldWeights(proto, nowhere).graph!;
  expect(made.initializer).toEqual([]);
  const [inner] = made.node[0]!.attribute.map(({g}) => g!);
  expect(inner!.node.map(operatorOf)).toEqual(['MatMul']);
  expect(inner!.initializer.map(({name, dims}) => [name, ...dims])).toEqual([['made', 3, 2]]);
});
