import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {decodeModel, operatorOf} from '../../../src/model/onnx.ts';
import type {GraphProto, ModelProto, NodeProto} from '../../../src/model/onnx.ts';
import {quantizeBlocks} from '../../../src/model/quantize/block-matrix.ts';
import {quantizeInt4, quantizeInt8Blocks} from '../../../src/model/quantize/blocks.ts';
import {transpose} from '../../../src/model/quantize/matrix.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
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
const inputOf = (proto: ModelProto, keepFloat: readonly string[] = []) => ({
  model: proto,
  readExternal: nowhere,
  cpu: 'any' as const,
  keepFloat: new Set(keepFloat),
});

const MODES = {4: quantizeInt4, 8: quantizeInt8Blocks};
type Bits = keyof typeof MODES;

function quantized(proto: ModelProto, bits: Bits, keepFloat: readonly string[] = []) {
  const result = MODES[bits](inputOf(proto, keepFloat));
  if (result.failure !== null) throw new Error(result.failure);
  return {...result, graph: decodeModel(bytesOf(result.model)).graph!};
}
const failureOf = (proto: ModelProto, bits: Bits = 4) => MODES[bits](inputOf(proto)).failure;
const operators = ({node: nodes}: GraphProto): string[] => nodes.map(operatorOf);
const names = ({initializer}: GraphProto) => initializer.map(({name}) => name);
const attributes = ({attribute}: NodeProto) =>
  Object.fromEntries(attribute.map(({name, i}) => [name, Number(i)]));

const K = 70;
const N = 24;
const weight = numbers(K * N, 5);
const bias = numbers(N, 6);

function around(nodes: readonly NodeProto[], more: Partial<GraphProto> = {}): ModelProto {
  return model({
    node: nodes,
    initializer: [makeTensor('w', [K, N], weight), makeTensor('b', [N], bias)],
    input: [value('x', ['rows', K])],
    output: [value('y', ['rows', N])],
    ...more,
  });
}

describe('blocks of numbers', () => {
  test('4 bits, worked out by hand', () => {
    // The first block goes from -7 to 8: 15 steps of 1, of which 7 lie below zero. The second holds 0 to 30: steps
    // of 2 from 0, and 1, 3 and 5 lie in the middle between two.
    const row = new Float32Array(36);
    row.set([-7, 8, 0, 1, 2.4, -2.6]);
    row.set([30, 1, 3, 5], 32);
    const {values, scales, zeroPoints} = quantizeBlocks(row, 1, 36, 4)!;
    expect([...scales]).toEqual([1, 2]);
    expect([...zeroPoints]).toEqual([0x07]);
    expect([...values.subarray(0, 4)]).toEqual([0xf0, 0x87, 0x49, 0x77]);
    expect([...values.subarray(16, 19)]).toEqual([0x1f, 0x32, 0x00]);
    expect(values).toHaveLength(32);
  });

  test('8 bits, worked out by hand', () => {
    const row = new Float32Array(32);
    row.set([-1, 254, 0.4, 0.5, 10]);
    const {values, scales, zeroPoints} = quantizeBlocks(row, 1, 32, 8)!;
    expect([...scales, ...zeroPoints]).toEqual([1, 1]);
    expect([...values.subarray(0, 6)]).toEqual([0, 255, 1, 2, 11, 1]);
  });

  test('a row begins with a zero point in a byte of its own, and the half left over is 8', () => {
    const rows = new Float32Array(2 * 96).fill(-1);
    const {zeroPoints} = quantizeBlocks(rows, 2, 96, 4)!;
    expect([...zeroPoints]).toEqual([0xff, 0x8f, 0xff, 0x8f]);
  });

  test('blocks of zeros, of numbers too small, and of numbers too far apart to be subtracted', () => {
    const rows = new Float32Array(96);
    rows.set([1e-40, -1e-41], 32);
    rows.set([3e38, -3e38], 64);
    const {values, scales} = quantizeBlocks(rows, 1, 96, 8)!;
    expect([...scales.subarray(0, 2)]).toEqual([0, 0]);
    expect(scales[2]! / (6e38 / 255)).toBeCloseTo(1, 6);
    expect([...values.subarray(0, 64)]).toEqual(Array.from({length: 64}, () => 0));
    expect([...values.subarray(64, 67)]).toEqual([255, 0, 128]);
  });

  test('what is not finite is not quantized', () => {
    for (const odd of [NaN, Infinity, -Infinity]) {
      expect(quantizeBlocks(numbers(64).with(40, odd), 2, 32, 4)).toBeNull();
    }
  });
});

describe('the graph', () => {
  test('MatMul becomes MatMulNBits, with what is added behind it', () => {
    const source = around([node('MatMul', ['x', 'w'], ['m']), node('Add', ['b', 'm'], ['y'])]);
    const before = bytesOf(source);
    const {graph: made, session, quantizedNodes} = quantized(source, 4);
    expect(made.node).toHaveLength(1);
    expect(made.node[0]).toMatchObject({
      op_type: 'MatMulNBits',
      domain: 'com.microsoft',
      input: ['x', 'w_int4', 'w_scale', 'w_zero_point', '', 'b'],
      output: ['y'],
    });
    expect(attributes(made.node[0]!)).toEqual({K, N, bits: 4, block_size: 32, accuracy_level: 4});
    expect(names(made)).toEqual(['b', 'w_int4', 'w_scale', 'w_zero_point']);
    expect(made.initializer.map(({dims}) => dims)).toEqual([[N], [N, 3, 16], [N * 3], [N * 2]]);
    expect(quantizedNodes).toEqual(['MatMul_m']);
    expect(session).toEqual({extra: {session: {disable_prepacking: '0'}}});
    expect(bytesOf(source)).toEqual(before);
  });

  test('a Gemm whose weight is stored the other way round is the same matrix', () => {
    const turned = around([node('Gemm', ['x', 'w', 'b'], ['y'], [intAttribute('transB', 1)])], {
      initializer: [makeTensor('w', [N, K], transpose(weight, K, N)), makeTensor('b', [N], bias)],
    });
    const valuesIn = (made: GraphProto): Uint8Array => made.initializer[1]!.raw_data!;
    const plain = quantized(around([node('MatMul', ['x', 'w'], ['y'])]), 8).graph;
    expect(valuesIn(quantized(turned, 8).graph)).toEqual(valuesIn(plain));
  });

  test('embeddings are looked up in blocks, and a table that is multiplied by too is kept in both forms', () => {
    const table = makeTensor('w', [K, N + 8], numbers(K * (N + 8)));
    const nodes = [node('Gather', ['w', 'ids'], ['g']), node('MatMul', ['x', 'w'], ['y'])];
    const {graph: made} = quantized(around(nodes, {initializer: [table]}), 4);
    expect(operators(made)).toEqual(['com.microsoft.GatherBlockQuantized', 'com.microsoft.MatMulNBits']);
    expect(attributes(made.node[0]!)).toEqual({bits: 4, block_size: 32, gather_axis: 0, quantize_axis: 1});
    expect(names(made)).toContain('w_rows_int4');
    expect(names(made)).not.toContain('w');
  });

  test('sensitive nodes get 8 bits, and a weight that others share is there in both forms', () => {
    const nodes = [node('MatMul', ['x', 'w'], ['y']), node('MatMul', ['x', 'w'], ['z'])];
    const result = quantizeInt4({...inputOf(around(nodes)), sensitive: new Set(['MatMul_z'])});
    if (result.failure !== null) throw new Error(result.failure);
    const made = result.model.graph!;
    expect(made.node.map((one) => attributes(one).bits)).toEqual([4, 8]);
    expect(names(made).filter((name) => /_int\d/.test(name!))).toEqual(['w_int4', 'w_int8']);
    expect(result.quantizedNodes).toEqual(['MatMul_y', 'MatMul_z']);
  });

  test('weights in Constant nodes and in branches', () => {
    const branch = (name: string) =>
      graph({
        node: [
          node('Constant', [], [`k_${name}`], [tensorAttribute('value', makeTensor('', [K, N], weight))]),
          node('MatMul', ['x', `k_${name}`], [`y_${name}`]),
          node('MatMul', ['x', 'w'], [`z_${name}`]),
        ],
        output: [value(`y_${name}`, ['rows', N])],
      });
    const branches = [graphAttribute('then_branch', branch('a')), graphAttribute('else_branch', branch('b'))];
    const {graph: made, quantizedNodes} = quantized(around([node('If', ['c'], ['y'], branches)]), 8);
    expect(quantizedNodes).toEqual(['MatMul_y_a', 'MatMul_z_a', 'MatMul_y_b', 'MatMul_z_b']);
    expect(made.node[0]!.attribute.flatMap(({g}) => operators(g!))).toEqual(
      Array.from({length: 4}, () => 'com.microsoft.MatMulNBits'),
    );
    expect(names(made).filter((name) => name!.startsWith('w_int8'))).toEqual(['w_int8']);
  });
});

describe('what is left alone says why', () => {
  const matmul = node('MatMul', ['x', 'w'], ['y']);
  const gather = node('Gather', ['w', 'ids'], ['y']);
  test.each([
    ['a weight with NaN', 'NaN or infinity', matmul, makeTensor('w', [K, N], weight.with(7, NaN))],
    ['a weight of infinity', 'NaN or infinity', gather, makeTensor('w', [35, 48], weight.with(7, Infinity))],
    ['a small weight', 'only 1023 elements', matmul, makeTensor('w', [33, 31], numbers(1023))],
    ['an empty weight', 'only 0 elements', matmul, makeTensor('w', [0, 2048], new Float32Array())],
    ['a short weight', '31 weights in a row are less', matmul, makeTensor('w', [31, 100], numbers(3100))],
    ['half a byte', 'rows of 33 weights', gather, makeTensor('w', [40, 33], numbers(1320))],
    ['three dimensions', 'has 3 dimensions', matmul, makeTensor('w', [2, 32, 32], numbers(2048))],
    ['doubles', 'element type 11', matmul, makeTensor('w', [K, N], Float64Array.from(weight))],
  ])('%s', (_, why, by, tensor) => {
    expect(failureOf(around([by], {initializer: [tensor]}))).toContain(`${by.name} was left alone because`);
    expect(failureOf(around([by], {initializer: [tensor]}))).toContain(why);
  });

  test('a weight that is computed, or that a caller may replace', () => {
    expect(failureOf(around([node('Neg', ['w'], ['v']), node('MatMul', ['x', 'v'], ['y'])]))).toContain(
      'no constant',
    );
    const input = [value('x', ['rows', K]), value('w', [K, N])];
    expect(failureOf(around([matmul], {input}))).toContain('no constant');
  });

  test('a MatMul of a domain that nobody knows', () => {
    expect(failureOf(around([{...matmul, domain: 'example.org'}]))).toContain('no constant');
  });

  test('a node that is to stay float, by its name, and then the float weight stays for it', () => {
    const nodes = [matmul, node('MatMul', ['x', 'w'], ['z'])];
    const {graph: made, leftAlone} = quantized(around(nodes), 4, ['MatMul_z']);
    expect(operators(made)).toEqual(['com.microsoft.MatMulNBits', 'MatMul']);
    expect(names(made)).toContain('w');
    expect(leftAlone).toEqual([{node: 'MatMul_z', why: 'it is to stay as it is'}]);
  });

  test('a model that is in blocks already', () => {
    const {model: done} = quantized(around([matmul]), 4);
    expect(failureOf(done)).toContain('quantized already: it has com.microsoft.MatMulNBits (MatMul_y)');
  });
});

describe('in ONNX Runtime', () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await openRunner();
  });
  afterAll(() => runner.close());

  /** What the kept weights stand for: scale × (value − zero point), as [rows, length]. */
  function restored(rows: Float32Array, count: number, length: number, bits: Bits): Float64Array {
    const {values, scales, zeroPoints} = quantizeBlocks(rows, count, length, bits)!;
    const blocks = Math.ceil(length / 32);
    const unpack = (bytes: Uint8Array, rowBytes: number, row: number, index: number): number => {
      if (bits === 8) return bytes[row * rowBytes + index]!;
      const byte = bytes[row * rowBytes + (index >> 1)]!;
      return index % 2 === 0 ? byte & 15 : byte >> 4;
    };
    return Float64Array.from({length: count * length}, (_, at) => {
      const [row, column] = [Math.floor(at / length), at % length];
      const block = Math.floor(column / 32);
      const step = unpack(values, (blocks * 32 * bits) / 8, row, column);
      const zero = unpack(zeroPoints, zeroPoints.length / count, row, block);
      return scales[row * blocks + block]! * (step - zero);
    });
  }

  test.each([4, 8] as const)('products of %i bits are those of the restored weights', async (bits) => {
    const turned = restored(transpose(weight, K, N), N, K, bits);
    // Activations that are whole steps of a 127th of 1 in every block are quantized without loss themselves.
    const x = Array.from({length: 3 * K}, (_, at) => (at % 32 === 0 ? 1 : ((at * 37) % 255) / 127 - 1));
    const exact = Array.from({length: 3 * N}, (_, at) => {
      const [row, column] = [Math.floor(at / N), at % N];
      let sum = bias[column]!;
      for (let k = 0; k < K; k++) sum += Math.fround(x[row * K + k]!) * turned[column * K + k]!;
      return sum;
    });
    const nodes = [node('MatMul', ['x', 'w'], ['m']), node('Add', ['m', 'b'], ['y'])];
    const {model: made, session} = quantized(around(nodes), bits);
    const [{y} = {}] = await runner.run(made, [{x: {shape: [3, K], data: x}}], session);
    expect(y!.shape).toEqual([3, N]);
    for (const [at, wanted] of exact.entries())
      expect(Math.abs(Number(y!.data[at]) - wanted)).toBeLessThan(0.06);
  });

  test.each([
    [4, 7],
    [8, 9],
    [4, 17],
    [8, 17],
  ] as const)('rows of %i bits under opset %i are the restored rows', async (bits, version) => {
    const table = numbers(40 * 70, 8);
    const rows = restored(table, 40, 70, bits);
    const lookup = model(
      {
        node: [node('Gather', ['table', 'ids'], ['y'])],
        initializer: [makeTensor('table', [40, 70], table)],
        input: [value('ids', [1, 'n'], 7)],
        output: [value('y', [1, 'n', 70])],
      },
      {opset_import: [{domain: '', version}]},
    );
    const {model: made} = quantized(lookup, bits);
    const [{y} = {}] = await runner.run(made, [{ids: {shape: [1, 3], data: ['0', '39', '-2']}}]);
    expect(y!.shape).toEqual([1, 3, 70]);
    const wanted = [0, 39, 38].flatMap((row) => [...rows.subarray(row * 70, (row + 1) * 70)]);
    expect(y!.data.map(Number)).toEqual(wanted.map(Math.fround));
  });

  test('inputs of one dimension and of three, and of no rows, keep their shapes', async () => {
    for (const shape of [[K], [2, 3, K], [0, K]]) {
      const count = shape.reduce((product, size) => product * size, 1);
      const source = around([node('MatMul', ['x', 'w'], ['y'])], {
        input: [value('x', shape)],
        output: [value('y', [...shape.slice(0, -1), N])],
      });
      const {model: made} = quantized(source, 4);
      const [{y} = {}] = await runner.run(made, [{x: {shape, data: [...numbers(count)]}}]);
      expect(y!.shape).toEqual([...shape.slice(0, -1), N]);
    }
  });
});
