import {operatorOf} from '../onnx.ts';
import type {NodeProto} from '../onnx.ts';
import {labelOf} from './graph.ts';
import type {GraphIndex} from './graph.ts';

const LOGARITHMS = new Set(['Log', 'ReduceLogSum']);

/** What hands a value's smallest parts on: an error that is small beside the largest stays as it is. */
const TRANSPARENT = new Set([
  'Abs',
  'Add',
  'Cast',
  'Clip',
  'Concat',
  'Div',
  'Expand',
  'Flatten',
  'Gather',
  'Identity',
  'Max',
  'Min',
  'Mul',
  'Pad',
  'Pow',
  'ReduceMax',
  'ReduceMean',
  'ReduceSum',
  'Relu',
  'Reshape',
  'Slice',
  'Split',
  'Sqrt',
  'Squeeze',
  'Sub',
  'Transpose',
  'Unsqueeze',
  'Where',
]);

/**
 * The logarithm that a node's results go into, through nothing but arithmetic on each element and changes of shape;
 * null if there is none. So mel spectrograms end: quantized in front of it, whatever is near zero becomes noise.
 */
export function feedsLogarithm(node: NodeProto, {readers}: GraphIndex): string | null {
  const seen = new Set<string>();
  const waiting = [...node.output];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (value === '' || seen.has(value)) continue;
    seen.add(value);
    for (const reader of readers.get(value) ?? []) {
      const operator = operatorOf(reader);
      if (LOGARITHMS.has(operator)) return labelOf(reader);
      if (TRANSPARENT.has(operator)) waiting.push(...reader.output);
    }
  }
  return null;
}
