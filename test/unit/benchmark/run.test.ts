import {setTimeout as delay} from 'node:timers/promises';
import {afterEach, expect, test} from 'vitest';
import {runShots, type Run} from '../../../src/benchmark/run.ts';
import {scheduleShots, type Wish} from '../../../src/benchmark/schedule.ts';
import {summarize} from '../../../src/benchmark/summarize.ts';
import {toSample} from '../../../src/benchmark/sample.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {ProviderReport} from '../../../src/core/report.ts';
import type {Invocation, Sample} from '../../../src/core/sample.ts';
import {createHttp} from '../../../src/net/http.ts';
import {startScriptedServer, type Script, type ScriptedServer} from './scripted-server.ts';

const image = `sha256:${'c'.repeat(64)}` as const;
const honest: Script = {
  boot: {boot: 30, import: 10, load: 20},
  inferMs: 5,
  queueMs: 40,
  evidence: 'honest',
  image,
};

const open: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

interface Bench {
  readonly server: ScriptedServer;
  readonly fire: () => Promise<Invocation>;
  readonly kept: Sample[];
  readonly run: (wish: Partial<Wish>, change?: Partial<Run>) => ReturnType<typeof runShots>;
}

async function bench(script: Script): Promise<Bench> {
  const server = await startScriptedServer(script);
  open.push(server);
  const http = createHttp();
  const signal = new AbortController().signal;
  const fire = () => http({url: server.url, body: '{}', timeoutMs: 10_000, signal});
  const kept: Sample[] = [];
  return {
    server,
    fire,
    kept,
    run: (wish, change = {}) => {
      const {cold = 0, warm = 0, freshImage = false} = wish;
      return runShots({
        provider: 'local',
        shots: scheduleShots({cold, warm, freshImage}),
        fire,
        chill: async () => server.chill(),
        keep: async (sample) => void kept.push(sample),
        freshImage,
        signal,
        ...change,
      });
    },
  };
}

const report = (samples: readonly Sample[]): ProviderReport =>
  summarize({provider: 'local', url: 'http://127.0.0.1/', image, notes: [], samples});

const classesOf = (samples: readonly Sample[]): string[] => samples.map((sample) => sample.class);

test('a platform with known delays is reported as what it is', async () => {
  const {run, kept} = await bench(honest);
  const {samples, interrupted} = await run({cold: 6, warm: 8});
  expect(interrupted).toBe(false);
  expect(kept).toEqual(samples);
  expect(classesOf(samples)).toEqual([...Array(6).fill('cold'), ...Array(8).fill('warm')]);
  expect(samples.map(({shot}) => shot.index)).toEqual(samples.map((_, index) => index));

  const {cold, warm, missed, failed} = report(samples);
  expect({cold: cold.n, warm: warm.n, missed, failed}).toEqual({cold: 6, warm: 8, missed: [], failed: []});
  expect(cold.phases).toMatchObject({boot: 30, import: 10, load: 20, wait: 0, infer: 5});
  // Timers fire up to a millisecond early; how late, nobody knows.
  expect(cold.p50Ms).toBeGreaterThan(100);
  expect(warm.p50Ms).toBeGreaterThan(3);
  expect(warm.p50Ms).toBeLessThan(cold.p50Ms ?? 0);
  // Queueing is what no phase reports.
  expect(cold.phases['residual']).toBeGreaterThan(30);
});

test('without a chill a cold shot comes out warm, and that is counted', async () => {
  const {run} = await bench(honest);
  const {samples} = await run({cold: 3}, {chill: async () => {}});
  expect(classesOf(samples)).toEqual(['cold', 'warm', 'warm']);
  expect(report(samples).missed).toEqual([{want: 'cold', got: 'warm', count: 2}]);
});

test('a first warm shot that finds no instance comes out cold, is counted as missed, and kept', async () => {
  const {run} = await bench(honest);
  const {samples} = await run({warm: 3});
  expect(classesOf(samples)).toEqual(['cold', 'warm', 'warm']);
  expect(report(samples).missed).toEqual([{want: 'warm', got: 'cold', count: 1}]);
});

test('an instance that waited for its first request is prewarmed', async () => {
  const {run, server} = await bench(honest);
  const {samples} = await run(
    {cold: 1, warm: 1},
    {
      chill: async () => {
        await server.prewarm();
        await delay(150);
      },
    },
  );
  expect(classesOf(samples)).toEqual(['prewarmed', 'warm']);
});

test('four requests on one boot are one cold and three joined', async () => {
  const {fire} = await bench(honest);
  const invocations = await Promise.all([fire(), fire(), fire(), fire()]);
  const classes = invocations.map(
    (invocation) => toSample('local', {index: 0, want: 'cold'}, invocation).class,
  );
  expect(classes.sort()).toEqual(['cold', 'joined', 'joined', 'joined']);
});

test('an ordinal that is always 1 does not pass for cold', async () => {
  const {run} = await bench({...honest, evidence: 'lying'});
  const {samples} = await run({cold: 1, warm: 3});
  expect(samples[0]?.class).toBe('cold');
  expect(classesOf(samples)).not.toContain('warm');
  expect(report(samples).missed.reduce((sum, {count}) => sum + count, 0)).toBe(3);
});

test('without evidence everything is unknown and nothing is called missed', async () => {
  const {run} = await bench({...honest, evidence: 'silent'});
  const {samples} = await run({cold: 1, warm: 2});
  expect(classesOf(samples)).toEqual(['unknown', 'unknown', 'unknown']);
  expect(report(samples)).toMatchObject({cold: {n: 0}, warm: {n: 0}, classes: {unknown: 3}, missed: []});
});

test('the first cold start of a fresh image is marked, once, and the wanted number stays whole', async () => {
  const {run} = await bench(honest);
  const {samples} = await run({cold: 2, warm: 1, freshImage: true});
  expect(samples.map((sample) => sample.firstAfterDeploy)).toEqual([true, false, false, false]);
  const {cold, classes, firstAfterDeployMs} = report(samples);
  expect(cold.n).toBe(2);
  expect(classes.cold).toBe(3);
  expect(firstAfterDeployMs).toBe(samples[0]?.totalMs);
});

test('failures on the way are samples, and the run goes on', async () => {
  const {run, server} = await bench(honest);
  const failures = ['hang up', 503] as const;
  let shots = 0;
  const {samples} = await run(
    {cold: 3, warm: 1},
    {
      chill: async () => {
        server.chill();
        const failure = failures[shots++];
        if (failure !== undefined) server.failNext(failure);
      },
    },
  );
  expect(samples.map(({error}) => error?.split(':')[0] ?? null)).toEqual(['reset', 'HTTP 503', null, null]);
  expect(report(samples)).toMatchObject({cold: {n: 1, failures: 2}, warm: {n: 1, failures: 0}});
});

test.each(['while a request waits', 'while chilling', 'between shots'])(
  'an interrupt %s keeps what was measured until then',
  async (when) => {
    const {run, server, kept} = await bench(honest);
    const controller = new AbortController();
    const http = createHttp();
    const {samples, interrupted} = await run(
      {cold: 2, warm: 5},
      {
        signal: controller.signal,
        chill: async () => {
          server.chill();
          if (when === 'while chilling' && kept.length === 1) {
            throw new ThawError('INTERRUPTED', 'interrupted');
          }
        },
        fire: (shot) => {
          if (when === 'while a request waits' && shot.index === 1) setTimeout(() => controller.abort(), 20);
          return http({url: server.url, timeoutMs: 10_000, signal: controller.signal});
        },
        onSample: () => {
          if (when === 'between shots') controller.abort();
        },
      },
    );
    expect(interrupted).toBe(true);
    expect(classesOf(samples)).toEqual(['cold']);
    expect(kept).toEqual(samples);
  },
);

test.each(['chill', 'keep'] as const)(
  'a %s that fails ends the run with what was measured',
  async (which) => {
    const {run, server, kept} = await bench(honest);
    const refusal = new ThawError(which === 'keep' ? 'DISK_FULL' : 'PROVIDER_REFUSED', 'no');
    const {samples, interrupted, failure} = await run(
      {cold: 3},
      {
        chill: async () => {
          if (which === 'chill' && kept.length === 1) throw refusal;
          server.chill();
        },
        keep: async (sample) => {
          if (which === 'keep' && kept.length === 1) throw refusal;
          kept.push(sample);
        },
      },
    );
    expect(failure).toBe(refusal);
    expect(interrupted).toBe(false);
    expect(classesOf(kept)).toEqual(['cold']);
    // A sample that could not be kept is reported all the same.
    expect(classesOf(samples)).toEqual(which === 'keep' ? ['cold', 'cold'] : ['cold']);
  },
);

test('a mistake in thaw itself is not taken for an end', async () => {
  const {run} = await bench(honest);
  const mistake = new TypeError('a bug');
  await expect(run({warm: 2}, {keep: () => Promise.reject(mistake)})).rejects.toBe(mistake);
});
