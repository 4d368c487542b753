import type {GraphProto, NodeProto, TensorProto} from '../onnx.ts';
import {makeTensor, tensorValues} from '../tensor.ts';
import type {ReadExternal, TensorArray} from '../tensor.ts';
import {createUniqueName, pruneConstants} from './graph.ts';
import {quantizePerColumn, transpose} from './matrix.ts';
import {createMemo} from './memo.ts';
import type {Memo} from './memo.ts';

/** A node of a kind that a mode is for. */
export interface Quantizable {
  /** Why it has to stay as it is; null if it can be rewritten. */
  readonly obstacle: string | null;
  /** What comes in the place of which nodes; null, and nothing done, if a weight is NaN or infinite. */
  rewrite(weights: ByteWeights): ReadonlyMap<NodeProto, readonly NodeProto[]> | null;
}

/** Names of a quantized matrix's parts. */
export interface ByteMatrix {
  readonly values: string;
  readonly scales: string;
  readonly zeroPoints: string;
}

/** The new weights of a model: each quantized once, however many nodes use it. */
export interface ByteWeights {
  /** A [K, N] matrix with a scale for each of its N columns, turned first if it is stored as [N, K]. */
  perColumn(name: string, tensor: TensorProto, transposed: boolean): ByteMatrix | null;
  /** Remembers what a function makes of a weight, and that the weight itself is needed no more. */
  once<T>(name: string, tensor: TensorProto, form: string, make: () => T): T;
  /** Remembers the numbers that are computed of a weight, also from one form of the model to the next. */
  readonly memo: Memo;
  /** Adds a weight under a name like the wish, and returns the name. */
  add(wish: string, dims: readonly number[], data: TensorArray): string;
  readonly uniqueName: (wish: string) => string;
  /** What has been added. */
  readonly added: readonly TensorProto[];
  /** Names of weights that have been replaced somewhere. */
  readonly replaced: ReadonlySet<string>;
}

/**
 * Makes a collection of new weights for a graph.
 *
 * @param levels see `quantizePerColumn`
 * @param memo of earlier collections for the same model
 */
export function createByteWeights(
  graph: GraphProto,
  readExternal: ReadExternal,
  levels: number,
  memo: Memo = createMemo(),
): ByteWeights {
  const uniqueName = createUniqueName(graph);
  const added: TensorProto[] = [];
  const replaced = new Set<string>();
  const made = createMemo();

  const add: ByteWeights['add'] = (wish, dims, data) => {
    const tensor = makeTensor(uniqueName(wish), dims, data);
    added.push(tensor);
    return tensor.name!;
  };
  const once = <T>(name: string, tensor: TensorProto, form: string, make: () => T): T => {
    const result = made(tensor, form, make);
    if (result !== null) replaced.add(name);
    return result;
  };
  const perColumn: ByteWeights['perColumn'] = (name, tensor, transposed) =>
    once(name, tensor, transposed ? 'transposed' : 'plain', () => {
      const dims = tensor.dims.map(Number);
      const [rows = 0, columns = 0] = transposed ? dims.toReversed() : dims;
      const matrix = memo(tensor, `${transposed ? 'rows' : 'columns'} of ${levels} levels`, () => {
        const stored = tensorValues(tensor, readExternal).data as Float32Array;
        return quantizePerColumn(
          transposed ? transpose(stored, columns, rows) : stored,
          rows,
          columns,
          levels,
        );
      });
      if (!matrix) return null;
      const base = transposed ? `${name}_transposed` : name;
      return {
        values: add(`${base}_int8`, [rows, columns], matrix.values),
        scales: add(`${base}_scale`, [columns], matrix.scales),
        zeroPoints: add(`${base}_zero_point`, [columns], new Int8Array(columns)),
      };
    });
  return {perColumn, once, memo, add, uniqueName, added, replaced};
}

/** A graph that uses new weights, with those of them in it that it uses, and without the old ones that it does not. */
export function withWeights(graph: GraphProto, {added, replaced}: ByteWeights): GraphProto {
  const names = new Set([...replaced, ...added.map(({name}) => name!)]);
  return pruneConstants({...graph, initializer: [...graph.initializer, ...added]}, names);
}
