import type {Range} from '../static/range.ts';

/** How many bins a histogram has. */
export const BINS = 2048;

/** How often a value's elements lay in each of equally wide parts of its range, the whole of which is `range`. */
export interface Histogram {
  readonly range: Range;
  readonly counts: Float64Array;
}

/** Where a bin begins, and the one before it ends. */
export function edgeOf({range: {low, high}, counts}: Histogram, bin: number): number {
  return low + ((high - low) * bin) / counts.length;
}
