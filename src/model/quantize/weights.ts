import {DATA_TYPE, operatorOf} from '../onnx.ts';
import type {NodeProto} from '../onnx.ts';
import {makeTensor, tensorValues} from '../tensor.ts';
import {MICROSOFT} from './assemble.ts';
import {attributeOf, createUniqueName, integerAttribute} from './graph.ts';
import {quantizePerAxis} from './matrix.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {NOT_FINITE} from './rewrite.ts';
import {storeSmaller} from './stored-weights.ts';
import type {SmallerWeight, StoredWeight, Use} from './stored-weights.ts';

/** Nothing is summed in bytes, so nothing can saturate, on any CPU. */
const LEVELS = 127;

/**
 * Keeps the weights of a model as signed bytes with a scale for each output channel, and computes in floats. Each
 * weight is restored by a `com.microsoft.DequantizeLinear`, which ONNX Runtime does once, when it loads the model, if
 * the session's options say so: they are part of the result.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeWeights(input: QuantizeInput): QuantizeResult {
  const {graph} = input.model;
  if (!graph) return {failure: 'it has no graph'};
  const uniqueName = createUniqueName(graph);
  const result = storeSmaller(input, {
    isMeant: (tensor, use) => channelAxis(use, tensor.dims.length) !== null,
    shrink: (weight) => toBytes(weight, input, uniqueName),
    nothing: 'no product, convolution, recurrence or look-up in it has a large constant weight',
  });
  return result.failure === null ? {...result, session: SESSION} : result;
}

/** Otherwise ONNX Runtime makes integer products of some of these nodes, and runs the others in every call. */
const SESSION = {extra: {session: {disable_quant_qdq: '1'}}};

function toBytes(
  {name, tensor, uses}: StoredWeight,
  {readExternal}: QuantizeInput,
  uniqueName: (wish: string) => string,
): SmallerWeight | {readonly obstacle: string} {
  if (tensor.data_type !== DATA_TYPE.FLOAT) {
    return {obstacle: `its weight has ONNX element type ${tensor.data_type ?? 0}`};
  }
  const axis = channelAxis(uses[0]!, tensor.dims.length)!;
  const {dims, data} = tensorValues(tensor, readExternal);
  const quantized = quantizePerAxis(data as Float32Array, dims, axis, LEVELS);
  if (quantized === null) return {obstacle: NOT_FINITE};
  const values = makeTensor(uniqueName(`${name}_int8`), dims, quantized.values);
  const scales = makeTensor(uniqueName(`${name}_scale`), [dims[axis]!], quantized.scales);
  const restoring: NodeProto = {
    name: uniqueName(`${name}_restored`),
    op_type: 'DequantizeLinear',
    domain: MICROSOFT,
    input: [values.name!, scales.name!],
    output: [name],
    attribute: [integerAttribute('axis', axis)],
  };
  return {tensors: [values, scales], nodes: [restoring]};
}

/** The axis of a weight along which its scales differ: that of what the node gives out. Null if it is no weight. */
function channelAxis(use: Use, rank: number): number | null {
  if (rank < 2) return null;
  if (ARRANGING.has(operatorOf(use.node))) return becomesWeight(use) ? 0 : null;
  return weightAxis(use, rank);
}

function weightAxis({node, input}: Pick<Use, 'node' | 'input'>, rank: number): number | null {
  const isSet = (name: string): boolean => Number(attributeOf(node, name)?.i ?? 0) !== 0;
  switch (operatorOf(node)) {
    case 'MatMul':
      return input === 1 ? rank - 1 : rank - 2;
    case 'Gemm':
      if (input > 1) return null;
      return input === 1 ? (isSet('transB') ? 0 : 1) : isSet('transA') ? 1 : 0;
    case 'Conv':
      return input === 1 ? 0 : null;
    case 'ConvTranspose':
      return input === 1 ? 1 : null;
    case 'LSTM':
    case 'GRU':
    case 'RNN':
      // Directions share the scales of a gate: an axis is one.
      return input === 1 || input === 2 ? 1 : null;
    case 'Gather': {
      const given = Number(attributeOf(node, 'axis')?.i ?? 0);
      const axis = given < 0 ? given + rank : given;
      return input === 0 && axis >= 0 && axis < rank ? axis : null;
    }
    default:
      return null;
  }
}

/** Operators that put a weight's values elsewhere, as exporters let them do before the weight is used. */
const ARRANGING = new Set([
  'Concat',
  'Identity',
  'Reshape',
  'Slice',
  'Split',
  'Squeeze',
  'Transpose',
  'Unsqueeze',
]);

/** Whether all that is made of a value, by arranging it, is weights: its first axis is then that of the channels. */
function becomesWeight({node, index}: Pick<Use, 'node' | 'index'>): boolean {
  return node.output.every((name) => {
    if (index.readElsewhere.has(name)) return false;
    const readers = index.readers.get(name) ?? [];
    return readers.every((reader) =>
      ARRANGING.has(operatorOf(reader))
        ? becomesWeight({node: reader, index})
        : weightAxis({node: reader, input: reader.input.indexOf(name)}, ARRANGED_RANK) !== null,
    );
  });
}

/** Which axis it is does not matter there: only whether there is one. */
const ARRANGED_RANK = 2;
