import type {LoadReport, LoadStage} from '../../../src/core/load.ts';
import type {ProviderReport, Report, Summary} from '../../../src/core/report.ts';
import type {StartClass} from '../../../src/core/sample.ts';

const classes = (change: Partial<Record<StartClass, number>> = {}): {[C in StartClass]: number} => ({
  cold: 0,
  joined: 0,
  prewarmed: 0,
  restored: 0,
  restarted: 0,
  warm: 0,
  unknown: 0,
  ...change,
});

const summary = (n: number, failures: number): Summary => ({
  n,
  failures,
  minMs: null,
  maxMs: null,
  meanMs: null,
  p50Ms: null,
  p90Ms: null,
  p95Ms: null,
  p99Ms: null,
  intervals: {},
  phases: {},
});

/** What a provider's report is made of here: the times of its groups, and how many shots failed. */
export interface Outcome {
  readonly provider?: string;
  readonly cold?: readonly number[];
  readonly warm?: readonly number[];
  readonly restored?: readonly number[];
  readonly unknown?: readonly number[];
  readonly failed?: {readonly cold?: number; readonly warm?: number};
  readonly load?: LoadReport;
}

export function providerOf(outcome: Outcome): ProviderReport {
  const {provider = 'local', cold = [], warm = [], restored = [], unknown = []} = outcome;
  const {failed = {}, load = null} = outcome;
  return {
    provider,
    url: 'http://127.0.0.1:7000/',
    image: `sha256:${'1'.repeat(64)}`,
    notes: [],
    cold: summary(cold.length, failed.cold ?? 0),
    warm: summary(warm.length, failed.warm ?? 0),
    ...(restored.length > 0 ? {restored: summary(restored.length, 0)} : {}),
    ...(unknown.length > 0 ? {unknown: summary(unknown.length, 0)} : {}),
    classes: classes({
      cold: cold.length,
      warm: warm.length,
      restored: restored.length,
      unknown: unknown.length,
    }),
    missed: [],
    failed: (['cold', 'warm'] as const).flatMap((want) => {
      const count = failed[want] ?? 0;
      return count > 0 ? [{want, error: 'HTTP 500', count}] : [];
    }),
    firstAfterDeployMs: null,
    warmOverheadMs: null,
    load,
    times: {cold, warm, ...(restored.length > 0 ? {restored} : {}), unknown},
  };
}

export function reportOf(outcomes: Outcome | readonly Outcome[], change: Partial<Report> = {}): Report {
  return {
    schema: 'thaw.report/1',
    thaw: '0.1.0',
    function: 'credit-scoring',
    startedAt: '2026-11-24T10:00:00.000Z',
    machine: {cpu: 'a processor', cores: 2},
    request: {cold: 60, warm: 500, load: null, method: 'POST', headers: ['content-type'], bodies: []},
    interrupted: false,
    providers: [outcomes].flat().map(providerOf),
    samples: 'run.ndjson',
    ...change,
  };
}

export const stageOf = (change: Partial<LoadStage> = {}): LoadStage => ({
  perSecond: 100,
  durationMs: 20_000,
  due: 2000,
  dropped: 0,
  answered: 2000,
  failed: 0,
  latency: {
    n: 2000,
    minMs: 1,
    maxMs: 90,
    meanMs: 12,
    p50Ms: 10,
    p90Ms: 20,
    p95Ms: 30,
    p99Ms: 50,
    p999Ms: null,
  },
  service: {
    n: 2000,
    minMs: 1,
    maxMs: 90,
    meanMs: 12,
    p50Ms: 10,
    p90Ms: 20,
    p95Ms: 30,
    p99Ms: 50,
    p999Ms: null,
  },
  lateP99Ms: 0.2,
  inFlightMax: 9,
  classes: classes(),
  instances: null,
  ...change,
});

/** A load of twenty seconds whose stretches have these medians. */
export function loadOf(medians: readonly number[], change: Partial<LoadReport> = {}): LoadReport {
  return {
    shape: {kind: 'rate', perSecond: 100, durationMs: medians.length * 1000},
    stages: [stageOf({durationMs: medians.length * 1000})],
    bucketMs: 1000,
    timeline: medians.map((p50Ms, index) => ({
      fromMs: index * 1000,
      due: 100,
      dropped: 0,
      answered: 100,
      failed: 0,
      cold: 0,
      instances: null,
      p50Ms,
      p99Ms: p50Ms * 5,
    })),
    kneePerSecond: null,
    histogram: '',
    ...change,
  };
}
