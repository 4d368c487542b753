import {DATA_TYPE} from '../onnx.ts';
import type {NodeProto} from '../onnx.ts';
import {makeTensor, tensorValues} from '../tensor.ts';
import {createUniqueName, integerAttribute} from './graph.ts';
import {HALF_MAX, HALF_NORMAL_MIN, halfBits} from './half.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {NOT_FINITE} from './rewrite.ts';
import {storeSmaller} from './stored-weights.ts';
import type {SmallerWeight, StoredWeight} from './stored-weights.ts';

/**
 * Keeps the large float weights of a model in half precision, whatever reads them, and computes in single precision.
 * Each weight is restored by a Cast, which ONNX Runtime does once, when it loads the model. Weights beyond the range
 * of half precision, or all too small for it, stay as they are.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeFp16(input: QuantizeInput): QuantizeResult {
  const {graph} = input.model;
  if (!graph) return {failure: 'it has no graph'};
  const uniqueName = createUniqueName(graph);
  return storeSmaller(input, {
    isMeant: ({data_type: type}) => type === DATA_TYPE.FLOAT,
    shrink: (weight) => toHalves(weight, input, uniqueName),
    nothing: 'it has no large constant weight of single precision',
  });
}

function toHalves(
  {name, tensor}: StoredWeight,
  {readExternal}: QuantizeInput,
  uniqueName: (wish: string) => string,
): SmallerWeight | {readonly obstacle: string} {
  const {dims, data} = tensorValues(tensor, readExternal);
  const values = data as Float32Array;
  const obstacle = whyNoHalves(values);
  if (obstacle !== null) return {obstacle};
  const halves = makeTensor(uniqueName(`${name}_fp16`), dims, halfBits(values));
  const restoring: NodeProto = {
    name: uniqueName(`${name}_restored`),
    op_type: 'Cast',
    input: [halves.name!],
    output: [name],
    attribute: [integerAttribute('to', DATA_TYPE.FLOAT)],
  };
  return {tensors: [{...halves, data_type: DATA_TYPE.FLOAT16}], nodes: [restoring]};
}

function whyNoHalves(values: Float32Array): string | null {
  let largest = 0;
  for (let index = 0; index < values.length; index++) {
    const magnitude = Math.abs(values[index]!);
    if (!(magnitude < Infinity)) return NOT_FINITE;
    if (magnitude > largest) largest = magnitude;
  }
  if (largest > HALF_MAX) return `its weight reaches ${largest}, half precision only ${HALF_MAX}`;
  if (largest > 0 && largest < HALF_NORMAL_MIN)
    return `its weight, at most ${largest}, is too small for half precision`;
  return null;
}
