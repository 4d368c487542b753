import {DATA_TYPE, nodesWithin, operatorOf, tensorsOf} from '../onnx.ts';
import type {AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto} from '../onnx.ts';
import {makeTensor, tensorValues} from '../tensor.ts';
import type {TensorArray} from '../tensor.ts';
import {assemble, opsetOf} from './assemble.ts';
import {attributeOf, createUniqueName, indexGraph, labelOf, mapSubgraphs} from './graph.ts';
import type {GraphIndex} from './graph.ts';

/** The oldest operator set that can be lifted: before it, arithmetic had other rules of broadcasting. */
const LIFTED_FROM = 7;

/** In the next but one many operators take their axes as inputs, and Softmax means something else. */
const LIFTED_TO = 11;

/** The model with the operators of opset 11, or why it cannot be had. */
export type LiftResult = {readonly failure: null; readonly model: ModelProto} | {readonly failure: string};

/**
 * Writes a model of opset 7 to 10 with the operators of opset 11: attributes that have become inputs are made such,
 * operators that are gone are replaced by those that compute the very same. Models of opset 11 and above come back
 * as they are; the given model is not changed.
 */
export function liftOpset(model: ModelProto): LiftResult {
  const {graph} = model;
  const opset = opsetOf(model);
  if (opset >= LIFTED_TO) return {failure: null, model};
  if (!graph) return {failure: 'it has no graph'};
  if (opset < LIFTED_FROM) return {failure: `opset ${opset} is too old to be lifted to ${LIFTED_TO}`};
  if (model.functions.length > 0) return {failure: `it defines functions of its own, for opset ${opset}`};

  const uniqueName = createUniqueName(graph);
  const added: TensorProto[] = [];
  const lift: Lift = {
    opset,
    isSingle: !hasOtherFloats(model),
    add(wish, values, dims = [values.length]) {
      const tensor = makeTensor(uniqueName(wish), dims, values);
      added.push(tensor);
      return tensor.name!;
    },
  };
  try {
    const rewritten = liftGraph(model, graph, lift);
    const initializer = [...rewritten.initializer, ...added];
    const lifted = assemble(model, {...rewritten, initializer});
    const imports = lifted.opset_import.map((one) =>
      (one.domain ?? '') === '' || one.domain === 'ai.onnx' ? {...one, version: LIFTED_TO} : one,
    );
    return {failure: null, model: {...lifted, opset_import: imports}};
  } catch (error) {
    if (error instanceof Unliftable) return {failure: error.message};
    throw error;
  }
}

class Unliftable extends Error {
  constructor(node: NodeProto, why: string) {
    super(`${labelOf(node)} (${operatorOf(node)}) cannot be lifted to opset ${LIFTED_TO}: ${why}`);
    this.name = 'Unliftable';
  }
}

/** What lifting a node may use. */
interface Lift {
  /** The opset that the model is written in. */
  readonly opset: number;
  /** Whether its only floating-point numbers are those of single precision. */
  readonly isSingle: boolean;
  /** Adds a constant and gives its name. A vector if no shape is given. */
  add(wish: string, values: TensorArray, dims?: readonly number[]): string;
}

function liftGraph(model: ModelProto, graph: GraphProto, lift: Lift, outer?: GraphIndex): GraphProto {
  const index = indexGraph(model, graph, outer);
  const node = graph.node.map((old) => {
    const inner = mapSubgraphs(old, (subgraph) => liftGraph(model, subgraph, lift, index));
    const own = (old.domain ?? '') === '' || old.domain === 'ai.onnx';
    return own ? liftNode(inner, index, lift) : inner;
  });
  return {...graph, node};
}

/** A node as opset 11 writes it. */
function liftNode(node: NodeProto, index: GraphIndex, lift: Lift): NodeProto {
  const operator = node.op_type ?? '';
  if (UNCHANGED.has(operator)) return node;
  const own = LIFTS.get(operator);
  if (!own) throw new Unliftable(node, 'what it does in older opsets is not known');
  return own(node, lift, index);
}

/** Operators that mean the same in opset 11 as in 7 to 10, as far as the older ones go. */
const UNCHANGED = new Set(
  `Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool Cast Ceil Compress Concat Constant
  ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh DepthToSpace DequantizeLinear Div Elu Equal Erf Exp Expand
  EyeLike Flatten Floor GRU Gather Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater HardSigmoid Hardmax
  Identity If InstanceNormalization IsInf IsNaN LRN LSTM LeakyRelu Less Log LogSoftmax Loop LpNormalization LpPool
  MatMul MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization Min Mod Mul Multinomial Neg
  NonMaxSuppression NonZero Not OneHot Or PRelu Pow QLinearConv QLinearMatMul QuantizeLinear RNN RandomNormal
  RandomNormalLike RandomUniform RandomUniformLike Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax
  ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape ReverseSequence RoiAlign Selu Shape Shrink
  Sigmoid Sign Sin Sinh Size Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh
  ThresholdedRelu Tile Transpose Unsqueeze Where Xor`.split(/\s+/),
);

type LiftNode = (node: NodeProto, lift: Lift, index: GraphIndex) => NodeProto;

const LIFTS: ReadonlyMap<string, LiftNode> = new Map<string, LiftNode>([
  ['BatchNormalization', liftBatchNormalization],
  ['Clip', liftClip],
  ['Dropout', liftDropout],
  ['Pad', liftPad],
  ['Resize', liftResize],
  ['Scan', liftScan],
  ['Scatter', (node) => ({...node, op_type: 'ScatterElements'})],
  ['Slice', liftSlice],
  ['TopK', liftTopK],
  ['Upsample', liftResize],
]);

function liftBatchNormalization(node: NodeProto): NodeProto {
  if (attributeOf(node, 'spatial') === undefined) return node;
  if (integerOf(node, 'spatial', 1) !== 1) throw new Unliftable(node, 'it is not spatial');
  return {...node, attribute: without(node, 'spatial')};
}

function liftDropout(node: NodeProto, {opset}: Lift): NodeProto {
  // The mask became one of truth values with opset 10.
  const hasMask = (node.output[1] ?? '') !== '';
  if (opset < 10 && hasMask) throw new Unliftable(node, 'its mask is used');
  return node;
}

function liftScan(node: NodeProto, {opset}: Lift): NodeProto {
  if (opset < 9) throw new Unliftable(node, 'it scans batches');
  return node;
}

function liftClip(node: NodeProto, lift: Lift): NodeProto {
  const bound = (name: 'min' | 'max'): string => {
    const value = attributeOf(node, name)?.f;
    return value === undefined ? '' : addScalar(node, name, value, lift);
  };
  const [low, high] = [bound('min'), bound('max')];
  return {...node, input: trimmed([node.input[0] ?? '', low, high]), attribute: without(node, 'min', 'max')};
}

function liftPad(node: NodeProto, lift: Lift): NodeProto {
  const pads = integersOf(node, 'pads');
  if (!pads) throw new Unliftable(node, 'it has no pads');
  const value = attributeOf(node, 'value')?.f;
  const input = [node.input[0] ?? '', lift.add(`${labelOf(node)}_pads`, pads)];
  if (value !== undefined) input.push(addScalar(node, 'value', value, lift));
  return {...node, input, attribute: without(node, 'pads', 'value')};
}

/** An attribute has no element type, an input has: that of what the node works on. */
function addScalar(node: NodeProto, name: string, value: number, lift: Lift): string {
  if (!lift.isSingle)
    throw new Unliftable(node, 'it may work on other numbers than those of single precision');
  return lift.add(`${labelOf(node)}_${name}`, Float32Array.of(value), []);
}

function hasOtherFloats(model: ModelProto): boolean {
  const isOther = (type: unknown): boolean => type === DATA_TYPE.FLOAT16 || type === DATA_TYPE.DOUBLE;
  for (const {data_type: type} of tensorsOf(model)) if (isOther(type)) return true;
  const {input = [], value_info: values = [], node: nodes = []} = model.graph ?? {};
  if ([...input, ...values].some(({type}) => isOther(type?.tensor_type?.elem_type))) return true;
  for (const node of nodesWithin(nodes)) {
    if (['to', 'dtype'].some((name) => isOther(attributeOf(node, name)?.i))) return true;
  }
  return false;
}

function liftSlice(node: NodeProto, lift: Lift): NodeProto {
  if (lift.opset >= 10) return node;
  const [starts, ends, axes] = ['starts', 'ends', 'axes'].map((name) => integersOf(node, name));
  if (!starts || !ends) throw new Unliftable(node, 'it has no starts and ends');
  const input = [
    node.input[0] ?? '',
    lift.add(`${labelOf(node)}_starts`, starts),
    lift.add(`${labelOf(node)}_ends`, ends),
  ];
  if (axes) input.push(lift.add(`${labelOf(node)}_axes`, axes));
  return {...node, input, attribute: without(node, 'starts', 'ends', 'axes')};
}

function liftTopK(node: NodeProto, lift: Lift): NodeProto {
  if (lift.opset >= 10) return node;
  const k = attributeOf(node, 'k')?.i;
  if (k === undefined) throw new Unliftable(node, 'it has no k');
  const count = lift.add(`${labelOf(node)}_k`, BigInt64Array.of(BigInt(k)));
  return {...node, input: [node.input[0] ?? '', count], attribute: without(node, 'k')};
}

/** Upsample, and Resize as opset 10 has it, count from the corner: an element comes from where it falls, cut down. */
function liftResize(node: NodeProto, lift: Lift, {constants}: GraphIndex): NodeProto {
  const scales = scalesOf(node, constants);
  if (scales.some((scale) => !(scale >= 1))) throw new Unliftable(node, 'it makes its input smaller');
  const [input = ''] = node.input;
  const name = labelOf(node);
  return {
    ...node,
    op_type: 'Resize',
    input: [input, lift.add(`${name}_roi`, new Float32Array()), lift.add(`${name}_scales`, scales)],
    attribute: [
      ...without(node, 'scales'),
      textAttribute('coordinate_transformation_mode', 'asymmetric'),
      textAttribute('nearest_mode', 'floor'),
    ],
  };
}

function scalesOf(node: NodeProto, constants: GraphIndex['constants']): Float32Array {
  const attribute = attributeOf(node, 'scales');
  if (attribute) return Float32Array.from(attribute.floats);
  const tensor = constants.get(node.input[1] ?? '');
  if (tensor?.data_type !== DATA_TYPE.FLOAT) throw new Unliftable(node, 'its scales are not constant');
  const {data} = tensorValues(tensor, () => {
    throw new Unliftable(node, 'its scales lie outside the model file');
  });
  return data as Float32Array;
}

const integerOf = (node: NodeProto, name: string, otherwise: number): number =>
  Number(attributeOf(node, name)?.i ?? otherwise);

function integersOf(node: NodeProto, name: string): BigInt64Array | undefined {
  const attribute = attributeOf(node, name);
  return attribute && BigInt64Array.from(attribute.ints.map(BigInt));
}

const without = ({attribute}: NodeProto, ...names: readonly string[]): AttributeProto[] =>
  attribute.filter(({name}) => !names.includes(name ?? ''));

/** Inputs without the empty ones at the end. */
function trimmed(input: readonly string[]): string[] {
  return input.slice(0, input.findLastIndex((name) => name !== '') + 1);
}

const textAttribute = (name: string, text: string): AttributeProto => ({
  name,
  s: new TextEncoder().encode(text),
  type: 3,
  floats: [],
  ints: [],
  strings: [],
  tensors: [],
  graphs: [],
});
