/** How many neighbouring weights share a scale. */
export const BLOCK_SIZE = 32;

/**
 * Rows of weights in blocks of 32, as unsigned numbers of 4 or 8 bits with a scale and a zero point for each block:
 * `weight ≈ scale × (value − zeroPoint)`. A row's last block is filled up.
 */
export interface BlockMatrix {
  /** Row by row, block by block; of 4 bits two in a byte, the first in the lower half. */
  readonly values: Uint8Array;
  /** One a block. */
  readonly scales: Float32Array;
  /** One a block, packed as the values are; each row begins with a byte of its own. A half left over is 8. */
  readonly zeroPoints: Uint8Array;
}

/**
 * Quantizes `count` rows of `length` weights. A block's range, widened to hold 0, is cut into 15 or 255 steps; a
 * weight becomes the nearest step, of two equally near the one farther from zero.
 *
 * @returns null if a weight is NaN or infinite
 */
export function quantizeBlocks(
  rows: Float32Array,
  count: number,
  length: number,
  bits: 4 | 8,
): BlockMatrix | null {
  const blocks = Math.ceil(length / BLOCK_SIZE);
  const blockBytes = (BLOCK_SIZE * bits) / 8;
  const valueMax = 2 ** bits - 1;
  const values = new Uint8Array(count * blocks * blockBytes);
  const scales = new Float32Array(count * blocks);
  const zeroPointBytes = Math.ceil((blocks * bits) / 8);
  const zeroPoints = new Uint8Array(count * zeroPointBytes);
  if (bits === 4 && blocks % 2 === 1) {
    for (let row = 1; row <= count; row++) zeroPoints[row * zeroPointBytes - 1] = 8 << 4;
  }
  for (let row = 0; row < count; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * length + block * BLOCK_SIZE;
      const end = Math.min(start + BLOCK_SIZE, (row + 1) * length);
      let [low, high] = [0, 0];
      for (let at = start; at < end; at++) {
        const weight = rows[at]!;
        if (!(Math.abs(weight) < Infinity)) return null;
        if (weight < low) low = weight;
        if (weight > high) high = weight;
      }
      const scale = scaleOf(low, high, valueMax);
      const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
      const zeroPoint = scale === 0 ? 0 : Math.min(valueMax, Math.round(Math.fround(-low / scale)));
      const index = row * blocks + block;
      scales[index] = scale;
      if (bits === 8) {
        zeroPoints[row * zeroPointBytes + block] = zeroPoint;
        for (let at = start, to = index * blockBytes; at < end; at++, to++) {
          values[to] = nearestStep(rows[at]!, inverse, zeroPoint, valueMax);
        }
      } else {
        zeroPoints[row * zeroPointBytes + (block >> 1)]! |= zeroPoint << (4 * (block & 1));
        for (let at = start, to = index * BLOCK_SIZE; at < end; at++, to++) {
          const step = nearestStep(rows[at]!, inverse, zeroPoint, valueMax);
          values[to >> 1]! |= step << (4 * (to & 1));
        }
      }
    }
  }
  return {values, scales, zeroPoints};
}

/** Of a range too small to be divided by it becomes 0, and with it the block. */
function scaleOf(low: number, high: number, valueMax: number): number {
  const range = Math.fround(high - low);
  const scale = Math.fround((range < Infinity ? range : high - low) / valueMax);
  return scale < SCALE_MIN ? 0 : scale;
}

/** The smallest normal number of single precision: its inverse is finite. */
const SCALE_MIN = 2 ** -126;

/** Counted from the zero point, in single precision as ONNX Runtime does it. */
function nearestStep(weight: number, inverse: number, zeroPoint: number, valueMax: number): number {
  const step = Math.floor(Math.fround(Math.fround(weight * inverse) + zeroPoint) + 0.5);
  return step < 0 ? 0 : step > valueMax ? valueMax : step;
}
