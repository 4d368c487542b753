import type {ProviderReport, Report, Summary} from '../../../src/core/report.ts';

export const summary = (change: Partial<Summary> = {}): Summary => ({
  n: 60,
  failures: 0,
  minMs: 198.2,
  maxMs: 1041,
  meanMs: 215,
  p50Ms: 212.4,
  p90Ms: 240.1,
  p95Ms: 255.5,
  p99Ms: null,
  intervals: {p50: [205, 221], p90: [233, 260], p95: [241, 1041], p99: [251, null]},
  phases: {},
  ...change,
});

export const provider = (change: Partial<ProviderReport> = {}): ProviderReport => ({
  provider: 'local',
  url: 'http://127.0.0.1:7000/',
  image: `sha256:${'1'.repeat(64)}`,
  notes: ['process engine: this machine, not the image'],
  cold: summary({phases: {boot: 80, import: 40, load: 40, wait: 0.4, infer: 20, residual: 20}}),
  warm: summary({
    n: 200,
    minMs: 0.84,
    maxMs: 9.1,
    p50Ms: 1.84,
    p90Ms: 2.1,
    p95Ms: 2.4,
    intervals: {p50: [1.8, 1.9], p90: [2, 2.2], p95: [2.3, 2.6], p99: [2.5, null]},
    phases: {infer: 0.9},
  }),
  classes: {cold: 61, joined: 0, prewarmed: 0, restored: 0, restarted: 0, warm: 200, unknown: 0},
  missed: [],
  failed: [],
  firstAfterDeployMs: null,
  warmOverheadMs: 0.94,
  load: null,
  ...change,
});

export const report = (...providers: readonly ProviderReport[]): Report => ({
  schema: 'thaw.report/1',
  thaw: '0.1.0',
  function: 'credit-scoring',
  startedAt: '2026-11-24T10:03:11.123Z',
  machine: {},
  request: {
    cold: 60,
    warm: 200,
    load: null,
    method: 'POST',
    headers: ['content-type'],
    bodies: [{digest: `sha256:${'2'.repeat(64)}`, bytes: 78, source: 'samples/request.json'}],
  },
  interrupted: false,
  providers,
  samples: '.thaw/benchmarks/run.ndjson',
});
