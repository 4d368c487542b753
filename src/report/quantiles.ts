import type {Latency} from '../core/load.ts';
import type {Summary} from '../core/report.ts';

/** The quantiles that reports show, and how many samples each takes to be more than a guess (1 − qⁿ ≥ 0.95). */
export const QUANTILES = [
  {name: 'p50', key: 'p50Ms', samplesMin: 5},
  {name: 'p90', key: 'p90Ms', samplesMin: 29},
  {name: 'p95', key: 'p95Ms', samplesMin: 59},
  {name: 'p99', key: 'p99Ms', samplesMin: 299},
] as const satisfies readonly {name: string; key: keyof Summary; samplesMin: number}[];

/** The same of a load, which has enough requests for one more. */
export const LOAD_QUANTILES = [
  ...QUANTILES,
  {name: 'p99.9', key: 'p999Ms', samplesMin: 2995},
] as const satisfies readonly {name: string; key: keyof Latency; samplesMin: number}[];

/** How many times longer the median cold request took than the median warm one; null if either is not known. */
export function coldToWarm(cold: Summary, warm: Summary): number | null {
  return cold.p50Ms === null || warm.p50Ms === null || warm.p50Ms <= 0 ? null : cold.p50Ms / warm.p50Ms;
}

/** Writes a ratio with the digits that mean something: `1.8`, `115`. */
export function renderRatio(ratio: number): string {
  return ratio < 10 ? ratio.toFixed(1) : ratio.toFixed(0);
}
