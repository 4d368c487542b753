import {DATA_TYPE, operatorOf} from '../onnx.ts';
import type {NodeProto, TensorProto} from '../onnx.ts';
import {elementCount} from '../tensor.ts';
import {attributeOf} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {feedsLogarithm} from './logarithm.ts';
import {MICROSOFT} from './assemble.ts';
import type {ByteWeights, Quantizable} from './byte-weights.ts';

/** Smaller weights gain nothing: quantizing the activations costs more than the product saves. */
export const WEIGHT_ELEMENTS_MIN = 1024;

/** A MatMul or Gemm with a constant right side. */
export interface Product {
  readonly node: NodeProto;
  readonly weightName: string;
  readonly weight: TensorProto;
  /** The weight is stored as [N, K]. */
  readonly transposed: boolean;
  /** What is added to the product by the node itself: a Gemm's third input. */
  readonly addend: string | null;
  /** Why it has to stay as it is. */
  readonly obstacle: string | null;
}

/** Reads a node as a matrix product; null if it is none, or has no constant matrix on its right. */
export function productAt(node: NodeProto, index: GraphIndex): Product | null {
  const operator = operatorOf(node);
  if (operator !== 'MatMul' && operator !== 'Gemm') return null;
  const [left = '', weightName = '', addend = ''] = node.input;
  const weight = index.constants.get(weightName);
  if (!weight || index.constants.has(left)) return null;
  return {
    node,
    weightName,
    weight,
    transposed: operator === 'Gemm' && Number(attributeOf(node, 'transB')?.i ?? 0) !== 0,
    addend: operator === 'Gemm' && addend !== '' ? addend : null,
    obstacle: whyWeightStays(weight) ?? gemmObstacle(node, operator) ?? whyLogarithm(node, index),
  };
}

function gemmObstacle(node: NodeProto, operator: 'MatMul' | 'Gemm'): string | null {
  if (operator === 'MatMul') return null;
  if (Number(attributeOf(node, 'transA')?.i ?? 0) !== 0) return 'it transposes its left side';
  if ((attributeOf(node, 'alpha')?.f ?? 1) !== 1) return 'its alpha is not 1';
  if ((attributeOf(node, 'beta')?.f ?? 1) !== 1) return 'its beta is not 1';
  // Before opset 7 broadcasting had to be asked for, and had other rules.
  return attributeOf(node, 'broadcast') ? 'it broadcasts by an old rule' : null;
}

function whyWeightStays(weight: TensorProto): string | null {
  if (weight.data_type !== DATA_TYPE.FLOAT)
    return `its weight has ONNX element type ${weight.data_type ?? 0}`;
  if (weight.dims.length !== 2) return `its weight has ${weight.dims.length} dimensions`;
  const elements = elementCount(weight.dims.map(Number));
  return elements < WEIGHT_ELEMENTS_MIN ? `its weight has only ${elements} elements` : null;
}

/** Why a product must stay float for what is done with it: small numbers are all that counts to a logarithm. */
export function whyLogarithm(node: NodeProto, index: GraphIndex): string | null {
  const logarithm = feedsLogarithm(node, index);
  return logarithm === null ? null : `its result goes into the logarithm ${logarithm}`;
}

/** What is added after a product: a vector that the fused operator takes, or a value for an Add of its own. */
interface Bias {
  /** A vector with one element for each column, to go into the fused operator. */
  readonly vector: string | null;
  /** Anything else that a Gemm adds. */
  readonly value: string | null;
  /** The Add that the fused operator replaces. */
  readonly add: NodeProto | null;
}

function biasOf({node, weight, transposed, addend}: Product, index: GraphIndex): Bias {
  const columns = Number(weight.dims[transposed ? 0 : 1]);
  const vectorOf = (name: string): string | null => {
    const tensor = index.constants.get(name);
    if (!tensor || tensor.data_type !== DATA_TYPE.FLOAT) return null;
    return tensor.dims.length === 1 && tensor.dims[0] === columns ? name : null;
  };
  if (addend !== null) {
    const vector = vectorOf(addend);
    return {vector, value: vector === null ? addend : null, add: null};
  }
  const output = node.output[0] ?? '';
  const readers = index.readers.get(output) ?? [];
  const add = readers[0];
  const absorbs =
    add !== undefined &&
    readers.length === 1 &&
    !index.readElsewhere.has(output) &&
    operatorOf(add) === 'Add' &&
    add.attribute.length === 0;
  const vector = absorbs ? vectorOf(add.input[0] === output ? add.input[1]! : add.input[0]!) : null;
  return {vector, value: null, add: vector !== null && add ? add : null};
}

/**
 * What comes in the place of a product, and of an Add behind it where that is taken in.
 *
 * @param make the operator of ONNX Runtime's own that multiplies, given the vector that it shall add
 */
export function replaceProduct(
  product: Product,
  index: GraphIndex,
  uniqueName: (wish: string) => string,
  make: (bias: string | null) => Pick<NodeProto, 'op_type' | 'input' | 'attribute'>,
): ReadonlyMap<NodeProto, readonly NodeProto[]> {
  const {node} = product;
  const {vector, value, add} = biasOf(product, index);
  const output = (add ?? node).output[0] ?? '';
  const sum = value === null ? output : uniqueName(`${output}_product`);
  const multiplying: NodeProto = {...node, ...make(vector), domain: MICROSOFT, output: [sum]};
  if (add) {
    // In the Add's place, not the product's: the bias may be made between the two.
    return new Map([
      [node, []],
      [add, [multiplying]],
    ]);
  }
  const adding: NodeProto[] =
    value === null ? [] : [{op_type: 'Add', input: [sum, value], output: [output], attribute: []}];
  return new Map([[node, [multiplying, ...adding]]]);
}

/**
 * A matrix product that becomes one `com.microsoft.DynamicQuantizeMatMul`, which takes in a constant bias that is
 * added next.
 */
export function quantizableProduct(node: NodeProto, index: GraphIndex): Quantizable | null {
  const product = productAt(node, index);
  if (!product) return null;
  const {weightName, weight, transposed, obstacle} = product;
  const rewrite = (weights: ByteWeights): ReadonlyMap<NodeProto, readonly NodeProto[]> | null => {
    const matrix = weights.perColumn(weightName, weight, transposed);
    if (matrix === null) return null;
    return replaceProduct(product, index, weights.uniqueName, (bias) => ({
      op_type: 'DynamicQuantizeMatMul',
      input: [
        node.input[0] ?? '',
        matrix.values,
        matrix.scales,
        matrix.zeroPoints,
        ...(bias === null ? [] : [bias]),
      ],
      attribute: [],
    }));
  };
  return {obstacle, rewrite};
}
