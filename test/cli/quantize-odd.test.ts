// Models that few exporters make, and rows that do not fit, through the command itself: each gives a right result,
// held against what ONNX Runtime says of the original, or a refusal that names the node or the row.
import {readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {QuantizedFile} from '../../src/cli/quantize-file.ts';
import type {Row} from '../../src/model/calibration.ts';
import {measureDrift} from '../../src/model/drift.ts';
import {DATA_TYPE} from '../../src/model/onnx.ts';
import type {ModelProto, NodeProto, TensorProto} from '../../src/model/onnx.ts';
import {quantizeDynamic} from '../../src/model/quantize/dynamic.ts';
import {readModel} from '../../src/model/read.ts';
import {makeTensor} from '../../src/model/tensor.ts';
import {
  bytesOf,
  floatAttribute,
  graph,
  graphAttribute,
  intAttribute,
  intsAttribute,
  model,
  node,
  numbers,
  tensorAttribute,
  value,
} from '../unit/model/build-model.ts';
import {openRunner, type Runner} from '../unit/model/run-model.ts';
import {openBench, type Bench} from './thaw.ts';

const K = 64;
const N = 48;

let bench: Bench;
let runner: Runner;
beforeAll(async () => {
  bench = await openBench();
  runner = await openRunner();
});
afterAll(async () => {
  await bench.leave();
  await runner.close();
});

/** Long enough for a machine that has much else to do. */
const PATIENCE = {timeout: 300_000};

const weights = (count: number, seed = 1): Float32Array => numbers(count, seed).map((each) => each * 0.2);
const w = makeTensor('w', [K, N], weights(K * N));
const x = value('x', ['rows', K]);
const y = value('y', ['rows', N]);
const product: NodeProto = {...node('MatMul', ['x', 'w'], ['y']), name: 'product'};

/** A product, with something else instead of its parts. */
const productOf = (parts: Parameters<typeof model>[0], more: Partial<ModelProto> = {}): ModelProto =>
  model({node: [product], initializer: [w], input: [x], output: [y], ...parts}, more);

/** `w` with one number that is none. */
function spoiled(bad: number): TensorProto {
  const data = weights(K * N);
  data[5] = bad;
  return makeTensor('w', [K, N], data);
}

const opset = (version: number): Partial<ModelProto> => ({opset_import: [{domain: '', version}]});

/** Bits of halves of numbers that have so few digits that halves hold them. */
function halves(count: number): Uint16Array {
  return Uint16Array.from(
    {length: count},
    (_, at) => 0x3000 + (((at * 37) % 64) << 4) + (at % 2 ? 0x8000 : 0),
  );
}

const asHalves = (): ModelProto =>
  productOf({
    initializer: [{...makeTensor('w', [K, N], halves(K * N)), data_type: DATA_TYPE.FLOAT16}],
    input: [value('x', ['rows', K], DATA_TYPE.FLOAT16)],
    output: [value('y', ['rows', N], DATA_TYPE.FLOAT16)],
  });

function inBranches(): ModelProto {
  const branch = (name: string, seed: number) =>
    graph({
      name,
      node: [{...node('MatMul', ['x', `${name}_w`], [`${name}_y`]), name: `${name}_product`}],
      initializer: [makeTensor(`${name}_w`, [K, N], weights(K * N, seed))],
      output: [value(`${name}_y`, ['rows', N])],
    });
  return model({
    node: [
      node('ReduceSum', ['x'], ['sum'], [intAttribute('keepdims', 0)]),
      node('Greater', ['sum', 'zero'], ['positive']),
      node(
        'If',
        ['positive'],
        ['y'],
        [graphAttribute('then_branch', branch('then', 3)), graphAttribute('else_branch', branch('else', 4))],
      ),
    ],
    initializer: [makeTensor('zero', [], Float32Array.of(0))],
    input: [x],
    output: [y],
  });
}

interface Right {
  readonly what: string;
  readonly proto: () => ModelProto;
  readonly mode?: string;
  readonly rows?: readonly (readonly number[])[];
  /** That the original's weight has to stay beside the new one. */
  readonly larger?: boolean;
}

const RIGHT: readonly Right[] = [
  {
    what: 'a weight in a Constant node',
    proto: () =>
      productOf({
        node: [node('Constant', [], ['w'], [tensorAttribute('value', w)]), product],
        initializer: [],
      }),
  },
  {what: 'weights inside the branches of an If', proto: inBranches},
  {
    what: 'a weight that two nodes share, one of which needs it in floats',
    larger: true,
    proto: () =>
      productOf({
        node: [
          {...product, output: ['h']},
          node('ReduceMax', ['w'], ['most'], [intAttribute('keepdims', 0)]),
          node('Add', ['h', 'most'], ['y']),
        ],
      }),
  },
  {
    what: 'a weight that is computed of another',
    proto: () =>
      productOf({
        node: [node('Transpose', ['turned'], ['w'], [intsAttribute('perm', [1, 0])]), product],
        initializer: [makeTensor('turned', [N, K], weights(K * N))],
      }),
  },
  {what: 'half precision', proto: asHalves},
  ...[7, 8, 9, 10].map((version) => ({
    what: `opset ${version}`,
    proto: () =>
      productOf(
        {
          node: [
            {...product, output: ['h']},
            node('Clip', ['h'], ['y'], [floatAttribute('min', 0), floatAttribute('max', 6)]),
          ],
        },
        {...opset(version), ir_version: 4},
      ),
  })),
  {
    what: 'a tensor of size zero',
    proto: () =>
      productOf({
        node: [
          {...product, output: ['h']},
          node('Concat', ['h', 'nothing'], ['y'], [intAttribute('axis', 0)]),
        ],
        initializer: [w, makeTensor('nothing', [0, N], new Float32Array(0))],
      }),
  },
];

/** Rows of the input x. */
const ROWS = Array.from({length: 8}, (_, seed) => [...numbers(K, seed + 10)]);

async function quantize(
  name: string,
  proto: ModelProto,
  flags: readonly string[],
  rows: readonly unknown[] = ROWS,
) {
  const file = join(bench.dir, `${name}.onnx`);
  const out = join(bench.dir, `${name}.out.onnx`);
  await writeFile(file, bytesOf(proto));
  const rowsFile = join(bench.dir, `${name}.jsonl`);
  await writeFile(rowsFile, rows.map((row) => JSON.stringify(row)).join('\n'));
  const args = ['quantize', file, '--calibration', rowsFile, '--out', out, '--json', ...flags];
  const ended = await bench.thaw(args);
  return {
    ...ended,
    file,
    out,
    left: (await readdir(bench.dir)).filter((each) => each.startsWith(`${name}.out`)),
  };
}

const nameOf = (what: string): string => what.replaceAll(/\W+/g, '-');

describe('a right result', () => {
  test.each(RIGHT)('of $what', PATIENCE, async ({what, proto, mode = 'dynamic', larger = false}) => {
    const name = nameOf(what);
    const {code, stdout, file, out} = await quantize(name, proto(), ['--mode', mode]);
    expect([code, stdout]).toEqual([0, expect.stringContaining('thaw.quantize/1')]);
    const {verdict, session} = JSON.parse(stdout) as QuantizedFile;
    expect(verdict.chosen).toBe(mode);
    const rows: Row[] = ROWS.map((data) => ({x: {shape: [1, K], data}}));
    const {drift, broken} = measureDrift(await runner.run(file, rows), await runner.run(out, rows, session));
    expect(broken).toBeNull();
    expect(drift[0]!.cosine).toBeGreaterThan(0.998);
    expect((await readFile(out)).length < (await readFile(file)).length).toBe(!larger);
  });
});

describe('a refusal that says which node', () => {
  const nowhere = (): ModelProto =>
    productOf(
      {node: [{...product, op_type: 'Magic', domain: 'nowhere'}]},
      {
        opset_import: [
          {domain: '', version: 17},
          {domain: 'nowhere', version: 1},
        ],
      },
    );
  const quantizedBefore = (): ModelProto => {
    const result = quantizeDynamic({
      model: productOf({}),
      readExternal: () => expect.fail('nothing lies outside'),
      cpu: 'any',
      keepFloat: new Set(),
    });
    return result.failure === null ? result.model : expect.fail(result.failure);
  };
  const behindALogarithm = (): ModelProto =>
    productOf({
      node: [
        {...product, output: ['h']},
        node('Abs', ['h'], ['a']),
        {...node('Log', ['a'], ['y']), name: 'mel'},
      ],
    });
  const alone = (bad: number): ModelProto => productOf({initializer: [spoiled(bad)]});

  test.each([
    [
      'NaN in its weight',
      () => alone(NaN),
      'MODEL_UNSUPPORTED',
      'product was left alone because its weight has NaN or infinity',
    ],
    [
      'infinity in its weight',
      () => alone(Infinity),
      'MODEL_UNSUPPORTED',
      'product was left alone because its weight has NaN',
    ],
    [
      'a logarithm behind it',
      behindALogarithm,
      'MODEL_UNSUPPORTED',
      'product was left alone because its result goes into the logarithm',
    ],
    ['nobody knows', nowhere, 'MODEL_INVALID', 'Magic'],
    [
      'quantized before',
      quantizedBefore,
      'MODEL_UNSUPPORTED',
      'it is quantized already: it has com.microsoft.DynamicQuantizeMatMul (product)',
    ],
    [
      'whose weight has fewer values than its shape needs',
      () => productOf({initializer: [{...w, dims: [K, N + 1]}]}),
      'MODEL_INVALID',
      'w',
    ],
  ] as const)('%s', PATIENCE, async (what, proto, errorCode, message) => {
    const {code, stdout, left} = await quantize(nameOf(what), proto(), ['--mode', 'dynamic']);
    const {error} = JSON.parse(stdout) as {error: {code: string; message: string}};
    expect([code, error.code]).toEqual([3, errorCode]);
    expect(error.message).toContain(message);
    expect(left).toEqual([]);
  });

  test(
    'is no error where the best is asked for: what was quantized before is left as it is',
    PATIENCE,
    async () => {
      const {code, stdout, file, out} = await quantize('before', quantizedBefore(), ['--objective', 'size']);
      expect(code).toBe(0);
      const {verdict} = JSON.parse(stdout) as QuantizedFile;
      expect(verdict).toMatchObject({chosen: 'none', why: expect.stringContaining('quantized already')});
      expect(await readFile(out)).toEqual(await readFile(file));
    },
  );
});

describe('a refusal that says which row', () => {
  test.each([
    ['a row of another length', [[...ROWS[0]!, 1]], 'input x has shape [65], the model takes [rows, 64]'],
    ['a row of text', [{x: ['a', ...ROWS[0]!.slice(1)]}], 'input x is FP32 and has an element "a"'],
    ['a row that is ragged', [{x: [ROWS[0], [1]]}], 'input x is ragged'],
    ['a row without an input', [{z: ROWS[0]}], 'the model has no input z; it has x'],
    ['a row that is no JSON', ['{'], ''],
  ])('%s', PATIENCE, async (what, bad, message) => {
    const {code, stdout, left} = await quantize(
      nameOf(what),
      productOf({}),
      [],
      [...ROWS.slice(0, 2), ...bad],
    );
    const {error} = JSON.parse(stdout) as {error: {code: string; message: string}};
    expect([code, error.code]).toEqual([3, 'CALIBRATION_INVALID']);
    expect(error.message).toContain(`.jsonl:3: ${message}`);
    expect(left).toEqual([]);
  });

  test('the model itself fails on', PATIENCE, async () => {
    const proto = productOf({
      node: [{...product, output: ['h']}, node('Reshape', ['h', 'shape'], ['y'])],
      initializer: [w, makeTensor('shape', [2], BigInt64Array.of(7n, BigInt(N)))],
    });
    const {code, stdout} = await quantize('reshape', proto, []);
    const {error} = JSON.parse(stdout) as {error: {code: string; message: string}};
    expect([code, error.code, error.message]).toEqual([
      3,
      'CALIBRATION_INVALID',
      expect.stringContaining('fails on these rows'),
    ]);
  });
});

test(
  'a product with a logarithm behind it stays as it is beside one that is quantized',
  PATIENCE,
  async () => {
    const proto = productOf({
      node: [
        {...product, output: ['h']},
        node('Abs', ['h'], ['a']),
        node('Log', ['a'], ['l']),
        node('MatMul', ['l', 'v'], ['y']),
      ],
      initializer: [w, makeTensor('v', [N, N], weights(N * N, 2))],
    });
    const {code, out} = await quantize('logarithm', proto, ['--mode', 'dynamic']);
    expect(code).toBe(0);
    const {operators} = await readModel(out);
    expect(operators).toMatchObject({MatMul: 1, Log: 1, 'com.microsoft.DynamicQuantizeMatMul': 1});
  },
);

test(
  'a product with infinity in its weight stays as it is beside one that is quantized',
  PATIENCE,
  async () => {
    const proto = productOf({
      node: [node('MatMul', ['x', 'v'], ['y']), {...product, output: ['z']}],
      initializer: [spoiled(Infinity), makeTensor('v', [K, N], weights(K * N, 2))],
      output: [y, value('z', ['rows', N])],
    });
    const {code, stdout, file, out} = await quantize('infinity', proto, ['--mode', 'dynamic']);
    expect(code).toBe(0);
    const {verdict, session} = JSON.parse(stdout) as QuantizedFile;
    expect(verdict.warnings).toContainEqual(
      expect.stringContaining('the original itself gives NaN or infinity'),
    );
    expect((await readModel(out)).operators).toEqual({MatMul: 1, 'com.microsoft.DynamicQuantizeMatMul': 1});
    const rows: Row[] = ROWS.map((data) => ({x: {shape: [1, K], data}}));
    const [original, made] = [await runner.run(file, rows), await runner.run(out, rows, session)];
    expect(made.map(({z}) => z)).toEqual(original.map(({z}) => z));
    expect(measureDrift(original, made).drift[0]).toMatchObject({output: 'y', cosine: expect.closeTo(1, 2)});
  },
);

test('dimensions that may vary stay so: the result takes rows of other lengths', PATIENCE, async () => {
  const {code, stdout, file, out} = await quantize('varying', productOf({}), ['--mode', 'dynamic']);
  expect(code).toBe(0);
  const {session} = JSON.parse(stdout) as QuantizedFile;
  const rows: Row[] = [1, 5].map((count) => ({x: {shape: [count, K], data: [...numbers(count * K, count)]}}));
  const {drift, broken} = measureDrift(await runner.run(file, rows), await runner.run(out, rows, session));
  expect(broken).toBeNull();
  expect(drift[0]!.cosine).toBeGreaterThan(0.998);
});
