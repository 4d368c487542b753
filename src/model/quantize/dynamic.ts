import type {NodeProto} from '../onnx.ts';
import {opsetOf} from './assemble.ts';
import type {Quantizable} from './byte-weights.ts';
import {quantizableEmbedding} from './embeddings.ts';
import {usersIn} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {levelsOn} from './levels.ts';
import {quantizableLstm} from './lstm.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {quantizableProduct} from './products.ts';
import {rewriteNodes} from './rewrite.ts';

/**
 * Quantizes a model dynamically: weights become signed bytes with a scale for each output channel, activations are
 * quantized while the model runs. MatMul, Gemm, LSTM and look-ups in embedding tables whose weights are constant are
 * rewritten, also inside the branches and bodies of If, Loop and Scan. Convolutions stay as they are: quantized while
 * the model runs they are slower than in floats.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeDynamic(input: QuantizeInput): QuantizeResult {
  return rewriteNodes(input, {
    levels: levelsOn(input.cpu),
    quantizableAt: createQuantizableAt(input),
    nothing: 'it multiplies by no constant matrix, and has neither LSTMs nor embeddings',
  });
}

/** Makes a function that finds out what, if anything, can become of a node. */
function createQuantizableAt({
  model,
  readExternal,
  cpu,
}: QuantizeInput): (node: NodeProto, index: GraphIndex) => Quantizable | null {
  const users = usersIn(model.graph?.node ?? []);
  const usersOf = (name: string): readonly string[] => users.get(name) ?? [];
  const [opset, levels] = [opsetOf(model), levelsOn(cpu)];
  return (node, index) =>
    quantizableProduct(node, index) ??
    quantizableLstm(node, index, readExternal, levels) ??
    quantizableEmbedding(node, index, readExternal, opset, usersOf);
}
