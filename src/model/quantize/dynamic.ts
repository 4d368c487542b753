import type {NodeProto} from '../onnx.ts';
import {opsetOf} from './assemble.ts';
import {BLOCKS_SESSION, productInBlocks} from './blocks.ts';
import type {Quantizable} from './byte-weights.ts';
import {quantizableEmbedding} from './embeddings.ts';
import {foldWeights} from './fold-weights.ts';
import {labelOf, usersIn} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {levelsOn} from './levels.ts';
import {quantizableLstm} from './lstm.ts';
import {createMemo} from './memo.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {quantizableProduct} from './products.ts';
import {KEPT_FLOAT, prepare, rewriteNodes} from './rewrite.ts';
import type {NodeRules} from './rewrite.ts';
import {switchNodes} from './switches.ts';
import type {SwitchedModel} from './switches.ts';

/** What a dynamic quantization can be told beside what every mode is given. */
export interface DynamicInput extends QuantizeInput {
  /**
   * Labels of nodes that do not bear one range for all activations. Matrix products among them get weights and
   * activations in blocks of 32 with a range for each, which is slower and takes an eighth more bytes; other nodes
   * stay as they are.
   */
  readonly sensitive?: ReadonlySet<string>;
}

/**
 * Quantizes a model dynamically: weights become signed bytes with a scale for each output channel, activations are
 * quantized while the model runs. MatMul, Gemm, LSTM and look-ups in embedding tables whose weights are constant are
 * rewritten, also inside the branches and bodies of If, Loop and Scan. Convolutions stay as they are: quantized while
 * the model runs they are slower than in floats.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeDynamic(given: DynamicInput): QuantizeResult {
  const {sensitive} = given;
  const prepared = prepareDynamic(given);
  if (prepared.failure !== null) return prepared;
  const result = rewriteNodes(prepared.input, prepared.rules);
  const hasBlocks = result.failure === null && result.quantizedNodes.some((label) => sensitive?.has(label));
  return hasBlocks ? {...result, session: BLOCKS_SESSION} : result;
}

/**
 * The model with a switch at each node that `quantizeDynamic` would rewrite.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function switchDynamic(given: QuantizeInput): SwitchedModel | {readonly failure: string} {
  const prepared = prepareDynamic(given);
  return prepared.failure === null ? switchNodes(prepared.input, prepared.rules) : prepared;
}

type Prepared =
  | {readonly failure: null; readonly input: DynamicInput; readonly rules: NodeRules}
  | {readonly failure: string};

/** What a dynamic quantization begins with: single precision, and weights that lie ready. */
function prepareDynamic(given: DynamicInput): Prepared {
  const {readExternal, memo = createMemo()} = given;
  const prepared = memo(given.model, 'in single precision', () => prepare(given.model, readExternal));
  if (prepared.failure !== null) return prepared;
  const {model} = prepared;
  const input = {...given, model: memo(model, 'folded', () => foldWeights(model, readExternal))};
  const rules = {
    levels: levelsOn(input.cpu),
    quantizableAt: createQuantizableAt(input),
    nothing: 'it multiplies by no constant matrix, and has neither LSTMs nor embeddings',
  };
  return {failure: null, input, rules};
}

/** Makes a function that finds out what, if anything, can become of a node. */
function createQuantizableAt({
  model,
  readExternal,
  cpu,
  sensitive = new Set(),
}: DynamicInput): (node: NodeProto, index: GraphIndex) => Quantizable | null {
  const users = usersIn(model.graph?.node ?? []);
  const usersOf = (name: string): readonly string[] => users.get(name) ?? [];
  const [opset, levels] = [opsetOf(model), levelsOn(cpu)];
  return (node, index) => {
    const found =
      quantizableProduct(node, index) ??
      quantizableLstm(node, index, readExternal, levels) ??
      quantizableEmbedding(node, index, readExternal, opset, usersOf);
    if (!found || !sensitive.has(labelOf(node))) return found;
    return productInBlocks(node, index, readExternal, 8) ?? {...found, obstacle: KEPT_FLOAT};
  };
}
