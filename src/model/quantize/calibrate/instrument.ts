import {DATA_TYPE} from '../../onnx.ts';
import type {AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto} from '../../onnx.ts';
import {makeTensor} from '../../tensor.ts';
import {createUniqueName, integerAttribute} from '../graph.ts';
import type {Range} from '../static/range.ts';
import {BINS} from './histogram.ts';

/** A model that gives out what is to be known of some values, and nothing else. */
export interface Instrumented {
  readonly model: ModelProto;
  /** By value: the names of the outputs that tell of it. */
  readonly outputs: ReadonlyMap<string, readonly string[]>;
}

/** The model with the smallest and the largest element of each value as its only outputs. */
export function withExtremes(model: ModelProto, values: readonly string[]): Instrumented {
  return instrument(model, values, (value, {uniqueName}) => {
    const nodes = ['ReduceMin', 'ReduceMax'].map((op): NodeProto => ({
      op_type: op,
      input: [value],
      output: [uniqueName(`${value}_${op}`)],
      attribute: [integerAttribute('keepdims', 0)],
    }));
    return {nodes, outputs: nodes.map(({output}) => output[0]!), shape: []};
  });
}

/**
 * The model with a histogram of each value as its only outputs. It is counted where the value is: the number of an
 * element's bin is looked up in a list of all of them by the operator that counts words. Each has a bin more than a
 * histogram: the largest element's.
 *
 * @param ranges of each value, to be divided into bins
 */
export function withHistograms(model: ModelProto, ranges: ReadonlyMap<string, Range>): Instrumented {
  return instrument(model, [...ranges.keys()], (value, {uniqueName, add}) => {
    const {low, high} = ranges.get(value)!;
    const [shifted, scaled, flat, bins, counts] = ['shifted', 'scaled', 'flat', 'bins', 'counts'].map(
      (part) => uniqueName(`${value}_${part}`),
    ) as [string, string, string, string, string];
    const lowName = add(`${value}_low`, Float32Array.of(low), []);
    const binsPerUnit = add(`${value}_bins_per_unit`, Float32Array.of(BINS / (high - low)), []);
    const anyLength = add(`${value}_any_length`, BigInt64Array.of(-1n), [1]);
    const every = Array.from({length: BINS + 1}, (_, bin) => bin);
    const nodes: NodeProto[] = [
      {op_type: 'Sub', input: [value, lowName], output: [shifted], attribute: []},
      {op_type: 'Mul', input: [shifted, binsPerUnit], output: [scaled], attribute: []},
      {op_type: 'Reshape', input: [scaled, anyLength], output: [flat], attribute: []},
      {op_type: 'Cast', input: [flat], output: [bins], attribute: [integerAttribute('to', DATA_TYPE.INT32)]},
      {
        op_type: 'TfIdfVectorizer',
        input: [bins],
        output: [counts],
        attribute: [
          {...EMPTY, name: 'mode', s: new TextEncoder().encode('TF'), type: 3},
          integerAttribute('min_gram_length', 1),
          integerAttribute('max_gram_length', 1),
          integerAttribute('max_skip_count', 0),
          integers('ngram_counts', [0]),
          integers('ngram_indexes', every),
          integers('pool_int64s', every),
        ],
      },
    ];
    return {nodes, outputs: [counts], shape: [BINS + 1]};
  });
}

interface Names {
  readonly uniqueName: (wish: string) => string;
  readonly add: (wish: string, data: Float32Array | BigInt64Array, dims: readonly number[]) => string;
}

interface Instrument {
  readonly nodes: readonly NodeProto[];
  readonly outputs: readonly string[];
  readonly shape: readonly number[];
}

function instrument(
  model: ModelProto,
  values: readonly string[],
  make: (value: string, names: Names) => Instrument,
): Instrumented {
  const graph = model.graph!;
  const uniqueName = createUniqueName(graph);
  const added: TensorProto[] = [];
  const add: Names['add'] = (wish, data, dims) => {
    const tensor = makeTensor(uniqueName(wish), dims, data);
    added.push(tensor);
    return tensor.name!;
  };
  const nodes: NodeProto[] = [];
  const output: ValueInfoProto[] = [];
  const outputs = new Map<string, readonly string[]>();
  for (const value of values) {
    const made = make(value, {uniqueName, add});
    nodes.push(...made.nodes);
    outputs.set(value, made.outputs);
    const shape = {dim: made.shape.map((size) => ({dim_value: size}))};
    for (const name of made.outputs) {
      output.push({name, type: {tensor_type: {elem_type: DATA_TYPE.FLOAT, shape}}});
    }
  }
  return {
    model: {
      ...model,
      // Weights that had to be listed as inputs need not be any more, and what is added here is not.
      ir_version: Math.max(4, Number(model.ir_version ?? 0)),
      graph: {
        ...graph,
        node: [...graph.node, ...nodes],
        initializer: [...graph.initializer, ...added],
        output,
      },
    },
    outputs,
  };
}

const EMPTY = {floats: [], ints: [], strings: [], tensors: [], graphs: []};
const integers = (name: string, ints: readonly number[]): AttributeProto => ({...EMPTY, name, ints, type: 7});
