/** A matrix as signed bytes: `weight[k][n] ≈ scales[n] × values[k][n]`, row by row, zero points all 0. */
export interface QuantizedMatrix {
  readonly values: Int8Array;
  readonly scales: Float32Array;
}

/**
 * Quantizes a matrix of `rows` × `columns`, symmetrically, with a scale for each column: the column's largest
 * magnitude becomes ±`levels`, everything else the nearest step, ties to even.
 *
 * With 64 levels the sums of two products of an unsigned and a signed byte stay within 16 bits, in which CPUs
 * without VNNI add them: no result can saturate there.
 *
 * @param scalesMin how small each column's scale may be at least, if it matters
 * @returns null if a weight is NaN or infinite
 */
export function quantizePerColumn(
  weights: Float32Array,
  rows: number,
  columns: number,
  levels: number,
  scalesMin?: ArrayLike<number>,
): QuantizedMatrix | null {
  const scales = new Float32Array(columns);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      const magnitude = Math.abs(weights[at]!);
      if (!(magnitude < Infinity)) return null;
      if (magnitude > scales[column]!) scales[column] = magnitude;
    }
  }
  // A column of zeros, or of numbers too small to be divided, becomes zeros: any scale will do.
  for (let column = 0; column < columns; column++) {
    scales[column] = Math.max(scales[column]! / levels, scalesMin?.[column] ?? 0);
    if (scales[column] === 0) scales[column] = 1;
  }
  const values = new Int8Array(weights.length);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      const steps = roundToEven(Math.fround(weights[at]! / scales[column]!));
      values[at] = Math.max(-levels, Math.min(levels, steps));
    }
  }
  return {values, scales};
}

/**
 * Quantizes a matrix as `quantizePerColumn` does, but with a scale for each row: `weight[r][c] ≈ scales[r] ×
 * values[r][c]`.
 *
 * @param scalesMin how small each row's scale may be at least, if it matters
 * @returns null if a weight is NaN or infinite
 */
export function quantizePerRow(
  weights: Float32Array,
  rows: number,
  columns: number,
  levels: number,
  scalesMin?: ArrayLike<number>,
): QuantizedMatrix | null {
  const scales = new Float32Array(rows);
  const values = new Int8Array(weights.length);
  for (let row = 0; row < rows; row++) {
    const [start, end] = [row * columns, (row + 1) * columns];
    let largest = 0;
    for (let at = start; at < end; at++) {
      const magnitude = Math.abs(weights[at]!);
      if (!(magnitude < Infinity)) return null;
      if (magnitude > largest) largest = magnitude;
    }
    const scale = Math.fround(Math.max(largest / levels, scalesMin?.[row] ?? 0)) || 1;
    scales[row] = scale;
    for (let at = start; at < end; at++) {
      const steps = roundToEven(Math.fround(weights[at]! / scale));
      values[at] = Math.max(-levels, Math.min(levels, steps));
    }
  }
  return {values, scales};
}

/**
 * Quantizes a tensor as `quantizePerColumn` does, with a scale for each index along one axis.
 *
 * @returns null if a weight is NaN or infinite
 */
export function quantizePerAxis(
  weights: Float32Array,
  dims: readonly number[],
  axis: number,
  levels: number,
): QuantizedMatrix | null {
  const size = (from: number, to?: number): number =>
    dims.slice(from, to).reduce((product, n) => product * n, 1);
  const [outer, channels, inner] = [size(0, axis), dims[axis]!, size(axis + 1)];
  if (inner === 1) return quantizePerColumn(weights, outer, channels, levels);
  if (outer === 1) return quantizePerRow(weights, channels, inner, levels);
  const scales = new Float32Array(channels);
  for (
    let start = 0, channel = 0;
    start < weights.length;
    start += inner, channel = (channel + 1) % channels
  ) {
    for (let at = start; at < start + inner; at++) {
      const magnitude = Math.abs(weights[at]!);
      if (!(magnitude < Infinity)) return null;
      if (magnitude > scales[channel]!) scales[channel] = magnitude;
    }
  }
  for (let channel = 0; channel < channels; channel++) {
    scales[channel] = Math.fround(scales[channel]! / levels) || 1;
  }
  const values = new Int8Array(weights.length);
  for (
    let start = 0, channel = 0;
    start < weights.length;
    start += inner, channel = (channel + 1) % channels
  ) {
    const scale = scales[channel]!;
    for (let at = start; at < start + inner; at++) {
      const steps = roundToEven(Math.fround(weights[at]! / scale));
      values[at] = Math.max(-levels, Math.min(levels, steps));
    }
  }
  return {values, scales};
}

/** The nearest integer; of two equally near, the even one. Exact for magnitudes below 2^51. */
export function roundToEven(value: number): number {
  return value + ROUNDING - ROUNDING;
}

/** At this magnitude doubles are the integers, so that adding it rounds as the hardware does. */
const ROUNDING = 1.5 * 2 ** 52;

/** A matrix of `rows` × `columns` as one of `columns` × `rows`. */
export function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(matrix.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      turned[column * rows + row] = matrix[row * columns + column]!;
    }
  }
  return turned;
}
