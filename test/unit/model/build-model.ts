import {concat} from '../../../src/model/codec.ts';
import {DATA_TYPE, encodeModel} from '../../../src/model/onnx.ts';
import type {
  AttributeProto,
  GraphProto,
  ModelProto,
  NodeProto,
  TensorProto,
  ValueInfoProto,
} from '../../../src/model/onnx.ts';

/** A value of some shape; FLOAT if no type is given. */
export function value(
  name: string,
  shape: readonly (number | string)[],
  type: number = DATA_TYPE.FLOAT,
): ValueInfoProto {
  const dim = shape.map((size) => (typeof size === 'number' ? {dim_value: size} : {dim_param: size}));
  return {name, type: {tensor_type: {elem_type: type, shape: {dim}}}};
}

/** A node of ONNX's own domain. */
export function node(
  op: string,
  input: readonly string[],
  output: readonly string[],
  attribute: readonly AttributeProto[] = [],
): NodeProto {
  return {op_type: op, name: `${op}_${output[0]}`, input, output, attribute};
}

const NO_LISTS = {floats: [], ints: [], strings: [], tensors: [], graphs: []};
export const intAttribute = (name: string, i: number): AttributeProto => ({...NO_LISTS, name, i, type: 2});
export const intsAttribute = (name: string, ints: readonly number[]): AttributeProto => ({
  ...NO_LISTS,
  name,
  ints,
  type: 7,
});
export const floatAttribute = (name: string, f: number): AttributeProto => ({...NO_LISTS, name, f, type: 1});
export const textAttribute = (name: string, text: string): AttributeProto => ({
  ...NO_LISTS,
  name,
  s: new TextEncoder().encode(text),
  type: 3,
});
export const tensorAttribute = (name: string, t: TensorProto): AttributeProto => ({
  ...NO_LISTS,
  name,
  t,
  type: 4,
});
export const graphAttribute = (name: string, g: GraphProto): AttributeProto => ({
  ...NO_LISTS,
  name,
  g,
  type: 5,
});

/** A graph of the given parts. */
export function graph(parts: Partial<GraphProto>): GraphProto {
  return {
    name: 'g',
    node: [],
    initializer: [],
    input: [],
    output: [],
    value_info: [],
    sparse_initializer: [],
    ...parts,
  };
}

/** A model of opset 17 around a graph. */
export function model(parts: Partial<GraphProto>, more: Partial<ModelProto> = {}): ModelProto {
  return {
    ir_version: 8,
    opset_import: [{domain: '', version: 17}],
    functions: [],
    graph: graph(parts),
    ...more,
  };
}

/** A model as the bytes of its file. */
export function bytesOf(proto: ModelProto): Uint8Array {
  return concat(encodeModel(proto));
}

/** Numbers that look random and are the same in every run. */
export function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({length: count}, () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 1_073_741_824 - 1;
  });
}
