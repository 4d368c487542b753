/** The smallest and the largest number that a value is to be told apart in; beyond them it is cut off. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** Ranges by the name of the value. */
export type Ranges = ReadonlyMap<string, Range>;

/** How unsigned bytes stand for numbers: `number = scale × (byte − zeroPoint)`. */
export interface Affine {
  readonly scale: number;
  readonly zeroPoint: number;
}

const BYTE_MAX = 255;

/** The bytes for a range, which is widened to have 0 in it: padding and Relu must stay exact. */
export function affineOf({low, high}: Range): Affine {
  const [from, to] = [Math.min(low, 0), Math.max(high, 0)];
  const scale = Math.fround((to - from) / BYTE_MAX);
  // Nothing but zeros, or numbers too small to be divided.
  if (scale === 0) return {scale: 1, zeroPoint: 0};
  return {scale, zeroPoint: Math.min(BYTE_MAX, Math.max(0, Math.round(-from / scale)))};
}
