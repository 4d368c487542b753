import type {Range} from '../static/range.ts';
import {edgeOf} from './histogram.ts';
import type {Histogram} from './histogram.ts';

/** The share of the elements that is cut off, both ends together. */
const CUT_OFF = 1e-5;

/**
 * The bins between the rarest elements: at each end as many are left out as hold no more than half of the share that
 * may be cut off.
 */
export function percentileRange(histogram: Histogram, cutOff: number = CUT_OFF): Range {
  const {counts} = histogram;
  const most = (cutOff / 2) * counts.reduce((sum, count) => sum + count, 0);
  let first = 0;
  for (let left = counts[0]!; left <= most && first < counts.length - 1; left += counts[first]!) first++;
  let end = counts.length;
  for (let left = counts.at(-1)!; left <= most && end > first + 1; left += counts[end - 1]!) end--;
  return {low: edgeOf(histogram, first), high: edgeOf(histogram, end)};
}
