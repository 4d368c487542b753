/** The largest number of half precision. */
export const HALF_MAX = 65_504;

/** The smallest normal one: below it precision is lost. */
export const HALF_NORMAL_MIN = 2 ** -14;

/** Numbers of single precision as the bits of the nearest of half precision, ties to even; beyond its range infinity. */
export function halfBits(values: Float32Array): Uint16Array {
  const aligned = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let index = 0; index < values.length; index++) halves[index] = halfOf(aligned[index]!);
  return halves;
}

function halfOf(single: number): number {
  const sign = (single >>> 16) & 0x8000;
  const exponent = (single >>> 23) & 0xff;
  const fraction = single & 0x7f_ffff;
  // Exponents are stored with 127 added, in half precision with 15.
  if (exponent === 0xff) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  if (exponent > 142) return sign | 0x7c00;
  if (exponent > 112) return sign | rounded(((exponent - 112) << 23) | fraction, 13);
  // Below the normal numbers the leading 1 is written out; below half of the smallest there is only 0.
  return exponent < 102 ? sign : sign | rounded(0x80_0000 | fraction, 126 - exponent);
}

/** Bits without the lowest ones, rounded to the nearest, ties to even. A carry moves into the exponent, as it should. */
function rounded(bits: number, dropped: number): number {
  const kept = bits >>> dropped;
  const rest = bits & ((1 << dropped) - 1);
  const middle = 1 << (dropped - 1);
  return rest > middle || (rest === middle && (kept & 1) === 1) ? kept + 1 : kept;
}

/** Numbers of half precision, given as their bits, in single precision. */
export function halfValues(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  for (let index = 0; index < halves.length; index++) {
    const bits = halves[index]!;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent < 31
          ? (fraction + 1024) * 2 ** (exponent - 25)
          : fraction === 0
            ? Infinity
            : NaN;
    values[index] = bits & 0x8000 ? -magnitude : magnitude;
  }
  return values;
}
