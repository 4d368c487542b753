import {build, encodeIntoCompressedBase64} from 'hdr-histogram-js';
import type {Latency} from '../../core/load.ts';
import {leastSamplesFor} from '../statistics.ts';

/** The longest that can be told from longer, in microseconds: an hour. */
const LONGEST_US = 3_600_000_000;

/** Latencies in memory that does not grow with their number. */
export interface Latencies {
  record(ms: number): void;
  readonly n: number;
  /** Null where n cannot bound the quantile from above with 95 % confidence. */
  quantileMs(q: number): number | null;
  /** The value of a rank from 1, of however few; null if there are fewer. */
  rankMs(rank: number): number | null;
  latency(): Latency;
  /** HdrHistogram V2, compressed, base64, in microseconds. */
  encode(): string;
}

/**
 * Makes an HdrHistogram of microseconds, up to an hour. It grows with the spread of its values to at most 100 kB
 * with 3 digits and 15 kB with 2, however many there are. Least, greatest and mean are exact; a quantile is the
 * smallest value that so many do not exceed, to the digits asked for.
 *
 * @param digits significant decimal digits that two values must differ in to be told apart
 */
export function createLatencies(digits: 2 | 3): Latencies {
  const histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2,
    numberOfSignificantValueDigits: digits,
    autoResize: true,
  });
  let n = 0;
  let sum = 0;
  let min = Infinity;
  let max = -Infinity;

  const rankMs = (rank: number): number | null => {
    if (rank < 1 || rank > n) return null;
    if (rank === n) return max;
    // Half a rank less, so that the way through a percentage cannot round up to the next one.
    const us = histogram.getValueAtPercentile(((rank - 0.5) / n) * 100);
    return Math.min(max, Math.max(min, us / 1000));
  };
  const quantileMs = (q: number): number | null => (n < leastSamplesFor(q) ? null : rankMs(Math.ceil(q * n)));

  return {
    get n() {
      return n;
    },
    record(ms) {
      n++;
      sum += ms;
      if (ms < min) min = ms;
      if (ms > max) max = ms;
      histogram.recordValue(Math.min(LONGEST_US, Math.max(0, Math.round(ms * 1000))));
    },
    quantileMs,
    rankMs,
    latency: () => ({
      n,
      minMs: n === 0 ? null : min,
      maxMs: n === 0 ? null : max,
      meanMs: n === 0 ? null : sum / n,
      p50Ms: quantileMs(0.5),
      p90Ms: quantileMs(0.9),
      p95Ms: quantileMs(0.95),
      p99Ms: quantileMs(0.99),
      p999Ms: quantileMs(0.999),
    }),
    encode: () => encodeIntoCompressedBase64(histogram),
  };
}
