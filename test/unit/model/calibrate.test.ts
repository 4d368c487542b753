import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {Row} from '../../../src/model/calibration.ts';
import type {ModelProto} from '../../../src/model/onnx.ts';
import {calibrate, CALIBRATORS} from '../../../src/model/quantize/calibrate.ts';
import type {Calibrator} from '../../../src/model/quantize/calibrate.ts';
import {entropyRange} from '../../../src/model/quantize/calibrate/entropy.ts';
import {minMaxRange} from '../../../src/model/quantize/calibrate/min-max.ts';
import {percentileRange} from '../../../src/model/quantize/calibrate/percentile.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {intsAttribute, model, node, numbers, value} from './build-model.ts';
import {openRuntime} from './in-runtime.ts';
import type {InRuntime} from './in-runtime.ts';

/** A histogram over [low, high] of 2048 bins, of which some have something in them. */
function histogram(low: number, high: number, filled: {readonly [bin: number]: number}) {
  const counts = new Float64Array(2048);
  for (const [bin, count] of Object.entries(filled)) counts[Number(bin)] = count;
  return {range: {low, high}, counts};
}

test('min-max takes all there is', () => {
  expect(
    minMaxRange([
      {low: -1, high: 2},
      {low: 0.5, high: 7},
      {low: -3, high: -2},
    ]),
  ).toEqual({low: -3, high: 7});
});

describe('percentile', () => {
  test('cuts off no more than half its share at each end', () => {
    // 1000 elements, of which 5 may go at each end: 2 + 3 below; 4 above, but not the 2 next to them.
    const counts = histogram(-1024, 1024, {0: 2, 100: 3, 1000: 988 - 1, 2000: 2, 2047: 4, 1500: 2});
    expect(percentileRange(counts, 0.01)).toEqual({low: -24, high: 977});
  });

  test('keeps everything where nothing is rare', () => {
    expect(percentileRange(histogram(0, 2048, {0: 50, 2047: 50}))).toEqual({low: 0, high: 2048});
  });

  test('keeps a bin even if all may go', () => {
    const {low, high} = percentileRange(histogram(0, 2048, {7: 5}), 1);
    expect(high - low).toBe(1);
  });
});

describe('entropy', () => {
  test('cuts off a lone outlier where everything else fits the levels', () => {
    const dense = Object.fromEntries(Array.from({length: 256}, (_, bin) => [bin, 100]));
    expect(entropyRange(histogram(0, 2048, {...dense, 2047: 1}))).toEqual({low: 0, high: 256});
  });

  test('shrinks both sides by the same share, towards zero', () => {
    // Zero is at a quarter of the range, so 64 of 256 bins below it are left.
    const dense = Object.fromEntries(Array.from({length: 256}, (_, bin) => [512 - 64 + bin, 100]));
    expect(entropyRange(histogram(-512, 1536, {...dense, 0: 1, 2047: 1}))).toEqual({low: -64, high: 192});
  });

  test('keeps everything where all of it counts the same', () => {
    const all = Object.fromEntries(Array.from({length: 2048}, (_, bin) => [bin, 10]));
    expect(entropyRange(histogram(0, 2048, all))).toEqual({low: 0, high: 2048});
  });
});

describe('in ONNX Runtime', () => {
  let runtime: InRuntime;
  beforeAll(async () => {
    runtime = await openRuntime();
  });
  afterAll(() => runtime.close());

  const calibrated = (proto: ModelProto, rows: readonly Row[], calibrator: Calibrator = 'min-max') =>
    calibrate({
      source: {path: 'nowhere.onnx', proto},
      rows,
      calibrator,
      probe: runtime.probe,
      dir: runtime.dir,
      signal: new AbortController().signal,
    });

  const [WIDTH, ROWS] = [32, 8];
  /** x [rows, WIDTH] through a product. */
  const product = model({
    node: [node('MatMul', ['x', 'w'], ['y'])],
    initializer: [makeTensor('w', [WIDTH, 32], numbers(WIDTH * 32, 2))],
    input: [value('x', ['rows', WIDTH])],
    output: [value('y', ['rows', 32])],
  });

  test('one fixture with outliers, three ranges', async () => {
    // 204,800 elements over eight rows: 800 each of 0, 1/256 … 255/256, but for three of 2 and one of 8. A range of
    // [0, 8] has 2048 bins of 1/256, so each number has a bin of its own.
    const elements = Array.from({length: 204_800}, (_, at) => (at % 256) / 256);
    elements[5] = 8;
    for (const at of [70_000, 140_000, 200_000]) elements[at] = 2;
    const size = elements.length / ROWS;
    const rows = Array.from({length: ROWS}, (_, row): Row => {
      return {x: {shape: [size / WIDTH, WIDTH], data: elements.slice(row * size, (row + 1) * size)}};
    });
    const ranges = [];
    for (const calibrator of CALIBRATORS) {
      const result = await calibrated(product, rows, calibrator);
      ranges.push(result.failure ?? [...result.ranges]);
    }
    expect(ranges).toEqual([
      // Everything.
      [['x', {low: 0, high: 8}]],
      // At each end 204,800 × 10⁻⁵ / 2 = 1.024 elements may go: the 8 does, the three of 2 stay, up to their bin's end.
      [['x', {low: 0, high: 2 + 1 / 256}]],
      // 256 levels tell the 256 numbers below 1 apart, every one. With the four outliers drawn to the last of them it
      // has 804 for 800, which tells next to nothing wrong; any wider range has outliers where hardly anything else is.
      [['x', {low: 0, high: 1}]],
    ]);
    expect(await runtime.files()).toEqual([]);
  });

  test('values inside the network, over all rows; an activation behind its convolution', async () => {
    const source = model({
      node: [
        node('Conv', ['x', 'k'], ['c']),
        node('Relu', ['c'], ['r']),
        node('MaxPool', ['r'], ['p'], [intsAttribute('kernel_shape', [1, 2])]),
        node('Conv', ['p', 'k'], ['y']),
      ],
      initializer: [makeTensor('k', [1, 1, 1, 1], Float32Array.of(-2))],
      input: [value('x', [1, 1, 1, 4])],
      output: [value('y', [1, 1, 1, 'w'])],
    });
    const rows = [
      [1, -3, 0.5, 2],
      [-1, 4, 0, 0],
    ].map((data): Row => ({x: {shape: [1, 1, 1, 4], data}}));
    const result = await calibrated(source, rows);
    if (result.failure !== null) throw new Error(result.failure);
    // x; r = max(0, -2x); p of pairs; y = -2p.
    expect(Object.fromEntries(result.ranges)).toEqual({
      x: {low: -3, high: 4},
      r: {low: 0, high: 6},
      p: {low: 0, high: 6},
      y: {low: -12, high: 0},
    });
  });

  test('what the largest element stands for is not lost, however many there are of it', async () => {
    const rows = [{x: {shape: [1, WIDTH], data: Array.from({length: WIDTH}, (_, at) => (at % 2) * 8)}}];
    for (const calibrator of CALIBRATORS) {
      expect(await calibrated(product, rows, calibrator)).toEqual({
        failure: null,
        ranges: new Map([['x', {low: 0, high: 8}]]),
      });
    }
  });

  test('a value that is the same everywhere needs no histogram', async () => {
    const rows = [{x: {shape: [1, WIDTH], data: Array<number>(WIDTH).fill(0)}}];
    for (const calibrator of CALIBRATORS) {
      expect(await calibrated(product, rows, calibrator)).toEqual({
        failure: null,
        ranges: new Map([['x', {low: 0, high: 0}]]),
      });
    }
  });

  test('an old operator set is lifted; one that is too old is refused', async () => {
    const rows = [{x: {shape: [1, WIDTH], data: [...numbers(WIDTH)]}}];
    const opset = (version: number) => ({...product, opset_import: [{domain: '', version}]});
    for (const calibrator of CALIBRATORS) {
      expect((await calibrated(opset(7), rows, calibrator)).failure).toBeNull();
      expect((await calibrated(opset(6), rows, calibrator)).failure).toContain('opset 6 is too old');
    }
  });

  test('what is not finite is named, with its row', async () => {
    const source = {
      ...product,
      graph: {...product.graph!, node: [node('Log', ['x'], ['l']), node('MatMul', ['l', 'w'], ['y'])]},
    };
    const rows = [1, 0].map((first) => ({
      x: {shape: [1, WIDTH], data: [first, ...Array<number>(WIDTH - 1).fill(1)]},
    }));
    expect((await calibrated(source, rows)).failure).toBe('l has NaN or infinity in row 2');
    expect(await runtime.files()).toEqual([]);
  });

  test('rows that the model fails on, and no rows', async () => {
    const rows = [{x: {shape: [1, 3], data: [1, 2, 3]}}];
    expect((await calibrated(product, rows)).failure).toContain('it cannot be calibrated: ');
    expect((await calibrated(product, [])).failure).toBe('there are no rows to calibrate with');
    expect(await runtime.files()).toEqual([]);
  });
});
