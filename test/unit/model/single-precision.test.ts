import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {Row} from '../../../src/model/calibration.ts';
import {decodeModel, nodesWithin, operatorOf, tensorsOf} from '../../../src/model/onnx.ts';
import type {ModelProto, TensorProto} from '../../../src/model/onnx.ts';
import {quantizeInt8Blocks} from '../../../src/model/quantize/blocks.ts';
import {quantizeDynamic} from '../../../src/model/quantize/dynamic.ts';
import {quantizeFp16} from '../../../src/model/quantize/fp16.ts';
import {halfBits, halfValues} from '../../../src/model/quantize/half.ts';
import {toSinglePrecision} from '../../../src/model/quantize/single-precision.ts';
import {quantizeWeights} from '../../../src/model/quantize/weights.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {
  bytesOf,
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

const HALF = 10;
const nowhere = () => {
  throw new Error('no external data here');
};
const half = (name: string, dims: readonly number[], values: Float32Array): TensorProto => ({
  ...makeTensor(name, dims, halfBits(values)),
  data_type: HALF,
});

const K = 64;
const N = 48;

/** Everything that can be of half precision: inputs, outputs, weights, constants, casts, branches. */
function source(): ModelProto {
  const branch = (name: string) =>
    graph({
      name,
      node: [
        node('Constant', [], [`k_${name}`], [tensorAttribute('value', half('', [N], numbers(N, 4)))]),
        node('Add', ['h', `k_${name}`], [`y_${name}`]),
      ],
      output: [value(`y_${name}`, ['rows', N], HALF)],
    });
  return model({
    node: [
      node('Cast', ['n'], ['m'], [intAttribute('to', HALF)]),
      node('Mul', ['x', 'm'], ['z']),
      node('MatMul', ['z', 'w'], ['h']),
      node('ReduceMax', ['x'], ['largest'], [intAttribute('keepdims', 0)]),
      node('Cast', ['largest'], ['c'], [intAttribute('to', 9)]),
      node(
        'If',
        ['c'],
        ['y'],
        [graphAttribute('then_branch', branch('a')), graphAttribute('else_branch', branch('b'))],
      ),
    ],
    initializer: [half('w', [K, N], numbers(K * N, 5))],
    input: [value('x', ['rows', K], HALF), value('n', [1], 6)],
    output: [value('y', ['rows', N], HALF), value('z', ['rows', K], HALF)],
    value_info: [value('h', ['rows', N], HALF)],
  });
}

function single(proto: ModelProto): ModelProto {
  const result = toSinglePrecision(proto, nowhere);
  if (result.failure !== null) throw new Error(result.failure);
  return decodeModel(bytesOf(result.model));
}

test('only the inputs and outputs are of half precision afterwards, and they bear their names', () => {
  const before = bytesOf(source());
  const given = source();
  const made = single(given);
  expect(bytesOf(given)).toEqual(before);
  expect([...tensorsOf(made)].filter(({data_type: type}) => type === HALF)).toEqual([]);
  const {input, output, value_info: values, node: nodes, initializer} = made.graph!;
  expect(input).toEqual(given.graph!.input);
  expect(output).toEqual(given.graph!.output);
  expect(values[0]!.type?.tensor_type?.elem_type).toBe(1);
  expect(initializer[0]!.raw_data).toEqual(new Uint8Array(halfValues(halfBits(numbers(K * N, 5))).buffer));
  const casts = [...nodesWithin(nodes)].filter((one) => operatorOf(one) === 'Cast');
  expect(casts.map(({input: [from], output: [to], attribute: [type]}) => `${from} ${to} ${type!.i}`)).toEqual(
    ['x x_single 1', 'n m 1', 'largest c 9', 'y_single y 10', 'z_single z 10'],
  );
});

test('a model without halves comes back as it is', () => {
  const whole = model({
    node: [node('Relu', ['x'], ['y'])],
    input: [value('x', [1])],
    output: [value('y', [1])],
  });
  expect(toSinglePrecision(whole, nowhere)).toEqual({failure: null, model: whole});
});

test('operators of a domain not known, and functions, may need halves: the node is named', () => {
  const given = source();
  const odd = {...node('Odd', ['h'], ['o']), domain: 'example.org'};
  const strange = {...given, graph: {...given.graph!, node: [...given.graph!.node, odd]}};
  expect(toSinglePrecision(strange, nowhere).failure).toContain('Odd_o (example.org.Odd)');
  expect(toSinglePrecision({...given, functions: [{name: 'f', node: []}]}, nowhere).failure).toContain(
    'functions',
  );
});

describe('in ONNX Runtime', () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await openRunner();
  });
  afterAll(() => runner.close());

  const row: Row = {
    x: {shape: [2, K], data: [...halfValues(halfBits(numbers(2 * K, 3)))]},
    n: {shape: [1], data: [1]},
  };

  test.each([
    ['as it is', null, 0.01],
    ['dynamic', quantizeDynamic, 0.2],
    ['weights', quantizeWeights, 0.05],
    ['int8-blocks', quantizeInt8Blocks, 0.05],
    ['fp16', quantizeFp16, 0.01],
  ] as const)('%s it answers in half precision, close to the original', async (_, mode, tolerance) => {
    const [{y: wanted, z: wantedToo} = {}] = await runner.run(source(), [row]);
    const result = mode?.({model: source(), readExternal: nowhere, cpu: 'any', keepFloat: new Set()});
    if (result && result.failure !== null) throw new Error(result.failure);
    const [{y, z} = {}] = await runner.run(result?.model ?? single(source()), [row], result?.session);
    expect([y!.type, y!.shape, z]).toEqual(['FP16', wanted!.shape, wantedToo]);
    for (const [at, one] of wanted!.data.entries()) {
      expect(Math.abs(Number(y!.data[at]) - Number(one))).toBeLessThan(tolerance);
    }
    expect(wanted!.data.some((one) => Math.abs(Number(one)) > 1)).toBe(true);
  });
});
