import {DATA_TYPE, operatorOf} from '../onnx.ts';
import type {NodeProto, TensorProto} from '../onnx.ts';
import {elementCount, tensorValues} from '../tensor.ts';
import type {ReadExternal} from '../tensor.ts';
import {MICROSOFT} from './assemble.ts';
import {BLOCK_SIZE, quantizeBlocks} from './block-matrix.ts';
import type {ByteWeights, Quantizable} from './byte-weights.ts';
import {attributeOf, integerAttribute, labelOf, usersIn} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {transpose} from './matrix.ts';
import type {QuantizeInput, QuantizeResult} from './mode.ts';
import {productAt, replaceProduct, WEIGHT_ELEMENTS_MIN} from './products.ts';
import {rewriteNodes} from './rewrite.ts';
import type {NodeRules} from './rewrite.ts';
import {switchNodes} from './switches.ts';
import type {SwitchedModel} from './switches.ts';

/**
 * Keeps the weights of matrix products and embeddings as bytes, in blocks of 32 with a scale for each. See
 * `quantizeInt4`.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeInt8Blocks(input: QuantizeInput): QuantizeResult {
  return quantizeInBlocks(input, 8);
}

/** What `quantizeInt4` can be told beside what every mode is given. */
export interface Int4Input extends QuantizeInput {
  /** Labels of nodes whose weights do not bear to have only 15 steps: they get 255. */
  readonly sensitive?: ReadonlySet<string>;
}

/**
 * Keeps the weights of matrix products and embeddings in 4 bits each, in blocks of 32 with a scale for each. MatMul
 * and Gemm become `com.microsoft.MatMulNBits`, a look-up of rows becomes `com.microsoft.GatherBlockQuantized`, also
 * inside the branches and bodies of If, Loop and Scan. Sums have 32 bits: no CPU saturates.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function quantizeInt4(input: Int4Input): QuantizeResult {
  return quantizeInBlocks(input, 4, input.sensitive);
}

/**
 * The model with a switch at each node that `quantizeInt4` would rewrite.
 *
 * @throws ThawError MODEL_INVALID for a weight whose values do not fit its shape
 */
export function switchInt4(input: QuantizeInput): SwitchedModel | {readonly failure: string} {
  const switched = switchNodes(input, rulesInBlocks(input, 4, new Set()));
  return switched.failure === null ? {...switched, session: BLOCKS_SESSION} : switched;
}

type Bits = 4 | 8;

function quantizeInBlocks(
  input: QuantizeInput,
  bits: Bits,
  sensitive: ReadonlySet<string> = new Set(),
): QuantizeResult {
  const result = rewriteNodes(input, rulesInBlocks(input, bits, sensitive));
  return result.failure === null ? {...result, session: BLOCKS_SESSION} : result;
}

function rulesInBlocks(
  {model, readExternal}: QuantizeInput,
  bits: Bits,
  sensitive: ReadonlySet<string>,
): NodeRules {
  const users = usersIn(model.graph?.node ?? []);
  return {
    quantizableAt: (node, index) => {
      const own = sensitive.has(labelOf(node)) ? 8 : bits;
      return (
        productInBlocks(node, index, readExternal, own) ??
        embeddingInBlocks(node, index, readExternal, own, users)
      );
    },
    nothing: 'it multiplies by no constant matrix, and has no embeddings',
  };
}

/** Without the arrangement of weights at load a product of blocks takes many times as long. */
export const BLOCKS_SESSION = {extra: {session: {disable_prepacking: '0'}}};

/** Sums of products of bytes: the fastest that MatMulNBits has, with no loss beside that of the weights. */
const ACCURACY_LEVEL = 4;

/** A matrix product that becomes one `com.microsoft.MatMulNBits`, which takes in a constant bias that is added next. */
export function productInBlocks(
  node: NodeProto,
  index: GraphIndex,
  readExternal: ReadExternal,
  bits: Bits,
): Quantizable | null {
  const product = productAt(node, index);
  if (!product) return null;
  const {weightName, weight, transposed} = product;
  const [rows = 0, columns = 0] = transposed ? weight.dims.map(Number).toReversed() : weight.dims.map(Number);
  const rewrite = (weights: ByteWeights): ReadonlyMap<NodeProto, readonly NodeProto[]> | null => {
    const parts = weights.once(
      weightName,
      weight,
      `${transposed ? 'columns' : 'rows'} of ${bits} bits`,
      () => {
        const blocks = Math.ceil(rows / BLOCK_SIZE);
        const matrix = weights.memo(weight, `product in blocks of ${bits} bits`, () => {
          const stored = tensorValues(weight, readExternal).data as Float32Array;
          const turned = transposed ? stored : transpose(stored, rows, columns);
          return quantizeBlocks(turned, columns, rows, bits);
        });
        if (matrix === null) return null;
        const base = transposed ? `${weightName}_transposed` : weightName;
        return [
          weights.add(`${base}_int${bits}`, [columns, blocks, (BLOCK_SIZE * bits) / 8], matrix.values),
          weights.add(`${base}_scale`, [columns * blocks], matrix.scales),
          weights.add(`${base}_zero_point`, [matrix.zeroPoints.length], matrix.zeroPoints),
        ];
      },
    );
    if (parts === null) return null;
    return replaceProduct(product, index, weights.uniqueName, (bias) => ({
      op_type: 'MatMulNBits',
      // Between the weight's parts and the bias: the indices of groups, which these blocks do not have.
      input: [node.input[0] ?? '', ...parts, ...(bias === null ? [] : ['', bias])],
      attribute: [
        integerAttribute('K', rows),
        integerAttribute('N', columns),
        integerAttribute('accuracy_level', ACCURACY_LEVEL),
        integerAttribute('bits', bits),
        integerAttribute('block_size', BLOCK_SIZE),
      ],
    }));
  };
  return {obstacle: product.obstacle ?? whyNotInBlocks(rows), rewrite};
}

function whyNotInBlocks(length: number): string | null {
  return length < BLOCK_SIZE ? `${length} weights in a row are less than a block` : null;
}

/** What can use a table in blocks, so that no copy of it in floats has to stay. */
const TABLE_USERS = new Set(['Gather', 'MatMul', 'Gemm']);

function embeddingInBlocks(
  node: NodeProto,
  {constants}: GraphIndex,
  readExternal: ReadExternal,
  bits: Bits,
  users: ReadonlyMap<string, readonly string[]>,
): Quantizable | null {
  const [tableName = '', indices = ''] = node.input;
  const table = constants.get(tableName);
  if (operatorOf(node) !== 'Gather' || !table || !isLarge(table) || constants.has(indices)) return null;
  const [count = 0, width = 0] = table.dims.map(Number);
  const rewrite = (weights: ByteWeights): ReadonlyMap<NodeProto, readonly NodeProto[]> | null => {
    const parts = weights.once(tableName, table, `table of ${bits} bits`, () => {
      const matrix = weights.memo(table, `table in blocks of ${bits} bits`, () =>
        quantizeBlocks(tensorValues(table, readExternal).data as Float32Array, count, width, bits),
      );
      if (matrix === null) return null;
      const rowBytes = (width * bits) / 8;
      const blocks = Math.ceil(width / BLOCK_SIZE);
      return [
        weights.add(
          `${tableName}_rows_int${bits}`,
          [count, rowBytes],
          cutRows(matrix.values, count, rowBytes),
        ),
        weights.add(`${tableName}_rows_scale`, [count, blocks], matrix.scales),
        weights.add(
          `${tableName}_rows_zero_point`,
          [count, matrix.zeroPoints.length / count],
          matrix.zeroPoints,
        ),
      ];
    });
    if (parts === null) return null;
    const [values = '', ...rest] = parts;
    const lookingUp: NodeProto = {
      ...node,
      op_type: 'GatherBlockQuantized',
      domain: MICROSOFT,
      input: [values, indices, ...rest],
      attribute: [
        integerAttribute('bits', bits),
        integerAttribute('block_size', BLOCK_SIZE),
        integerAttribute('gather_axis', 0),
        integerAttribute('quantize_axis', 1),
      ],
    };
    return new Map([[node, [lookingUp]]]);
  };
  const other = users.get(tableName)?.find((operator) => !TABLE_USERS.has(operator));
  return {obstacle: embeddingObstacle(node, table, bits, other), rewrite};
}

const isLarge = ({data_type: type, dims}: TensorProto): boolean =>
  type === DATA_TYPE.FLOAT && elementCount(dims.map(Number)) >= WEIGHT_ELEMENTS_MIN;

function embeddingObstacle(
  node: NodeProto,
  table: TensorProto,
  bits: Bits,
  otherUser: string | undefined,
): string | null {
  if (table.dims.length !== 2) return `its table has ${table.dims.length} dimensions`;
  if (Number(attributeOf(node, 'axis')?.i ?? 0) !== 0) return 'it does not look up rows';
  if (otherUser !== undefined) return `${otherUser} needs its table in floats`;
  const width = Number(table.dims[1]);
  if ((width * bits) % 8 !== 0) return `its rows of ${width} weights do not end with a byte`;
  return whyNotInBlocks(width);
}

/** Rows without what their last blocks are filled up with. */
function cutRows(values: Uint8Array, count: number, rowBytes: number): Uint8Array {
  const filledBytes = values.length / count;
  if (filledBytes === rowBytes) return values;
  const cut = new Uint8Array(count * rowBytes);
  for (let row = 0; row < count; row++) {
    const start = row * filledBytes;
    cut.set(values.subarray(start, start + rowBytes), row * rowBytes);
  }
  return cut;
}
