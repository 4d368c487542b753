import {DATA_TYPE, operatorOf} from '../onnx.ts';
import type {NodeProto, TensorProto} from '../onnx.ts';
import {elementCount, tensorValues} from '../tensor.ts';
import type {ReadExternal} from '../tensor.ts';
import type {ByteWeights, Quantizable} from './byte-weights.ts';
import {attributeOf, integerAttribute} from './graph.ts';
import type {GraphIndex} from './graph.ts';
import {quantizePerRow} from './matrix.ts';
import {WEIGHT_ELEMENTS_MIN} from './products.ts';

/** Nothing is summed in bytes here, so nothing can saturate, on any CPU. */
const LEVELS = 127;

/** The first operator set in which Mul broadcasts unasked. */
const OPSET_MIN = 7;

/** What can use a table without a copy of it in floats having to stay. */
const USERS = new Set(['Gather', 'MatMul', 'Gemm']);

/**
 * A Gather from a constant table of rows, an embedding: the rows become bytes with a scale for each, and what is
 * looked up is `Mul(Cast(Gather(bytes)), Gather(scales))`.
 *
 * @param usersOf the operators that read a value, anywhere in the model
 */
export function quantizableEmbedding(
  node: NodeProto,
  {constants}: GraphIndex,
  readExternal: ReadExternal,
  opset: number,
  usersOf: (name: string) => readonly string[],
): Quantizable | null {
  if (operatorOf(node) !== 'Gather') return null;
  const [tableName = '', indices = ''] = node.input;
  const table = constants.get(tableName);
  if (!table || !isLarge(table) || constants.has(indices)) return null;

  const rewrite = (weights: ByteWeights): ReadonlyMap<NodeProto, readonly NodeProto[]> | null => {
    const rows = weights.once(tableName, table, 'rows', () => {
      const [count = 0, width = 0] = table.dims.map(Number);
      const matrix = weights.memo(table, 'table in rows', () =>
        quantizePerRow(tensorValues(table, readExternal).data as Float32Array, count, width, LEVELS),
      );
      return (
        matrix && {
          values: weights.add(`${tableName}_rows_int8`, [count, width], matrix.values),
          scales: weights.add(`${tableName}_rows_scale`, [count, 1], matrix.scales),
        }
      );
    });
    if (rows === null) return null;
    const output = node.output[0] ?? '';
    const [bytes, floats, scales] = ['int8', 'float', 'scale'].map((part) =>
      weights.uniqueName(`${output}_${part}`),
    ) as [string, string, string];
    const {attribute: axis} = node;
    const to = integerAttribute('to', DATA_TYPE.FLOAT);
    return new Map([
      [
        node,
        [
          {...node, input: [rows.values, indices], output: [bytes]},
          {op_type: 'Cast', input: [bytes], output: [floats], attribute: [to]},
          {op_type: 'Gather', input: [rows.scales, indices], output: [scales], attribute: axis},
          {op_type: 'Mul', input: [floats, scales], output: [output], attribute: []},
        ],
      ],
    ]);
  };
  return {obstacle: embeddingObstacle(node, table, opset, usersOf(tableName)), rewrite};
}

const isLarge = ({data_type: type, dims}: TensorProto): boolean =>
  type === DATA_TYPE.FLOAT && elementCount(dims.map(Number)) >= WEIGHT_ELEMENTS_MIN;

function embeddingObstacle(
  node: NodeProto,
  table: TensorProto,
  opset: number,
  users: readonly string[],
): string | null {
  if (table.dims.length !== 2) return `its table has ${table.dims.length} dimensions`;
  if (Number(attributeOf(node, 'axis')?.i ?? 0) !== 0) return 'it does not look up rows';
  if (opset < OPSET_MIN) return `opset ${opset} cannot multiply rows by their scales`;
  const other = users.find((operator) => !USERS.has(operator));
  return other === undefined ? null : `${other} needs its table in floats`;
}
