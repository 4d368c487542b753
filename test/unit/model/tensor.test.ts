import {expect, test} from 'vitest';
import {decodeModel, DATA_TYPE} from '../../../src/model/onnx.ts';
import type {TensorProto} from '../../../src/model/onnx.ts';
import {makeTensor, tensorValues} from '../../../src/model/tensor.ts';
import {bytesOf, model} from './build-model.ts';

const nowhere = (): Uint8Array => {
  throw new Error('no external data here');
};
const empty = (type: number, dims: number[]): TensorProto => {
  const {raw_data: _, ...tensor} = makeTensor('t', dims, new Float32Array());
  return {...tensor, data_type: type};
};
const run = (...bytes: number[]) => [{wire: 2 as const, bytes: Uint8Array.from(bytes)}];

test.each([
  new Float32Array([1.5, -2]),
  new Float64Array([1e300, 0]),
  new Int8Array([-128, 127]),
  new Uint8Array([0, 255]),
  new Int32Array([-1, 2 ** 31 - 1]),
  new BigInt64Array([-1n, 2n ** 63n - 1n]),
])('%s goes into a model and comes back', (data) => {
  const written = bytesOf(model({initializer: [makeTensor('x'.repeat(3), [2], data)]}));
  const tensor = decodeModel(written).graph!.initializer[0]!;
  expect(tensorValues(tensor, nowhere)).toEqual({dims: [2], data});
});

test('numbers are read from the fields of their types', () => {
  const floats = {
    ...empty(DATA_TYPE.FLOAT, [2]),
    float_data: [...run(0, 0, 0x80, 0x3f), {wire: 5 as const, bytes: Uint8Array.of(0, 0, 0, 0x40)}],
  };
  expect(tensorValues(floats, nowhere).data).toEqual(new Float32Array([1, 2]));
  // 16-bit halves lie in int32_data as their bits: 0x3c00 is 1.
  const halves = {...empty(DATA_TYPE.FLOAT16, [1]), int32_data: run(0x80, 0x78)};
  expect(tensorValues(halves, nowhere).data).toEqual(new Uint16Array([0x3c00]));
  const negative = {
    ...empty(DATA_TYPE.INT8, [1]),
    int32_data: run(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
  };
  expect(tensorValues(negative, nowhere).data).toEqual(new Int8Array([-1]));
  const wide = {...empty(DATA_TYPE.INT64, [2]), int64_data: run(5, 6)};
  expect(tensorValues(wide, nowhere).data).toEqual(new BigInt64Array([5n, 6n]));
});

test('external data is asked for', () => {
  const outside = {...empty(DATA_TYPE.UINT8, [3]), data_location: 1};
  expect(tensorValues(outside, () => Uint8Array.of(7, 8, 9)).data).toEqual(Uint8Array.of(7, 8, 9));
});

test('values that do not fit the shape are refused, by the name of the tensor', () => {
  expect(() => tensorValues(makeTensor('w', [3], new Float32Array(2)), nowhere)).toThrow(
    'tensor w has 2 values, its shape [3] needs 3',
  );
  expect(() => tensorValues(makeTensor('w', [-1], new Float32Array(2)), nowhere)).toThrow('tensor w');
  expect(() => tensorValues(empty(DATA_TYPE.STRING, [1]), nowhere)).toThrow('element type 8');
});
