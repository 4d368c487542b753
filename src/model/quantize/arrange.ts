import {DATA_TYPE, operatorOf} from '../onnx.ts';
import type {NodeProto} from '../onnx.ts';
import {elementCount, tensorValues} from '../tensor.ts';
import type {ReadExternal} from '../tensor.ts';
import {attributeOf} from './graph.ts';
import type {GraphIndex} from './graph.ts';

/** A tensor of floats. */
export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** What is at hand of a value: known floats or integers, or null. */
export interface KnownValues {
  floats(name: string): FloatTensor | null;
  integers(name: string): readonly number[] | null;
}

/** Gives the constants of a graph as numbers. */
export function knownValues({constants}: GraphIndex, readExternal: ReadExternal): KnownValues {
  return {
    floats(name) {
      const tensor = constants.get(name);
      if (tensor?.data_type !== DATA_TYPE.FLOAT) return null;
      return tensorValues(tensor, readExternal) as FloatTensor;
    },
    integers(name) {
      const tensor = constants.get(name);
      if (tensor?.data_type !== DATA_TYPE.INT64 && tensor?.data_type !== DATA_TYPE.INT32) return null;
      return Array.from(tensorValues(tensor, readExternal).data as ArrayLike<number | bigint>, Number);
    },
  };
}

/** What a node makes of known floats if it only cuts, joins or turns them; null if it does anything else. */
export function arrange(node: NodeProto, known: KnownValues): FloatTensor | null {
  const operator = operatorOf(node);
  if (operator === 'Concat') return concat(node, known);
  const given = known.floats(node.input[0] ?? '');
  if (given === null) return null;
  switch (operator) {
    case 'Identity':
      return given;
    case 'Unsqueeze':
      return unsqueeze(given, listOf(node, 'axes', 1, known));
    case 'Squeeze':
      return squeeze(given, listOf(node, 'axes', 1, known));
    case 'Transpose':
      return transpose(given, listOf(node, 'perm', Infinity, known));
    case 'Slice':
      return slice(node, given, known);
    default:
      return null;
  }
}

/** A list of integers that is an attribute, or in newer operator sets an input. */
function listOf(
  node: NodeProto,
  attribute: string,
  input: number,
  known: KnownValues,
): readonly number[] | null {
  const ints = attributeOf(node, attribute)?.ints;
  return ints ? ints.map(Number) : known.integers(node.input[input] ?? '');
}

const fromEnd = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

function unsqueeze({dims, data}: FloatTensor, axes: readonly number[] | null): FloatTensor | null {
  if (axes === null) return null;
  const rank = dims.length + axes.length;
  const added = new Set(axes.map((axis) => fromEnd(axis, rank)));
  const rest = [...dims];
  return {dims: Array.from({length: rank}, (_, axis) => (added.has(axis) ? 1 : rest.shift()!)), data};
}

function squeeze({dims, data}: FloatTensor, axes: readonly number[] | null): FloatTensor | null {
  if (axes === null) return null;
  const gone = new Set(axes.map((axis) => fromEnd(axis, dims.length)));
  return {dims: dims.filter((_, axis) => !gone.has(axis)), data};
}

function transpose({dims, data}: FloatTensor, perm: readonly number[] | null): FloatTensor {
  const order = perm ?? dims.map((_, axis) => dims.length - 1 - axis);
  const strides = dims.map((_, axis) => elementCount(dims.slice(axis + 1)));
  const turned = order.map((axis) => dims[axis]!);
  const made = new Float32Array(data.length);
  const place = turned.map(() => 0);
  let from = 0;
  for (let at = 0; at < made.length; at++) {
    made[at] = data[from]!;
    // The next place, the last axis first.
    for (let axis = turned.length - 1; axis >= 0; axis--) {
      from += strides[order[axis]!]!;
      if (++place[axis]! < turned[axis]!) break;
      from -= strides[order[axis]!]! * turned[axis]!;
      place[axis] = 0;
    }
  }
  return {dims: turned, data: made};
}

function slice(node: NodeProto, given: FloatTensor, known: KnownValues): FloatTensor | null {
  const [starts, ends] = [listOf(node, 'starts', 1, known), listOf(node, 'ends', 2, known)];
  if (starts === null || ends === null) return null;
  const hasAxes = attributeOf(node, 'axes') !== undefined || (node.input[3] ?? '') !== '';
  const axes = hasAxes ? listOf(node, 'axes', 3, known) : starts.map((_, axis) => axis);
  const steps = (node.input[4] ?? '') === '' ? [] : known.integers(node.input[4]!);
  if (axes === null || steps === null || steps.some((step) => step !== 1)) return null;
  return axes.reduce((tensor, axis, at) => cut(tensor, axis, starts[at]!, ends[at]!), given);
}

/** A part of a tensor along one axis; ends beyond the axis mean its end. */
function cut({dims, data}: FloatTensor, axisOrEnd: number, start: number, end: number): FloatTensor {
  const axis = fromEnd(axisOrEnd, dims.length);
  const size = dims[axis]!;
  const within = (at: number): number => Math.max(0, Math.min(size, fromEnd(at, size)));
  const from = within(start);
  const length = Math.max(0, within(end) - from);
  const inner = elementCount(dims.slice(axis + 1));
  const outer = elementCount(dims.slice(0, axis));
  const made = new Float32Array(outer * length * inner);
  for (let at = 0; at < outer; at++) {
    const first = (at * size + from) * inner;
    made.set(data.subarray(first, first + length * inner), at * length * inner);
  }
  return {dims: dims.with(axis, length), data: made};
}

function concat(node: NodeProto, known: KnownValues): FloatTensor | null {
  const parts = node.input.map((name) => known.floats(name)).filter((part) => part !== null);
  const [first] = parts;
  if (!first || parts.length < node.input.length) return null;
  const axis = fromEnd(Number(attributeOf(node, 'axis')?.i ?? 0), first.dims.length);
  const outer = elementCount(first.dims.slice(0, axis));
  const widths = parts.map(({data}) => data.length / outer);
  const width = widths.reduce((sum, each) => sum + each, 0);
  const made = new Float32Array(outer * width);
  let left = 0;
  for (const [part, {data}] of parts.entries()) {
    const own = widths[part]!;
    for (let at = 0; at < outer; at++) made.set(data.subarray(at * own, (at + 1) * own), at * width + left);
    left += own;
  }
  const size = parts.reduce((sum, {dims}) => sum + dims[axis]!, 0);
  return {dims: first.dims.with(axis, size), data: made};
}
