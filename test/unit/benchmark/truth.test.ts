import {afterEach, describe, expect, test} from 'vitest';
import {openEndpoint} from '../../../src/benchmark/endpoint.ts';
import {weighEvidence} from '../../../src/benchmark/plausibility.ts';
import {runShots} from '../../../src/benchmark/run.ts';
import {scheduleShots} from '../../../src/benchmark/schedule.ts';
import {quantileOf} from '../../../src/benchmark/statistics.ts';
import {summarize} from '../../../src/benchmark/summarize.ts';
import type {ProviderReport, Summary} from '../../../src/core/report.ts';
import type {Evidence, Invocation, Sample} from '../../../src/core/sample.ts';
import {systemClock} from '../../../src/net/clock.ts';
import {createHttp} from '../../../src/net/http.ts';
import {startScriptedServer, type ScriptedServer} from './scripted-server.ts';
import {COLD, createVirtualPlatform, quantileOfWait, seeded, WARM, type Wait} from './virtual-platform.ts';

const SEEDS = Array.from({length: 20}, (_, seed) => seed);
const QUANTILES = [
  ['p50', 'p50Ms', 0.5],
  ['p90', 'p90Ms', 0.9],
  ['p95', 'p95Ms', 0.95],
  ['p99', 'p99Ms', 0.99],
] as const;

const report = (samples: readonly Sample[]): ProviderReport =>
  summarize({provider: 'local', url: 'http://127.0.0.1/', image: null, notes: [], samples});

/** Changes what an instance says of itself; null: it says nothing. */
type Lie = (evidence: Evidence, index: number, cameAtMs: number) => Evidence | null;

async function measure(seed: number, lie: Lie | null = null) {
  const platform = createVirtualPlatform(seed);
  const {samples} = await runShots({
    provider: 'local',
    shots: scheduleShots({cold: 300, warm: 700, freshImage: false}),
    chill: () => platform.chill(),
    async fire(shot): Promise<Invocation> {
      const invocation = await platform.fire(shot);
      const {evidence, at, timings} = invocation;
      const cameAtMs = Date.parse(at) + (timings.firstByteMs ?? 0);
      return lie && evidence ? {...invocation, evidence: lie(evidence, shot.index, cameAtMs)} : invocation;
    },
    keep: async () => {},
    freshImage: false,
    signal: new AbortController().signal,
  });
  const truths = samples.map(({shot}) => platform.truth.get(shot.index));
  return {samples, truths, weighed: weighEvidence(samples)};
}

describe('a platform without a clock, of which the truth is known', () => {
  test('of 20 times 1,000 shots none is mislabelled, and honest evidence is not doubted', async () => {
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      const {samples, truths, weighed} = await measure(seed);
      expect(samples).toHaveLength(1000);
      expect(samples.map((sample) => sample.class)).toEqual(truths);
      expect(weighed).toEqual({samples, notes: []});
      for (const truth of truths) seen.add(truth ?? '');
    }
    expect([...seen].sort()).toEqual(['cold', 'joined', 'prewarmed', 'restarted', 'restored', 'warm']);
  });

  test('every statistic lies inside its interval, and the intervals hold as often as they say', async () => {
    let bounds = 0;
    let missed = 0;
    for (const seed of SEEDS) {
      const {cold, warm} = report((await measure(seed)).samples);
      for (const [summary, wait] of [
        [cold, COLD],
        [warm, WARM],
      ] as [Summary, Wait][]) {
        expect(summary.minMs).toBeGreaterThanOrEqual(wait.leastMs);
        for (const [name, key, q] of QUANTILES) {
          const point = summary[key];
          const [low, high] = summary.intervals[name] ?? [];
          if (typeof low !== 'number' || typeof high !== 'number' || point === null) continue;
          expect(point).toBeGreaterThanOrEqual(low);
          expect(point).toBeLessThanOrEqual(high);
          const truth = quantileOfWait(wait, q);
          bounds += 2;
          missed += (truth < low ? 1 : 0) + (truth > high ? 1 : 0);
        }
      }
    }
    // Three quantiles of the cold and four of the warm. Each bound may fail one time in twenty; the seeds are fixed.
    expect(bounds).toBe(280);
    expect(missed / bounds).toBeLessThan(0.07);
    expect(missed).toBeGreaterThan(0);
  });

  test('what a cold start waited for is told apart', async () => {
    for (const seed of SEEDS) {
      const {samples} = await measure(seed);
      const {cold, warmOverheadMs} = report(samples);
      // Of each cold wait a quarter is the platform's, and the way there and back half of each warm one.
      const waits = samples.filter((sample) => sample.class === 'cold').map(({totalMs}) => totalMs * 0.25);
      const middle = waits.sort((a, b) => a - b)[Math.floor(waits.length / 2)] ?? 0;
      expect(cold.phases['residual']).toBeCloseTo(middle - (warmOverheadMs ?? 0), 0);
    }
  });
});

describe('a platform on the loopback, with delays drawn anew for each of 20 seeds', () => {
  const servers: ScriptedServer[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
  });

  async function bench(seed: number, evidence: 'honest' | 'lying') {
    const random = seeded(seed);
    const server = await startScriptedServer({
      boot: {boot: 8, import: 3, load: 5},
      queueMs: () => 5 + 20 * random(),
      inferMs: () => 1 + 6 * random(),
      evidence,
      image: `sha256:${'e'.repeat(64)}`,
    });
    servers.push(server);
    const signal = new AbortController().signal;
    const endpoint = await openEndpoint({
      url: server.url,
      method: null,
      headers: [],
      bodies: [{bytes: Buffer.from('{}')}],
      bearerEnv: null,
      sign: null,
      env: {},
      http: createHttp(),
      clock: systemClock,
      timeoutMs: 30_000,
      signal,
    });
    const {samples} = await runShots({
      provider: endpoint.label,
      shots: scheduleShots({cold: 8, warm: 64, freshImage: false}),
      fire: (shot) => endpoint.fire(shot),
      chill: async () => server.chill(),
      keep: async () => {},
      freshImage: false,
      signal,
    });
    return {samples, served: server.served};
  }

  test.each([0, 4, 8, 12, 16])('is reported as what it is (seeds %i and the next three)', async (from) => {
    const benches = await Promise.all(SEEDS.slice(from, from + 4).map((seed) => bench(seed, 'honest')));
    for (const {samples, served} of benches) {
      expect(samples.map((sample) => sample.class)).toEqual(served.map(({cold}) => (cold ? 'cold' : 'warm')));
      expect(weighEvidence(samples)).toEqual({samples, notes: []});

      const {cold, warm, missed, failed} = report(samples);
      expect({cold: cold.n, warm: warm.n, missed, failed}).toEqual({
        cold: 8,
        warm: 64,
        missed: [],
        failed: [],
      });
      for (const [summary, wanted] of [
        [cold, true],
        [warm, false],
      ] as const) {
        const pairs = samples
          .map((sample, i) => ({
            clientMs: sample.totalMs,
            serverMs: served[i]?.tookMs ?? 0,
            cold: served[i]?.cold,
          }))
          .filter((pair) => pair.cold === wanted);
        const overheadsMs = pairs.map(({clientMs, serverMs}) => clientMs - serverMs).sort((a, b) => a - b);
        const truths = pairs.map(({serverMs}) => serverMs).sort((a, b) => a - b);
        // A client cannot have waited for less than the server took.
        expect(overheadsMs[0]).toBeGreaterThan(0);
        expect(overheadsMs[Math.floor(overheadsMs.length / 2)]).toBeLessThan(1000);
        for (const [name, key, q] of QUANTILES) {
          if (summary[key] === null) continue;
          const [low, high] = summary.intervals[name] ?? [];
          const truth = quantileOf(truths, q) ?? NaN;
          expect(truth).toBeLessThanOrEqual(high ?? NaN);
          expect(truth + (quantileOf(overheadsMs, 0.95) ?? NaN)).toBeGreaterThanOrEqual(low ?? -Infinity);
        }
      }
    }
  });

  test('that always claims to be on its first request is found out', async () => {
    const {samples} = await bench(0, 'lying');
    const weighed = weighEvidence(samples);
    expect(weighed.notes).toEqual([
      expect.stringMatching(
        /^1 of 8 instances counted several answers alike: boot-8 gave 65 answers as its request 1/,
      ),
      '65 of 72 samples are unknown, because the evidence for what they were contradicts itself',
    ]);
    expect(weighed.samples.map((sample) => sample.class)).toEqual([
      ...Array(7).fill('cold'),
      ...Array(65).fill('unknown'),
    ]);
  });
});

describe('evidence that lies', () => {
  const BUILT_AT_MS = Date.parse('2025-12-31T00:00:00Z');
  const lies: readonly (readonly [string, () => Lie, RegExp])[] = [
    ['an ordinal that is always 1', () => (e) => ({...e, ordinal: 1}), /as its request 1, as in shot/],
    ['an ordinal that is always 7', () => (e) => ({...e, ordinal: 7}), /as its request 7/],
    ['ordinals that fall', () => (e, index) => ({...e, ordinal: 5000 - index}), /counted backwards/],
    [
      'a boot id that changes on every answer',
      () => (e, index) => ({...e, bootId: `made-up-${index}`}),
      /boot ids claimed to have been born at one moment/,
    ],
    [
      'a boot id that changes, and an ordinal that is always 1',
      () => (e, index) => ({...e, bootId: `made-up-${index}`, ordinal: 1}),
      /boot ids claimed to have been born at one moment/,
    ],
    [
      'an age that is always young',
      () => (e) => ({...e, bootAgeMs: 1.5}),
      /does not keep step with the clock/,
    ],
    ['an age in seconds', () => (e) => ({...e, bootAgeMs: e.bootAgeMs / 1000}), /does not keep step/],
    [
      'an age that shrinks',
      () => (e, index) => ({...e, bootAgeMs: Math.max(0, 90_000 - index * 50)}),
      /younger in the/,
    ],
    ['an age that jumps about', jumping, /does not keep step with the clock/],
    ['an age from the past', fromThePast, /boot ids claimed to have been born at one moment/],
    ['answers from a cache', cached, /word for word, as a cache would/],
    ['an age that is negative', () => (e) => ({...e, bootAgeMs: -5}), /ordinal \d+ at an age of -5 ms/],
    ['an age that is no number', () => (e) => ({...e, bootAgeMs: NaN}), /at an age of NaN ms/],
    [
      'phases longer than the wait',
      () => (e) => ({...e, phases: {...e.phases, infer: 10_000}}),
      /phases that took longer than the client waited/,
    ],
    [
      'a start longer than the life',
      () => (e) => ({...e, phases: {...e.phases, boot: 100_000}}),
      /a start that took longer than the instance had lived/,
    ],
    [
      'evidence on some answers only',
      () => (e, index) => (index % 2 === 0 ? e : null),
      /500 of 1000 answers carry no evidence, as in shot 1/,
    ],
    ['no evidence', () => () => null, /no answer says which instance gave it/],
  ];

  function jumping(): Lie {
    const random = seeded(7);
    return (e) => ({...e, bootAgeMs: random() * 10_000});
  }

  /** The age of what was built a day before, not of what was started. */
  function fromThePast(): Lie {
    return (e, _, cameAtMs) => ({...e, bootAgeMs: cameAtMs - BUILT_AT_MS});
  }

  function cached(): Lie {
    const first = new Map<string, Evidence>();
    return (e) => {
      if (!first.has(e.bootId)) first.set(e.bootId, e);
      return first.get(e.bootId) as Evidence;
    };
  }

  test.each(lies)('%s is named, and no shot is mislabelled by it', async (_, lie, named) => {
    for (const seed of SEEDS.slice(0, 8)) {
      const {truths, weighed} = await measure(seed, lie());
      expect(weighed.notes.join('\n')).toMatch(named);
      const wrong = weighed.samples.flatMap((sample, i) =>
        sample.class === 'unknown' || sample.class === truths[i]
          ? []
          : [`shot ${i} was ${truths[i]} and is called ${sample.class}`],
      );
      expect(wrong).toEqual([]);
    }
  });
});
