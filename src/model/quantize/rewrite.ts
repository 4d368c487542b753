import type {GraphProto, ModelProto, NodeProto} from '../onnx.ts';
import type {ReadExternal} from '../tensor.ts';
import {assemble} from './assemble.ts';
import {createByteWeights, withWeights} from './byte-weights.ts';
import type {Quantizable} from './byte-weights.ts';
import {labelOf, replaceNodes, scopesOf} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {whyQuantizedAlready} from './quantized.ts';
import {toSinglePrecision} from './single-precision.ts';

/** A mode that puts other nodes in the place of some, with weights of their own. */
export interface NodeRules {
  /** Of weights that are quantized per column, see `quantizePerColumn`: 127 if not given. */
  readonly levels?: number;
  /** What, if anything, can become of a node. */
  readonly quantizableAt: (node: NodeProto, index: GraphIndex) => Quantizable | null;
  /** Why there is nothing to do in a model that has no node of the kind. */
  readonly nothing: string;
}

/**
 * Rewrites a model's nodes, also inside the branches and bodies of If, Loop and Scan, by a mode's rules.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function rewriteNodes(
  {model: given, readExternal, keepFloat, memo}: QuantizeInput,
  {levels = 127, quantizableAt, nothing}: NodeRules,
): QuantizeResult {
  const prepared = prepare(given, readExternal);
  if (prepared.failure !== null) return prepared;
  const {model, graph} = prepared;

  const weights = createByteWeights(graph, readExternal, levels, memo);
  const replaced = new Map<NodeProto, readonly NodeProto[]>();
  const quantizedNodes: string[] = [];
  const leftAlone: {readonly node: string; readonly why: string}[] = [];
  for (const {graph: scope, index} of scopesOf(model)) {
    for (const node of scope.node) {
      const found = quantizableAt(node, index);
      if (!found) continue;
      const label = labelOf(node);
      const obstacle = keepFloat.has(label) ? KEPT_FLOAT : found.obstacle;
      const rewritten = obstacle === null ? found.rewrite(weights) : null;
      if (rewritten === null) leftAlone.push({node: label, why: obstacle ?? NOT_FINITE});
      else quantizedNodes.push(label);
      for (const [old, made] of rewritten ?? []) replaced.set(old, made);
    }
  }
  if (quantizedNodes.length === 0) return {failure: whyNothing(leftAlone, nothing)};
  const made = assemble(model, withWeights(replaceNodes(graph, replaced), weights));
  return {failure: null, model: made, session: {}, quantizedNodes, leftAlone};
}

/** What every mode begins with: a model that nobody has quantized, in single precision. */
export function prepare(
  given: ModelProto,
  readExternal: ReadExternal,
):
  | {readonly failure: null; readonly model: ModelProto; readonly graph: GraphProto}
  | {readonly failure: string} {
  const quantizedBefore = whyQuantizedAlready(given);
  if (quantizedBefore !== null) return {failure: quantizedBefore};
  const single = toSinglePrecision(given, readExternal);
  if (single.failure !== null) return single;
  const {model} = single;
  return model.graph ? {failure: null, model, graph: model.graph} : {failure: 'it has no graph'};
}

/** Why a node stays as it is though it could be quantized. */
export const KEPT_FLOAT = 'it is to stay as it is';
export const NOT_FINITE = 'its weight has NaN or infinity';

/** Why a mode can do nothing for a model. */
export function whyNothing(
  leftAlone: readonly {readonly node: string; readonly why: string}[],
  nothing: string,
): string {
  const first = leftAlone[0];
  return first
    ? `nothing in it can be quantized: ${first.node} was left alone because ${first.why}`
    : `nothing in it can be quantized: ${nothing}`;
}
