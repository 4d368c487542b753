import {ThawError} from '../core/errors.ts';
import {decodeIntegers, fixedBytes, WireError} from './codec.ts';
import type {Int64} from './codec.ts';
import {DATA_TYPE, EXTERNAL} from './onnx.ts';
import type {TensorProto} from './onnx.ts';

/** What holds a tensor's elements. FLOAT16 lies in a Uint16Array as its bits, BOOL in a Uint8Array. */
export type TensorArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A tensor's shape and elements, row by row. */
export interface TensorValues {
  readonly dims: readonly number[];
  readonly data: TensorArray;
}

/** Gives the bytes of a tensor that are kept outside the model file. */
export type ReadExternal = (tensor: TensorProto) => Uint8Array;

/** Where a tensor's bytes lie outside the model file. */
export interface ExternalPlace {
  /** As the model writes it: relative to the model's folder. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

interface ElementKind {
  readonly width: number;
  /** Makes the array over a part of a buffer, which must be aligned to the width. */
  readonly over: (buffer: ArrayBufferLike, offset: number, count: number) => TensorArray;
  /** Of a list of integers, for the types that may lie in `int32_data`, `int64_data` or `uint64_data`. */
  readonly of?: (values: readonly Int64[]) => TensorArray;
}

const numbers = (values: readonly Int64[]): number[] => values.map(Number);
const bigints = (values: readonly Int64[]): bigint[] => values.map(BigInt);

// Raw data is little-endian, as is every machine that thaw runs on.
const KINDS = new Map<number, ElementKind>([
  [DATA_TYPE.FLOAT, {width: 4, over: (b, o, n) => new Float32Array(b, o, n)}],
  [DATA_TYPE.DOUBLE, {width: 8, over: (b, o, n) => new Float64Array(b, o, n)}],
  [
    DATA_TYPE.INT8,
    {width: 1, over: (b, o, n) => new Int8Array(b, o, n), of: (v) => Int8Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.UINT8,
    {width: 1, over: (b, o, n) => new Uint8Array(b, o, n), of: (v) => Uint8Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.BOOL,
    {width: 1, over: (b, o, n) => new Uint8Array(b, o, n), of: (v) => Uint8Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.INT16,
    {width: 2, over: (b, o, n) => new Int16Array(b, o, n), of: (v) => Int16Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.UINT16,
    {width: 2, over: (b, o, n) => new Uint16Array(b, o, n), of: (v) => Uint16Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.FLOAT16,
    {width: 2, over: (b, o, n) => new Uint16Array(b, o, n), of: (v) => Uint16Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.INT32,
    {width: 4, over: (b, o, n) => new Int32Array(b, o, n), of: (v) => Int32Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.UINT32,
    {width: 4, over: (b, o, n) => new Uint32Array(b, o, n), of: (v) => Uint32Array.from(numbers(v))},
  ],
  [
    DATA_TYPE.INT64,
    {width: 8, over: (b, o, n) => new BigInt64Array(b, o, n), of: (v) => BigInt64Array.from(bigints(v))},
  ],
  [
    DATA_TYPE.UINT64,
    {width: 8, over: (b, o, n) => new BigUint64Array(b, o, n), of: (v) => BigUint64Array.from(bigints(v))},
  ],
]);

/**
 * A tensor's dimensions as numbers.
 *
 * @throws ThawError MODEL_INVALID if one is negative or absurdly large
 */
function dimsOf(tensor: TensorProto): number[] {
  return tensor.dims.map((size) => {
    if (typeof size === 'number' && size >= 0) return size;
    throw invalid(tensor, `has the size ${size} in its shape`);
  });
}

/** How many elements a shape has: 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  return dims.reduce((product, size) => product * size, 1);
}

/** How many bytes a tensor's elements take in `raw_data`; null for types of no fixed width that thaw knows. */
export function rawBytesOf(tensor: TensorProto): number | null {
  const kind = KINDS.get(Number(tensor.data_type ?? 0));
  return kind ? elementCount(dimsOf(tensor)) * kind.width : null;
}

/**
 * Reads a tensor's elements, from wherever the format lets them lie. The array may be a view into the model's own
 * bytes: not to be written to.
 *
 * @throws ThawError MODEL_INVALID if the elements are not as many as the shape says, MODEL_UNSUPPORTED for strings
 *   and for element types that thaw does not know
 */
export function tensorValues(tensor: TensorProto, readExternal: ReadExternal): TensorValues {
  const type = Number(tensor.data_type ?? 0);
  const kind = KINDS.get(type);
  if (!kind) throw unsupported(tensor, type);
  const dims = dimsOf(tensor);
  const count = elementCount(dims);
  const data = elementsOf(tensor, type, kind, readExternal);
  if (data.length !== count) {
    throw invalid(tensor, `has ${data.length} values, its shape [${dims.join(', ')}] needs ${count}`);
  }
  return {dims, data};
}

function elementsOf(
  tensor: TensorProto,
  type: number,
  kind: ElementKind,
  readExternal: ReadExternal,
): TensorArray {
  if (isExternal(tensor)) return viewOf(readExternal(tensor), kind);
  if (tensor.raw_data) return viewOf(tensor.raw_data, kind);
  try {
    if (type === DATA_TYPE.FLOAT) return viewOf(fixedBytes(tensor.float_data, 4), kind);
    if (type === DATA_TYPE.DOUBLE) return viewOf(fixedBytes(tensor.double_data, 8), kind);
    const runs =
      type === DATA_TYPE.INT64
        ? tensor.int64_data
        : type === DATA_TYPE.UINT32 || type === DATA_TYPE.UINT64
          ? tensor.uint64_data
          : tensor.int32_data;
    if (!kind.of) throw unsupported(tensor, type);
    return kind.of(decodeIntegers(runs));
  } catch (error) {
    if (error instanceof WireError) throw invalid(tensor, error.message, error);
    throw error;
  }
}

/** The elements in some bytes, without a copy where they are aligned. */
function viewOf(bytes: Uint8Array, {width, over}: ElementKind): TensorArray {
  const aligned = bytes.byteOffset % width === 0 ? bytes : new Uint8Array(bytes);
  return over(aligned.buffer, aligned.byteOffset, Math.floor(bytes.length / width));
}

const TYPE_OF_ARRAY = new Map<string, number>([
  ['Float32Array', DATA_TYPE.FLOAT],
  ['Float64Array', DATA_TYPE.DOUBLE],
  ['Int8Array', DATA_TYPE.INT8],
  ['Uint8Array', DATA_TYPE.UINT8],
  ['Int16Array', DATA_TYPE.INT16],
  ['Uint16Array', DATA_TYPE.UINT16],
  ['Int32Array', DATA_TYPE.INT32],
  ['Uint32Array', DATA_TYPE.UINT32],
  ['BigInt64Array', DATA_TYPE.INT64],
  ['BigUint64Array', DATA_TYPE.UINT64],
]);

/** Makes a tensor over an array's own memory. Its element type follows from the array. */
export function makeTensor(name: string, dims: readonly number[], data: TensorArray): TensorProto {
  return {
    name,
    dims,
    data_type: TYPE_OF_ARRAY.get(data.constructor.name)!,
    raw_data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    float_data: [],
    int32_data: [],
    string_data: [],
    int64_data: [],
    double_data: [],
    uint64_data: [],
    external_data: [],
  };
}

/** Whether a tensor's elements lie in another file. */
export function isExternal(tensor: TensorProto): boolean {
  return tensor.data_location === EXTERNAL;
}

/**
 * Where an external tensor's bytes lie. A length that the model does not give follows from the shape.
 *
 * @throws ThawError MODEL_INVALID
 */
export function externalPlace(tensor: TensorProto): ExternalPlace {
  const entry = (key: string): string | undefined =>
    tensor.external_data.findLast((candidate) => candidate.key === key)?.value;
  const location = entry('location') ?? '';
  if (location === '') throw invalid(tensor, 'is kept in external data, but no file is named');
  const byteCount = (key: string, otherwise: number): number => {
    const text = entry(key);
    if (text === undefined || text === '') return otherwise;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value)) throw invalid(tensor, `has the external ${key} "${text}"`);
    return value;
  };
  return {location, offset: byteCount('offset', 0), length: byteCount('length', rawBytesOf(tensor) ?? 0)};
}

/** The same tensor with its bytes inside the model file. */
export function withInlineData(tensor: TensorProto, readExternal: ReadExternal): TensorProto {
  if (!isExternal(tensor)) return tensor;
  const {data_location: _, ...inline} = tensor;
  return {...inline, external_data: [], raw_data: readExternal(tensor)};
}

/** The same tensor with its bytes at a place outside the model file. */
export function withExternalData(tensor: TensorProto, place: ExternalPlace): TensorProto {
  const {raw_data: _, ...outside} = tensor;
  const external_data = Object.entries(place).map(([key, value]) => ({key, value: String(value)}));
  return {...outside, data_location: EXTERNAL, external_data};
}

const invalid = (tensor: TensorProto, what: string, cause?: unknown): ThawError =>
  new ThawError('MODEL_INVALID', `tensor ${tensor.name ?? ''} ${what}`, {tensor: tensor.name ?? ''}, {cause});

const unsupported = (tensor: TensorProto, type: number): ThawError =>
  new ThawError('MODEL_UNSUPPORTED', `tensor ${tensor.name ?? ''} has element type ${type}`, {
    tensor: tensor.name ?? '',
  });
