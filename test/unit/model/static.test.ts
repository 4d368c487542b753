import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {CpuClass} from '../../../src/core/model.ts';
import type {Row} from '../../../src/model/calibration.ts';
import {decodeModel, operatorOf} from '../../../src/model/onnx.ts';
import type {GraphProto, ModelProto, NodeProto} from '../../../src/model/onnx.ts';
import {quantizeStatic} from '../../../src/model/quantize/static.ts';
import {affineOf} from '../../../src/model/quantize/static/range.ts';
import type {Range} from '../../../src/model/quantize/static/range.ts';
import {makeTensor, tensorValues} from '../../../src/model/tensor.ts';
import type {ReadExternal} from '../../../src/model/tensor.ts';
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
  value,
} from './build-model.ts';
import {elementsOf, openRuntime} from './in-runtime.ts';
import type {InRuntime} from './in-runtime.ts';

const nowhere: ReadExternal = () => {
  throw new Error('no external data here');
};

interface Wishes {
  readonly cpu?: CpuClass;
  readonly keepFloat?: ReadonlySet<string>;
}

/** Every value's range, unless a test cares. */
const ANY_RANGE: Range = {low: -1, high: 3};
const rangesOf = (ranges: {readonly [value: string]: Range}) =>
  new Map(['x', 'c', 'r', 'p', 'y', 'z', 'm', 's', 't'].map((name) => [name, ranges[name] ?? ANY_RANGE]));

const quantize = (proto: ModelProto, ranges: {readonly [value: string]: Range} = {}, wishes: Wishes = {}) =>
  quantizeStatic({
    model: proto,
    readExternal: nowhere,
    cpu: 'any',
    keepFloat: new Set(),
    ranges: rangesOf(ranges),
    ...wishes,
  });

function quantized(proto: ModelProto, ranges: {readonly [value: string]: Range} = {}, wishes: Wishes = {}) {
  const result = quantize(proto, ranges, wishes);
  if (result.failure !== null) throw new Error(result.failure);
  // Through the wire, so that what is checked is what a file would hold.
  return {...result, graph: decodeModel(bytesOf(result.model)).graph!};
}

const failureOf = (proto: ModelProto): string | null => quantize(proto).failure;
const steps = ({node: nodes}: GraphProto): string[] =>
  nodes.map((each) => `${operatorOf(each)} ${each.input[0]} -> ${each.output[0]}`);
const valuesOf = ({initializer}: GraphProto, name: string) =>
  tensorValues(
    initializer.find((tensor) => tensor.name === name)!,
    nowhere,
  );

const [IN, OUT] = [3, 4];
const kernel = numbers(OUT * IN * 9, 3);
const bias = numbers(OUT, 4);
const conv = (input: string, output: string, weights = ['w', 'b']): NodeProto =>
  node('Conv', [input, ...weights], [output], [intsAttribute('pads', [1, 1, 1, 1])]);

/** x [1, IN, 5, 5] through some nodes to y [1, OUT, 5, 5]. */
function around(nodes: readonly NodeProto[], more: Partial<GraphProto> = {}): ModelProto {
  return model({
    node: nodes,
    initializer: [
      makeTensor('w', [OUT, IN, 3, 3], kernel),
      makeTensor('b', [OUT], bias),
      makeTensor('v', [OUT, OUT, 3, 3], numbers(OUT * OUT * 9, 5)),
    ],
    input: [value('x', [1, IN, 5, 5])],
    output: [value('y', [1, OUT, 'h', 'w'])],
    ...more,
  });
}

describe('bytes for a range', () => {
  test.each([
    ['both sides of zero', {low: -1, high: 3}, 4 / 255, 64],
    ['all above zero: widened down to it', {low: 0.5, high: 2}, 2 / 255, 0],
    ['all below zero: widened up to it', {low: -3, high: -1}, 3 / 255, 255],
    ['nothing but zeros', {low: 0, high: 0}, 1, 0],
    ['what is too small to be divided', {low: 0, high: 1e-45}, 1, 0],
  ])('%s', (_, range, scale, zeroPoint) => {
    expect(affineOf(range)).toEqual({scale: Math.fround(scale), zeroPoint});
  });
});

describe('the graph', () => {
  test('a convolution reads and makes bytes, behind the Relu that follows it', () => {
    const source = around([conv('x', 'c'), node('Relu', ['c'], ['y'])]);
    const before = bytesOf(source);
    const {graph: made, quantizedNodes, model: whole} = quantized(source);
    expect(steps(made)).toEqual([
      'QuantizeLinear x -> x_uint8',
      'DequantizeLinear x_uint8 -> x_rounded',
      'DequantizeLinear w_int8 -> w_rounded',
      'DequantizeLinear b_int32 -> b_rounded',
      'Conv x_rounded -> c',
      'Relu c -> y_float',
      'QuantizeLinear y_float -> y_uint8',
      'DequantizeLinear y_uint8 -> y',
    ]);
    expect(made.node[4]!.input).toEqual(['x_rounded', 'w_rounded', 'b_rounded']);
    expect(quantizedNodes).toEqual(['Conv_c']);
    expect(made.initializer.map(({name}) => name)).not.toContain('w');
    expect(bytesOf(source)).toEqual(before);
    expect(whole.ir_version).toBe(8);
  });

  test('weights, scales, zero points and biases are what their definitions say', () => {
    const {graph: made} = quantized(around([conv('x', 'y')]), {
      x: {low: -2, high: 1},
      y: {low: -10, high: 6},
    });
    const scaleX = Math.fround(3 / 255);
    expect(valuesOf(made, 'x_scale').data).toEqual(Float32Array.of(scaleX));
    expect(valuesOf(made, 'x_zero_point').data).toEqual(Uint8Array.of(170));
    expect(valuesOf(made, 'y_scale').data).toEqual(Float32Array.of(16 / 255));
    expect(valuesOf(made, 'y_zero_point').data).toEqual(Uint8Array.of(159));
    for (let channel = 0; channel < OUT; channel++) {
      const own = [...kernel.subarray(channel * IN * 9, (channel + 1) * IN * 9)];
      const scale = Math.fround(Math.max(...own.map(Math.abs)) / 64);
      expect(valuesOf(made, 'w_scale').data[channel]).toBe(scale);
      expect([...valuesOf(made, 'w_int8').data].slice(channel * IN * 9, (channel + 1) * IN * 9)).toEqual(
        own.map((each) => Math.round(each / scale) + 0),
      );
      expect(valuesOf(made, 'b_int32').data[channel]).toBe(Math.round(bias[channel]! / (scaleX * scale)));
    }
    expect(valuesOf(made, 'w_zero_point').data).toEqual(new Int8Array(OUT));
  });

  test.each([
    ['any', 64],
    ['avx2', 64],
    ['vnni', 127],
    ['arm64', 127],
  ] as const)('on %s weights reach ±%i', (cpu, levels) => {
    const {graph: made} = quantized(around([conv('x', 'y')]), {}, {cpu});
    expect(Math.max(...(valuesOf(made, 'w_int8').data as Int8Array).map(Math.abs))).toBe(levels);
  });

  test('a channel whose bias would not fit 32 bits gets a larger scale', () => {
    const huge = Float32Array.of(1e9, 0, 0, 0);
    const initializer = [makeTensor('w', [OUT, IN, 3, 3], kernel), makeTensor('b', [OUT], huge)];
    const {graph: made} = quantized(around([conv('x', 'y')], {initializer}));
    const scaleX = 4 / 255;
    const steps32 = valuesOf(made, 'b_int32').data[0] as number;
    expect(steps32).toBeGreaterThan(2 ** 29);
    expect(steps32).toBeLessThanOrEqual(2 ** 30 + 64);
    const scale = valuesOf(made, 'w_scale').data[0] as number;
    expect((steps32 * scale * scaleX) / 1e9).toBeCloseTo(1, 5);
  });

  test('whatever reads a value that is bytes reads what they say, in branches too', () => {
    const branch = graph({node: [node('Neg', ['c'], ['inner'])], output: [value('inner', [1])]});
    const nodes = [
      conv('x', 'c'),
      node(
        'If',
        ['flag'],
        ['z'],
        [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)],
      ),
      node('Sigmoid', ['c'], ['y']),
    ];
    const {graph: made} = quantized(around(nodes));
    expect(steps(made)).toContain('DequantizeLinear c_uint8 -> c');
    expect(steps(made)).toContain('Sigmoid c -> y');
    expect(made.node.find(({op_type: op}) => op === 'If')!.attribute[0]!.g!.node[0]!.input).toEqual(['c']);
  });

  test('what only arranges elements keeps the range of what it arranges', () => {
    const nodes = [
      conv('x', 'c'),
      node('MaxPool', ['c'], ['p'], [intsAttribute('kernel_shape', [2, 2])]),
      node('Transpose', ['p'], ['t']),
      conv('t', 'y', ['v']),
    ];
    const {graph: made} = quantized(around(nodes));
    const scales = made.node
      .filter(({op_type: op}) => op === 'QuantizeLinear')
      .map(({input, output}) => [output[0], input[1]]);
    expect(scales).toEqual([
      ['x_uint8', 'x_scale'],
      ['c_uint8', 'c_scale'],
      ['p_uint8', 'c_scale'],
      ['t_uint8', 'c_scale'],
      ['y_uint8', 'y_scale'],
    ]);
  });

  test('a Clip counts as an activation if it starts at zero', () => {
    const clip = (low: number) =>
      around([conv('x', 'c'), node('Clip', ['c', 'low'], ['y'])], {
        initializer: [...around([]).graph!.initializer, makeTensor('low', [], Float32Array.of(low))],
      });
    expect(steps(quantized(clip(0)).graph)).toContain('Clip c -> y_float');
    expect(steps(quantized(clip(-1)).graph)).toContain('Clip c -> y');
    const old = node('Clip', ['c'], ['y'], [floatAttribute('min', 0), floatAttribute('max', 6)]);
    expect(steps(quantized(around([conv('x', 'c'), old])).graph)).toContain('Clip c -> y_float');
  });

  test('a matrix product reads bytes; its result becomes bytes only for the next one', () => {
    const source = model({
      node: [
        node('MatMul', ['x', 'a'], ['m']),
        node('Relu', ['m'], ['r']),
        node('Gemm', ['r', 'g', 'b'], ['y'], [intAttribute('transB', 1)]),
      ],
      initializer: [
        makeTensor('a', [32, 32], numbers(1024, 1)),
        makeTensor('g', [40, 32], numbers(1280, 2)),
        makeTensor('b', [1, 40], numbers(40, 3)),
      ],
      input: [value('x', ['rows', 32])],
      output: [value('y', ['rows', 40])],
    });
    const {graph: made} = quantized(source);
    expect(steps(made)).toEqual([
      'QuantizeLinear x -> x_uint8',
      'DequantizeLinear x_uint8 -> x_rounded',
      'DequantizeLinear a_int8 -> a_rounded',
      'MatMul x_rounded -> m',
      'Relu m -> r_float',
      'QuantizeLinear r_float -> r_uint8',
      'DequantizeLinear r_uint8 -> r',
      'DequantizeLinear g_int8 -> g_rounded',
      'DequantizeLinear b_int32 -> b_rounded',
      'Gemm r -> y',
    ]);
    const axes = made.node
      .filter(({output}) => /^[ag]_rounded$/.test(output[0]!))
      .map(({attribute}) => attribute[0]!.i);
    expect(axes).toEqual([1, 0]);
    expect(valuesOf(made, 'b_int32').dims).toEqual([40]);
  });

  test('a weight that two nodes use is stored once', () => {
    const {graph: made} = quantized(around([conv('x', 'y'), conv('x', 'z')]));
    expect(made.initializer.filter(({name}) => name!.startsWith('w_int8'))).toHaveLength(1);
    expect(made.node.filter(({input}) => input[0] === 'w_int8')).toHaveLength(2);
  });

  test("before opset 13 the pairs are ONNX Runtime's own", () => {
    const old = {...around([conv('x', 'y')]), opset_import: [{domain: '', version: 11}]};
    const {graph: made, model: whole} = quantized(old);
    expect(made.node.map(({domain}) => domain)).toEqual([
      ...Array<string>(4).fill('com.microsoft'),
      undefined,
      'com.microsoft',
      'com.microsoft',
    ]);
    expect(whole.opset_import).toContainEqual({domain: 'com.microsoft', version: 1});
  });
});

describe('what is left alone says why', () => {
  test.each([
    [
      'a weight with NaN',
      'NaN',
      {initializer: [makeTensor('w', [OUT, IN, 3, 3], kernel.with(3, NaN)), makeTensor('b', [OUT], bias)]},
    ],
    [
      'a weight without elements',
      'has no elements',
      {initializer: [makeTensor('w', [0, IN, 3, 3], new Float32Array()), makeTensor('b', [OUT], bias)]},
    ],
    [
      'a bias that is computed',
      'no constant vector: b',
      {
        initializer: [makeTensor('w', [OUT, IN, 3, 3], kernel)],
        input: [value('x', [1, IN, 5, 5]), value('b', [OUT])],
      },
    ],
    [
      'a weight of doubles',
      'element type 11',
      {
        initializer: [
          makeTensor('w', [OUT, IN, 3, 3], Float64Array.from(kernel)),
          makeTensor('b', [OUT], bias),
        ],
      },
    ],
  ])('%s', (_, why, more) => {
    expect(failureOf(around([conv('x', 'y')], more))).toContain(why);
  });

  test('a convolution that goes into a logarithm', () => {
    expect(failureOf(around([conv('x', 'c'), node('Log', ['c'], ['y'])]))).toContain('the logarithm Log_y');
  });

  test('one that is to stay float, whose result is then no bytes for its own sake', () => {
    const nodes = [conv('x', 'c'), node('Sigmoid', ['c'], ['s']), conv('s', 'y', ['v'])];
    const {
      graph: made,
      leftAlone,
      quantizedNodes,
    } = quantized(around(nodes), {}, {keepFloat: new Set(['Conv_c'])});
    expect(quantizedNodes).toEqual(['Conv_y']);
    expect(leftAlone).toEqual([{node: 'Conv_c', why: 'it is to stay as it is'}]);
    expect(steps(made).slice(0, 2)).toEqual(['Conv x -> c', 'Sigmoid c -> s_float']);
  });

  test('one weight that cannot be had does not keep the others from it', () => {
    const initializer = [
      makeTensor('w', [OUT, IN, 3, 3], kernel.with(3, Infinity)),
      makeTensor('b', [OUT], bias),
      makeTensor('v', [OUT, OUT, 3, 3], numbers(OUT * OUT * 9, 5)),
    ];
    const {
      leftAlone,
      quantizedNodes,
      graph: made,
    } = quantized(around([conv('x', 'c'), conv('c', 'y', ['v'])], {initializer}));
    expect(quantizedNodes).toEqual(['Conv_y']);
    expect(leftAlone).toEqual([{node: 'Conv_c', why: 'its weight or bias has NaN or infinity'}]);
    expect(steps(made)[0]).toBe('Conv x -> c_float');
  });

  test('convolutions inside branches', () => {
    const branch = graph({node: [conv('x', 'inner')], output: [value('inner', [1])]});
    const nodes = [
      node(
        'If',
        ['flag'],
        ['y'],
        [graphAttribute('then_branch', branch), graphAttribute('else_branch', branch)],
      ),
    ];
    expect(failureOf(around(nodes))).toContain(
      'its convolutions stand inside other nodes, such as Conv_inner',
    );
  });

  test('a model that has been quantized already, and one without anything to multiply', () => {
    expect(failureOf(around([conv('x', 'c'), node('QuantizeLinear', ['c', 's'], ['y'])]))).toContain(
      'already',
    );
    expect(failureOf(around([node('Relu', ['x'], ['y'])]))).toContain('no Conv, Gemm or MatMul');
  });

  test('a value without a range', () => {
    const {failure} = quantizeStatic({
      model: around([conv('x', 'y')]),
      readExternal: nowhere,
      cpu: 'any',
      keepFloat: new Set(),
      ranges: new Map([['x', ANY_RANGE]]),
    });
    expect(failure).toBe('no range was measured of y');
  });
});

describe('in ONNX Runtime', () => {
  let runtime: InRuntime;
  beforeAll(async () => {
    runtime = await openRuntime();
  });
  afterAll(() => runtime.close());

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

  test.each([13, 11])(
    'integer outputs of a convolution equal an integer reference, opset %i',
    async (version) => {
      const [x, y] = [
        {low: -1, high: 2},
        {low: -4, high: 6},
      ];
      const source = {...around([conv('x', 'y')]), opset_import: [{domain: '', version}]};
      const {model: made} = quantized(source, {x, y});
      const fed = row([1, IN, 5, 5], 9);
      const answer = elementsOf(await runtime.run(made, [fed]), 'y');

      // From the definition, sharing no code with thaw.
      const [scaleX, zeroX, scaleY, zeroY] = [Math.fround(3 / 255), 85, Math.fround(10 / 255), 102];
      const clamp = (number: number) => Math.max(0, Math.min(255, number));
      const bytes = (fed['x']!.data as number[]).map(
        (each) => clamp(Math.round(each / scaleX) + zeroX) - zeroX,
      );
      const expected: number[] = [];
      for (let out = 0; out < OUT; out++) {
        const own = [...kernel.subarray(out * IN * 9, (out + 1) * IN * 9)];
        const scaleW = Math.fround(Math.max(...own.map(Math.abs)) / 64);
        for (let row5 = 0; row5 < 5; row5++) {
          for (let column = 0; column < 5; column++) {
            let sum = Math.round(bias[out]! / (scaleX * scaleW));
            for (let at = 0; at < IN * 9; at++) {
              const [channel, dy, dx] = [Math.floor(at / 9), Math.floor((at % 9) / 3) - 1, (at % 3) - 1];
              const [h, w] = [row5 + dy, column + dx];
              if (h < 0 || h > 4 || w < 0 || w > 4) continue;
              sum += bytes[channel * 25 + h * 5 + w]! * Math.round(own[at]! / scaleW);
            }
            expected.push(clamp(Math.round((sum * scaleX * scaleW) / scaleY) + zeroY));
          }
        }
      }
      expect(answer.map((each) => Math.round(each / scaleY) + zeroY)).toEqual(expected);
      expect(new Set(expected).size).toBeGreaterThan(40);
    },
  );

  test('a network with pooling, a shortcut and a product answers close to the original', async () => {
    const source = model({
      node: [
        conv('x', 'c'),
        node('Relu', ['c'], ['r']),
        conv('r', 'd', ['v']),
        node('Add', ['d', 'r'], ['s']),
        node(
          'MaxPool',
          ['s'],
          ['p'],
          [intsAttribute('kernel_shape', [2, 2]), intsAttribute('strides', [1, 1])],
        ),
        node('Flatten', ['p'], ['t']),
        node('Gemm', ['t', 'g', 'gb'], ['y']),
      ],
      initializer: [
        ...around([]).graph!.initializer,
        makeTensor('g', [OUT * 16, 32], numbers(OUT * 16 * 32, 6)),
        makeTensor('gb', [32], numbers(32, 7)),
      ],
      input: [value('x', [1, IN, 5, 5])],
      output: [value('y', [1, 32])],
    });
    const result = quantizeStatic({
      model: source,
      readExternal: nowhere,
      cpu: 'any',
      keepFloat: new Set(),
      ranges: new Map([
        ['x', {low: -1, high: 1}],
        ['r', {low: 0, high: 5}],
        ['d', {low: -10, high: 10}],
        ['t', {low: -10, high: 12}],
      ]),
    });
    if (result.failure !== null) throw new Error(result.failure);
    expect(result.quantizedNodes).toEqual(['Conv_c', 'Conv_d', 'Gemm_y']);
    const rows = [row([1, IN, 5, 5], 9), row([1, IN, 5, 5], 10)];
    const [expected, answer] = [
      elementsOf(await runtime.run(source, rows), 'y'),
      elementsOf(await runtime.run(result.model, rows), 'y'),
    ];
    const noise = expected.reduce((sum, each, at) => sum + (answer[at]! - each) ** 2, 0);
    expect(noise / expected.reduce((sum, each) => sum + each ** 2, 0)).toBeLessThan(0.01);
    expect(answer).not.toEqual(expected);
  });

  test('a batch normalization is folded into the convolution before it', async () => {
    const normalization = ['scale', 'offset', 'mean', 'variance'];
    const parameters = normalization.map((name, at) =>
      makeTensor(
        name,
        [OUT],
        numbers(OUT, 30 + at).map((each) => (name === 'variance' ? each + 1.5 : each)),
      ),
    );
    const nodes = [
      conv('x', 'c', ['w']),
      node('BatchNormalization', ['c', ...normalization], ['t'], [floatAttribute('epsilon', 0.01)]),
      node('Relu', ['t'], ['y']),
    ];
    const source = around(nodes, {initializer: [makeTensor('w', [OUT, IN, 3, 3], kernel), ...parameters]});
    const {model: made, graph: folded} = quantized(
      source,
      {x: {low: -1, high: 1}, y: {low: 0, high: 4}},
      {cpu: 'vnni'},
    );
    expect(folded.node.map(operatorOf)).not.toContain('BatchNormalization');
    expect(folded.initializer.map(({name}) => name)).not.toContain('mean');
    const rows = [row([1, IN, 5, 5], 9)];
    const [expected, answer] = [
      elementsOf(await runtime.run(source, rows), 'y'),
      elementsOf(await runtime.run(made, rows), 'y'),
    ];
    for (const [at, each] of expected.entries()) expect(Math.abs(answer[at]! - each)).toBeLessThan(0.05);
    expect(Math.max(...expected)).toBeGreaterThan(0.5);
  });
});
