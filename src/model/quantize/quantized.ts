import {nodesWithin, operatorOf} from '../onnx.ts';
import type {ModelProto, NodeProto} from '../onnx.ts';
import {labelOf} from './graph.ts';

/** Operators that are there only in models which somebody has quantized already. */
const QUANTIZED =
  /^(com\.microsoft\.)?(QLinear\w+|Q(Gemm|Attention|MoE|EmbedLayerNormalization|OrderedMatMul)|\w+Integer\w*|(Dynamic)?(Quantize|Dequantize)\w+|MatMul(\w*Bits\w*|FpQ4|Bnb4)|GatherBlockQuantized)$/;

/** Why a model is left alone because somebody has quantized it before, a node named; null if nobody has. */
export function whyQuantizedAlready(model: ModelProto): string | null {
  const isQuantized = (node: NodeProto): boolean => QUANTIZED.test(operatorOf(node));
  for (const nodes of [model.graph?.node ?? [], ...model.functions.map(({node}) => node)]) {
    for (const node of nodesWithin(nodes)) {
      if (isQuantized(node)) return `it is quantized already: it has ${operatorOf(node)} (${labelOf(node)})`;
    }
  }
  return null;
}
