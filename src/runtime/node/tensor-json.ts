import {numberFromHalf} from './half.ts';
import type {Tensor} from './tensor-types.ts';

/** An element as JSON carries it. */
export type JsonElement = number | string | boolean | null;

/**
 * The elements of a tensor for JSON, flat. 64-bit integers beyond what JSON numbers carry exactly become decimal
 * strings; what is not finite becomes null, as JSON has no word for it.
 */
export function jsonElements(tensor: Tensor): JsonElement[] {
  const {data, type} = tensor;
  if (Array.isArray(data)) return data;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Array.from(data, jsonInteger);
  if (type === 'BOOL') return Array.from(data, (element) => element !== 0);
  if (type === 'FP16') return Array.from(data, numberFromHalf);
  return Array.from(data);
}

/** A 64-bit integer as a number, or as a string where a number would round it. */
function jsonInteger(value: bigint): number | string {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** Renders any answer as JSON: typed arrays as arrays, 64-bit integers exactly. Undefined if JSON cannot carry it. */
export function renderJson(value: unknown): string | undefined {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member === 'bigint') return jsonInteger(member);
    if (!ArrayBuffer.isView(member) || member instanceof DataView) return member;
    return Array.from(member as unknown as ArrayLike<number | bigint>);
  });
}
