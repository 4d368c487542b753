import {operatorOf} from '../onnx.ts';
import type {GraphProto, ModelProto, NodeProto, TensorProto} from '../onnx.ts';
import {elementCount} from '../tensor.ts';
import {assemble} from './assemble.ts';
import {attributeOf, labelOf, mapSubgraphs, scopesOf} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {WEIGHT_ELEMENTS_MIN} from './products.ts';
import {KEPT_FLOAT, prepare, whyNothing} from './rewrite.ts';

/** A place where a node reads a weight. */
export interface Use {
  readonly node: NodeProto;
  /** Which of the node's inputs it is. */
  readonly input: number;
  /** Of the graph that the node stands in. */
  readonly index: GraphIndex;
}

/** A large weight of a model, wherever it stands. */
export interface StoredWeight {
  readonly name: string;
  readonly tensor: TensorProto;
  /** Where the mode looks at it; at least one. */
  readonly uses: readonly Use[];
}

/** A weight in a smaller form: what is kept of it, and the nodes that make of this the weight under its old name. */
export interface SmallerWeight {
  readonly tensors: readonly TensorProto[];
  readonly nodes: readonly NodeProto[];
}

/** A mode that keeps weights smaller, and computes as the model does. */
export interface StorageRules {
  /** Whether the mode is for a weight that is used so. */
  readonly isMeant: (tensor: TensorProto, use: Use) => boolean;
  /** A weight made smaller, or why it cannot be; at least one of its uses is meant. */
  readonly shrink: (weight: StoredWeight) => SmallerWeight | {readonly obstacle: string};
  /** Why there is nothing to do in a model that has no weight of the kind. */
  readonly nothing: string;
}

/**
 * Keeps weights in a smaller form, together with the nodes that restore them. Whoever reads a weight, reads the
 * restored one: weights that several nodes share, that subgraphs read or that stand in Constant nodes, in branches
 * and bodies, need no care of their own.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function storeSmaller(
  {model: given, readExternal, keepFloat}: QuantizeInput,
  {isMeant, shrink, nothing}: StorageRules,
): QuantizeResult {
  const prepared = prepare(given, readExternal);
  if (prepared.failure !== null) return prepared;
  const {model, graph} = prepared;

  const smaller = new Map<TensorProto, SmallerWeight>();
  const quantizedNodes = new Set<string>();
  const leftAlone: {readonly node: string; readonly why: string}[] = [];
  for (const [tensor, {name, uses: all}] of usesOf(model)) {
    const uses = all.filter((use) => isMeant(tensor, use));
    if (uses.length === 0) continue;
    const labels = uses.map(({node}) => labelOf(node));
    const made = whyKept(all, keepFloat) ?? shrink({name, tensor, uses});
    if ('obstacle' in made) {
      for (const [index, label] of labels.entries()) {
        const kept = keepFloat.has(labelOf(uses[index]!.node));
        leftAlone.push({node: label, why: kept ? KEPT_FLOAT : made.obstacle});
      }
    } else {
      smaller.set(tensor, made);
      for (const label of labels) quantizedNodes.add(label);
    }
  }
  if (smaller.size === 0) return {failure: whyNothing(leftAlone, nothing)};
  return {
    failure: null,
    model: assemble(model, replaceWeights(graph, smaller)),
    session: {},
    quantizedNodes: [...quantizedNodes],
    leftAlone,
  };
}

/** Every large constant that a node reads, with all of its uses. */
function usesOf(model: ModelProto): Map<TensorProto, {readonly name: string; readonly uses: Use[]}> {
  const uses = new Map<TensorProto, {readonly name: string; readonly uses: Use[]}>();
  for (const {graph, index} of scopesOf(model)) {
    for (const node of graph.node) {
      for (const [input, name] of node.input.entries()) {
        const tensor = largeConstant(name, index);
        if (!tensor) continue;
        const known = uses.get(tensor);
        if (known) known.uses.push({node, input, index});
        else uses.set(tensor, {name, uses: [{node, input, index}]});
      }
    }
  }
  return uses;
}

function largeConstant(name: string, {constants}: GraphIndex): TensorProto | undefined {
  const tensor = constants.get(name);
  return tensor && elementCount(tensor.dims.map(Number)) >= WEIGHT_ELEMENTS_MIN ? tensor : undefined;
}

/** What keeps a weight as it is whatever its form: who reads it. */
function whyKept(uses: readonly Use[], keepFloat: ReadonlySet<string>): {readonly obstacle: string} | null {
  const stranger = uses.find(({node}) => !DOMAINS.has(node.domain ?? ''));
  if (stranger) return {obstacle: `${operatorOf(stranger.node)} reads its weight, of a domain not known`};
  const float = uses.find(({node}) => keepFloat.has(labelOf(node)));
  return float
    ? {obstacle: `it shares its weight with ${labelOf(float.node)}, which is to stay as it is`}
    : null;
}

/** Whose operators only compute with a weight's values. */
const DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft']);

/** The graph with other tensors, and nodes that restore them, in the place of weights; also in the graphs inside. */
function replaceWeights(graph: GraphProto, smaller: ReadonlyMap<TensorProto, SmallerWeight>): GraphProto {
  const initializer: TensorProto[] = [];
  const restoring: NodeProto[] = [];
  for (const tensor of graph.initializer) {
    const replacement = smaller.get(tensor);
    if (replacement) restoring.push(...replacement.nodes);
    initializer.push(...(replacement?.tensors ?? [tensor]));
  }
  const node = graph.node.flatMap((old) => {
    const value = operatorOf(old) === 'Constant' ? attributeOf(old, 'value')?.t : undefined;
    const replacement = value && smaller.get(value);
    if (!replacement) return [mapSubgraphs(old, (inner) => replaceWeights(inner, smaller))];
    initializer.push(...replacement.tensors);
    return replacement.nodes;
  });
  return {...graph, initializer, node: [...restoring, ...node]};
}
