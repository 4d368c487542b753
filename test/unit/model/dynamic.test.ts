import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {CpuClass} from '../../../src/core/model.ts';
import type {Row} from '../../../src/model/calibration.ts';
import {DATA_TYPE, decodeModel, operatorOf} from '../../../src/model/onnx.ts';
import type {GraphProto, ModelProto, NodeProto} from '../../../src/model/onnx.ts';
import {createProbe} from '../../../src/model/probe.ts';
import {quantizeDynamic} from '../../../src/model/quantize/dynamic.ts';
import {quantizePerColumn, quantizePerRow, transpose} from '../../../src/model/quantize/matrix.ts';
import {makeTensor, tensorValues} from '../../../src/model/tensor.ts';
import type {ReadExternal} from '../../../src/model/tensor.ts';
import {fixture, RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';
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
  textAttribute,
  value,
} from './build-model.ts';

const nowhere: ReadExternal = () => {
  throw new Error('no external data here');
};

interface Wishes {
  readonly readExternal?: ReadExternal;
  readonly cpu?: CpuClass;
  readonly keepFloat?: ReadonlySet<string>;
  readonly sensitive?: ReadonlySet<string>;
}

const quantize = (proto: ModelProto, wishes: Wishes = {}) =>
  quantizeDynamic({model: proto, readExternal: nowhere, cpu: 'any', keepFloat: new Set(), ...wishes});

function quantized(proto: ModelProto, wishes: Wishes = {}) {
  const result = quantize(proto, wishes);
  if (result.failure !== null) throw new Error(result.failure);
  // Through the wire, so that what is checked is what a file would hold.
  return {...result, graph: decodeModel(bytesOf(result.model)).graph!};
}

const failureOf = (proto: ModelProto): string | null => quantize(proto).failure;
const operators = ({node: nodes}: GraphProto): string[] => nodes.map(operatorOf);
const names = ({initializer}: GraphProto): (string | undefined)[] => initializer.map(({name}) => name);
const valuesOf = ({initializer}: GraphProto, name: string) =>
  tensorValues(
    initializer.find((tensor) => tensor.name === name)!,
    nowhere,
  );

const K = 40;
const N = 32;
const weight = numbers(K * N, 5);
const bias = numbers(N, 6);

/** x [rows, K] through some nodes to y. */
function around(nodes: readonly NodeProto[], more: Partial<GraphProto> = {}): ModelProto {
  return model({
    node: nodes,
    initializer: [makeTensor('w', [K, N], weight), makeTensor('b', [N], bias)],
    input: [value('x', ['rows', K])],
    output: [value('y', ['rows', N])],
    ...more,
  });
}

const [INPUTS, HIDDEN] = [12, 8];
const lstmWeights = {W: numbers(2 * 4 * HIDDEN * INPUTS, 21), R: numbers(2 * 4 * HIDDEN * HIDDEN, 22)};

/** x [time, batch, INPUTS] through an LSTM to y [time, directions, batch, HIDDEN]. */
function lstm(
  directions: 1 | 2,
  attributes = [
    intAttribute('hidden_size', HIDDEN),
    textAttribute('direction', directions === 2 ? 'bidirectional' : 'forward'),
  ],
): ModelProto {
  const part = (array: Float32Array) => array.subarray(0, (array.length / 2) * directions);
  return model({
    node: [node('LSTM', ['x', 'W', 'R'], ['y'], attributes)],
    initializer: [
      makeTensor('W', [directions, 4 * HIDDEN, INPUTS], part(lstmWeights.W)),
      makeTensor('R', [directions, 4 * HIDDEN, HIDDEN], part(lstmWeights.R)),
    ],
    input: [value('x', ['time', 'batch', INPUTS])],
    output: [value('y', ['time', directions, 'batch', HIDDEN])],
  });
}

describe('weights', () => {
  test('each column has its own scale, and its largest weight becomes ±64', () => {
    const {values, scales} = quantizePerColumn(Float32Array.of(64, -1, -32, 0.5, 0, 0.25), 3, 2, 64)!;
    expect([...scales]).toEqual([1, 1 / 64]);
    expect([...values]).toEqual([64, -64, -32, 32, 0, 16]);
  });

  test('halves go to the even neighbour', () => {
    const {values} = quantizePerColumn(Float32Array.of(64, 0.5, 1.5, 2.5, -0.5, -1.5), 6, 1, 64)!;
    expect([...values]).toEqual([64, 0, 2, 2, 0, -2]);
  });

  test('a column of zeros stays zeros', () => {
    const {values, scales} = quantizePerColumn(Float32Array.of(0, 1, 0, -2), 2, 2, 64)!;
    expect([...values]).toEqual([0, 32, 0, -64]);
    expect(scales[0]).toBeGreaterThan(0);
  });

  test('what is not finite is not quantized', () => {
    for (const odd of [NaN, Infinity, -Infinity]) {
      expect(quantizePerColumn(Float32Array.of(1, odd), 2, 1, 64)).toBeNull();
    }
  });

  test('a transposed matrix', () => {
    expect([...transpose(Float32Array.of(1, 2, 3, 4, 5, 6), 2, 3)]).toEqual([1, 4, 2, 5, 3, 6]);
  });
});

describe('the graph', () => {
  test('MatMul and the Add behind it become one node, and the float weight goes', () => {
    const source = around([node('MatMul', ['x', 'w'], ['m']), node('Add', ['b', 'm'], ['y'])], {
      value_info: [value('m', ['rows', N])],
    });
    const before = bytesOf(source);
    const {graph: made, quantizedNodes, model: whole} = quantized(source);
    expect(made.node).toMatchObject([
      {
        op_type: 'DynamicQuantizeMatMul',
        domain: 'com.microsoft',
        input: ['x', 'w_int8', 'w_scale', 'w_zero_point', 'b'],
        output: ['y'],
      },
    ]);
    expect(names(made)).toEqual(['b', 'w_int8', 'w_scale', 'w_zero_point']);
    expect(made.value_info).toEqual([]);
    expect(quantizedNodes).toEqual(['MatMul_m']);
    expect(whole.opset_import).toEqual([
      {domain: '', version: 17},
      {domain: 'com.microsoft', version: 1},
    ]);
    expect(valuesOf(made, 'w_zero_point').data).toEqual(new Int8Array(N));
    expect(valuesOf(made, 'w_scale').dims).toEqual([N]);
    expect(bytesOf(source)).toEqual(before);
  });

  test.each([
    ['is read twice', [node('MatMul', ['x', 'w'], ['m']), node('Add', ['m', 'm'], ['y'])]],
    [
      'is read elsewhere',
      [node('MatMul', ['x', 'w'], ['m']), node('Add', ['m', 'b'], ['n']), node('Add', ['n', 'm'], ['y'])],
    ],
    ['gets a bias that is no vector', [node('MatMul', ['x', 'w'], ['m']), node('Add', ['m', 'x'], ['y'])]],
  ])('a product that %s keeps its Add', (_, nodes) => {
    const {graph: made} = quantized(around(nodes));
    expect(made.node[0]!.output).toEqual(['m']);
    expect(operators(made).filter((name) => name === 'Add')).toHaveLength(nodes.length - 1);
  });

  test('a product that is an output itself keeps its Add', () => {
    const nodes = [node('MatMul', ['x', 'w'], ['m']), node('Add', ['m', 'b'], ['y'])];
    const {graph: made} = quantized(around(nodes, {output: [value('y', [N]), value('m', [N])]}));
    expect(operators(made)).toEqual(['com.microsoft.DynamicQuantizeMatMul', 'Add']);
  });

  test('Gemm: a transposed weight is turned, any other addend gets an Add', () => {
    const turned = makeTensor('w', [N, K], transpose(weight, K, N));
    const addend = makeTensor('c', [1, N], bias);
    const {graph: made} = quantized(
      around(
        [
          node('Gemm', ['x', 'w', 'b'], ['y'], [intAttribute('transB', 1)]),
          node('Gemm', ['x', 'w', 'c'], ['z'], [intAttribute('transB', 1)]),
        ],
        {initializer: [turned, makeTensor('b', [N], bias), addend]},
      ),
    );
    expect(operators(made)).toEqual([
      'com.microsoft.DynamicQuantizeMatMul',
      'com.microsoft.DynamicQuantizeMatMul',
      'Add',
    ]);
    expect(made.node[0]!.attribute).toEqual([]);
    expect(made.node[2]).toMatchObject({input: ['z_product', 'c'], output: ['z']});
    expect(valuesOf(made, 'w_transposed_int8').data).toEqual(quantizePerColumn(weight, K, N, 64)!.values);
  });

  test.each([
    ['alpha', floatAttribute('alpha', 0.5)],
    ['beta', floatAttribute('beta', 2)],
    ['left side', intAttribute('transA', 1)],
  ])('Gemm with another %s is left alone', (what, attribute) => {
    expect(failureOf(around([node('Gemm', ['x', 'w', 'b'], ['y'], [attribute])]))).toContain(what);
  });

  test('a weight that several nodes use is quantized once; a float copy stays for those that need it', () => {
    const nodes = [
      node('MatMul', ['x', 'w'], ['m']),
      node('MatMul', ['x', 'w'], ['n']),
      node('ReduceSum', ['w'], ['s']),
    ];
    const {graph: made, quantizedNodes} = quantized(around(nodes));
    expect(quantizedNodes).toHaveLength(2);
    expect(names(made)).toEqual(['w', 'b', 'w_int8', 'w_scale', 'w_zero_point']);
  });

  test('branches are rewritten too; the weight that both and the main graph use is there once, outside', () => {
    const branch = (output: string) =>
      graph({node: [node('MatMul', ['x', 'w'], [output])], output: [value(output, [N])]});
    const attributes = [
      graphAttribute('then_branch', branch('yes')),
      graphAttribute('else_branch', branch('no')),
    ];
    const nodes = [node('MatMul', ['x', 'w'], ['m']), node('If', ['c'], ['y'], attributes)];
    const {graph: made, quantizedNodes} = quantized(around(nodes));
    expect(quantizedNodes).toEqual(['MatMul_m', 'MatMul_yes', 'MatMul_no']);
    for (const inner of made.node[1]!.attribute.map(({g}) => g!)) {
      expect(inner.node).toMatchObject([
        {op_type: 'DynamicQuantizeMatMul', input: ['x', 'w_int8', 'w_scale', 'w_zero_point']},
      ]);
    }
    expect(names(made)).toEqual(['b', 'w_int8', 'w_scale', 'w_zero_point']);
  });

  test('a weight that a branch keeps for itself goes from there', () => {
    const branch = graph({
      node: [node('MatMul', ['x', 'own'], ['inner'])],
      initializer: [makeTensor('own', [K, N], weight)],
      output: [value('inner', [N])],
    });
    const attributes = [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)];
    const {graph: made} = quantized(around([node('If', ['c'], ['y'], attributes)]));
    for (const {g} of made.node[0]!.attribute) expect(names(g!)).toEqual([]);
    expect(names(made)).toContain('own_int8');
  });

  test('a name that a branch gives to a value of its own does not mean the weight outside', () => {
    const branch = graph({
      node: [node('Relu', ['x'], ['w']), node('MatMul', ['x', 'w'], ['inner'])],
      output: [value('inner', [N])],
    });
    const attributes = [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)];
    expect(failureOf(around([node('If', ['c'], ['y'], attributes)]))).toContain('nothing');
  });

  test('a product that a subgraph reads keeps its Add, and a weight that one gives out stays', () => {
    const branch = graph({
      node: [node('Relu', ['m'], ['inner'])],
      output: [value('inner', [N]), value('w', [K, N])],
    });
    const nodes = [
      node('MatMul', ['x', 'w'], ['m']),
      node('Add', ['m', 'b'], ['y']),
      node('If', ['c'], ['z', 'v'], [graphAttribute('then_branch', branch)]),
    ];
    const {graph: made} = quantized(around(nodes));
    expect(operators(made)).toEqual(['com.microsoft.DynamicQuantizeMatMul', 'Add', 'If']);
    expect(names(made)).toContain('w');
  });

  test('a weight in a Constant node counts as one', () => {
    const nodes = [
      node('Constant', [], ['k'], [tensorAttribute('value', makeTensor('', [K, N], weight))]),
      node('MatMul', ['x', 'k'], ['m']),
      node('Constant', [], ['late'], [tensorAttribute('value', makeTensor('', [N], bias))]),
      node('Add', ['m', 'late'], ['y']),
    ];
    const {graph: made} = quantized(around(nodes));
    expect(operators(made)).toEqual(['Constant', 'com.microsoft.DynamicQuantizeMatMul']);
    expect(made.node[1]!.input.at(-1)).toBe('late');
  });

  test('a weight that a caller may replace is left alone', () => {
    const input = [value('x', ['rows', K]), value('w', [K, N])];
    expect(failureOf(around([node('MatMul', ['x', 'w'], ['y'])], {input}))).toContain('no constant matrix');
  });

  test('in the oldest format weights are inputs in name only: they are dropped from there', () => {
    const input = [value('x', ['rows', K]), value('w', [K, N]), value('b', [N])];
    const old = {...around([node('MatMul', ['x', 'w'], ['y'])], {input}), ir_version: 3};
    const {graph: made, model: whole} = quantized(old);
    expect(whole.ir_version).toBe(4);
    expect(made.input.map(({name}) => name)).toEqual(['x']);
  });

  test('names that are taken already are not taken again', () => {
    const {graph: made} = quantized(
      around([node('MatMul', ['x', 'w'], ['w_int8']), node('Relu', ['w_int8'], ['y'])]),
    );
    expect(made.node[0]).toMatchObject({
      input: ['x', 'w_int8_2', 'w_scale', 'w_zero_point'],
      output: ['w_int8'],
    });
  });

  test('an external weight is read where it is quantized, and stays outside where it is not', () => {
    const {raw_data: bytes, ...rest} = makeTensor('w', [K, N], weight);
    const outside = {...rest, data_location: 1, external_data: [{key: 'location', value: 'w.bin'}]};
    const other = {...outside, name: 'v'};
    const nodes = [node('MatMul', ['x', 'w'], ['y']), node('ReduceSum', ['v'], ['s'])];
    const source = around(nodes, {initializer: [outside, other]});
    const {graph: made} = quantized(source, {readExternal: () => bytes!});
    expect(valuesOf(made, 'w_int8').data).toEqual(quantizePerColumn(weight, K, N, 64)!.values);
    expect(made.initializer.find(({name}) => name === 'v')).toEqual(
      decodeModel(bytesOf(source)).graph!.initializer[1],
    );
  });
});

test.each([
  ['any', 64],
  ['avx2', 64],
  ['vnni', 127],
  ['arm64', 127],
] as const)('on %s weights reach ±%i', (cpu, levels) => {
  const {graph: made} = quantized(around([node('MatMul', ['x', 'w'], ['y'])]), {cpu});
  expect(Math.max(...(valuesOf(made, 'w_int8').data as Int8Array).map(Math.abs))).toBe(levels);
});

describe('embeddings', () => {
  const table = numbers(64 * 16, 8);
  const lookup = (nodes: readonly NodeProto[], more: Partial<GraphProto> = {}) =>
    model({
      node: nodes,
      initializer: [makeTensor('table', [64, 16], table)],
      input: [value('ids', ['count'], DATA_TYPE.INT64), value('x', ['rows', 64])],
      output: [value('y', ['count', 16])],
      ...more,
    });

  test('each row has its own scale, and its largest element becomes ±127', () => {
    const {values, scales} = quantizePerRow(Float32Array.of(127, -1, 0.5, 2, 0, -1), 2, 3, 127)!;
    expect([...scales]).toEqual([1, Math.fround(2 / 127)]);
    // Of row 1: 127, -1, and 0.5, which goes to the even 0; of row 2: 127, 0 and 63.5, which goes to the even 64.
    expect([...values]).toEqual([127, -1, 0, 127, 0, -64]);
    expect(quantizePerRow(Float32Array.of(1, NaN), 1, 2, 127)).toBeNull();
  });

  test('rows and their scales are looked up apart', () => {
    const {graph: made, quantizedNodes} = quantized(lookup([node('Gather', ['table', 'ids'], ['y'])]));
    expect(quantizedNodes).toEqual(['Gather_y']);
    expect(made.node).toMatchObject([
      {op_type: 'Gather', input: ['table_rows_int8', 'ids'], output: ['y_int8']},
      {op_type: 'Cast', input: ['y_int8'], output: ['y_float']},
      {op_type: 'Gather', input: ['table_rows_scale', 'ids'], output: ['y_scale']},
      {op_type: 'Mul', input: ['y_float', 'y_scale'], output: ['y']},
    ]);
    expect(names(made)).toEqual(['table_rows_int8', 'table_rows_scale']);
    expect(valuesOf(made, 'table_rows_scale').dims).toEqual([64, 1]);
  });

  test.each([
    [
      'columns are looked up',
      'does not look up rows',
      node('Gather', ['table', 'ids'], ['y'], [intAttribute('axis', 1)]),
      [],
    ],
    [
      'something else uses the table',
      'ReduceSum needs its table',
      node('Gather', ['table', 'ids'], ['y']),
      [node('ReduceSum', ['table'], ['z'])],
    ],
  ])('where %s it is left alone', (_, why, gather, others) => {
    expect(failureOf(lookup([gather, ...others]))).toContain(why);
  });

  test('a table of integers, or a small one, is none', () => {
    const gather = node('Gather', ['table', 'ids'], ['y']);
    for (const tensor of [
      makeTensor('table', [64, 16], new BigInt64Array(1024)),
      makeTensor('table', [4, 16], numbers(64)),
    ]) {
      expect(failureOf(lookup([gather], {initializer: [tensor]}))).toContain('neither LSTMs nor embeddings');
    }
  });
});

describe('LSTM', () => {
  test('weights are turned, with a scale for each gate of each direction', () => {
    const {graph: made, quantizedNodes} = quantized(lstm(2));
    expect(quantizedNodes).toEqual(['LSTM_y']);
    expect(made.node).toMatchObject([
      {
        op_type: 'DynamicQuantizeLSTM',
        domain: 'com.microsoft',
        input: [
          'x',
          'W_int8',
          'R_int8',
          '',
          '',
          '',
          '',
          '',
          'W_scale',
          'W_zero_point',
          'R_scale',
          'R_zero_point',
        ],
        output: ['y'],
      },
    ]);
    const {dims, data} = valuesOf(made, 'W_int8');
    expect(dims).toEqual([2, INPUTS, 4 * HIDDEN]);
    const scales = valuesOf(made, 'W_scale');
    expect(scales.dims).toEqual([2, 4 * HIDDEN]);
    // Direction 1, gate 5, input 3, from the definition.
    const gate = Array.from({length: INPUTS}, (_, i) => lstmWeights.W[(4 * HIDDEN + 5) * INPUTS + i]!);
    const scale = Math.fround(Math.max(...gate.map(Math.abs)) / 64);
    expect(scales.data[4 * HIDDEN + 5]).toBe(scale);
    expect(data[(INPUTS + 3) * 4 * HIDDEN + 5]).toBe(Math.round(gate[3]! / scale));
  });

  test.each([['batch comes first', [intAttribute('hidden_size', 8), intAttribute('layout', 1)]]])(
    'one whose %s is left alone',
    (why, attributes) => {
      expect(failureOf(lstm(1, attributes))).toContain(why);
    },
  );

  test('one with weights that are computed is left alone', () => {
    const computed = lstm(1);
    const nodes = [node('Neg', ['W'], ['V']), {...computed.graph!.node[0]!, input: ['x', 'V', 'R']}];
    expect(failureOf({...computed, graph: {...computed.graph!, node: nodes}})).toContain('not constant');
  });
});

describe('what is left alone says why', () => {
  const matmul = node('MatMul', ['x', 'w'], ['y']);
  test.each([
    ['a small weight', 'has only 1023 elements', makeTensor('w', [33, 31], numbers(1023))],
    ['a weight of three dimensions', 'has 3 dimensions', makeTensor('w', [2, 32, 32], numbers(2048))],
    ['a weight with NaN', 'NaN', makeTensor('w', [K, N], weight.with(7, NaN))],
    ['a weight of doubles', 'element type 11', makeTensor('w', [K, N], Float64Array.from(weight))],
  ])('%s', (_, why, tensor) => {
    expect(failureOf(around([matmul], {initializer: [tensor]}))).toContain(why);
  });

  test('a model that has been quantized already', () => {
    const done = {...matmul, op_type: 'DynamicQuantizeMatMul', domain: 'com.microsoft'};
    expect(failureOf(around([done, matmul]))).toContain(
      'already: it has com.microsoft.DynamicQuantizeMatMul',
    );
    expect(failureOf(around([node('DequantizeLinear', ['x', 'b'], ['y'])]))).toContain('already');
  });

  test.each([
    ['at once', [node('MatMul', ['x', 'w'], ['m']), node('Log', ['m'], ['y'])]],
    [
      'after arithmetic',
      [
        node('MatMul', ['x', 'w'], ['m']),
        node('Clip', ['m'], ['n']),
        node('Transpose', ['n'], ['t']),
        node('Log', ['t'], ['y']),
      ],
    ],
  ])('a product that goes into a logarithm %s', (_, nodes) => {
    expect(failureOf(around(nodes))).toContain(
      'MatMul_m was left alone because its result goes into the logarithm Log_y',
    );
  });

  test('a product whose scores are normalized before the logarithm is quantized', () => {
    const nodes = [
      node('MatMul', ['x', 'w'], ['m']),
      node('Softmax', ['m'], ['s']),
      node('Log', ['s'], ['y']),
    ];
    expect(quantized(around(nodes)).quantizedNodes).toEqual(['MatMul_m']);
  });

  test('what is to stay float', () => {
    const nodes = [node('MatMul', ['x', 'w'], ['y']), node('MatMul', ['x', 'w'], ['z'])];
    const {leftAlone, quantizedNodes} = quantized(around(nodes), {keepFloat: new Set(['MatMul_y'])});
    expect(quantizedNodes).toEqual(['MatMul_z']);
    expect(leftAlone).toEqual([{node: 'MatMul_y', why: 'it is to stay as it is'}]);
  });

  test('what is sensitive: a product gets blocks of bytes, anything else stays as it is', () => {
    const nodes = [node('MatMul', ['x', 'w'], ['y']), node('MatMul', ['x', 'w'], ['z'])];
    const sensitive = new Set(['MatMul_y', 'LSTM_y']);
    const {graph: made, quantizedNodes, session} = quantized(around(nodes), {sensitive});
    expect(operators(made)).toEqual(['com.microsoft.MatMulNBits', 'com.microsoft.DynamicQuantizeMatMul']);
    expect(quantizedNodes).toEqual(['MatMul_y', 'MatMul_z']);
    expect(session).toEqual({extra: {session: {disable_prepacking: '0'}}});
    expect(quantized(around(nodes)).session).toEqual({});
    expect(quantize(lstm(1), {sensitive}).failure).toContain(
      'LSTM_y was left alone because it is to stay as it is',
    );
  });

  test('a model without products', () => {
    expect(failureOf(around([node('Relu', ['x'], ['y'])]))).toContain('no constant matrix');
  });
});

describe('in ONNX Runtime', () => {
  let dir: string;
  let run: (proto: ModelProto, rows: readonly Row[]) => Promise<number[][]>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'thaw-dynamic-'));
    const probe = createProbe({
      nodePath: process.execPath,
      probeFile: join(RUNTIME_DIR, 'probe.cjs'),
      onnxruntimeDir: (await hostOrt()).dir,
      signal: new AbortController().signal,
    });
    run = async (proto, rows) => {
      const file = join(dir, 'model.onnx');
      await writeFile(file, bytesOf(proto));
      const result = await probe({model: file, session: {}, rows, warmCalls: 0, wantOutputs: true});
      if (!result.ok) throw new Error(result.message);
      return result.rows.map(({y}) => y!.data.map(Number));
    };
  });
  afterAll(() => rm(dir, {recursive: true, force: true}));

  const row = (shape: number[], seed: number): Row => ({
    x: {
      shape,
      data: [
        ...numbers(
          shape.reduce((product, size) => product * size, 1),
          seed,
        ),
      ],
    },
  });

  /** Integer arithmetic from the definition of the operator, sharing no code with thaw. */
  function referenceOf(x: readonly number[], rows: number, offset: Float32Array | null): number[] {
    const low = Math.min(0, ...x);
    const high = Math.max(0, ...x);
    const scaleX = Math.fround((high - low) / 255);
    const zero = Math.round((0 - low) / scaleX);
    const clamp = (steps: number) => Math.max(0, Math.min(255, steps));
    const quantizedX = x.map((element) => clamp(Math.round(element / scaleX) + zero));
    const result: number[] = [];
    for (let m = 0; m < rows; m++) {
      for (let n = 0; n < N; n++) {
        const column = Array.from({length: K}, (_, k) => weight[k * N + n]!);
        const scaleW = Math.max(...column.map(Math.abs)) / 64;
        let sum = 0;
        for (const [k, w] of column.entries())
          sum += (quantizedX[m * K + k]! - zero) * Math.round(w / scaleW);
        result.push(sum * scaleX * scaleW + (offset?.[n] ?? 0));
      }
    }
    return result;
  }

  test.each([
    ['MatMul', [node('MatMul', ['x', 'w'], ['y'])], null],
    ['MatMul and Add', [node('MatMul', ['x', 'w'], ['m']), node('Add', ['b', 'm'], ['y'])], bias],
    ['Gemm', [node('Gemm', ['x', 'w', 'b'], ['y'])], bias],
  ])('%s gives what the integers give', async (_, nodes, offset) => {
    const {model: made} = quantized(around(nodes));
    const fed = row([3, K], 11);
    const [answer] = await run(made, [fed]);
    const expected = referenceOf(fed['x']!.data as number[], 3, offset);
    expect(answer).toHaveLength(expected.length);
    for (const [at, number] of expected.entries()) expect(answer![at]).toBeCloseTo(number, 4);
  });

  test('a whole network answers close to the original, in a quarter of the bytes', async () => {
    const original = decodeModel(await readFile(fixture('mlp.onnx')));
    const {model: made, quantizedNodes} = quantized(original);
    // The last product has 256 × 4 weights: the smallest that is worth it.
    expect(quantizedNodes).toEqual(['matmul0', 'matmul1', 'matmul2']);
    const rows = [1, 2, 3].map((seed) => row([2, 32], seed));
    const [expected, answers] = [await run(original, rows), await run(made, rows)];
    for (const [at, number] of expected.flat().entries()) {
      expect(Math.abs(answers.flat()[at]! - number)).toBeLessThan(0.02);
    }
    expect(answers).not.toEqual(expected);
    expect(bytesOf(made).length).toBeLessThan(0.3 * bytesOf(original).length);
  });

  test('an embedding gives rows of bytes times their scales', async () => {
    const table = numbers(64 * 16, 8);
    const source = model({
      node: [node('Gather', ['table', 'ids'], ['y'])],
      initializer: [makeTensor('table', [64, 16], table)],
      input: [value('ids', ['a', 'b'], DATA_TYPE.INT64)],
      output: [value('y', ['a', 'b', 16])],
    });
    const ids = [0, 63, -1, 7, 7, 31];
    const [answer] = await run(quantized(source).model, [{ids: {shape: [2, 3], data: ids}}]);
    const expected = ids.flatMap((id) => {
      const row = [...table.subarray(((id + 64) % 64) * 16).subarray(0, 16)];
      const scale = Math.max(...row.map(Math.abs)) / 127;
      return row.map((element) => Math.round(element / scale) * scale);
    });
    expect(answer).toHaveLength(expected.length);
    for (const [at, number] of expected.entries()) expect(answer![at]).toBeCloseTo(number, 6);
  });

  test.each([1, 2] as const)('an LSTM of %i directions answers close to the original', async (directions) => {
    const source = lstm(directions);
    const rows = [row([5, 3, INPUTS], 31)];
    const [[expected], [answer]] = [await run(source, rows), await run(quantized(source).model, rows)];
    expect(answer).toHaveLength(5 * directions * 3 * HIDDEN);
    expect(answer).not.toEqual(expected);
    for (const [at, number] of expected!.entries())
      expect(Math.abs(answer![at]! - number)).toBeLessThan(0.05);
  });

  test('a product inside a branch answers as one outside', async () => {
    const branch = (output: string, inner: readonly NodeProto[]) =>
      graph({node: inner, output: [value(output, ['rows', N])]});
    const source = around(
      [
        node('ReduceSum', ['x'], ['sum'], [intAttribute('keepdims', 0)]),
        node('Cast', ['sum'], ['c'], [intAttribute('to', DATA_TYPE.BOOL)]),
        node(
          'If',
          ['c'],
          ['y'],
          [
            graphAttribute(
              'then_branch',
              branch('yes', [node('MatMul', ['x', 'w'], ['m']), node('Add', ['m', 'b'], ['yes'])]),
            ),
            graphAttribute('else_branch', branch('no', [node('MatMul', ['x', 'w'], ['no'])])),
          ],
        ),
      ],
      {},
    );
    const {model: made, quantizedNodes} = quantized(source);
    expect(quantizedNodes).toHaveLength(2);
    const fed = row([3, K], 11);
    const [answer] = await run(made, [fed]);
    const expected = referenceOf(fed['x']!.data as number[], 3, bias);
    for (const [at, number] of expected.entries()) expect(answer![at]).toBeCloseTo(number, 4);
  });

  test.each([
    ['one dimension', [K], [K]],
    ['three dimensions', ['a', 'b', K], [2, 3, K]],
    ['no rows', ['rows', K], [0, K]],
  ])('an input of %s keeps its shape', async (_, shape, fed) => {
    const source = around([node('MatMul', ['x', 'w'], ['m']), node('Add', ['m', 'b'], ['y'])], {
      input: [value('x', shape)],
      output: [{name: 'y', type: {tensor_type: {elem_type: DATA_TYPE.FLOAT}}}],
    });
    const rows = [row(fed, 3)];
    const [[expected], [answer]] = [await run(source, rows), await run(quantized(source).model, rows)];
    expect(answer).toHaveLength(expected!.length);
    for (const [at, number] of expected!.entries())
      expect(Math.abs(answer![at]! - number)).toBeLessThan(0.15);
  });
});
