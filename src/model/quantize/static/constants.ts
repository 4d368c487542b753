import type {TensorProto} from '../../onnx.ts';
import {makeTensor} from '../../tensor.ts';
import type {TensorArray} from '../../tensor.ts';
import {affineOf} from './range.ts';
import type {Ranges} from './range.ts';

/** The new constants of a graph: what Q/DQ pairs and weights need. */
export interface Constants {
  /** Names of the scale and the zero point of activations with the range of a value. */
  affine(value: string): readonly [scale: string, zeroPoint: string];
  /** Names of a weight's integers, of their scales, one for each channel, and of their zero points. */
  perChannel(
    name: string,
    dims: readonly number[],
    integers: Int8Array | Int32Array,
    scales: Float32Array,
  ): readonly [integers: string, scale: string, zeroPoint: string];
  readonly added: readonly TensorProto[];
}

/** Makes the collection; what several nodes need is in it once. */
export function createConstants(uniqueName: (wish: string) => string, ranges: Ranges): Constants {
  const added: TensorProto[] = [];
  const add = (wish: string, dims: readonly number[], data: TensorArray): string => {
    const tensor = makeTensor(uniqueName(wish), dims, data);
    added.push(tensor);
    return tensor.name!;
  };
  const affines = new Map<string, readonly [string, string]>();
  const weights = new Map<string, {scales: Float32Array; names: readonly [string, string, string]}[]>();
  return {
    added,
    affine(value) {
      const known = affines.get(value);
      if (known) return known;
      const {scale, zeroPoint} = affineOf(ranges.get(value)!);
      const names = [
        add(`${value}_scale`, [], Float32Array.of(scale)),
        add(`${value}_zero_point`, [], Uint8Array.of(zeroPoint)),
      ] as const;
      affines.set(value, names);
      return names;
    },
    perChannel(name, dims, integers, scales) {
      const known = weights.get(name) ?? [];
      weights.set(name, known);
      // The same weight has the same integers where it has the same scales.
      const same = known.find((other) => isEqual(other.scales, scales));
      if (same) return same.names;
      const isWide = integers instanceof Int32Array;
      const zeros = isWide ? new Int32Array(scales.length) : new Int8Array(scales.length);
      const names = [
        add(`${name}_${isWide ? 'int32' : 'int8'}`, dims, integers),
        add(`${name}_scale`, [scales.length], scales),
        add(`${name}_zero_point`, [scales.length], zeros),
      ] as const;
      known.push({scales, names});
      return names;
    },
  };
}

const isEqual = (some: Float32Array, others: Float32Array): boolean =>
  some.length === others.length && some.every((value, at) => value === others[at]);
