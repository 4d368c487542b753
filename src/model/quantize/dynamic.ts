import type {CpuClass} from '../../core/model.ts';
import {nodesWithin, operatorOf, tensorsOf} from '../onnx.ts';
import type {GraphProto, ModelProto, NodeProto} from '../onnx.ts';
import {isExternal, rawBytesOf, withInlineData} from '../tensor.ts';
import {assemble, opsetOf} from './assemble.ts';
import {createByteWeights, withWeights} from './byte-weights.ts';
import type {Quantizable} from './byte-weights.ts';
import {quantizableEmbedding} from './embeddings.ts';
import {labelOf, replaceNodes, scopesOf} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {quantizableLstm} from './lstm.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {quantizableProduct} from './products.ts';
import {whyQuantizedAlready} from './quantized.ts';

/** What one protobuf file can carry, with some room for everything that is not weights. */
const INLINE_BYTES_MAX = 1.5e9;

/**
 * How far from zero a weight byte may be. With 64 steps no sum can saturate on CPUs without VNNI (see
 * `quantizePerColumn`); where sums have 32 bits, all 127 are right.
 */
export function levelsOn(cpu: CpuClass): number {
  return cpu === 'vnni' || cpu === 'arm64' ? 127 : 64;
}

/**
 * Quantizes a model dynamically: weights become signed bytes with a scale for each output channel, activations are
 * quantized while the model runs. MatMul, Gemm, LSTM and look-ups in embedding tables whose weights are constant are
 * rewritten, also inside the branches and bodies of If, Loop and Scan. Convolutions stay as they are: quantized while
 * the model runs they are slower than in floats. External data is taken into the result.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeDynamic(input: QuantizeInput): QuantizeResult {
  const {model, readExternal, cpu, keepFloat} = input;
  const {graph} = model;
  if (!graph) return {failure: 'it has no graph'};
  const quantizedBefore = whyQuantizedAlready(model);
  if (quantizedBefore !== null) return {failure: quantizedBefore};
  const tooLarge = whyNotOneFile(model);
  if (tooLarge !== null) return {failure: tooLarge};

  const weights = createByteWeights(graph, readExternal, levelsOn(cpu));
  const quantizableAt = createQuantizableAt(input);
  const replaced = new Map<NodeProto, readonly NodeProto[]>();
  const quantizedNodes: string[] = [];
  const leftAlone: {readonly node: string; readonly why: string}[] = [];
  for (const {graph: scope, index} of scopesOf(model)) {
    for (const node of scope.node) {
      const found = quantizableAt(node, index);
      if (!found) continue;
      const label = labelOf(node);
      const obstacle = keepFloat.has(label) ? 'it is to stay as it is' : found.obstacle;
      const rewritten = obstacle === null ? found.rewrite(weights) : null;
      if (rewritten === null)
        leftAlone.push({node: label, why: obstacle ?? 'its weight has NaN or infinity'});
      else quantizedNodes.push(label);
      for (const [old, made] of rewritten ?? []) replaced.set(old, made);
    }
  }
  if (quantizedNodes.length === 0) return {failure: whyNothing(leftAlone)};
  const rewritten = withWeights(replaceNodes(graph, replaced), weights);
  const initializer = rewritten.initializer.map((tensor) => withInlineData(tensor, readExternal));
  const made = assemble(model, {...rewritten, initializer});
  return {failure: null, model: made, session: {}, quantizedNodes, leftAlone};
}

/** Makes a function that finds out what, if anything, can become of a node. */
function createQuantizableAt({
  model,
  readExternal,
  cpu,
}: QuantizeInput): (node: NodeProto, index: GraphIndex) => Quantizable | null {
  const users = usersIn(model.graph!);
  const usersOf = (name: string): readonly string[] => users.get(name) ?? [];
  const [opset, levels] = [opsetOf(model), levelsOn(cpu)];
  return (node, index) =>
    quantizableProduct(node, index) ??
    quantizableLstm(node, index, readExternal, levels) ??
    quantizableEmbedding(node, index, readExternal, opset, usersOf);
}

/** The operators that read each value, in all graphs. */
function usersIn(graph: GraphProto): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const node of nodesWithin(graph.node)) {
    for (const name of node.input) {
      const known = users.get(name);
      if (known) known.push(operatorOf(node));
      else users.set(name, [operatorOf(node)]);
    }
  }
  return users;
}

function whyNothing(leftAlone: readonly {readonly node: string; readonly why: string}[]): string {
  const first = leftAlone[0];
  return first
    ? `nothing in it can be quantized: ${first.node} was left alone because ${first.why}`
    : 'nothing in it can be quantized: it multiplies by no constant matrix, and has neither LSTMs nor embeddings';
}

/** The result has all its weights inside: they must fit, and they must lie where they can be taken in. */
function whyNotOneFile(model: ModelProto): string | null {
  const own = new Set(model.graph?.initializer);
  let bytes = 0;
  for (const tensor of tensorsOf(model)) {
    if (isExternal(tensor) && !own.has(tensor)) return 'a subgraph of it keeps weights in external data';
    bytes += rawBytesOf(tensor) ?? 0;
  }
  // Most of it will be a quarter.
  return bytes > 4 * INLINE_BYTES_MAX
    ? `its weights would take ${Math.round(bytes / 4e6)} MB in one file`
    : null;
}
