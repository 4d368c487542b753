import type {Range} from '../static/range.ts';

/** From the smallest number seen to the largest: nothing is cut off, and one outlier costs everything else its steps. */
export function minMaxRange(seen: readonly Range[]): Range {
  return {
    low: Math.min(...seen.map(({low}) => low)),
    high: Math.max(...seen.map(({high}) => high)),
  };
}
