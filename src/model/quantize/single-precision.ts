import {DATA_TYPE, mapTensors, nodesWithin, operatorOf, subgraphsOf, tensorsOf} from '../onnx.ts';
import type {GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto} from '../onnx.ts';
import {makeTensor, tensorValues} from '../tensor.ts';
import type {ReadExternal} from '../tensor.ts';
import {createUniqueName, integerAttribute, labelOf, mapSubgraphs} from './graph.ts';
import {halfValues} from './half.ts';

/** The model in single precision, or why it cannot be had. */
export type SinglePrecision =
  {readonly failure: null; readonly model: ModelProto} | {readonly failure: string};

/**
 * Lets a model that computes in half precision compute in single precision: no CPU is faster in halves, and integers
 * are made of singles. Its inputs and outputs stay as they are, by casts. A model without halves comes back as it is;
 * the given model is not changed.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function toSinglePrecision(model: ModelProto, readExternal: ReadExternal): SinglePrecision {
  const {graph} = model;
  if (!graph || !hasHalves(model)) return {failure: null, model};
  if (model.functions.length > 0) return {failure: 'it computes in half precision, in functions of its own'};
  for (const node of nodesWithin(graph.node)) {
    if (!DOMAINS.has(node.domain ?? '')) {
      return {
        failure: `it computes in half precision, and ${labelOf(node)} (${operatorOf(node)}) may need that`,
      };
    }
  }
  const singles = mapTensors(model, (tensor) => singleOf(tensor, readExternal));
  return {failure: null, model: {...singles, graph: withCasts(computingInSingles(singles.graph!))}};
}

/** Whose operators compute in single precision all that they compute in half. */
const DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);

/** Attributes that name the type of what an operator makes. */
const TYPES = new Set(['to', 'dtype']);

function hasHalves(model: ModelProto): boolean {
  for (const {data_type: type} of tensorsOf(model)) if (type === DATA_TYPE.FLOAT16) return true;
  const {input, node: nodes} = model.graph!;
  if (input.some(isHalf)) return true;
  for (const {attribute} of nodesWithin(nodes)) {
    if (attribute.some(({name, i}) => TYPES.has(name ?? '') && i === DATA_TYPE.FLOAT16)) return true;
  }
  return false;
}

const isHalf = ({type}: ValueInfoProto): boolean => type?.tensor_type?.elem_type === DATA_TYPE.FLOAT16;

function singleOf(tensor: TensorProto, readExternal: ReadExternal): TensorProto {
  if (tensor.data_type !== DATA_TYPE.FLOAT16) return tensor;
  const {dims, data} = tensorValues(tensor, readExternal);
  return makeTensor(tensor.name ?? '', dims, halfValues(data as Uint16Array));
}

/** The graph, and those inside it, with nodes and values of single precision; what it is given and gives out too. */
function computingInSingles(graph: GraphProto): GraphProto {
  const node = graph.node.map((old) => {
    const attribute = old.attribute.map((one) =>
      TYPES.has(one.name ?? '') && one.i === DATA_TYPE.FLOAT16 ? {...one, i: DATA_TYPE.FLOAT} : one,
    );
    return mapSubgraphs({...old, attribute}, (inner) => {
      const single = computingInSingles(inner);
      return {...single, input: single.input.map(asSingle), output: single.output.map(asSingle)};
    });
  });
  return {...graph, node, value_info: graph.value_info.map(asSingle)};
}

function asSingle(value: ValueInfoProto): ValueInfoProto {
  const tensor = value.type?.tensor_type;
  if (!tensor || !isHalf(value)) return value;
  return {...value, type: {...value.type, tensor_type: {...tensor, elem_type: DATA_TYPE.FLOAT}}};
}

/** The main graph with inputs and outputs of half precision as they were, and casts between them and the nodes. */
function withCasts(graph: GraphProto): GraphProto {
  const uniqueName = createUniqueName(graph);
  const weights = new Set(graph.initializer.map(({name}) => name));
  const inputs = graph.input.filter((value) => isHalf(value) && !weights.has(value.name));
  const outputs = graph.output.filter(isHalf);
  const names = new Map([...inputs, ...outputs].map(({name = ''}) => [name, uniqueName(`${name}_single`)]));
  const cast = (from: string, to: string, type: number): NodeProto => ({
    op_type: 'Cast',
    input: [from],
    output: [to],
    attribute: [integerAttribute('to', type)],
  });
  const renamed = rename(graph, names);
  return {
    ...renamed,
    input: graph.input.map((value) => (weights.has(value.name) ? asSingle(value) : value)),
    output: graph.output,
    node: [
      ...inputs.map(({name = ''}) => cast(name, names.get(name)!, DATA_TYPE.FLOAT)),
      ...renamed.node,
      ...outputs.map(({name = ''}) => cast(names.get(name)!, name, DATA_TYPE.FLOAT16)),
    ],
  };
}

function rename(graph: GraphProto, names: ReadonlyMap<string, string>): GraphProto {
  const newName = (name: string): string => names.get(name) ?? name;
  const named = <T extends {name?: string}>(one: T): T =>
    one.name === undefined ? one : {...one, name: newName(one.name)};
  const node = graph.node.map((old) => {
    const {input, output} = old;
    const whole = {...old, input: input.map(newName), output: output.map(newName)};
    return subgraphsOf(old).length === 0 ? whole : mapSubgraphs(whole, (inner) => rename(inner, names));
  });
  return {
    ...graph,
    node,
    initializer: graph.initializer.map(named),
    input: graph.input.map(named),
    output: graph.output.map(named),
    value_info: graph.value_info.map(named),
  };
}
