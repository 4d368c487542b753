import {DATA_TYPE, nodesWithin, operatorOf, tensorsOf} from '../onnx.ts';
import type {GraphProto, ModelProto, NodeProto, TensorProto} from '../onnx.ts';
import type {ReadExternal} from '../tensor.ts';
import {elementCount, isExternal, makeTensor, rawBytesOf, tensorValues, withInlineData} from '../tensor.ts';
import {
  attributeOf,
  createUniqueName,
  indexGraph,
  labelOf,
  pruneConstants,
  weightsAreInputs,
} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {quantizePerColumn, transpose} from './matrix.ts';

/** A quantized model, or why there is none. */
export type QuantizeResult =
  | {
      readonly failure: null;
      readonly model: ModelProto;
      /** The nodes whose weights are bytes now. */
      readonly quantizedNodes: readonly string[];
      /** The matrix products that stayed as they were. */
      readonly leftAlone: readonly {readonly node: string; readonly why: string}[];
    }
  | {readonly failure: string};

/** Smaller weights gain nothing: quantizing the activations costs more than the product saves. */
const WEIGHT_ELEMENTS_MIN = 1024;

/** See `quantizePerColumn`: right on every CPU. */
const LEVELS = 64;

/** What one protobuf file can carry, with some room for everything that is not weights. */
const INLINE_BYTES_MAX = 1.5e9;

const DOMAIN = 'com.microsoft';

/** Operators that are there only in models which somebody has quantized already. */
const QUANTIZED =
  /^(com\.microsoft\.)?(QLinear\w+|Q(Gemm|Attention)|\w+Integer\w*|(Dynamic)?(Quantize|Dequantize)\w+|MatMul\w*Bits\w*|GatherBlockQuantized)$/;

/**
 * Quantizes the matrix products of a model dynamically: weights become signed bytes with a scale for each output
 * channel, activations are quantized while the model runs. Every MatMul and Gemm of the main graph that multiplies by
 * a constant matrix becomes one `com.microsoft.DynamicQuantizeMatMul`, which takes in a constant bias that is added
 * next. The given model is not changed. External data is taken into the result, which is one file.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeDynamic(model: ModelProto, readExternal: ReadExternal): QuantizeResult {
  const {graph} = model;
  if (!graph) return {failure: 'it has no graph'};
  const quantizedBefore = [...nodesWithin(graph.node)].map(operatorOf).find((name) => QUANTIZED.test(name));
  if (quantizedBefore !== undefined) return {failure: `it is quantized already: it has ${quantizedBefore}`};

  const index = indexGraph(model, graph);
  const products = graph.node.flatMap((node) => productOf(node, index) ?? []);
  const left = products.map((product) => ({product, why: whyLeftAlone(product)}));
  const chosen = left.filter(({why}) => why === null).map(({product}) => product);
  const tooLarge = whyNotOneFile(model, graph, chosen);
  if (tooLarge !== null) return {failure: tooLarge};

  const rewriter = createRewriter(graph, readExternal);
  const leftAlone = left.flatMap(({product, why}) =>
    why === null ? [] : [{node: labelOf(product.node), why}],
  );
  const quantizedNodes: string[] = [];
  for (const product of chosen) {
    if (rewriter.rewrite(product, biasOf(product, index))) quantizedNodes.push(labelOf(product.node));
    else leftAlone.push({node: labelOf(product.node), why: 'its weight has NaN or infinity'});
  }
  if (quantizedNodes.length === 0) return {failure: whyNothing(leftAlone)};
  return {failure: null, model: assemble(model, rewriter.graph()), quantizedNodes, leftAlone};
}

/** A matrix product with a constant right side. */
interface Product {
  readonly node: NodeProto;
  readonly weightName: string;
  readonly weight: TensorProto;
  /** The weight is stored as [N, K]. */
  readonly transposed: boolean;
  /** What is added to the product by the node itself: a Gemm's third input. */
  readonly addend: string | null;
  /** Why its attributes do not allow it. */
  readonly obstacle: string | null;
}

function productOf(node: NodeProto, {constants}: GraphIndex): Product | null {
  const operator = operatorOf(node);
  const [left = '', weightName = '', addend = ''] = node.input;
  const weight = constants.get(weightName);
  if (!weight || constants.has(left) || (operator !== 'MatMul' && operator !== 'Gemm')) return null;
  const common = {node, weightName, weight};
  if (operator === 'MatMul') return {...common, transposed: false, addend: null, obstacle: null};
  return {
    ...common,
    transposed: Number(attributeOf(node, 'transB')?.i ?? 0) !== 0,
    addend: addend === '' ? null : addend,
    obstacle: gemmObstacle(node),
  };
}

function gemmObstacle(node: NodeProto): string | null {
  if (Number(attributeOf(node, 'transA')?.i ?? 0) !== 0) return 'it transposes its left side';
  if ((attributeOf(node, 'alpha')?.f ?? 1) !== 1) return 'its alpha is not 1';
  if ((attributeOf(node, 'beta')?.f ?? 1) !== 1) return 'its beta is not 1';
  // Before opset 7 broadcasting had to be asked for, and had other rules.
  return attributeOf(node, 'broadcast') ? 'it broadcasts by an old rule' : null;
}

function whyLeftAlone({weight, obstacle}: Product): string | null {
  if (weight.data_type !== DATA_TYPE.FLOAT)
    return `its weight has ONNX element type ${weight.data_type ?? 0}`;
  if (weight.dims.length !== 2) return `its weight has ${weight.dims.length} dimensions`;
  const elements = elementCount(weight.dims.map(Number));
  if (elements < WEIGHT_ELEMENTS_MIN) return `its weight has only ${elements} elements`;
  return obstacle;
}

function whyNothing(leftAlone: readonly {readonly node: string; readonly why: string}[]): string {
  const first = leftAlone[0];
  return first
    ? `nothing in it can be quantized: ${first.node} was left alone because ${first.why}`
    : 'nothing in it can be quantized: it multiplies by no constant matrix';
}

/** The result has all its weights inside: they must fit, and they must lie where they can be taken in. */
function whyNotOneFile(model: ModelProto, graph: GraphProto, products: readonly Product[]): string | null {
  const own = new Set(graph.initializer);
  for (const tensor of tensorsOf(model)) {
    if (isExternal(tensor) && !own.has(tensor)) return 'a subgraph of it keeps weights in external data';
  }
  const quantized = new Set(products.map(({weight}) => weight));
  const bytes = graph.initializer.reduce(
    (sum, tensor) => sum + (rawBytesOf(tensor) ?? 0) / (quantized.has(tensor) ? 4 : 1),
    0,
  );
  return bytes > INLINE_BYTES_MAX ? `its weights would take ${Math.round(bytes / 1e6)} MB in one file` : null;
}

/** What is added after a product: a vector that the fused operator takes, or a value for an Add of its own. */
interface Bias {
  /** A vector with one element for each column, to go into the fused operator. */
  readonly vector: {readonly name: string; readonly tensor: TensorProto} | null;
  /** Anything else that a Gemm adds. */
  readonly value: string | null;
  /** The Add that the fused operator replaces. */
  readonly add: NodeProto | null;
}

function biasOf(product: Product, index: GraphIndex): Bias {
  const {node, weight, transposed, addend} = product;
  const columns = Number(weight.dims[transposed ? 0 : 1]);
  const vectorOf = (name: string): Bias['vector'] => {
    const tensor = index.constants.get(name);
    if (!tensor || tensor.data_type !== DATA_TYPE.FLOAT) return null;
    const isVector = tensor.dims.length === 1 && tensor.dims[0] === columns;
    return isVector ? {name, tensor} : null;
  };
  if (addend !== null) {
    const vector = vectorOf(addend);
    return {vector, value: vector ? null : addend, add: null};
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
  return {vector, value: null, add: vector && add ? add : null};
}

interface Rewriter {
  /** Replaces a product; false, and nothing done, if its weight cannot be quantized. */
  rewrite(product: Product, bias: Bias): boolean;
  graph(): GraphProto;
}

/** Collects what shall stand in place of nodes, and the new weights. */
function createRewriter(graph: GraphProto, readExternal: ReadExternal): Rewriter {
  const uniqueName = createUniqueName(graph);
  const replaced = new Map<NodeProto, readonly NodeProto[]>();
  const initializers: TensorProto[] = [];
  const replacedConstants = new Set<string>();
  const matrices = new Map<string, readonly [values: string, scales: string, zeroPoints: string] | null>();

  const matrixOf = ({weightName, weight, transposed}: Product) => {
    const key = `${transposed ? 'transposed' : 'plain'} ${weightName}`;
    const known = matrices.get(key);
    if (known !== undefined) return known;
    const {dims, data} = tensorValues(weight, readExternal);
    const [rows = 0, columns = 0] = transposed ? dims.toReversed() : dims;
    const stored = data as Float32Array;
    const matrix = quantizePerColumn(
      transposed ? transpose(stored, columns, rows) : stored,
      rows,
      columns,
      LEVELS,
    );
    if (!matrix) {
      matrices.set(key, null);
      return null;
    }
    const base = transposed ? `${weightName}_transposed` : weightName;
    const add = (suffix: string, shape: readonly number[], values: Int8Array | Float32Array): string => {
      const tensor = makeTensor(uniqueName(`${base}_${suffix}`), shape, values);
      initializers.push(tensor);
      return tensor.name!;
    };
    const names = [
      add('int8', [rows, columns], matrix.values),
      add('scale', [columns], matrix.scales),
      add('zero_point', [columns], new Int8Array(columns)),
    ] as const;
    matrices.set(key, names);
    return names;
  };

  return {
    rewrite(product, {vector, value, add}) {
      const {node, weightName} = product;
      const names = matrixOf(product);
      if (names === null) return false;
      const output = (add ?? node).output[0] ?? '';
      const sum = value === null ? output : uniqueName(`${output}_product`);
      const fused: NodeProto = {
        ...node,
        op_type: 'DynamicQuantizeMatMul',
        domain: DOMAIN,
        input: [node.input[0] ?? '', ...names, ...(vector ? [vector.name] : [])],
        output: [sum],
        attribute: [],
      };
      const adding: NodeProto[] =
        value === null ? [] : [{op_type: 'Add', input: [sum, value], output: [output], attribute: []}];
      replacedConstants.add(weightName);
      // In the Add's place, not the product's: the bias may be made between the two.
      if (add) replaced.set(node, []);
      replaced.set(add ?? node, [fused, ...adding]);
      return true;
    },
    graph: () => {
      const rewritten: GraphProto = {
        ...graph,
        node: graph.node.flatMap((node) => replaced.get(node) ?? [node]),
        initializer: [...graph.initializer, ...initializers],
      };
      const pruned = pruneConstants(rewritten, replacedConstants);
      return {
        ...pruned,
        initializer: pruned.initializer.map((tensor) => withInlineData(tensor, readExternal)),
      };
    },
  };
}

/** The model around its new graph, in a format version and with the operator set that the new nodes need. */
function assemble(model: ModelProto, graph: GraphProto): ModelProto {
  const hasDomain = model.opset_import.some(({domain}) => domain === DOMAIN);
  const opsets = hasDomain ? model.opset_import : [...model.opset_import, {domain: DOMAIN, version: 1}];
  if (!weightsAreInputs(model)) return {...model, opset_import: opsets, graph};
  // The old weights are still listed as inputs, the new ones are not: only the next version allows that, and there
  // a listed weight could be replaced by the caller. So none is listed.
  const weights = new Set(model.graph?.initializer.map(({name}) => name));
  const input = graph.input.filter(({name}) => !weights.has(name));
  return {...model, ir_version: 4, opset_import: opsets, graph: {...graph, input}};
}
