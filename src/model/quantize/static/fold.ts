import {DATA_TYPE, operatorOf} from '../../onnx.ts';
import type {GraphProto, ModelProto, NodeProto, TensorProto} from '../../onnx.ts';
import {makeTensor, tensorValues} from '../../tensor.ts';
import type {ReadExternal} from '../../tensor.ts';
import {attributeOf, createUniqueName, indexGraph, pruneConstants, replaceNodes} from '../graph.ts';
import type {GraphIndex} from '../graph.ts';

/** What ONNX says `epsilon` is where a node does not. */
const EPSILON = 1e-5;

/**
 * The model with every BatchNormalization that follows a convolution folded into its weights: left between the two,
 * it would keep the convolution from being done in integers. Only in the main graph. The weights are those that ONNX
 * Runtime itself would make while it loads the model.
 */
export function foldBatchNormalizations(model: ModelProto, readExternal: ReadExternal): ModelProto {
  const {graph} = model;
  if (!graph?.node.some((node) => operatorOf(node) === 'BatchNormalization')) return model;
  const index = indexGraph(model, graph);
  const uniqueName = createUniqueName(graph);
  const replaced = new Map<NodeProto, readonly NodeProto[]>();
  const unused = new Set<string>();
  const added: TensorProto[] = [];
  for (const conv of graph.node) {
    const found = foldableAt(conv, index, readExternal);
    if (!found) continue;
    const {normalization, weight, bias} = found;
    const [weightName, biasName] = [weight, bias].map((tensor) => {
      const name = uniqueName(`${tensor.name}_folded`);
      added.push({...tensor, name});
      return name;
    }) as [string, string];
    for (const name of [...conv.input.slice(1), ...normalization.input.slice(1)]) unused.add(name);
    const [x = ''] = conv.input;
    replaced.set(conv, [
      {...conv, input: [x, weightName, biasName], output: normalization.output.slice(0, 1)},
    ]);
    replaced.set(normalization, []);
  }
  if (replaced.size === 0) return model;
  const folded: GraphProto = replaceNodes(
    {...graph, initializer: [...graph.initializer, ...added]},
    replaced,
  );
  return {...model, graph: pruneConstants(folded, unused)};
}

interface Foldable {
  readonly normalization: NodeProto;
  readonly weight: TensorProto;
  readonly bias: TensorProto;
}

function foldableAt(conv: NodeProto, index: GraphIndex, readExternal: ReadExternal): Foldable | null {
  const output = conv.output[0] ?? '';
  const readers = index.readers.get(output) ?? [];
  const [normalization] = readers;
  if (operatorOf(conv) !== 'Conv' || !normalization || readers.length !== 1) return null;
  if (operatorOf(normalization) !== 'BatchNormalization' || index.readElsewhere.has(output)) return null;
  if (Number(attributeOf(normalization, 'training_mode')?.i ?? 0) !== 0) return null;
  // Further outputs, in older operator sets, are there for training; before opset 7 `is_test` decides.
  if (normalization.output.slice(1).some((name) => name !== '') || attributeOf(normalization, 'is_test'))
    return null;

  const floatsOf = (name: string | undefined): {dims: readonly number[]; data: Float32Array} | null => {
    const tensor = index.constants.get(name ?? '');
    if (!tensor || tensor.data_type !== DATA_TYPE.FLOAT) return null;
    return tensorValues(tensor, readExternal) as {dims: readonly number[]; data: Float32Array};
  };
  const weight = floatsOf(conv.input[1]);
  const bias = conv.input[2] ? floatsOf(conv.input[2]) : {data: null};
  const [scale, offset, mean, variance] = normalization.input.slice(1, 5).map(floatsOf);
  if (!weight || !bias || !scale || !offset || !mean || !variance) return null;

  const epsilon = attributeOf(normalization, 'epsilon')?.f ?? EPSILON;
  const channels = weight.dims[0] ?? 0;
  const perChannel = weight.data.length / channels;
  const weights = new Float32Array(weight.data.length);
  const biases = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel++) {
    const factor = scale.data[channel]! / Math.sqrt(variance.data[channel]! + epsilon);
    const [start, end] = [channel * perChannel, (channel + 1) * perChannel];
    for (let at = start; at < end; at++) weights[at] = weight.data[at]! * factor;
    biases[channel] = ((bias.data?.[channel] ?? 0) - mean.data[channel]!) * factor + offset.data[channel]!;
  }
  return {
    normalization,
    weight: makeTensor(conv.input[1]!, weight.dims, weights),
    bias: makeTensor(conv.input[2] || `${conv.input[1]}_bias`, [channels], biases),
  };
}
