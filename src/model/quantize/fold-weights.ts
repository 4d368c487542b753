import {nodesWithin, operatorOf, subgraphsOf} from '../onnx.ts';
import type {GraphProto, ModelProto, NodeProto, TensorProto} from '../onnx.ts';
import {makeTensor} from '../tensor.ts';
import type {ReadExternal} from '../tensor.ts';
import {arrange, knownValues} from './arrange.ts';
import type {FloatTensor, KnownValues} from './arrange.ts';
import {mapSubgraphs, pruneConstants, scopesOf} from './graph.ts';
import type {Scope} from './graph.ts';

/** Where operators take their weights. */
const WEIGHT_INPUTS = new Map<string, readonly number[]>([
  ['Conv', [1, 2]],
  ['Gemm', [1, 2]],
  ['LSTM', [1, 2]],
  ['MatMul', [1]],
]);

/**
 * The model with weights that it only cuts, joins or turns made once and for all: so exporters leave them, above all
 * inside branches. ONNX Runtime does the same while it loads the model, to the bit.
 */
export function foldWeights(model: ModelProto, readExternal: ReadExternal): ModelProto {
  if (!model.graph) return model;
  const folded = new Map<NodeProto, TensorProto>();
  const passed = new Set<NodeProto>();
  for (const scope of scopesOf(model)) foldScope(scope, readExternal, folded, passed);
  if (folded.size === 0) return model;
  const gone = withUnread(model.graph, new Set(folded.keys()), passed);
  const graph = withoutNodes(model.graph, gone, folded);
  return {...model, graph: pruneConstants(graph, new Set([...gone].flatMap(({input}) => input)))};
}

/**
 * Finds the nodes of a graph that make weights of constants.
 *
 * @param folded gets the last of each chain, with what it makes
 * @param passed gets the others
 */
function foldScope(
  {graph, index}: Scope,
  readExternal: ReadExternal,
  folded: Map<NodeProto, TensorProto>,
  passed: Set<NodeProto>,
): void {
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const constants = knownValues(index, readExternal);
  const known: KnownValues = {
    integers: (name) => constants.integers(name),
    floats: (name) => constants.floats(name) ?? made(name),
  };
  const made = (name: string): FloatTensor | null => {
    const maker = makers.get(name);
    const value = maker ? arrange(maker, known) : null;
    if (maker && value) passed.add(maker);
    return value;
  };
  for (const node of graph.node) {
    for (const at of WEIGHT_INPUTS.get(operatorOf(node)) ?? []) {
      const name = node.input[at] ?? '';
      const maker = makers.get(name);
      if (!maker || index.constants.has(name) || folded.has(maker)) continue;
      const value = made(name);
      if (value) folded.set(maker, makeTensor(name, value.dims, value.data));
    }
  }
}

/** Some nodes, and those of others that nothing reads any more without them. */
function withUnread(
  graph: GraphProto,
  gone: ReadonlySet<NodeProto>,
  others: ReadonlySet<NodeProto>,
): ReadonlySet<NodeProto> {
  const read = new Set(graph.output.map(({name}) => name));
  for (const node of nodesWithin(graph.node)) {
    for (const {output} of subgraphsOf(node)) for (const {name} of output) read.add(name);
    if (!gone.has(node)) for (const name of node.input) read.add(name);
  }
  const unread = [...others].filter((node) => !gone.has(node) && !node.output.some((name) => read.has(name)));
  return unread.length === 0 ? gone : withUnread(graph, new Set([...gone, ...unread]), others);
}

function withoutNodes(
  graph: GraphProto,
  gone: ReadonlySet<NodeProto>,
  folded: ReadonlyMap<NodeProto, TensorProto>,
): GraphProto {
  const node = graph.node
    .filter((each) => !gone.has(each))
    .map((each) => mapSubgraphs(each, (inner) => withoutNodes(inner, gone, folded)));
  const added = graph.node.flatMap((each) => folded.get(each) ?? []);
  return {...graph, node, initializer: [...graph.initializer, ...added]};
}
