import {RequestFailure} from './failures.ts';
import {halfFromNumber} from './half.ts';
import {
  elementOf,
  sizeOfShape,
  type ElementType,
  type Tensor,
  type TensorData,
  type TensorInfo,
} from './tensor-types.ts';

/**
 * Turns what a caller gave into the model's input tensors: for each input `{data, shape}`, or an array, nested or
 * typed, whose shape is inferred. Every input must be given and nothing else; shapes and
 * types are checked against the model.
 *
 * @throws RequestFailure 422 that names the tensor
 */
export function tensorsFromFeeds(
  inputs: readonly TensorInfo[],
  feeds: {readonly [name: string]: unknown},
): {[name: string]: Tensor} {
  if (typeof feeds !== 'object' || feeds === null || Array.isArray(feeds)) {
    throw new RequestFailure(
      422,
      'WRONG_SHAPE',
      'the model is fed by an object with one member for each input',
    );
  }
  const stranger = Object.keys(feeds).find((name) => !inputs.some((input) => input.name === name));
  if (stranger !== undefined) {
    const known = inputs.map((input) => input.name).join(', ');
    throw new RequestFailure(
      422,
      'UNKNOWN_INPUT',
      `the model has no input ${stranger}; it has ${known}`,
      stranger,
    );
  }
  const tensors: {[name: string]: Tensor} = {};
  for (const input of inputs) tensors[input.name] = tensorFromFeed(input, feeds[input.name]);
  return tensors;
}

function tensorFromFeed(input: TensorInfo, feed: unknown): Tensor {
  if (feed === undefined || feed === null) {
    throw new RequestFailure(422, 'MISSING_INPUT', `input ${input.name} is missing`, input.name);
  }
  const given = unwrap(input, feed);
  const shape =
    given.shape ??
    (ArrayBuffer.isView(given.data) ? shapeOfFlat(input, given.data) : shapeOfNested(input, given.data));
  checkShape(input, shape);
  return {type: input.type, shape, data: elementsOf(input, given.data, shape)};
}

function unwrap(
  input: TensorInfo,
  feed: unknown,
): {data: ArrayBufferView | readonly unknown[]; shape?: readonly number[]} {
  if (isList(feed)) return {data: feed};
  const {data, shape} = feed as {data?: unknown; shape?: unknown};
  if (!isList(data) || !isShape(shape)) {
    throw new RequestFailure(
      422,
      'WRONG_SHAPE',
      `input ${input.name} must be an array, or an object with data and shape`,
      input.name,
    );
  }
  return {data, shape};
}

const isList = (value: unknown): value is ArrayBufferView | readonly unknown[] =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

const isShape = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);

/** The shape of a flat array: the model's, where at most one dimension is open and the length decides it. */
function shapeOfFlat(input: TensorInfo, data: ArrayBufferView): number[] {
  const {length} = data as Uint8Array;
  const open = input.shape.filter((size) => typeof size === 'string').length;
  const fixed = sizeOfShape(input.shape.filter((size) => typeof size === 'number'));
  if (open === 0) return input.shape as number[];
  if (open > 1 || fixed === 0 || length % fixed !== 0) {
    throw new RequestFailure(
      422,
      'WRONG_SHAPE',
      `input ${input.name} has ${length} elements, from which no shape ${showShape(input.shape)} follows`,
      input.name,
    );
  }
  return input.shape.map((size) => (typeof size === 'number' ? size : length / fixed));
}

/** The shape of nested arrays, as their first elements tell it. */
function shapeOfNested(input: TensorInfo, data: unknown): number[] {
  const shape: number[] = [];
  let level: unknown = data;
  while (isList(level)) {
    const list = level as readonly unknown[];
    shape.push(list.length);
    level = list[0];
    // Of an empty array the model alone can tell how deep it would be.
    if (list.length === 0)
      return shape.concat(input.shape.slice(shape.length).map((size) => Number(size) || 0));
  }
  return shape;
}

function checkShape(input: TensorInfo, shape: readonly number[]): void {
  const fits =
    shape.length === input.shape.length &&
    input.shape.every((size, axis) => typeof size === 'string' || size === shape[axis]);
  if (fits) return;
  throw new RequestFailure(
    422,
    'WRONG_SHAPE',
    `input ${input.name} has shape ${showShape(shape)}, the model takes ${showShape(input.shape)}`,
    input.name,
  );
}

/** A shape as people write it; of an absurd one, the beginning. */
export function showShape(shape: readonly (number | string)[]): string {
  const sizes = shape.slice(0, 8).map((size) => (size === '' ? '?' : size));
  return `[${sizes.join(', ')}${shape.length > sizes.length ? ', …' : ''}]`;
}

/** The elements in the array that ONNX Runtime takes, without a copy where they already lie in one. */
function elementsOf(
  input: TensorInfo,
  data: ArrayBufferView | readonly unknown[],
  shape: readonly number[],
): TensorData {
  const list = data as readonly unknown[];
  const size = sizeOfShape(shape);
  const structure = isList(list[0]) ? shape : [size];
  // Before memory is set aside: a small request may claim a huge shape.
  checkStructure(input, list, structure, shape);
  const target = elementOf(input.type).make(size);
  if (ArrayBuffer.isView(data) && data.constructor === target.constructor)
    return data as unknown as TensorData;
  fill(input, target as unknown[], 0, list, structure.length);
  return target;
}

/** Nested arrays must have the same length everywhere along an axis. */
function checkStructure(
  input: TensorInfo,
  list: readonly unknown[],
  structure: readonly number[],
  shape: readonly number[],
): void {
  const [length = 0, ...inner] = structure;
  if (list.length !== length) {
    throw new RequestFailure(
      422,
      'WRONG_SHAPE',
      `input ${input.name} has ${list.length} elements where its shape ${showShape(shape)} has ${length}`,
      input.name,
    );
  }
  if (inner.length === 0) return;
  for (const member of list) {
    if (!isList(member)) throw wrongElement(input, member);
    checkStructure(input, member as readonly unknown[], inner, shape);
  }
}

/** Writes elements nested so deep in order from a position on, and returns the position after them. */
function fill(
  input: TensorInfo,
  target: unknown[],
  from: number,
  list: readonly unknown[],
  depth: number,
): number {
  let at = from;
  if (depth > 1) {
    for (const member of list) at = fill(input, target, at, member as readonly unknown[], depth - 1);
    return at;
  }
  const element = elementOf(input.type);
  for (const member of list) {
    target[at] = elementFrom(input, element, member);
    at += 1;
  }
  return at;
}

function elementFrom(input: TensorInfo, {kind, min = 0, max = 0}: ElementType, value: unknown): unknown {
  switch (kind) {
    case 'float':
      if (typeof value === 'number') return value;
      break;
    case 'half':
      if (typeof value === 'number') return halfFromNumber(value);
      break;
    case 'integer':
      if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
      break;
    case 'bigint': {
      const whole = wholeNumber(value);
      if (whole !== null && whole >= min && whole <= max) return whole;
      break;
    }
    case 'boolean':
      if (value === true || value === 1) return 1;
      if (value === false || value === 0) return 0;
      break;
    case 'string':
      if (typeof value === 'string') return value;
      break;
  }
  throw wrongElement(input, value);
}

/** 64-bit integers come as numbers, or, beyond what JSON numbers carry exactly, as decimal strings. */
function wholeNumber(value: unknown): bigint | null {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
  if (typeof value === 'string' && /^-?[0-9]{1,20}$/.test(value)) return BigInt(value);
  return null;
}

function wrongElement(input: TensorInfo, value: unknown): RequestFailure {
  const shown = isList(value)
    ? 'an array'
    : (JSON.stringify(value, (_key, member: unknown) =>
        typeof member === 'bigint' ? String(member) : member,
      ) ?? 'undefined');
  return new RequestFailure(
    422,
    'WRONG_TYPE',
    `input ${input.name} takes ${input.type} elements, and one is ${shown.slice(0, 80)}`,
    input.name,
  );
}
