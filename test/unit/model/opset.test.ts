import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {decodeModel} from '../../../src/model/onnx.ts';
import type {AttributeProto, GraphProto, ModelProto, NodeProto} from '../../../src/model/onnx.ts';
import {liftOpset} from '../../../src/model/quantize/opset.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {
  bytesOf,
  floatAttribute,
  graph,
  graphAttribute,
  intAttribute,
  model,
  node,
  numbers,
  tensorAttribute,
  value,
} from './build-model.ts';
import {openRunner} from './run-model.ts';
import type {Runner} from './run-model.ts';

const NO_LISTS = {floats: [], ints: [], strings: [], tensors: [], graphs: []};
const intsAttribute = (name: string, ints: readonly (number | bigint)[]): AttributeProto => ({
  ...NO_LISTS,
  name,
  ints,
  type: 7,
});
const floatsAttribute = (name: string, floats: readonly number[]): AttributeProto => ({
  ...NO_LISTS,
  name,
  floats,
  type: 6,
});
const textAttribute = (name: string, text: string): AttributeProto => ({
  ...NO_LISTS,
  name,
  s: new TextEncoder().encode(text),
  type: 3,
});

const SHAPE = [1, 4, 5, 6];

function around(opset: number, nodes: readonly NodeProto[], more: Partial<GraphProto> = {}): ModelProto {
  return model(
    {
      node: nodes,
      input: [value('x', SHAPE)],
      output: [value('y', ['a', 'b', 'c', 'd'])],
      ...more,
    },
    {opset_import: [{domain: '', version: opset}]},
  );
}

function lifted(proto: ModelProto) {
  const result = liftOpset(proto);
  if (result.failure !== null) throw new Error(result.failure);
  return {model: result.model, graph: decodeModel(bytesOf(result.model)).graph!};
}
const failureOf = (proto: ModelProto): string | null => liftOpset(proto).failure;

const scales = (...values: number[]) => makeTensor('scales', [4], Float32Array.from(values));

describe('operators that were written another way', () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await openRunner();
  });
  afterAll(() => runner.close());

  const vector = (seed: number) => makeTensor(`v${seed}`, [4], numbers(4, seed).map(Math.abs));
  test.each<[string, number, NodeProto, Partial<GraphProto>, number]>([
    [
      'Clip',
      7,
      node('Clip', ['x'], ['y'], [floatAttribute('min', -0.25), floatAttribute('max', 0.5)]),
      {},
      3,
    ],
    ['Clip from above', 10, node('Clip', ['x'], ['y'], [floatAttribute('max', 0.5)]), {}, 3],
    ['Clip by nothing', 9, node('Clip', ['x'], ['y']), {}, 1],
    [
      'Slice',
      9,
      node(
        'Slice',
        ['x'],
        ['y'],
        [
          intsAttribute('starts', [1, -3]),
          intsAttribute('ends', [2n ** 63n - 1n, -1]),
          intsAttribute('axes', [1, 3]),
        ],
      ),
      {},
      4,
    ],
    [
      'Slice of the first axes',
      7,
      node('Slice', ['x'], ['y'], [intsAttribute('starts', [0, 1]), intsAttribute('ends', [1, 3])]),
      {},
      3,
    ],
    [
      'Pad',
      8,
      node(
        'Pad',
        ['x'],
        ['y'],
        [intsAttribute('pads', [0, 0, 1, 2, 0, 0, 3, -1]), floatAttribute('value', 0.75)],
      ),
      {},
      3,
    ],
    [
      'Pad by reflection',
      10,
      node(
        'Pad',
        ['x'],
        ['y'],
        [intsAttribute('pads', [0, 0, 1, 2, 0, 0, 3, 1]), textAttribute('mode', 'reflect')],
      ),
      {},
      2,
    ],
    ['TopK', 9, node('TopK', ['x'], ['y', 'i'], [intAttribute('k', 3), intAttribute('axis', 3)]), {}, 2],
    ['Upsample', 7, node('Upsample', ['x'], ['y'], [floatsAttribute('scales', [1, 1, 2, 3])]), {}, 3],
    [
      'Upsample by an input',
      9,
      node('Upsample', ['x', 'scales'], ['y']),
      {initializer: [scales(1, 1, 2.5, 1.5)]},
      3,
    ],
    [
      'Upsample, linear',
      9,
      node('Upsample', ['x', 'scales'], ['y'], [textAttribute('mode', 'linear')]),
      {initializer: [scales(1, 1, 2.5, 3)]},
      3,
    ],
    ['Resize', 10, node('Resize', ['x', 'scales'], ['y']), {initializer: [scales(1, 1, 1.3, 2)]}, 3],
    [
      'Resize, linear',
      10,
      node('Resize', ['x', 'scales'], ['y'], [textAttribute('mode', 'linear')]),
      {initializer: [scales(1, 1, 3, 1)]},
      3,
    ],
    [
      'BatchNormalization',
      7,
      node('BatchNormalization', ['x', 'v1', 'v2', 'v3', 'v4'], ['y'], [intAttribute('spatial', 1)]),
      {initializer: [1, 2, 3, 4].map(vector)},
      5,
    ],
    ['Dropout', 7, node('Dropout', ['x'], ['y'], [floatAttribute('ratio', 0.5)]), {}, 1],
    [
      'Scatter',
      9,
      node('Scatter', ['x', 'ids', 'new'], ['y'], [intAttribute('axis', 3)]),
      {
        initializer: [
          makeTensor('ids', [1, 1, 1, 2], BigInt64Array.of(1n, 4n)),
          makeTensor('new', [1, 1, 1, 2], numbers(2)),
        ],
      },
      3,
    ],
  ])('%s of opset %i gives the same, bit for bit', async (_, opset, old, more, inputs) => {
    const source = around(opset, [old], more);
    const before = bytesOf(source);
    const {model: made} = lifted(source);
    expect(made.opset_import.find(({domain}) => domain === '')!.version).toBe(11);
    expect(made.graph!.node[0]!.input).toHaveLength(inputs);
    expect(bytesOf(source)).toEqual(before);
    const row = {x: {shape: SHAPE, data: [...numbers(120, 3)]}};
    const wanted = await runner.run(source, [row]);
    expect(wanted[0]!.y!.data.length).toBeGreaterThan(0);
    expect(await runner.run(made, [row])).toEqual(wanted);
  });

  test('inside a branch, with its constants around it', async () => {
    const branch = (name: string) =>
      graph({
        name,
        node: [node('Clip', ['x'], [`y_${name}`], [floatAttribute('min', 0.1)])],
        output: [value(`y_${name}`, SHAPE)],
      });
    const source = around(9, [
      node(
        'Constant',
        [],
        ['c'],
        [tensorAttribute('value', {...makeTensor('', [], Uint8Array.of(1)), data_type: 9})],
      ),
      node(
        'If',
        ['c'],
        ['y'],
        [graphAttribute('then_branch', branch('a')), graphAttribute('else_branch', branch('b'))],
      ),
    ]);
    const {model: made, graph: whole} = lifted(source);
    expect(whole.initializer.map(({name}) => name)).toEqual(['Clip_y_a_min', 'Clip_y_b_min']);
    const row = {x: {shape: SHAPE, data: [...numbers(120, 3)]}};
    expect(await runner.run(made, [row])).toEqual(await runner.run(source, [row]));
  });

  test('in the oldest format, where weights are inputs too', async () => {
    const source = {
      ...around(9, [node('Upsample', ['x', 'scales'], ['y'])], {
        initializer: [scales(1, 1, 2, 2)],
        input: [value('x', SHAPE), value('scales', [4])],
      }),
      ir_version: 3,
    };
    const {model: made} = lifted(source);
    const row = {x: {shape: SHAPE, data: [...numbers(120, 3)]}};
    expect(await runner.run(made, [row])).toEqual(await runner.run(source, [row]));
  });
});

describe('what comes back as it is, or is refused with the node', () => {
  test('opset 11 and above', () => {
    for (const opset of [11, 17]) {
      const source = around(opset, [node('Clip', ['x'], ['y'])]);
      expect(liftOpset(source)).toEqual({failure: null, model: source});
    }
  });

  test('nodes of other domains are left alone', () => {
    const strange = {...node('Clip', ['x'], ['y'], [floatAttribute('min', 0)]), domain: 'example.org'};
    expect(lifted(around(9, [strange])).graph.node).toEqual([strange]);
  });

  test.each<[string, string, number, NodeProto, Partial<GraphProto>]>([
    ['an older opset', 'opset 6 is too old', 6, node('Clip', ['x'], ['y']), {}],
    ['an operator that is not known', 'Novel_y (Novel) cannot be lifted', 9, node('Novel', ['x'], ['y']), {}],
    ['a mask', 'its mask is used', 9, node('Dropout', ['x'], ['y', 'mask']), {}],
    ['a batch that is scanned', 'scans batches', 8, node('Scan', ['x'], ['y']), {}],
    [
      'means of each place',
      'not spatial',
      8,
      node('BatchNormalization', ['x'], ['y'], [intAttribute('spatial', 0)]),
      {},
    ],
    ['scales that are computed', 'not constant', 10, node('Resize', ['x', 'x'], ['y']), {}],
    [
      'an input made smaller',
      'makes its input smaller',
      10,
      node('Resize', ['x', 'scales'], ['y']),
      {initializer: [scales(1, 1, 0.5, 2)]},
    ],
    [
      'half precision',
      'other numbers than those of single',
      9,
      node('Clip', ['x'], ['y'], [floatAttribute('min', 0)]),
      {input: [value('x', SHAPE, 10)]},
    ],
    [
      'a cast to doubles',
      'other numbers',
      9,
      node(
        'Pad',
        ['x'],
        ['y'],
        [intsAttribute('pads', []), floatAttribute('value', 0), intAttribute('to', 11)],
      ),
      {},
    ],
  ])('%s', (_, why, opset, old, more) => {
    expect(failureOf(around(opset, [old], more))).toContain(why);
  });

  test('a model with functions of its own', () => {
    const source = around(9, [node('Relu', ['x'], ['y'])]);
    expect(failureOf({...source, functions: [{name: 'f', node: []}]})).toContain('functions');
  });
});
