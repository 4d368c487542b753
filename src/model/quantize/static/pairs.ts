import type {AttributeProto, GraphProto, NodeProto} from '../../onnx.ts';
import {MICROSOFT, opsetOf} from '../assemble.ts';
import {createUniqueName, integerAttribute, labelOf} from '../graph.ts';
import {createConstants} from './constants.ts';
import type {StaticPlan} from './plan.ts';
import type {Ranges} from './range.ts';
import type {IntegerWeights} from './weights.ts';

/** The first operator set in which ONNX's own DequantizeLinear can have a scale for each channel. */
const PER_CHANNEL_OPSET = 13;

/**
 * The graph of a plan with its pairs of QuantizeLinear and DequantizeLinear: behind whatever makes a value that is to
 * be bytes, so that every reader of the value reads what the bytes say; and, for inputs of the model, in front of the
 * planned nodes. In older operator sets they are ONNX Runtime's own.
 *
 * @param weights of each planned node, by its label
 */
export function writePairs(
  {model, graph, nodes, values}: StaticPlan,
  ranges: Ranges,
  weights: ReadonlyMap<string, IntegerWeights>,
): GraphProto {
  const uniqueName = createUniqueName(graph);
  const constants = createConstants(uniqueName, ranges);
  const domain = opsetOf(model) >= PER_CHANNEL_OPSET ? '' : MICROSOFT;
  const converting = (
    op: 'QuantizeLinear' | 'DequantizeLinear',
    input: readonly string[],
    output: string,
    attribute: readonly AttributeProto[] = [],
  ): NodeProto => ({op_type: op, name: output, domain, input, output: [output], attribute});

  /** The two nodes that make of a value's floats what its bytes say. */
  const pairOf = (value: string, floats: string, output: string): NodeProto[] => {
    const parameters = constants.affine(values.get(value)!);
    const bytes = uniqueName(`${value}_uint8`);
    return [
      converting('QuantizeLinear', [floats, ...parameters], bytes),
      converting('DequantizeLinear', [bytes, ...parameters], output),
    ];
  };
  /** The node that makes floats of a weight's integers. */
  const weightOf = (
    name: string,
    dims: readonly number[],
    integers: Int8Array | Int32Array,
    scales: Float32Array,
    axis: number,
  ): NodeProto => {
    const input = constants.perChannel(name, dims, integers, scales);
    return converting('DequantizeLinear', input, uniqueName(`${name}_rounded`), [
      integerAttribute('axis', axis),
    ]);
  };
  const weightsOf = (node: NodeProto, axis: number): NodeProto[] => {
    const {dims, matrix, bias} = weights.get(labelOf(node))!;
    const [, weightName = '', biasName = ''] = node.input;
    const weight = weightOf(weightName, dims, matrix.values, matrix.scales, axis);
    return bias ? [weight, weightOf(biasName, [bias.values.length], bias.values, bias.scales, 0)] : [weight];
  };

  const made: NodeProto[] = [];
  const makers = new Set(graph.node.flatMap(({output}) => output));
  const roundedInputs = new Map<string, string>();
  for (const value of values.keys()) {
    if (makers.has(value)) continue;
    const rounded = uniqueName(`${value}_rounded`);
    roundedInputs.set(value, rounded);
    made.push(...pairOf(value, value, rounded));
  }
  const axes = new Map(nodes.map(({node, axis}) => [node, axis]));
  for (const node of graph.node) {
    const axis = axes.get(node);
    const dequantized = axis === undefined ? [] : weightsOf(node, axis);
    const isOfBytes = axis !== undefined || node.output.some((name) => values.has(name));
    const input = isOfBytes ? node.input.map((name) => roundedInputs.get(name) ?? name) : node.input;
    const ofWeights = dequantized.map(({output}) => output[0]!);
    // Under another name, so that the value's own name means what its bytes say.
    const output = node.output.map((name) => (values.has(name) ? uniqueName(`${name}_float`) : name));
    made.push(...dequantized, {
      ...node,
      input: ofWeights.length > 0 ? [input[0]!, ...ofWeights] : input,
      output,
    });
    for (const [at, value] of node.output.entries()) {
      if (values.has(value)) made.push(...pairOf(value, output[at]!, value));
    }
  }
  return {...graph, node: made, initializer: [...graph.initializer, ...constants.added]};
}
