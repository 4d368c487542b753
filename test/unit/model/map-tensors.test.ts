import {expect, test} from 'vitest';
import {mapTensors, tensorsOf} from '../../../src/model/onnx.ts';
import type {ModelProto} from '../../../src/model/onnx.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {graph, graphAttribute, model, node, tensorAttribute} from './build-model.ts';

const tensor = (name: string) => makeTensor(name, [1], Float32Array.of(1));
const NO_LISTS = {floats: [], ints: [], strings: [], tensors: [], graphs: []};

/** A model with a tensor in every place where there can be one. */
function everywhere(): ModelProto {
  const inner = (name: string) => graph({initializer: [tensor(name)]});
  const sparse = (name: string) => ({values: tensor(`${name}_values`), indices: tensor(`${name}_indices`)});
  const attributes = [
    tensorAttribute('value', tensor('attribute')),
    graphAttribute('body', inner('body')),
    {...NO_LISTS, name: 'several', tensors: [tensor('several')]},
    {...NO_LISTS, name: 'graphs', graphs: [inner('graphs')]},
    {...NO_LISTS, name: 'sparse', sparse_tensor: sparse('attribute')},
  ];
  return model(
    {
      node: [node('Odd', [], ['y'], attributes)],
      initializer: [tensor('initializer')],
      sparse_initializer: [sparse('initializer')],
    },
    {
      functions: [
        {name: 'f', node: [node('Constant', [], ['k'], [tensorAttribute('value', tensor('function'))])]},
      ],
    },
  );
}

test('a tensor is changed wherever it stands', () => {
  const names = (proto: ModelProto) => [...tensorsOf(proto)].map(({name}) => name);
  const changed = mapTensors(everywhere(), (one) => ({...one, name: `new ${one.name}`}));
  expect(names(everywhere())).toHaveLength(10);
  expect(names(changed)).toEqual(names(everywhere()).map((name) => `new ${name}`));
});

test('a model in which nothing changes is the same object, and one in which something does shares the rest', () => {
  const whole = everywhere();
  expect(mapTensors(whole, (one) => one)).toBe(whole);
  const changed = mapTensors(whole, (one) => (one.name === 'initializer' ? tensor('new') : one));
  expect(changed.graph!.node).toBe(whole.graph!.node);
  expect(changed.functions).toBe(whole.functions);
});
