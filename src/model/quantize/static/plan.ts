import {DATA_TYPE, operatorOf} from '../../onnx.ts';
import type {GraphProto, ModelProto, NodeProto, TensorProto} from '../../onnx.ts';
import {elementCount, tensorValues} from '../../tensor.ts';
import type {ReadExternal} from '../../tensor.ts';
import {foldWeights} from '../fold-weights.ts';
import {attributeOf, indexGraph, labelOf, scopesOf} from '../graph.ts';
import type {GraphIndex} from '../graph.ts';
import {liftOpset} from '../opset.ts';
import {productAt, whyLogarithm} from '../products.ts';
import {prepare, whyNothing} from '../rewrite.ts';
import {foldBatchNormalizations} from './fold.ts';

/** A node whose multiplications are to be done with bytes. */
export interface IntegerNode {
  readonly node: NodeProto;
  readonly weight: TensorProto;
  /** The axis of the weight that the output channels lie along. */
  readonly axis: 0 | 1;
  /** A constant vector that the node adds: in integers too. */
  readonly bias: TensorProto | null;
}

/** Which values of a model are to be bytes while it runs, and which nodes that is for. */
export interface StaticPlan {
  /** The model that values and nodes are of: the given one in single precision and an operator set that can be
   * quantized, weights and batch normalizations folded. */
  readonly model: ModelProto;
  readonly graph: GraphProto;
  readonly nodes: readonly IntegerNode[];
  /**
   * The values that are to be bytes, each with the value whose range it shares: its own, or that of what it is only
   * another arrangement of.
   */
  readonly values: ReadonlyMap<string, string>;
  readonly leftAlone: readonly {readonly node: string; readonly why: string}[];
}

/** What only arranges elements anew, so that bytes stay bytes of the same range. */
const ARRANGING = new Set(['Flatten', 'Identity', 'MaxPool', 'Reshape', 'Squeeze', 'Transpose', 'Unsqueeze']);

/**
 * Plans what a static quantization makes of a model: Conv, Gemm and MatMul with constant weights get bytes to
 * multiply; the output of a Conv is bytes too, behind the Relu that follows it. Additions, multiplications, poolings
 * and concatenations between such values are done with bytes by ONNX Runtime without any doing. Only the main graph
 * is looked at.
 *
 * @param kept labels of nodes that stay as they are, and why
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function planStatic(
  given: ModelProto,
  readExternal: ReadExternal,
  kept: ReadonlyMap<string, string>,
): StaticPlan | {readonly failure: string} {
  const prepared = prepare(given, readExternal);
  if (prepared.failure !== null) return prepared;
  // In older operator sets there is no convolution of integers.
  const lifted = liftOpset(prepared.model);
  if (lifted.failure !== null) return lifted;
  const model = foldBatchNormalizations(foldWeights(lifted.model, readExternal), readExternal);
  const {graph} = model;
  if (!graph) return {failure: 'it has no graph'};
  const index = indexGraph(model, graph);
  const nodes: IntegerNode[] = [];
  const leftAlone: {node: string; why: string}[] = [];
  for (const node of graph.node) {
    const found = integerNodeAt(node, index);
    if (!found) continue;
    const why = kept.get(labelOf(node)) ?? found.obstacle;
    if (why === null) nodes.push(found);
    else leftAlone.push({node: labelOf(node), why});
  }
  if (nodes.length === 0) return {failure: whyNothing(leftAlone, whyNone(model))};
  return {model, graph, nodes, values: valuesFor(nodes, graph, index, readExternal), leftAlone};
}

type Found = IntegerNode & {readonly obstacle: string | null};

function integerNodeAt(node: NodeProto, index: GraphIndex): Found | null {
  if (operatorOf(node) === 'Conv') return convAt(node, index);
  const product = productAt(node, index);
  if (!product) return null;
  const {weight, transposed, addend} = product;
  const bias = addend === null ? null : (index.constants.get(addend) ?? null);
  const columns = weight.dims[transposed ? 0 : 1];
  const obstacle =
    product.obstacle ??
    (addend === null || isVector(bias, Number(columns))
      ? null
      : `what it adds is no constant vector: ${addend}`);
  return {node, weight, axis: transposed ? 0 : 1, bias, obstacle};
}

function convAt(node: NodeProto, index: GraphIndex): Found | null {
  const [x = '', weightName = '', biasName = ''] = node.input;
  const weight = index.constants.get(weightName);
  if (!weight || index.constants.has(x)) return null;
  const bias = index.constants.get(biasName) ?? null;
  return {node, weight, axis: 0, bias, obstacle: convObstacle(node, weight, bias, index)};
}

function convObstacle(
  node: NodeProto,
  {data_type: type, dims}: TensorProto,
  bias: TensorProto | null,
  index: GraphIndex,
): string | null {
  if (type !== DATA_TYPE.FLOAT) return `its weight has ONNX element type ${type ?? 0}`;
  if (elementCount(dims.map(Number)) === 0) return 'its weight has no elements';
  const biasName = node.input[2] ?? '';
  if (biasName !== '' && !isVector(bias, Number(dims[0])))
    return `its bias is no constant vector: ${biasName}`;
  return whyLogarithm(node, index);
}

const isVector = (tensor: TensorProto | null, size: number): boolean =>
  tensor?.data_type === DATA_TYPE.FLOAT &&
  elementCount(tensor.dims.map(Number)) === size &&
  Number(tensor.dims.at(-1)) === size;

function valuesFor(
  nodes: readonly IntegerNode[],
  graph: GraphProto,
  index: GraphIndex,
  readExternal: ReadExternal,
): ReadonlyMap<string, string> {
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)));
  const wanted = new Set<string>();
  for (const {node} of nodes) {
    wanted.add(node.input[0] ?? '');
    if (operatorOf(node) === 'Conv') wanted.add(activatedOutput(node, index, readExternal));
  }
  // What lies between two such values and only arranges elements is to be bytes as well, from the first to the last.
  for (const name of wanted) for (const between of arrangedFrom(name, wanted, makers)) wanted.add(between);
  const values = new Map<string, string>();
  const rangeOf = (name: string): string => {
    const source = arrangedInput(makers.get(name));
    return source !== null && wanted.has(source) ? rangeOf(source) : name;
  };
  for (const name of wanted) values.set(name, rangeOf(name));
  return values;
}

/** The values between one and the next one before it that is wanted; none if there is none. */
function arrangedFrom(
  name: string,
  wanted: ReadonlySet<string>,
  makers: ReadonlyMap<string, NodeProto>,
): string[] {
  const between: string[] = [];
  for (
    let source = arrangedInput(makers.get(name));
    source !== null;
    source = arrangedInput(makers.get(source))
  ) {
    if (wanted.has(source)) return between;
    between.push(source);
  }
  return [];
}

/** What a node only arranges anew; null if it does more. */
function arrangedInput(node: NodeProto | undefined): string | null {
  if (!node) return null;
  const operator = operatorOf(node);
  const nearest = operator === 'Resize' && isNearest(node);
  // The further output of a MaxPool is made of places, not of elements.
  const arranges = nearest || (ARRANGING.has(operator) && node.output.length === 1);
  return arranges ? (node.input[0] ?? null) : null;
}

function isNearest(node: NodeProto): boolean {
  const mode = attributeOf(node, 'mode')?.s;
  return mode === undefined || new TextDecoder().decode(mode) === 'nearest';
}

/**
 * The value behind the activation that follows a node, if ONNX Runtime can leave that to the bytes' range: a Relu or
 * a Clip from zero up that nothing else stands beside.
 */
function activatedOutput(node: NodeProto, index: GraphIndex, readExternal: ReadExternal): string {
  const output = node.output[0] ?? '';
  const readers = index.readers.get(output) ?? [];
  const [reader] = readers;
  if (!reader || readers.length !== 1 || index.readElsewhere.has(output) || reader.input[0] !== output)
    return output;
  const operator = operatorOf(reader);
  const fuses = operator === 'Relu' || (operator === 'Clip' && startsAtZero(reader, index, readExternal));
  return fuses ? (reader.output[0] ?? '') : output;
}

function startsAtZero(clip: NodeProto, {constants}: GraphIndex, readExternal: ReadExternal): boolean {
  const attribute = attributeOf(clip, 'min');
  if (attribute) return attribute.f === 0;
  const low = constants.get(clip.input[1] ?? '');
  return low?.data_type === DATA_TYPE.FLOAT && tensorValues(low, readExternal).data[0] === 0;
}

/** Why there is nothing to do in a model where no node was even looked at. */
function whyNone(model: ModelProto): string {
  for (const {graph} of scopesOf(model)) {
    const inner = graph === model.graph ? undefined : graph.node.find((node) => operatorOf(node) === 'Conv');
    if (inner) return `its convolutions stand inside other nodes, such as ${labelOf(inner)}`;
  }
  return 'it has no Conv, Gemm or MatMul with constant weights';
}
