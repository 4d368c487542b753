import {assert, float, property} from 'fast-check';
import {describe, expect, it} from 'vitest';
import {RequestFailure} from '../../../src/runtime/node/failures.ts';
import {tensorsFromFeeds} from '../../../src/runtime/node/feeds.ts';
import {halfFromNumber, numberFromHalf} from '../../../src/runtime/node/half.ts';
import {jsonElements, renderJson} from '../../../src/runtime/node/tensor-json.ts';
import type {TensorInfo, TensorType} from '../../../src/runtime/node/tensor-types.ts';

const input = (type: TensorType, ...shape: (number | string)[]): TensorInfo => ({name: 'x', type, shape});
const tensorOf = (info: TensorInfo, feed: unknown) => tensorsFromFeeds([info], {x: feed})['x'];

function failureOf(info: TensorInfo, feeds: {[name: string]: unknown}): RequestFailure {
  try {
    tensorsFromFeeds([info], feeds);
  } catch (error) {
    if (error instanceof RequestFailure) return error;
    throw error;
  }
  throw new Error('the feeds were taken');
}

describe('shapes', () => {
  it('follow from nested arrays', () => {
    const tensor = tensorOf(input('FP32', 'batch', 2), [
      [1, 2],
      [3, 4],
      [5, 6],
    ]);
    expect(tensor).toEqual({type: 'FP32', shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6)});
  });

  it('follow from the length of a typed array where one dimension is open, and no copy is made', () => {
    const data = new Float32Array(12);
    const tensor = tensorOf(input('FP32', 'batch', 4), data);
    expect(tensor?.shape).toEqual([3, 4]);
    expect(tensor?.data).toBe(data);
  });

  it('may be given with flat or with nested data', () => {
    const flat = tensorOf(input('INT32', 2, 2), {shape: [2, 2], data: [1, 2, 3, 4]});
    const nested = tensorOf(input('INT32', 2, 2), {
      shape: [2, 2],
      data: [
        [1, 2],
        [3, 4],
      ],
    });
    expect(flat).toEqual(nested);
  });

  it('of no rows at all are a shape too', () => {
    expect(tensorOf(input('FP32', 'batch', 4), [])?.shape).toEqual([0, 4]);
    expect(tensorOf(input('FP32'), {shape: [], data: [7]})).toEqual({
      type: 'FP32',
      shape: [],
      data: Float32Array.of(7),
    });
  });

  it.each([
    ['another size', [[1, 2, 3]], 'shape [1, 3], the model takes [batch, 2]'],
    ['another rank', [1, 2], 'shape [2], the model takes [batch, 2]'],
    ['ragged rows', [[1, 2], [3]], 'has 1 elements where its shape [2, 2] has 2'],
    ['an array among elements', [[1, [2]]], 'takes FP32 elements, and one is an array'],
    ['an element among rows', [[1, 2], 3], 'takes FP32 elements, and one is 3'],
    ['a length that no shape has', new Float32Array(3), 'has 3 elements, from which no shape'],
    [
      'fewer elements than its shape',
      {shape: [1, 2], data: [1]},
      'has 1 elements where its shape [1, 2] has 2',
    ],
    [
      'a shape of nonsense',
      {shape: [-1, 2], data: [1, 2]},
      'must be an array, or an object with data and shape',
    ],
    ['a claim beyond all memory', {shape: [1e9, 2], data: [[1, 2]]}, 'has 1 elements where'],
    ['no array', 'abc', 'must be an array, or an object with data and shape'],
  ])('with %s are refused by name', (_what, feed, words) => {
    const failure = failureOf(input('FP32', 'batch', 2), {x: feed});
    expect(failure).toMatchObject({status: 422, tensor: 'x'});
    expect(failure.message).toContain(words);
  });

  it('nested a million deep end in a short refusal', () => {
    let feed: unknown = 1;
    for (let depth = 0; depth < 1_000_000; depth += 1) feed = [feed];
    expect(failureOf(input('FP32', 'batch', 2), {x: feed}).message.length).toBeLessThan(200);
  });

  it('name what is missing and what is unknown', () => {
    expect(failureOf(input('FP32', 1), {})).toMatchObject({code: 'MISSING_INPUT', tensor: 'x'});
    expect(failureOf(input('FP32', 1), {x: [1], y: [1]})).toMatchObject({code: 'UNKNOWN_INPUT', tensor: 'y'});
  });
});

describe('elements', () => {
  it.each<[TensorType, unknown[], unknown]>([
    ['BOOL', [true, false, 1, 0], Uint8Array.of(1, 0, 1, 0)],
    ['UINT8', [0, 255], Uint8Array.of(0, 255)],
    ['UINT16', [65_535], Uint16Array.of(65_535)],
    ['UINT32', [4_294_967_295], Uint32Array.of(4_294_967_295)],
    ['UINT64', ['18446744073709551615'], BigUint64Array.of(18_446_744_073_709_551_615n)],
    ['INT8', [-128, 127], Int8Array.of(-128, 127)],
    ['INT16', [-32_768], Int16Array.of(-32_768)],
    ['INT32', [-2_147_483_648], Int32Array.of(-2_147_483_648)],
    ['INT64', [-1, '9223372036854775807'], BigInt64Array.of(-1n, 9_223_372_036_854_775_807n)],
    ['FP16', [1, -2], Uint16Array.of(0x3c00, 0xc000)],
    ['FP64', [0.1], Float64Array.of(0.1)],
    ['BYTES', ['ä', ''], ['ä', '']],
  ])('of %s are taken as JSON writes them', (type, elements, data) => {
    expect(tensorOf(input(type, elements.length), elements)?.data).toEqual(data);
  });

  it.each<[TensorType, unknown]>([
    ['FP32', null],
    ['FP32', '1'],
    ['FP32', true],
    ['FP16', null],
    ['UINT8', 256],
    ['INT8', -129],
    ['INT32', 1.5],
    ['INT64', 2 ** 53],
    ['INT64', '9223372036854775808'],
    ['UINT64', -1],
    ['BOOL', 2],
    ['BYTES', 5],
  ])('of %s refuse %j by name', (type, element) => {
    const failure = failureOf(input(type, 1), {x: [element]});
    expect(failure).toMatchObject({status: 422, code: 'WRONG_TYPE', tensor: 'x'});
  });

  it('in a typed array of another class are converted, and checked', () => {
    expect(tensorOf(input('FP32', 2), Float64Array.of(1, 2))?.data).toEqual(Float32Array.of(1, 2));
    expect(tensorOf(input('INT64', 2), Int32Array.of(1, 2))?.data).toEqual(BigInt64Array.of(1n, 2n));
    expect(failureOf(input('UINT8', 1), {x: Int32Array.of(256)}).code).toBe('WRONG_TYPE');
  });

  it('go out as JSON again', () => {
    const out = (type: TensorType, data: never) => jsonElements({type, shape: [data['length']], data});
    expect(out('BOOL', Uint8Array.of(1, 0) as never)).toEqual([true, false]);
    expect(out('INT64', BigInt64Array.of(5n, 2n ** 60n) as never)).toEqual([5, '1152921504606846976']);
    expect(out('FP16', Uint16Array.of(0x3c00, 0x7c00) as never)).toEqual([1, Infinity]);
    expect(out('BYTES', ['ä'] as never)).toEqual(['ä']);
  });

  it('inside any answer are rendered as plain arrays and exact integers', () => {
    const answer = {scores: Float32Array.of(0.5, 1), id: 2n ** 60n, ids: BigInt64Array.of(3n)};
    expect(renderJson(answer)).toBe('{"scores":[0.5,1],"id":"1152921504606846976","ids":[3]}');
    expect(renderJson(undefined)).toBeUndefined();
  });
});

describe('half precision', () => {
  it('gives every half back', () => {
    for (let half = 0; half < 0x10000; half += 1) {
      const number = numberFromHalf(half);
      if (Number.isNaN(number)) continue;
      expect(halfFromNumber(number)).toBe(half);
    }
  });

  it('rounds to the nearest half, ties to even', () => {
    expect(halfFromNumber(1 + 2 ** -11)).toBe(0x3c00);
    expect(halfFromNumber(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(halfFromNumber(65_519)).toBe(0x7bff);
    expect(halfFromNumber(65_520)).toBe(0x7c00);
    expect(numberFromHalf(halfFromNumber(NaN))).toBeNaN();
    assert(
      property(float({noNaN: true, min: -65_000, max: 65_000}), (value) => {
        const half = halfFromNumber(value);
        const error = Math.abs(numberFromHalf(half) - value);
        for (const neighbour of [half - 1, half + 1]) {
          const other = numberFromHalf(neighbour & 0xffff);
          if (Number.isFinite(other)) expect(error).toBeLessThanOrEqual(Math.abs(other - value));
        }
      }),
    );
  });
});
