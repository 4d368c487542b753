import {build, encodeIntoCompressedBase64} from 'hdr-histogram-js';
import type {LoadBucket, LoadReport, LoadStage, Latency} from '../../../src/core/load.ts';
import type {ProviderReport, Report, Summary} from '../../../src/core/report.ts';
import {provider, report, summary} from './fixture.ts';

/** Numbers between 0 and 1, the same for the same seed. */
export function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Times as a busy machine gives them: near a median, with a long tail to the right. */
export function timesAbout(medianMs: number, n: number, seed: number): number[] {
  const next = numbersFrom(seed);
  return Array.from({length: n}, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());
    const tail = next() < 0.02 ? 1 + 4 * next() : 1;
    return medianMs * Math.exp(0.18 * normal) * tail;
  });
}

/** The figures of some times, with bounds that are near enough for looking at. */
export function summaryOf(times: readonly number[], change: Partial<Summary> = {}): Summary {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (quantile: number, samplesMin: number): number | null =>
    sorted.length < samplesMin ? null : (sorted[Math.floor(quantile * sorted.length)] ?? null);
  const bounds = (quantile: number, samplesMin: number): [number | null, number | null] => {
    const spread = 1.65 * Math.sqrt(quantile * (1 - quantile) * sorted.length);
    const low = sorted[Math.max(0, Math.floor(quantile * sorted.length - spread))] ?? null;
    const high = sorted[Math.min(sorted.length - 1, Math.ceil(quantile * sorted.length + spread))] ?? null;
    return [low, sorted.length < samplesMin ? null : high];
  };
  return summary({
    n: sorted.length,
    minMs: sorted[0] ?? null,
    maxMs: sorted.at(-1) ?? null,
    meanMs: sorted.length === 0 ? null : sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length,
    p50Ms: at(0.5, 5),
    p90Ms: at(0.9, 29),
    p95Ms: at(0.95, 59),
    p99Ms: at(0.99, 299),
    intervals: {p50: bounds(0.5, 5), p90: bounds(0.9, 29), p95: bounds(0.95, 59), p99: bounds(0.99, 299)},
    ...change,
  });
}

/** A provider with every time that its figures were made from. */
export function measured(
  change: Partial<ProviderReport> & {coldMs?: number; warmMs?: number; colds?: number; warms?: number} = {},
): ProviderReport {
  const {coldMs = 88, warmMs = 0.83, colds = 60, warms = 500, ...rest} = change;
  const cold = timesAbout(coldMs, colds, 7);
  const warm = timesAbout(warmMs, warms, 11);
  const share = coldMs / 88;
  return provider({
    cold: summaryOf(cold, {
      phases: {
        boot: 22.4 * share,
        import: 34.2 * share,
        load: 8.7 * share,
        wait: 6.7 * share,
        infer: 0.86,
        residual: 11.3 * share,
        connect: 0.8,
        response: 0.4,
      },
    }),
    warm: summaryOf(warm, {phases: {connect: 0.2, infer: 0.07, response: 0.05}}),
    times: {cold, warm, unknown: []},
    classes: {cold: colds + 1, joined: 0, prewarmed: 0, restored: 0, restarted: 0, warm: warms, unknown: 0},
    firstAfterDeployMs: 1.6 * coldMs,
    warmOverheadMs: 0.75,
    ...rest,
  });
}

export const latency = (change: Partial<Latency> = {}): Latency => ({
  n: 3950,
  minMs: 0.52,
  maxMs: 412.3,
  meanMs: 3.21,
  p50Ms: 0.94,
  p90Ms: 2.31,
  p95Ms: 4.87,
  p99Ms: 61.4,
  p999Ms: 322.8,
  ...change,
});

export const stage = (change: Partial<LoadStage> = {}): LoadStage => ({
  perSecond: 200,
  durationMs: 20_000,
  due: 4000,
  dropped: 38,
  answered: 3950,
  failed: 12,
  latency: latency(),
  service: latency({p50Ms: 0.9, p99Ms: 40.2}),
  lateP99Ms: 0.41,
  inFlightMax: 64,
  classes: {cold: 9, joined: 14, prewarmed: 0, restored: 0, restarted: 0, warm: 3927, unknown: 0},
  instances: 9,
  ...change,
});

/** A load of 20 s at 200 requests per second, with a stall in the middle. */
export function load(change: Partial<LoadReport> = {}): LoadReport {
  const next = numbersFrom(23);
  const timeline = Array.from({length: 40}, (_, i): LoadBucket => {
    const stalled = i >= 20 && i < 22;
    const first = i === 0;
    const [dropped, failed] = stalled ? [19, 6] : [0, 0];
    return {
      fromMs: i * 500,
      due: 100,
      dropped,
      answered: 100 - dropped - failed,
      failed,
      cold: first ? 6 : stalled ? 3 : 0,
      instances: first ? 6 : stalled ? 9 : 4 + Math.floor(3 * next()),
      p50Ms: first ? 61.3 : stalled ? 203 : 0.85 + 0.2 * next(),
      p99Ms: i === 33 ? null : first ? 142 : stalled ? 398 : 2.1 + 4 * next(),
    };
  });
  const histogram = build({
    bitBucketSize: 32,
    autoResize: true,
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2,
    numberOfSignificantValueDigits: 3,
  });
  for (const ms of timesAbout(0.94, 3950, 5)) histogram.recordValue(Math.round(ms * 1000));
  return {
    shape: {kind: 'rate', perSecond: 200, durationMs: 20_000},
    stages: [stage()],
    bucketMs: 500,
    timeline,
    kneePerSecond: null,
    histogram: encodeIntoCompressedBase64(histogram),
    ...change,
  };
}

/** A whole report, as `thaw benchmark` makes one. */
export function run(...providers: readonly ProviderReport[]): Report {
  const plain = report(...providers);
  return {
    ...plain,
    machine: {cpu: 'AMD EPYC', cores: 2, memoryMb: 24106, system: 'Linux 6.18', node: 'v20.20.2'},
    request: {
      ...plain.request,
      cold: 60,
      warm: 500,
      load: providers.find((one) => one.load !== null)?.load?.shape ?? null,
      bodies: [
        {
          digest: `sha256:${'2'.repeat(64)}`,
          bytes: 78,
          source: '/home/you/credit-scoring/samples/request.json',
        },
      ],
    },
    samples: '/home/you/credit-scoring/.thaw/benchmarks/2026-11-24T10-03-11-123Z.ndjson',
  };
}
