import {nodesWithin, operatorOf, tensorsOf} from './onnx.ts';
import type {ModelProto} from './onnx.ts';
import {rawBytesOf} from './tensor.ts';

/** What weights are for: it decides which forms can pay. */
export type WeightUse = 'products' | 'convolutions' | 'recurrences' | 'embeddings' | 'others';

/** Bytes of a model's weights, by what they are for. */
export type WeightBytes = {readonly [U in WeightUse]: number};

const USE_OF_OPERATOR = new Map<string, WeightUse>([
  ['MatMul', 'products'],
  ['Gemm', 'products'],
  ['Conv', 'convolutions'],
  ['ConvTranspose', 'convolutions'],
  ['LSTM', 'recurrences'],
  ['GRU', 'recurrences'],
  ['RNN', 'recurrences'],
  ['Gather', 'embeddings'],
]);

/** Sums up a model's weights by the operators that read them, subgraphs included. */
export function sumWeightBytes(model: ModelProto): WeightBytes {
  const useOfValue = new Map<string, WeightUse>();
  const nodes = [...nodesWithin(model.graph?.node ?? [])];
  for (const node of nodes) {
    const use = USE_OF_OPERATOR.get(operatorOf(node));
    if (use) for (const name of node.input) useOfValue.set(name, use);
  }
  // A Constant node's tensor goes by the name of what it makes.
  const useOfTensor = new Map<object, WeightUse>();
  for (const node of nodes) {
    const tensor = node.attribute.find(({name}) => name === 'value')?.t;
    const use = useOfValue.get(node.output[0] ?? '');
    if (tensor && use) useOfTensor.set(tensor, use);
  }
  const bytes: {[U in WeightUse]: number} = {
    products: 0,
    convolutions: 0,
    recurrences: 0,
    embeddings: 0,
    others: 0,
  };
  for (const tensor of tensorsOf(model)) {
    const use = useOfTensor.get(tensor) ?? useOfValue.get(tensor.name ?? '') ?? 'others';
    bytes[use] += rawBytesOf(tensor) ?? 0;
  }
  return bytes;
}
