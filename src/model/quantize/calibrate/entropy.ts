import type {Range} from '../static/range.ts';
import {edgeOf} from './histogram.ts';
import type {Histogram} from './histogram.ts';

/** What bytes can tell apart. */
const LEVELS = 256;

/** How many bins wider each range is than the one tried before it. */
const STEP = 8;

/** The share of a distribution that is spread evenly, so that nothing in it is impossible. */
const SPREAD = 1e-4;

/**
 * The range whose 256 steps lose the least of what the elements tell, measured by the divergence of Kullback and
 * Leibler between their distribution, with what lies outside drawn to the ends, and the same in 256 levels. Tried are
 * ranges that grow from a few bins beside zero to all, by the same share on both sides.
 */
export function entropyRange(histogram: Histogram): Range {
  const {range, counts} = histogram;
  // Where ranges shrink to: the bin of zero, or the end that is nearest to it.
  const share = Math.min(1, Math.max(0, -range.low / (range.high - range.low)));
  let best = {divergence: Infinity, first: 0, end: counts.length};
  for (let width = LEVELS; width <= counts.length; width += STEP) {
    const first = Math.round(share * (counts.length - width));
    const divergence = divergenceOf(counts, first, first + width);
    // Of two equally good ranges the wider one cuts off less.
    if (divergence <= best.divergence) best = {divergence, first, end: first + width};
  }
  return {low: edgeOf(histogram, best.first), high: edgeOf(histogram, best.end)};
}

function divergenceOf(counts: Float64Array, first: number, end: number): number {
  const inside = counts.slice(first, end);
  const total = sum(counts);
  const levels = inLevels(inside);
  const insideTotal = sum(levels);
  if (insideTotal === 0) return Infinity;

  const drawnIn = inside.slice();
  drawnIn[0]! += sum(counts.subarray(0, first));
  drawnIn[drawnIn.length - 1]! += sum(counts.subarray(end));
  let divergence = 0;
  for (const [at, count] of drawnIn.entries()) {
    if (count === 0) continue;
    const told = (1 - SPREAD) * (levels[at]! / insideTotal) + SPREAD / levels.length;
    divergence += (count / total) * Math.log(count / total / told);
  }
  return divergence;
}

/** The counts with those of one level made equal, but for bins that nothing is in. */
function inLevels(counts: Float64Array): Float64Array {
  const even = new Float64Array(counts.length);
  for (let level = 0; level < LEVELS; level++) {
    const [first, end] = [level, level + 1].map((edge) => Math.ceil((edge * counts.length) / LEVELS)) as [
      number,
      number,
    ];
    const part = counts.subarray(first, end);
    const filled = part.reduce((number, count) => number + (count > 0 ? 1 : 0), 0);
    const each = sum(part) / filled;
    for (let at = first; at < end; at++) if (counts[at]! > 0) even[at] = each;
  }
  return even;
}

const sum = (counts: Float64Array): number => counts.reduce((total, count) => total + count, 0);
