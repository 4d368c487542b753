import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {Row} from '../../../src/model/calibration.ts';
import {measureDrift} from '../../../src/model/drift.ts';
import type {OutputRow} from '../../../src/model/drift.ts';
import {DATA_TYPE} from '../../../src/model/onnx.ts';
import type {ModelProto} from '../../../src/model/onnx.ts';
import {quantizeInt4, switchInt4} from '../../../src/model/quantize/blocks.ts';
import {quantizeDynamic, switchDynamic} from '../../../src/model/quantize/dynamic.ts';
import {rankBySwitches} from '../../../src/model/quantize/rank.ts';
import type {SwitchedModel} from '../../../src/model/quantize/switches.ts';
import {openTrials} from '../../../src/model/quantize/trials.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {graph, graphAttribute, intAttribute, model, node, numbers, value} from './build-model.ts';
import {openRuntime} from './in-runtime.ts';
import type {InRuntime} from './in-runtime.ts';

const WIDTH = 32;

let runtime: InRuntime;
beforeAll(async () => {
  runtime = await openRuntime();
});
afterAll(() => runtime.close());

const given = (proto: ModelProto, keepFloat: ReadonlySet<string> = new Set()) => ({
  model: proto,
  readExternal: () => {
    throw new Error('no external data here');
  },
  cpu: 'any' as const,
  keepFloat,
});

function switched(proto: ModelProto): SwitchedModel {
  const made = switchDynamic(given(proto));
  if (made.failure !== null) throw new Error(made.failure);
  return made;
}

function quantized(proto: ModelProto, keepFloat: ReadonlySet<string>): ModelProto {
  const made = quantizeDynamic(given(proto, keepFloat));
  if (made.failure !== null) throw new Error(made.failure);
  return made.model;
}

const weight = (name: string, dims: readonly number[], seed: number) =>
  makeTensor(
    name,
    dims,
    numbers(
      dims.reduce((product, size) => product * size, 1),
      seed,
    ),
  );

/** Words are looked up and multiplied, with a bias added by an Add and by a Gemm. */
const words = model({
  node: [
    node('Gather', ['table', 'ids'], ['x']),
    node('MatMul', ['x', 'a'], ['ax']),
    node('Add', ['ax', 'bias'], ['h']),
    node('Gemm', ['h', 'b', 'bias'], ['y']),
  ],
  initializer: [
    weight('table', [64, WIDTH], 1),
    weight('a', [WIDTH, WIDTH], 2),
    weight('b', [WIDTH, WIDTH], 3),
    weight('bias', [WIDTH], 4),
  ],
  input: [value('ids', ['n'], DATA_TYPE.INT64)],
  output: [value('y', ['n', WIDTH])],
});

/** An LSTM of whose outputs only the second is named, and a product in a branch. */
const recurrent = model({
  node: [
    node('LSTM', ['x', 'w', 'r'], ['', 'last'], [intAttribute('hidden_size', WIDTH)]),
    node('ReduceSum', ['x'], ['sum'], [intAttribute('keepdims', 0)]),
    node('Cast', ['sum'], ['c'], [intAttribute('to', DATA_TYPE.BOOL)]),
    node(
      'If',
      ['c'],
      ['y'],
      ['then_branch', 'else_branch'].map((branch) =>
        graphAttribute(
          branch,
          graph({
            node: [node('MatMul', ['last', 'a'], [`${branch}_y`])],
            output: [value(`${branch}_y`, [1, 'batch', WIDTH])],
          }),
        ),
      ),
    ),
  ],
  initializer: [
    weight('w', [1, 4 * WIDTH, WIDTH], 5),
    weight('r', [1, 4 * WIDTH, WIDTH], 6),
    weight('a', [WIDTH, WIDTH], 7),
  ],
  input: [value('x', ['time', 'batch', WIDTH])],
  output: [value('y', [1, 'batch', WIDTH])],
});

const SUBJECTS: readonly [string, ModelProto, Row, readonly string[]][] = [
  [
    'embeddings and products',
    words,
    {ids: {shape: [3], data: [5, 0, 63]}},
    ['Gather_x', 'MatMul_ax', 'Gemm_y'],
  ],
  [
    'an LSTM and a branch',
    recurrent,
    {x: {shape: [4, 2, WIDTH], data: [...numbers(8 * WIDTH, 8)]}},
    ['LSTM_', 'MatMul_then_branch_y', 'MatMul_else_branch_y'],
  ],
];

const nsr = (expected: readonly OutputRow[], actual: readonly OutputRow[]): number => {
  const {drift, broken} = measureDrift(expected, actual);
  expect(broken).toBeNull();
  return drift[0]!.nsr;
};

/** What the order of additions may change, and much less than what bytes change. */
const NOTHING = 1e-9;

describe.each(SUBJECTS)('switches in a model with %s', (_, proto, row, labels) => {
  test('all off, it is the original; all on, the quantized model', async () => {
    const {model: made, select} = switched(proto);
    const [off = {}, on = {}] = await runtime.run(made, [
      select(row, new Set()),
      select(row, new Set(labels)),
    ]);
    const [original, whole] = [
      await runtime.run(proto, [row]),
      await runtime.run(quantized(proto, new Set()), [row]),
    ];
    expect(nsr(original, [off])).toBeLessThan(NOTHING);
    expect(nsr(whole, [on])).toBeLessThan(NOTHING);
    expect(nsr(original, [on])).toBeGreaterThan(100 * NOTHING);
  });

  test.each(labels)('%s is quantized where its switch is on, and nothing else', async (label) => {
    const {model: made, select} = switched(proto);
    const others = new Set(labels.filter((other) => other !== label));
    const alone = await runtime.run(made, [select(row, new Set([label]))]);
    expect(nsr(await runtime.run(quantized(proto, others), [row]), alone)).toBeLessThan(NOTHING);
  });
});

test('products of 4 bits have switches too', async () => {
  const [, proto, row, labels] = SUBJECTS[0]!;
  const [made, whole] = [switchInt4(given(proto)), quantizeInt4(given(proto))];
  if (made.failure !== null || whole.failure !== null) throw new Error('it cannot be quantized');
  const sets = [new Set<string>(), new Set(labels)];
  const [off = {}, on = {}] = await runtime.run(
    made.model,
    sets.map((set) => made.select(row, set)),
    made.session,
  );
  const original = await runtime.run(proto, [row]);
  expect(nsr(original, [off])).toBeLessThan(NOTHING);
  expect(nsr(original, [on])).toBeGreaterThan(100 * NOTHING);
  expect(nsr(await runtime.run(whole.model, [row], whole.session), [on])).toBeLessThan(NOTHING);
});

test('a model without nodes to quantize has no switches', () => {
  const proto = model({node: [node('Relu', ['x'], ['y'])]});
  expect(switchDynamic(given(proto))).toEqual({failure: 'it has no node that can be quantized'});
});

describe('ranking', () => {
  const [, proto, row, labels] = SUBJECTS[0]!;
  const rows = [row, {ids: {shape: [2], data: [7, 1]}}];
  const groups = labels.map((label) => [label]);

  async function rank(numbersMax?: number) {
    const trials = openTrials(
      {
        sourcePath: 'nowhere.onnx',
        session: {},
        probe: runtime.probe,
        dir: runtime.dir,
        signal: new AbortController().signal,
      },
      () => undefined,
    );
    const original = await runtime.run(proto, rows);
    const ranked = await rankBySwitches(() => switched(proto), groups, {rows, original}, trials, numbersMax);
    return {ranked, runs: trials.runs()};
  }

  test('one process tells what each node costs alone: what it costs in a model of its own', async () => {
    const {ranked, runs} = await rank();
    expect(runs).toBe(1);
    expect(ranked!.flatMap(({nodes}) => nodes).toSorted()).toEqual(labels.toSorted());
    const original = await runtime.run(proto, rows);
    for (const [at, {nodes, nsr: cost}] of ranked!.entries()) {
      const others = new Set(labels.filter((other) => !nodes.includes(other)));
      const expected = nsr(original, await runtime.run(quantized(proto, others), rows));
      expect(cost).toBeGreaterThan(0);
      expect(Math.abs(cost - expected)).toBeLessThan(0.01 * expected);
      expect(cost).toBeLessThanOrEqual(ranked![at - 1]?.nsr ?? Infinity);
    }
  });

  test('rows too large for one process go to several, and cost the same', async () => {
    const together = await rank();
    const parted = await rank(1);
    expect(parted.runs).toBe(groups.length * rows.length);
    expect(parted.ranked).toEqual(together.ranked);
  });

  test('without switches there is no such ranking', async () => {
    const trials = openTrials(
      {
        sourcePath: 'nowhere.onnx',
        session: {},
        probe: runtime.probe,
        dir: runtime.dir,
        signal: new AbortController().signal,
      },
      () => undefined,
    );
    const none = await rankBySwitches(() => ({failure: 'none'}), groups, {rows, original: []}, trials);
    expect([none, trials.runs()]).toEqual([null, 0]);
  });
});
