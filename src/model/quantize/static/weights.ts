import type {CpuClass} from '../../../core/model.ts';
import {tensorValues} from '../../tensor.ts';
import type {ReadExternal} from '../../tensor.ts';
import {levelsOn} from '../levels.ts';
import {quantizePerColumn, quantizePerRow, roundToEven} from '../matrix.ts';
import type {QuantizedMatrix} from '../matrix.ts';
import type {IntegerNode, StaticPlan} from './plan.ts';
import {affineOf} from './range.ts';
import type {Ranges} from './range.ts';

/** Half of what 32 bits can count: the other half is left to the sum of products that a bias is added to. */
const BIAS_STEPS_MAX = 2 ** 30;

/** A node's weights in integers. */
export interface IntegerWeights {
  readonly dims: readonly number[];
  readonly matrix: QuantizedMatrix;
  readonly bias: {readonly values: Int32Array; readonly scales: Float32Array} | null;
}

/**
 * A node's weight as signed bytes with a scale for each output channel, and its bias in steps of the input's scale
 * times that. A channel whose bias would not fit gets a larger scale.
 *
 * @returns null if something in them is NaN or infinite
 */
export function integerWeightsOf(
  {node, weight, axis, bias}: IntegerNode,
  {values}: StaticPlan,
  ranges: Ranges,
  readExternal: ReadExternal,
  cpu: CpuClass,
): IntegerWeights | null {
  const {dims, data} = tensorValues(weight, readExternal);
  const levels = levelsOn(cpu);
  const [x = ''] = node.input;
  const {scale: scaleX} = affineOf(ranges.get(values.get(x) ?? x)!);
  const biases = bias ? (tensorValues(bias, readExternal).data as Float32Array) : null;
  if (biases?.some((value) => !Number.isFinite(value))) return null;
  const scalesMin = biases?.map((value) => Math.abs(value) / (scaleX * BIAS_STEPS_MAX));
  const size = dims[axis] ?? 0;
  const others = data.length / size;
  const floats = data as Float32Array;
  const matrix =
    axis === 0
      ? quantizePerRow(floats, size, others, levels, scalesMin)
      : quantizePerColumn(floats, others, size, levels, scalesMin);
  if (!matrix) return null;
  return {dims, matrix, bias: biases && integerBias(biases, scaleX, matrix.scales)};
}

function integerBias(biases: Float32Array, scaleX: number, scales: Float32Array): IntegerWeights['bias'] {
  const products = scales.map((scale) => scale * scaleX);
  const values = Int32Array.from(biases, (value, channel) => roundToEven(value / (products[channel]! || 1)));
  return {values, scales: products};
}
