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
  const below = runningSums(counts);
  // Where ranges shrink to: the bin of zero, or the end that is nearest to it.
  const share = Math.min(1, Math.max(0, -range.low / (range.high - range.low)));
  let best = {divergence: Infinity, first: 0, end: counts.length};
  for (let width = LEVELS; width <= counts.length; width += STEP) {
    const first = Math.round(share * (counts.length - width));
    const divergence = divergenceOf(counts, below, first, first + width);
    // Of two equally good ranges the wider one cuts off less.
    if (divergence <= best.divergence) best = {divergence, first, end: first + width};
  }
  return {low: edgeOf(histogram, best.first), high: edgeOf(histogram, best.end)};
}

/** How much lies below each bin, and below the end. */
function runningSums(counts: Float64Array): Float64Array {
  const below = new Float64Array(counts.length + 1);
  for (let bin = 0; bin < counts.length; bin++) below[bin + 1] = below[bin]! + counts[bin]!;
  return below;
}

/**
 * The divergence between the distribution drawn into some bins and the same in levels: the elements of one level
 * spread evenly over those of its bins that have something in them.
 */
function divergenceOf(counts: Float64Array, below: Float64Array, first: number, end: number): number {
  const total = below.at(-1)!;
  const inside = below[end]! - below[first]!;
  if (inside === 0) return Infinity;
  const width = end - first;
  let divergence = 0;
  for (let level = 0; level < LEVELS; level++) {
    const from = first + Math.ceil((level * width) / LEVELS);
    const to = first + Math.ceil(((level + 1) * width) / LEVELS);
    let filled = 0;
    for (let bin = from; bin < to; bin++) if (counts[bin]! > 0) filled++;
    const each = (below[to]! - below[from]!) / filled;
    for (let bin = from; bin < to; bin++) {
      let drawnIn = counts[bin]!;
      const evened = drawnIn > 0 ? each : 0;
      if (bin === first) drawnIn += below[first]!;
      if (bin === end - 1) drawnIn += total - below[end]!;
      if (drawnIn === 0) continue;
      const told = (1 - SPREAD) * (evened / inside) + SPREAD / width;
      divergence += (drawnIn / total) * Math.log(drawnIn / total / told);
    }
  }
  return divergence;
}
