/**
 * ONNX's messages, as far as thaw touches them, under the names and numbers of the published `onnx.proto`. What is
 * not listed here (documentation, metadata, training info, newer fields) travels through as unknown fields.
 */
import {decode, defineSchema, encode} from './codec.ts';
import type {Int64, Message, NumberRun, Schema} from './codec.ts';

export interface ModelProto extends Message {
  ir_version?: Int64;
  opset_import: readonly OperatorSetIdProto[];
  graph?: GraphProto;
  functions: readonly FunctionProto[];
}

export interface OperatorSetIdProto extends Message {
  domain?: string;
  version?: Int64;
}

export interface FunctionProto extends Message {
  name?: string;
  node: readonly NodeProto[];
  domain?: string;
}

export interface GraphProto extends Message {
  node: readonly NodeProto[];
  name?: string;
  initializer: readonly TensorProto[];
  input: readonly ValueInfoProto[];
  output: readonly ValueInfoProto[];
  value_info: readonly ValueInfoProto[];
  sparse_initializer: readonly SparseTensorProto[];
}

export interface NodeProto extends Message {
  input: readonly string[];
  output: readonly string[];
  name?: string;
  op_type?: string;
  attribute: readonly AttributeProto[];
  domain?: string;
}

export interface AttributeProto extends Message {
  name?: string;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats: readonly number[];
  ints: readonly Int64[];
  strings: readonly Uint8Array[];
  tensors: readonly TensorProto[];
  graphs: readonly GraphProto[];
  type?: Int64;
  sparse_tensor?: SparseTensorProto;
}

export interface TensorProto extends Message {
  dims: readonly Int64[];
  data_type?: Int64;
  float_data: readonly NumberRun[];
  int32_data: readonly NumberRun[];
  string_data: readonly Uint8Array[];
  int64_data: readonly NumberRun[];
  name?: string;
  raw_data?: Uint8Array;
  double_data: readonly NumberRun[];
  uint64_data: readonly NumberRun[];
  external_data: readonly StringStringEntryProto[];
  data_location?: Int64;
}

export interface SparseTensorProto extends Message {
  values?: TensorProto;
  indices?: TensorProto;
}

export interface StringStringEntryProto extends Message {
  key?: string;
  value?: string;
}

export interface ValueInfoProto extends Message {
  name?: string;
  type?: TypeProto;
}

export interface TypeProto extends Message {
  tensor_type?: TensorTypeProto;
  sequence_type?: Message;
  map_type?: Message;
  sparse_tensor_type?: Message;
  optional_type?: Message;
}

export interface TensorTypeProto extends Message {
  elem_type?: Int64;
  shape?: TensorShapeProto;
}

export interface TensorShapeProto extends Message {
  dim: readonly DimensionProto[];
}

export interface DimensionProto extends Message {
  dim_value?: Int64;
  dim_param?: string;
}

/** `TensorProto.DataType`. */
export const DATA_TYPE = {
  FLOAT: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  STRING: 8,
  BOOL: 9,
  FLOAT16: 10,
  DOUBLE: 11,
  UINT32: 12,
  UINT64: 13,
} as const;

/** `TensorProto.DataLocation.EXTERNAL`. */
export const EXTERNAL = 1;

const MODEL: Schema<ModelProto> = defineSchema<ModelProto>({
  ir_version: [1, 'int', 'one'],
  graph: [7, () => GRAPH, 'one'],
  opset_import: [8, () => OPERATOR_SET_ID, 'many'],
  functions: [25, () => FUNCTION, 'many'],
});

const OPERATOR_SET_ID: Schema<OperatorSetIdProto> = defineSchema<OperatorSetIdProto>({
  domain: [1, 'string', 'one'],
  version: [2, 'int', 'one'],
});

const FUNCTION: Schema<FunctionProto> = defineSchema<FunctionProto>({
  name: [1, 'string', 'one'],
  node: [7, () => NODE, 'many'],
  domain: [10, 'string', 'one'],
});

const GRAPH: Schema<GraphProto> = defineSchema<GraphProto>({
  node: [1, () => NODE, 'many'],
  name: [2, 'string', 'one'],
  initializer: [5, () => TENSOR, 'many'],
  input: [11, () => VALUE_INFO, 'many'],
  output: [12, () => VALUE_INFO, 'many'],
  value_info: [13, () => VALUE_INFO, 'many'],
  sparse_initializer: [15, () => SPARSE_TENSOR, 'many'],
});

const NODE: Schema<NodeProto> = defineSchema<NodeProto>({
  input: [1, 'string', 'many'],
  output: [2, 'string', 'many'],
  name: [3, 'string', 'one'],
  op_type: [4, 'string', 'one'],
  attribute: [5, () => ATTRIBUTE, 'many'],
  domain: [7, 'string', 'one'],
});

const ATTRIBUTE: Schema<AttributeProto> = defineSchema<AttributeProto>({
  name: [1, 'string', 'one'],
  f: [2, 'float', 'one'],
  i: [3, 'int', 'one'],
  s: [4, 'bytes', 'one'],
  t: [5, () => TENSOR, 'one'],
  g: [6, () => GRAPH, 'one'],
  floats: [7, 'float', 'many'],
  ints: [8, 'int', 'many'],
  strings: [9, 'bytes', 'many'],
  tensors: [10, () => TENSOR, 'many'],
  graphs: [11, () => GRAPH, 'many'],
  type: [20, 'int', 'one'],
  sparse_tensor: [22, () => SPARSE_TENSOR, 'one'],
});

const TENSOR: Schema<TensorProto> = defineSchema<TensorProto>({
  dims: [1, 'int', 'many'],
  data_type: [2, 'int', 'one'],
  float_data: [4, 'runs', 'many'],
  int32_data: [5, 'runs', 'many'],
  string_data: [6, 'bytes', 'many'],
  int64_data: [7, 'runs', 'many'],
  name: [8, 'string', 'one'],
  raw_data: [9, 'bytes', 'one'],
  double_data: [10, 'runs', 'many'],
  uint64_data: [11, 'runs', 'many'],
  external_data: [13, () => STRING_STRING_ENTRY, 'many'],
  data_location: [14, 'int', 'one'],
});

const SPARSE_TENSOR: Schema<SparseTensorProto> = defineSchema<SparseTensorProto>({
  values: [1, () => TENSOR, 'one'],
  indices: [2, () => TENSOR, 'one'],
});

const STRING_STRING_ENTRY: Schema<StringStringEntryProto> = defineSchema<StringStringEntryProto>({
  key: [1, 'string', 'one'],
  value: [2, 'string', 'one'],
});

const VALUE_INFO: Schema<ValueInfoProto> = defineSchema<ValueInfoProto>({
  name: [1, 'string', 'one'],
  type: [2, () => TYPE, 'one'],
});

const OPAQUE: Schema<Message> = defineSchema<Message>({});

const TYPE: Schema<TypeProto> = defineSchema<TypeProto>({
  tensor_type: [1, () => TENSOR_TYPE, 'one'],
  sequence_type: [4, () => OPAQUE, 'one'],
  map_type: [5, () => OPAQUE, 'one'],
  sparse_tensor_type: [8, () => OPAQUE, 'one'],
  optional_type: [9, () => OPAQUE, 'one'],
});

const TENSOR_TYPE: Schema<TensorTypeProto> = defineSchema<TensorTypeProto>({
  elem_type: [1, 'int', 'one'],
  shape: [2, () => TENSOR_SHAPE, 'one'],
});

const TENSOR_SHAPE: Schema<TensorShapeProto> = defineSchema<TensorShapeProto>({
  dim: [1, () => DIMENSION, 'many'],
});

const DIMENSION: Schema<DimensionProto> = defineSchema<DimensionProto>({
  dim_value: [1, 'int', 'one'],
  dim_param: [2, 'string', 'one'],
});

/**
 * Decodes an ONNX file's bytes; weights are views into them.
 *
 * @throws WireError
 */
export function decodeModel(bytes: Uint8Array): ModelProto {
  return decode(MODEL, bytes);
}

/** Encodes a model as chunks to be written one after another. */
export function encodeModel(model: ModelProto): Uint8Array[] {
  return encode(MODEL, model);
}

/** A node's operator: `MatMul`, or `com.microsoft.MatMulNBits` outside ONNX's own domain. */
export function operatorOf(node: NodeProto): string {
  const domain = node.domain ?? '';
  const name = node.op_type ?? '';
  return domain === '' || domain === 'ai.onnx' ? name : `${domain}.${name}`;
}

/** The graphs directly inside a node: the branches of an If, the body of a Loop. */
export function subgraphsOf(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({g, graphs}) => (g ? [g, ...graphs] : [...graphs]));
}

/** All nodes of some list and of the graphs inside them, outer ones first. */
export function* nodesWithin(nodes: readonly NodeProto[]): Generator<NodeProto> {
  for (const node of nodes) {
    yield node;
    for (const graph of subgraphsOf(node)) yield* nodesWithin(graph.node);
  }
}

/** Every tensor in a model: initializers and attributes, also of subgraphs and functions. */
export function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  if (model.graph) yield* tensorsOfGraph(model.graph);
  for (const {node} of model.functions) yield* tensorsOfNodes(node);
}

function* tensorsOfGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer;
  for (const sparse of graph.sparse_initializer) yield* tensorsOfSparse(sparse);
  yield* tensorsOfNodes(graph.node);
}

function* tensorsOfNodes(nodes: readonly NodeProto[]): Generator<TensorProto> {
  for (const {attribute} of nodes) {
    for (const {t, tensors, g, graphs, sparse_tensor: sparse} of attribute) {
      if (t) yield t;
      yield* tensors;
      if (sparse) yield* tensorsOfSparse(sparse);
      if (g) yield* tensorsOfGraph(g);
      for (const graph of graphs) yield* tensorsOfGraph(graph);
    }
  }
}

function* tensorsOfSparse({values, indices}: SparseTensorProto): Generator<TensorProto> {
  if (values) yield values;
  if (indices) yield indices;
}

/**
 * A model with other tensors in the place of some. What does not change is shared with the given model.
 *
 * @param change gives the tensor itself to leave it as it is
 */
export function mapTensors(model: ModelProto, change: (tensor: TensorProto) => TensorProto): ModelProto {
  const functions = mapEach(model.functions, (body) => withParts(body, {node: mapNodes(body.node, change)}));
  return withParts(model, {functions, ...(model.graph && {graph: mapGraph(model.graph, change)})});
}

type Change = (tensor: TensorProto) => TensorProto;

function mapGraph(graph: GraphProto, change: Change): GraphProto {
  return withParts(graph, {
    node: mapNodes(graph.node, change),
    initializer: mapEach(graph.initializer, change),
    sparse_initializer: mapEach(graph.sparse_initializer, (sparse) => mapSparse(sparse, change)),
  });
}

function mapNodes(nodes: readonly NodeProto[], change: Change): readonly NodeProto[] {
  return mapEach(nodes, (node) =>
    withParts(node, {attribute: mapEach(node.attribute, (attribute) => mapAttribute(attribute, change))}),
  );
}

function mapAttribute(attribute: AttributeProto, change: Change): AttributeProto {
  const {t, tensors, g, graphs, sparse_tensor: sparse} = attribute;
  return withParts(attribute, {
    tensors: mapEach(tensors, change),
    graphs: mapEach(graphs, (graph) => mapGraph(graph, change)),
    ...(t && {t: change(t)}),
    ...(g && {g: mapGraph(g, change)}),
    ...(sparse && {sparse_tensor: mapSparse(sparse, change)}),
  });
}

function mapSparse(sparse: SparseTensorProto, change: Change): SparseTensorProto {
  const {values, indices} = sparse;
  return withParts(sparse, {
    ...(values && {values: change(values)}),
    ...(indices && {indices: change(indices)}),
  });
}

/** The list itself if nothing in it changes. */
function mapEach<T>(list: readonly T[], change: (item: T) => T): readonly T[] {
  const changed = list.map(change);
  return changed.some((item, index) => item !== list[index]) ? changed : list;
}

/** The object itself if it has these parts already. */
function withParts<T extends object>(whole: T, parts: Partial<T>): T {
  const differs = (Object.keys(parts) as (keyof T)[]).some((key) => parts[key] !== whole[key]);
  return differs ? {...whole, ...parts} : whole;
}
