import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {JsonObject} from '../../../src/core/json.ts';
import type {Row} from '../../../src/model/calibration.ts';
import {decodeModel, mapTensors, nodesWithin, operatorOf} from '../../../src/model/onnx.ts';
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
} from '../../../src/model/onnx.ts';
import {quantizeFp16} from '../../../src/model/quantize/fp16.ts';
import {halfBits, halfValues} from '../../../src/model/quantize/half.ts';
import {quantizePerAxis} from '../../../src/model/quantize/matrix.ts';
import type {QuantizeInput, QuantizeResult} from '../../../src/model/quantize/mode.ts';
import {quantizeWeights} from '../../../src/model/quantize/weights.ts';
import {makeTensor, tensorValues} from '../../../src/model/tensor.ts';
import type {ReadExternal} from '../../../src/model/tensor.ts';
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

const nowhere: ReadExternal = () => {
  throw new Error('no external data here');
};
type Mode = (input: QuantizeInput) => QuantizeResult;

function attempt(mode: Mode, proto: ModelProto, keepFloat: readonly string[] = []): QuantizeResult {
  return mode({model: proto, readExternal: nowhere, cpu: 'any', keepFloat: new Set(keepFloat)});
}

function quantized(mode: Mode, proto: ModelProto, keepFloat: readonly string[] = []) {
  const result = attempt(mode, proto, keepFloat);
  if (result.failure !== null) throw new Error(result.failure);
  return {...result, graph: decodeModel(bytesOf(result.model)).graph!};
}

const operators = ({node: nodes}: GraphProto): string[] => nodes.map(operatorOf);
const names = ({initializer}: GraphProto) => initializer.map(({name}) => name);
const valuesOf = ({initializer}: GraphProto, name: string) =>
  tensorValues(
    initializer.find((tensor) => tensor.name === name)!,
    nowhere,
  );

const K = 48;
const N = 40;
const weight = numbers(K * N, 5);

function around(nodes: readonly NodeProto[], more: Partial<GraphProto> = {}): ModelProto {
  return model({
    node: nodes,
    initializer: [makeTensor('w', [K, N], weight)],
    input: [value('x', ['rows', K])],
    output: [value('y', ['rows', N])],
    ...more,
  });
}
const matmul = node('MatMul', ['x', 'w'], ['y']);

describe('bytes along an axis', () => {
  test('of a tensor of three dimensions, worked out by hand', () => {
    // [2, 2, 2] with a scale for each index of the middle axis: 127 and 254 are the largest.
    const {values, scales} = quantizePerAxis(
      Float32Array.of(127, 1, -2, 3, 0.5, -1.5, 254, 5),
      [2, 2, 2],
      1,
      127,
    )!;
    expect([...scales]).toEqual([1, 2]);
    expect([...values]).toEqual([127, 1, -1, 2, 0, -2, 127, 2]);
  });

  test.each([0, 1, 2])('axis %i gives every channel its own largest magnitude', (axis) => {
    const dims = [3, 4, 5];
    const weights = numbers(60, 3);
    const {values, scales} = quantizePerAxis(weights, dims, axis, 127)!;
    const channelOf = (at: number): number => [Math.floor(at / 20), Math.floor(at / 5) % 4, at % 5][axis]!;
    for (const [channel, scale] of scales.entries()) {
      const own = weights.filter((_, at) => channelOf(at) === channel);
      expect(scale).toBe(Math.fround(Math.max(...own.map(Math.abs)) / 127));
    }
    for (const [at, weighted] of weights.entries()) {
      expect(Math.abs(values[at]! * scales[channelOf(at)]! - weighted)).toBeLessThan(
        scales[channelOf(at)]! * 0.501,
      );
    }
  });

  test('zeros stay zeros, and what is not finite is refused', () => {
    const {values, scales} = quantizePerAxis(new Float32Array(8), [2, 2, 2], 1, 127)!;
    expect([...values, ...scales]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    expect(quantizePerAxis(new Float32Array(8).fill(NaN, 7), [2, 2, 2], 1, 127)).toBeNull();
  });
});

describe('half precision', () => {
  test.each([
    [1, 0x3c00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [65_519, 0x7bff],
    [65_520, 0x7c00],
    [-Infinity, 0xfc00],
    [0, 0],
    [-0, 0x8000],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [2 ** -25 * 1.01, 0x0001],
    [3 * 2 ** -25, 0x0002],
    [2 ** -14 - 2 ** -25, 0x0400],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -12, 0x4000],
    [1e-30, 0],
  ])('%f', (single, half) => {
    expect(halfBits(Float32Array.of(single))[0]).toBe(half);
  });

  test('every finite half comes back, and the middle of two goes to the even one', () => {
    const halves = Uint16Array.from({length: 0x7c00}, (_, bits) => bits);
    const values = halfValues(halves);
    expect(halfBits(values)).toEqual(halves);
    const middles = values.subarray(0, -1).map((low, bits) => (low + values[bits + 1]!) / 2);
    expect(halfBits(middles)).toEqual(halves.subarray(0, -1).map((bits) => bits + (bits & 1)));
    expect(halfBits(middles.map((middle) => -middle))).toEqual(
      halves.subarray(0, -1).map((bits) => 0x8000 | (bits + (bits & 1))),
    );
  });

  test('NaN stays NaN', () => {
    expect(halfBits(Float32Array.of(NaN))[0]! & 0x7fff).toBeGreaterThan(0x7c00);
    expect(halfValues(Uint16Array.of(0x7e00, 0x7c00, 0xfc00))).toEqual(
      Float32Array.of(NaN, Infinity, -Infinity),
    );
  });
});

describe('the graph', () => {
  test('a weight becomes bytes and scales, restored under its own name', () => {
    const source = around([matmul]);
    const before = bytesOf(source);
    const {graph: made, session, quantizedNodes, model: whole} = quantized(quantizeWeights, source);
    expect(made.node).toMatchObject([
      {
        op_type: 'DequantizeLinear',
        domain: 'com.microsoft',
        input: ['w_int8', 'w_scale'],
        output: ['w'],
        attribute: [{name: 'axis', i: 1}],
      },
      matmul,
    ]);
    expect(names(made)).toEqual(['w_int8', 'w_scale']);
    expect(valuesOf(made, 'w_scale').dims).toEqual([N]);
    expect(session).toEqual({extra: {session: {disable_quant_qdq: '1'}}});
    expect(quantizedNodes).toEqual(['MatMul_y']);
    expect(whole.opset_import.map(({domain}) => domain)).toEqual(['', 'com.microsoft']);
    expect(bytesOf(source)).toEqual(before);
  });

  test('half precision is restored by a Cast, whatever reads the weight', () => {
    const {graph: made, session} = quantized(quantizeFp16, around([node('ReduceSum', ['w'], ['y'])]));
    expect(operators(made)).toEqual(['Cast', 'ReduceSum']);
    expect(made.initializer).toMatchObject([{name: 'w_fp16', data_type: 10, dims: [K, N]}]);
    expect(made.initializer[0]!.raw_data).toHaveLength(K * N * 2);
    expect(session).toEqual({});
  });

  test('a weight that several nodes and subgraphs read is kept once', () => {
    const branch = graph({
      node: [node('MatMul', ['x', 'w'], ['inner'])],
      output: [value('inner', ['rows', N])],
    });
    const nodes = [
      matmul,
      node('ReduceSum', ['w'], ['s']),
      node('If', ['c'], ['z'], [graphAttribute('then_branch', branch)]),
    ];
    const {graph: made, quantizedNodes} = quantized(quantizeWeights, around(nodes));
    expect(operators(made)).toEqual(['com.microsoft.DequantizeLinear', 'MatMul', 'ReduceSum', 'If']);
    expect(names(made)).toEqual(['w_int8', 'w_scale']);
    expect(quantizedNodes).toEqual(['MatMul_y', 'MatMul_inner']);
  });

  test('weights of Constant nodes and of branches are restored where they were', () => {
    const constant = node('Constant', [], ['k'], [tensorAttribute('value', makeTensor('', [K, N], weight))]);
    const branch = graph({
      node: [constant, node('MatMul', ['x', 'k'], ['m']), node('MatMul', ['m', 'own'], ['inner'])],
      initializer: [makeTensor('own', [N, K], weight)],
      output: [value('inner', ['rows', K])],
    });
    const {graph: made} = quantized(
      quantizeWeights,
      around([node('If', ['c'], ['y'], [graphAttribute('then_branch', branch)])], {initializer: []}),
    );
    const inner = made.node[0]!.attribute[0]!.g!;
    expect(inner.node.map(({op_type: op, output}) => `${op} ${output[0]}`)).toEqual([
      'DequantizeLinear own',
      'DequantizeLinear k',
      'MatMul m',
      'MatMul inner',
    ]);
    expect(names(inner)).toEqual(['own_int8', 'own_scale', 'k_int8', 'k_scale']);
  });

  test('a weight that is turned or put together before it is used is one, a constant that is added is none', () => {
    const own = makeTensor('w', [N, K], weight);
    const turned = node('Transpose', ['w'], ['t']);
    const {graph: made} = quantized(
      quantizeWeights,
      around([turned, node('MatMul', ['x', 't'], ['y'])], {initializer: [own]}),
    );
    expect(operators(made)).toEqual(['com.microsoft.DequantizeLinear', 'Transpose', 'MatMul']);
    expect(valuesOf(made, 'w_scale').dims).toEqual([N]);
    for (const added of [
      [turned, node('Add', ['x', 't'], ['y'])],
      [turned, node('MatMul', ['x', 't'], ['z']), node('Add', ['x', 't'], ['y'])],
    ]) {
      expect(attempt(quantizeWeights, around(added, {initializer: [own]})).failure).toContain('no product');
    }
    const given = around([turned, node('MatMul', ['x', 't'], ['y'])], {
      initializer: [own],
      output: [value('y', ['rows', N]), value('t', [K, N])],
    });
    expect(attempt(quantizeWeights, given).failure).toContain('no product');
  });

  test('in the oldest format weights are inputs in name only: they are dropped from there', () => {
    const input = [value('x', ['rows', K]), value('w', [K, N])];
    const {graph: made, model: whole} = quantized(quantizeWeights, {
      ...around([matmul], {input}),
      ir_version: 3,
    });
    expect([whole.ir_version, made.input.map(({name}) => name)]).toEqual([4, ['x']]);
  });
});

describe('what is left alone says why', () => {
  const doubles = makeTensor('w', [K, N], Float64Array.from(weight));
  test.each<[string, string, Mode, TensorProto]>([
    [
      'NaN',
      'MatMul_y was left alone because its weight has NaN',
      quantizeWeights,
      makeTensor('w', [K, N], weight.with(7, NaN)),
    ],
    ['infinity', 'NaN or infinity', quantizeFp16, makeTensor('w', [K, N], weight.with(7, -Infinity))],
    ['a small weight', 'no product', quantizeWeights, makeTensor('w', [33, 31], numbers(1023))],
    ['an empty weight', 'no large', quantizeFp16, makeTensor('w', [0, 2048], new Float32Array())],
    [
      'a large number',
      'reaches 70000, half precision only 65504',
      quantizeFp16,
      makeTensor('w', [K, N], weight.with(7, 7e4)),
    ],
    [
      'small numbers',
      'too small for half',
      quantizeFp16,
      makeTensor(
        'w',
        [K, N],
        weight.map((x) => x * 1e-5),
      ),
    ],
    ['doubles', 'element type 11', quantizeWeights, doubles],
    ['doubles', 'no large constant weight of single', quantizeFp16, doubles],
  ])('%s', (_, why, mode, tensor) => {
    expect(attempt(mode, around([matmul], {initializer: [tensor]})).failure).toContain(why);
  });

  test('a weight that a node of a domain not known reads', () => {
    const nodes = [matmul, {...node('Odd', ['w'], ['z']), domain: 'example.org'}];
    for (const mode of [quantizeWeights, quantizeFp16]) {
      expect(attempt(mode, around(nodes)).failure).toContain('example.org.Odd reads its weight');
    }
  });

  test('a weight shared with a node that is to stay float', () => {
    const nodes = [matmul, node('MatMul', ['x', 'w'], ['z']), node('MatMul', ['x', 'v'], ['u'])];
    const initializer = [makeTensor('w', [K, N], weight), makeTensor('v', [K, N], weight)];
    const {leftAlone, quantizedNodes} = quantized(quantizeWeights, around(nodes, {initializer}), [
      'MatMul_z',
    ]);
    expect(quantizedNodes).toEqual(['MatMul_u']);
    expect(leftAlone).toEqual([
      {node: 'MatMul_y', why: 'it shares its weight with MatMul_z, which is to stay as it is'},
      {node: 'MatMul_z', why: 'it is to stay as it is'},
    ]);
  });

  test('a model that is quantized already, with the node that says so', () => {
    const {model: done} = quantized(quantizeWeights, around([matmul]));
    for (const mode of [quantizeWeights, quantizeFp16]) {
      expect(attempt(mode, done).failure).toContain(
        'already: it has com.microsoft.DequantizeLinear (w_restored)',
      );
    }
  });
});

describe('in ONNX Runtime', () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await openRunner();
  });
  afterAll(() => runner.close());

  const hidden = intAttribute('hidden_size', 16);
  const both: AttributeProto = {
    ...hidden,
    name: 'direction',
    type: 3,
    s: new TextEncoder().encode('bidirectional'),
  };
  delete both.i;

  interface Case {
    readonly nodes: readonly NodeProto[];
    readonly weights: readonly (readonly [name: string, dims: readonly number[], axis: number])[];
    readonly shape: readonly number[];
    readonly output: readonly number[];
  }
  const CASES: {[name: string]: Case} = {
    MatMul: {nodes: [matmul], weights: [['w', [K, N], 1]], shape: [2, K], output: [2, N]},
    'MatMul of three dimensions': {
      nodes: [matmul],
      weights: [['w', [2, K, N], 2]],
      shape: [2, 3, K],
      output: [2, 3, N],
    },
    'MatMul from the left': {
      nodes: [node('MatMul', ['w', 'x'], ['y'])],
      weights: [['w', [N, K], 0]],
      shape: [K, 3],
      output: [N, 3],
    },
    Gemm: {
      nodes: [node('Gemm', ['x', 'w'], ['y'], [intAttribute('transB', 1)])],
      weights: [['w', [N, K], 0]],
      shape: [2, K],
      output: [2, N],
    },
    Conv: {
      nodes: [node('Conv', ['x', 'w'], ['y'])],
      weights: [['w', [32, 4, 3, 3], 0]],
      shape: [1, 4, 6, 6],
      output: [1, 32, 4, 4],
    },
    ConvTranspose: {
      nodes: [node('ConvTranspose', ['x', 'w'], ['y'])],
      weights: [['w', [4, 32, 3, 3], 1]],
      shape: [1, 4, 4, 4],
      output: [1, 32, 6, 6],
    },
    LSTM: {
      nodes: [node('LSTM', ['x', 'W', 'R'], ['y'], [hidden, both])],
      weights: [
        ['W', [2, 64, 12], 1],
        ['R', [2, 64, 16], 1],
      ],
      shape: [5, 1, 12],
      output: [5, 2, 1, 16],
    },
    GRU: {
      nodes: [node('GRU', ['x', 'W', 'R'], ['y'], [intAttribute('hidden_size', 24)])],
      weights: [
        ['W', [1, 72, 16], 1],
        ['R', [1, 72, 24], 1],
      ],
      shape: [5, 1, 16],
      output: [5, 1, 1, 24],
    },
    Gather: {
      nodes: [node('Cast', ['x'], ['ids'], [intAttribute('to', 7)]), node('Gather', ['w', 'ids'], ['y'])],
      weights: [['w', [N, K], 0]],
      shape: [3],
      output: [3, K],
    },
  };

  const modelOf = ({nodes, weights, shape, output}: Case, opset: number): ModelProto =>
    model(
      {
        node: nodes,
        initializer: weights.map(([name, dims], seed) =>
          makeTensor(
            name,
            dims,
            numbers(
              dims.reduce((product, size) => product * size, 1),
              seed + 11,
            ),
          ),
        ),
        input: [value('x', shape)],
        output: [value('y', output)],
      },
      {opset_import: [{domain: '', version: opset}]},
    );

  const rowOf = ({shape}: Case): Row => {
    const data = numbers(
      shape.reduce((product, size) => product * size, 1),
      3,
    );
    return {x: {shape, data: shape.length === 1 ? [0, 7, 39] : [...data]}};
  };

  /** The model with its weights as they are after they were kept in fewer bits, computed from the definition. */
  const withRestored = (
    proto: ModelProto,
    restore: (tensor: TensorProto, values: Float32Array) => Float32Array,
  ) =>
    mapTensors(proto, (tensor) => {
      const {dims, data} = tensorValues(tensor, nowhere);
      return makeTensor(tensor.name!, dims, restore(tensor, data as Float32Array));
    });

  async function optimized(proto: ModelProto, session: JsonObject): Promise<GraphProto> {
    const file = join(runner.dir, 'optimized.onnx');
    const row = rowOf(CASES.MatMul!);
    await runner.run(proto, [row], {
      ...session,
      graphOptimizationLevel: 'basic',
      optimizedModelFilePath: file,
    });
    return decodeModel(await readFile(file)).graph!;
  }

  test.each(Object.keys(CASES))(
    '%s: what bytes give is what the restored weights give, bit for bit',
    async (name) => {
      const wanted = CASES[name]!;
      const source = modelOf(wanted, name === 'Gather' || name === 'MatMul' ? 9 : 17);
      const {model: made, session} = quantized(quantizeWeights, source);
      expect(bytesOf(made).length).toBeLessThan(bytesOf(source).length * 0.5);
      const axes = new Map(wanted.weights.map(([weightName, , axis]) => [weightName, axis]));
      const reference = withRestored(source, ({name: weightName, dims}, values) => {
        const sizes = dims.map(Number);
        const axis = axes.get(weightName!)!;
        const inner = sizes.slice(axis + 1).reduce((product, size) => product * size, 1);
        const channelOf = (at: number): number => Math.floor(at / inner) % sizes[axis]!;
        const largest = Array.from({length: sizes[axis]!}, () => 0);
        for (const [at, one] of values.entries())
          largest[channelOf(at)] = Math.max(largest[channelOf(at)]!, Math.abs(one));
        return values.map((one, at) => {
          const scale = Math.fround(largest[channelOf(at)]! / 127);
          return Math.round(one / scale) * scale;
        });
      });
      const run = (proto: ModelProto, options: JsonObject) => runner.run(proto, [rowOf(wanted)], options);
      expect(await run(made, session)).toEqual(await run(reference, session));
    },
  );

  test.each(Object.keys(CASES))(
    '%s: what halves give is what the rounded weights give, bit for bit',
    async (name) => {
      const wanted = CASES[name]!;
      const source = modelOf(wanted, 17);
      const {model: made, session} = quantized(quantizeFp16, source);
      // 11 bits of precision: all these weights lie between 2^-14 and 1.
      const round = (one: number): number => {
        const step = 2 ** (Math.floor(Math.log2(Math.abs(one))) - 10);
        return Math.round(one / step) * step;
      };
      const reference = withRestored(source, (_, values) => values.map(round));
      const run = (proto: ModelProto) => runner.run(proto, [rowOf(wanted)], session);
      expect(await run(made)).toEqual(await run(reference));
    },
  );

  test('bytes and halves are restored when the model is loaded, not in every call', async () => {
    const source = modelOf(CASES.MatMul!, 17);
    for (const mode of [quantizeWeights, quantizeFp16]) {
      const {model: made, session} = quantized(mode, source);
      expect(operators(await optimized(made, session))).toEqual(['MatMul']);
    }
  });

  test('in a branch too, whether the weight stands outside, inside, or in a Constant node', async () => {
    const branch = (name: string) =>
      graph({
        name,
        node: [
          node(
            'Constant',
            [],
            [`k_${name}`],
            [tensorAttribute('value', makeTensor('', [N, N], numbers(N * N, 4)))],
          ),
          node('MatMul', ['x', 'w'], [`a_${name}`]),
          node('MatMul', [`a_${name}`, `k_${name}`], [`b_${name}`]),
          node('MatMul', [`b_${name}`, `own_${name}`], [`y_${name}`]),
        ],
        initializer: [makeTensor(`own_${name}`, [N, N], numbers(N * N, 9))],
        output: [value(`y_${name}`, ['rows', N])],
      });
    const source = around([
      node(
        'Constant',
        [],
        ['c'],
        [tensorAttribute('value', {...makeTensor('', [], Uint8Array.of(1)), data_type: 9})],
      ),
      node(
        'If',
        ['x_first'],
        ['y'],
        [graphAttribute('then_branch', branch('a')), graphAttribute('else_branch', branch('b'))],
      ),
    ]);
    const dynamic: ModelProto = {
      ...source,
      graph: {
        ...source.graph!,
        node: [
          node('ReduceMax', ['x'], ['largest'], [intAttribute('keepdims', 0)]),
          node('Cast', ['largest'], ['x_first'], [intAttribute('to', 9)]),
          source.graph!.node[1]!,
        ],
      },
    };
    const row = rowOf(CASES.MatMul!);
    const [{y: wanted} = {}] = await runner.run(dynamic, [row]);
    for (const mode of [quantizeWeights, quantizeFp16]) {
      const {model: made, session} = quantized(mode, dynamic);
      const [{y} = {}] = await runner.run(made, [row], session);
      const largest = Math.max(...wanted!.data.map((one) => Math.abs(Number(one))));
      for (const [at, one] of wanted!.data.entries()) {
        expect(Math.abs(Number(y!.data[at]) - Number(one))).toBeLessThan(largest * 0.02);
      }
      const all = [...nodesWithin((await optimized(made, session)).node)].map(operatorOf);
      expect(all.filter((name) => /Dequantize|Cast/.test(name))).toEqual(['Cast']);
    }
  });
});
