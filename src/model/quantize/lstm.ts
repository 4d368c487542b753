import {DATA_TYPE, operatorOf} from '../onnx.ts';
import type {NodeProto, TensorProto} from '../onnx.ts';
import {tensorValues} from '../tensor.ts';
import type {ReadExternal} from '../tensor.ts';
import {MICROSOFT} from './assemble.ts';
import type {ByteMatrix, ByteWeights, Quantizable} from './byte-weights.ts';
import {attributeOf} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {quantizePerColumn, transpose} from './matrix.ts';

/** Where an LSTM takes the weights of its inputs and of its state; the operator's signature has eight inputs. */
const [WEIGHT, RECURRENCE, SIGNATURE] = [1, 2, 8];

/**
 * An LSTM with constant weights, which becomes one `com.microsoft.DynamicQuantizeLSTM`: in that the weights of each
 * direction are turned to [inputs, gates], with a scale for each gate.
 */
export function quantizableLstm(
  node: NodeProto,
  {constants}: GraphIndex,
  readExternal: ReadExternal,
  levels: number,
): Quantizable | null {
  if (operatorOf(node) !== 'LSTM') return null;
  const [weight, recurrence] = [constants.get(node.input[WEIGHT]!), constants.get(node.input[RECURRENCE]!)];
  if (!weight || !recurrence) return {obstacle: 'its weights are not constant', rewrite: () => null};

  const rewrite = (weights: ByteWeights): ReadonlyMap<NodeProto, readonly NodeProto[]> | null => {
    const quantize = (at: number, tensor: TensorProto): ByteMatrix | null => {
      const name = node.input[at]!;
      return weights.once(name, tensor, 'gates', () =>
        addGates(weights, name, tensorValues(tensor, readExternal), levels),
      );
    };
    const [inputs, state] = [quantize(WEIGHT, weight), quantize(RECURRENCE, recurrence)];
    if (inputs === null || state === null) return null;
    const signature = Array.from({length: SIGNATURE}, (_, at) => node.input[at] ?? '');
    const fused: NodeProto = {
      ...node,
      op_type: 'DynamicQuantizeLSTM',
      domain: MICROSOFT,
      input: [
        ...signature.with(WEIGHT, inputs.values).with(RECURRENCE, state.values),
        inputs.scales,
        inputs.zeroPoints,
        state.scales,
        state.zeroPoints,
      ],
      // It knows one layout only, and no attribute to say so.
      attribute: node.attribute.filter(({name}) => name !== 'layout'),
    };
    return new Map([[node, [fused]]]);
  };
  return {obstacle: lstmObstacle(node, weight, recurrence), rewrite};
}

function lstmObstacle(node: NodeProto, ...weights: readonly TensorProto[]): string | null {
  for (const {data_type: type, dims} of weights) {
    if (type !== DATA_TYPE.FLOAT) return `its weight has ONNX element type ${type ?? 0}`;
    if (dims.length !== 3) return `its weight has ${dims.length} dimensions`;
  }
  return Number(attributeOf(node, 'layout')?.i ?? 0) === 0 ? null : 'its batch comes first';
}

/** Adds weights of shape [directions, gates, inputs] as bytes of [directions, inputs, gates]. */
function addGates(
  weights: ByteWeights,
  name: string,
  {dims, data}: ReturnType<typeof tensorValues>,
  levels: number,
): ByteMatrix | null {
  const [directions = 0, gates = 0, inputs = 0] = dims;
  const size = gates * inputs;
  const values = new Int8Array(directions * size);
  const scales = new Float32Array(directions * gates);
  for (let direction = 0; direction < directions; direction++) {
    const stored = (data as Float32Array).subarray(direction * size, (direction + 1) * size);
    const matrix = quantizePerColumn(transpose(stored, gates, inputs), inputs, gates, levels);
    if (!matrix) return null;
    values.set(matrix.values, direction * size);
    scales.set(matrix.scales, direction * gates);
  }
  return {
    values: weights.add(`${name}_int8`, [directions, inputs, gates], values),
    scales: weights.add(`${name}_scale`, [directions, gates], scales),
    zeroPoints: weights.add(`${name}_zero_point`, [directions, gates], new Int8Array(directions * gates)),
  };
}
