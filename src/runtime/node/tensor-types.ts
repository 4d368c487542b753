/** Element types as the Open Inference Protocol spells them. */
export type TensorType = keyof typeof ELEMENTS;

/** A named input or output of a model: one entry a dimension, a size or the symbol of one that may vary. */
export interface TensorInfo {
  readonly name: string;
  readonly type: TensorType;
  readonly shape: readonly (number | string)[];
}

/** What holds the elements of a tensor. FP16 lies in a Uint16Array as its bits, BYTES are strings. */
export type TensorData =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Float32Array
  | Float64Array
  | string[];

/** A tensor as a model takes and gives it. */
export interface Tensor {
  readonly type: TensorType;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** How an element type is named and numbered by ONNX Runtime, and what holds and checks its elements. */
export interface ElementType {
  readonly ort: string;
  readonly onnx: number;
  readonly make: (length: number) => TensorData;
  readonly kind: 'float' | 'half' | 'integer' | 'bigint' | 'boolean' | 'string';
  /** Inclusive range of the integers. */
  readonly min?: number | bigint;
  readonly max?: number | bigint;
}

const ELEMENTS = {
  BOOL: {ort: 'bool', onnx: 9, make: (n: number) => new Uint8Array(n), kind: 'boolean'},
  UINT8: {ort: 'uint8', onnx: 2, make: (n: number) => new Uint8Array(n), kind: 'integer', min: 0, max: 255},
  UINT16: {
    ort: 'uint16',
    onnx: 4,
    make: (n: number) => new Uint16Array(n),
    kind: 'integer',
    min: 0,
    max: 65_535,
  },
  UINT32: {
    ort: 'uint32',
    onnx: 12,
    make: (n: number) => new Uint32Array(n),
    kind: 'integer',
    min: 0,
    max: 4_294_967_295,
  },
  UINT64: {
    ort: 'uint64',
    onnx: 13,
    make: (n: number) => new BigUint64Array(n),
    kind: 'bigint',
    min: 0n,
    max: 18_446_744_073_709_551_615n,
  },
  INT8: {ort: 'int8', onnx: 3, make: (n: number) => new Int8Array(n), kind: 'integer', min: -128, max: 127},
  INT16: {
    ort: 'int16',
    onnx: 5,
    make: (n: number) => new Int16Array(n),
    kind: 'integer',
    min: -32_768,
    max: 32_767,
  },
  INT32: {
    ort: 'int32',
    onnx: 6,
    make: (n: number) => new Int32Array(n),
    kind: 'integer',
    min: -2_147_483_648,
    max: 2_147_483_647,
  },
  INT64: {
    ort: 'int64',
    onnx: 7,
    make: (n: number) => new BigInt64Array(n),
    kind: 'bigint',
    min: -9_223_372_036_854_775_808n,
    max: 9_223_372_036_854_775_807n,
  },
  FP16: {ort: 'float16', onnx: 10, make: (n: number) => new Uint16Array(n), kind: 'half'},
  FP32: {ort: 'float32', onnx: 1, make: (n: number) => new Float32Array(n), kind: 'float'},
  FP64: {ort: 'float64', onnx: 11, make: (n: number) => new Float64Array(n), kind: 'float'},
  BYTES: {ort: 'string', onnx: 8, make: (n: number) => Array.from({length: n}, () => ''), kind: 'string'},
} as const satisfies {readonly [name: string]: ElementType};

/** The element type behind a name. */
export const elementOf = (type: TensorType): ElementType => ELEMENTS[type];

/** The name of ONNX's number of an element type; undefined for those that no JSON can carry. */
export function typeOfOnnx(number: number): TensorType | undefined {
  return (Object.keys(ELEMENTS) as TensorType[]).find((type) => ELEMENTS[type].onnx === number);
}

/** The name of ONNX Runtime's name of an element type. */
export function typeOfOrt(name: string): TensorType | undefined {
  return (Object.keys(ELEMENTS) as TensorType[]).find((type) => ELEMENTS[type].ort === name);
}

/** Number of elements of a shape. */
export function sizeOfShape(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
