import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {setTimeout as delay} from 'node:timers/promises';
import {expect, test} from 'vitest';
import {planInFlightMax, runLoad, type Load, type LoadOutcome} from '../../../../src/benchmark/load/run.ts';
import {scheduleLoad} from '../../../../src/benchmark/load/schedule.ts';
import {ThawError} from '../../../../src/core/errors.ts';
import type {LoadShape} from '../../../../src/core/load.ts';
import type {Sample} from '../../../../src/core/sample.ts';
import {systemClock} from '../../../../src/net/clock.ts';
import {createHttp} from '../../../../src/net/http.ts';
import {
  createRandom,
  createVirtualTime,
  evidenceOf,
  invocation,
  openDesk,
  type Desk,
  type VirtualTime,
} from './virtual.ts';

interface Played extends LoadOutcome {
  readonly kept: readonly Sample[];
}

/** Plays a load in virtual time. */
async function play(
  shape: LoadShape,
  desk: Desk,
  change: (time: VirtualTime) => Partial<Load> = () => ({}),
): Promise<Played> {
  const time = createVirtualTime();
  const kept: Sample[] = [];
  const outcome = await runLoad({
    provider: 'desk',
    shape,
    fire: openDesk(time, desk),
    inFlightMax: 10_000,
    clock: time.clock,
    pace: time.pace,
    signal: new AbortController().signal,
    keep: async (samples) => void kept.push(...samples),
    ...change(time),
  });
  return {...outcome, kept};
}

const seeds = Array.from({length: 20}, (_, index) => index + 1);
const quantile = (values: readonly number[], q: number): number =>
  [...values].sort((a, b) => a - b)[Math.ceil(q * values.length) - 1] ?? NaN;

/** How long those wait who come while nobody is served, and all others. */
function suffered(
  shape: LoadShape,
  stall: {fromMs: number; toMs: number},
  service: readonly number[],
): number[] {
  return [...scheduleLoad(shape)].map(({dueMs}, nth) => {
    const stalledMs = dueMs >= stall.fromMs && dueMs < stall.toMs ? stall.toMs - dueMs : 0;
    return stalledMs + (service[nth] ?? NaN);
  });
}

test.each(seeds)('a stall of a second is suffered by all who come in it (seed %i)', async (seed) => {
  const random = createRandom(seed);
  const fromMs = 1000 + random() * 7000;
  const stall = {fromMs, toMs: fromMs + 1000};
  const shape = {kind: 'rate', perSecond: 300, durationMs: 10_000} as const;
  const service = Array.from({length: 3000}, () => 2 - 3 * Math.log(1 - random()));
  const {report} = await play(shape, {
    servers: 3000,
    serviceMs: (nth) => service[nth] ?? NaN,
    stalls: [stall],
  });

  const truth = suffered(shape, stall, service);
  const [stage] = report.stages;
  expect(stage).toMatchObject({due: 3000, answered: 3000, dropped: 0, failed: 0});
  for (const [q, reported] of [
    [0.5, stage?.latency.p50Ms],
    [0.9, stage?.latency.p90Ms],
    [0.95, stage?.latency.p95Ms],
    [0.99, stage?.latency.p99Ms],
    [0.999, stage?.latency.p999Ms],
  ] as const) {
    expect(Math.abs((reported ?? NaN) / quantile(truth, q) - 1), `p${q * 100}`).toBeLessThan(0.002);
  }
  expect(stage?.latency.maxMs).toBeCloseTo(Math.max(...truth), 6);
  // One in ten waits between nothing and a second: one in a hundred about nine tenths of it.
  expect(stage?.latency.p99Ms).toBeGreaterThan(870);
  expect(stage?.latency.p99Ms).toBeLessThan(945);
  // While it lasts nobody is served, so all of a second are under way.
  expect(stage?.inFlightMax).toBeGreaterThanOrEqual(300);
});

test('what the generator itself is late is in the latency, told apart from service', async () => {
  const shape = {kind: 'rate', perSecond: 100, durationMs: 10_000} as const;
  const {report, kept} = await play(shape, {servers: 100, serviceMs: () => 5}, (time) => ({
    pace: (momentMs) => time.sleepUntil(momentMs + 3),
  }));
  const [stage] = report.stages;
  expect(stage?.latency).toMatchObject({minMs: 5, p50Ms: 8, p90Ms: 8, maxMs: 8});
  expect(stage?.service).toMatchObject({minMs: 5, p50Ms: 5, maxMs: 5});
  expect(stage?.lateP99Ms).toBe(3);
  // The first one is due when the load begins, so nothing paces it.
  expect(kept[1]).toMatchObject({
    at: '2030-01-01T00:00:00.010Z',
    timings: {sentMs: 3, firstByteMs: 8, endMs: 8},
  });
});

test('every sample is kept once, as part of the load, numbered on from earlier shots', async () => {
  const shape = {kind: 'steps', perSecond: [50, 100], durationMs: 1000} as const;
  const {kept, notes} = await play(shape, {servers: 10, serviceMs: () => 4}, () => ({firstIndex: 40}));
  expect(kept.map(({shot}) => shot.index)).toEqual(Array.from({length: 150}, (_, index) => 40 + index));
  expect(kept[0]?.shot).toEqual({index: 40, want: 'any', stage: 0});
  expect(kept.at(-1)?.shot.stage).toBe(1);
  expect(kept.every(({provider, schema}) => provider === 'desk' && schema === 'thaw.sample/1')).toBe(true);
  expect(notes).toEqual([]);
});

test('above the bound requests are dropped and counted, never sent late', async () => {
  const shape = {kind: 'rate', perSecond: 100, durationMs: 3000} as const;
  const {report, kept} = await play(shape, {servers: 100, serviceMs: () => 999}, () => ({inFlightMax: 10}));
  expect(report.stages[0]).toMatchObject({due: 300, dropped: 270, answered: 30, inFlightMax: 10});
  expect(report.stages[0]?.latency.maxMs).toBe(999);
  expect(kept.length).toBe(30);
  for (const bucket of report.timeline) expect(bucket.dropped + bucket.answered).toBe(bucket.due);
});

test('a burst comes at once and shows who was cold', async () => {
  const {report} = await play(
    {kind: 'burst', requests: 40},
    {
      servers: 40,
      serviceMs: () => 700,
      evidence: (nth) => evidenceOf(`boot-${nth}`, 1, 600),
    },
  );
  expect(report.stages).toMatchObject([
    {perSecond: null, due: 40, answered: 40, dropped: 0, instances: 40, classes: {cold: 40}},
  ]);
  expect(report.timeline).toMatchObject([{fromMs: 0, due: 40, cold: 40, instances: 40}]);
});

test('the first cold start of a fresh image is marked, and only that', async () => {
  const shape = {kind: 'burst', requests: 5} as const;
  const {kept} = await play(
    shape,
    {servers: 5, serviceMs: (nth) => 700 + nth, evidence: (nth) => evidenceOf(`boot-${nth}`, 1, 600)},
    () => ({freshImage: true}),
  );
  expect(kept.map(({firstAfterDeploy}) => firstAfterDeploy)).toEqual([true, false, false, false, false]);
});

test.each(seeds)('a ramp finds the knee and ends soon after (seed %i)', async (seed) => {
  const random = createRandom(seed);
  const serviceMs = (): number => 25 + 50 * random();
  const {report, notes} = await play(
    {kind: 'ramp', fromPerSecond: 10, toPerSecond: 500, durationMs: 60_000},
    {servers: 6, serviceMs},
  );
  // 6 servers with 50 ms each: 120 a second.
  expect(report.kneePerSecond).toBeGreaterThan(0.85 * 120);
  expect(report.kneePerSecond).toBeLessThan(1.15 * 120);
  const [stage] = report.stages;
  expect(stage?.durationMs).toBeLessThan(30_000);
  expect(stage?.answered).toBe(stage?.due);
  expect(notes[0]).toMatch(/^the ramp ended at \d+ requests a second/);
});

test('a ramp that is kept up with has no knee and goes to its end', async () => {
  const {report, notes} = await play(
    {kind: 'ramp', fromPerSecond: 10, toPerSecond: 100, durationMs: 10_000},
    {servers: 50, serviceMs: () => 20},
  );
  expect(report.kneePerSecond).toBeNull();
  expect(report.stages[0]).toMatchObject({due: 550, durationMs: 10_000});
  expect(notes).toEqual([]);
});

test('a ramp against an endpoint that throttles ends by its refusals', async () => {
  let second = -1;
  let taken = 0;
  const {report} = await play(
    {kind: 'ramp', fromPerSecond: 10, toPerSecond: 400, durationMs: 30_000},
    {
      servers: 1,
      serviceMs: () => 1,
    },
    (own) => ({
      async fire() {
        const now = Math.floor(own.clock.monotonicMs() / 1000);
        if (now !== second) [second, taken] = [now, 0];
        taken++;
        await own.sleepUntil(own.clock.monotonicMs() + 5);
        return invocation({tookMs: 5, status: taken > 100 ? 429 : 200});
      },
    }),
  );
  expect(report.kneePerSecond).toBeGreaterThan(80);
  expect(report.kneePerSecond).toBeLessThan(130);
  expect(report.stages[0]?.durationMs).toBeLessThan(20_000);
});

test('steps show the last rate that was kept up with', async () => {
  const {report} = await play(
    {kind: 'steps', perSecond: [50, 90, 110], durationMs: 5000},
    {servers: 5, serviceMs: () => 50},
  );
  expect(report.kneePerSecond).toBe(90);
  expect(report.stages.map(({perSecond, due}) => [perSecond, due])).toEqual([
    [50, 250],
    [90, 450],
    [110, 550],
  ]);
});

test('an interrupt ends a load with what came out until then', async () => {
  const controller = new AbortController();
  const shape = {kind: 'steps', perSecond: [100, 100], durationMs: 1000} as const;
  const {report, interrupted, kept, failure} = await play(
    shape,
    {servers: 1, serviceMs: () => 1},
    (time) => ({
      signal: controller.signal,
      async fire(shot) {
        if (shot.index === 60) controller.abort();
        const took = shot.index < 50 ? 5 : 5000;
        await time.sleepUntil(time.clock.monotonicMs() + took);
        if (controller.signal.aborted) throw new ThawError('INTERRUPTED', 'interrupted');
        return invocation({tookMs: took});
      },
    }),
  );
  expect(interrupted).toBe(true);
  expect(failure).toBeNull();
  expect(report.stages).toMatchObject([{due: 50, answered: 50, failed: 0, dropped: 0}]);
  expect(report.stages[0]?.durationMs).toBeLessThan(1000);
  expect(kept.length).toBe(50);
});

test('a signal that has fired already sends nothing', async () => {
  let fired = 0;
  const {interrupted, report} = await play(
    {kind: 'burst', requests: 3},
    {servers: 1, serviceMs: () => 1},
    () => ({
      signal: AbortSignal.abort(),
      fire: async () => (fired++, invocation({tookMs: 1})),
    }),
  );
  expect([interrupted, fired, report.stages.length]).toEqual([true, 0, 0]);
});

test('a full disk ends a load, with what was measured and the reason', async () => {
  const full = new ThawError('DISK_FULL', 'run.ndjson: no space left for samples');
  const {failure, interrupted, report, notes} = await play(
    {kind: 'rate', perSecond: 100, durationMs: 600_000},
    {servers: 100, serviceMs: () => 1},
    () => ({keep: () => Promise.reject(full)}),
  );
  expect(failure).toBe(full);
  expect(interrupted).toBe(false);
  expect(report.stages[0]?.answered).toBeGreaterThan(0);
  expect(notes[0]).toMatch(/samples of the load are in its figures but not in the file/);
});

test('a bug in what sends is thrown, after what is under way has come out', async () => {
  const bug = new TypeError('no such thing');
  const broken = play(
    {kind: 'rate', perSecond: 100, durationMs: 600_000},
    {servers: 1, serviceMs: () => 1},
    () => ({
      fire: () => Promise.reject(bug),
    }),
  );
  await expect(broken).rejects.toBe(bug);
});

test('where nobody is there to talk to, the load is given up', async () => {
  let fired = 0;
  const error = {kind: 'refused', message: 'connect ECONNREFUSED'} as const;
  const {gaveUp, interrupted} = await play(
    {kind: 'rate', perSecond: 100, durationMs: 600_000},
    {servers: 1, serviceMs: () => 1},
    () => ({fire: async () => (fired++, invocation({tookMs: 1, error}))}),
  );
  expect(gaveUp).toContain('refused: connect ECONNREFUSED');
  expect(interrupted).toBe(false);
  expect(fired).toBeLessThan(20);
});

test('as many may be under way as a stall as long as the timeout brings, within bounds', () => {
  const rate = (perSecond: number) => ({kind: 'rate', perSecond, durationMs: 1000}) as const;
  expect(planInFlightMax(rate(200), 10_000)).toBe(2000);
  expect(planInFlightMax(rate(1), 10_000)).toBe(100);
  expect(planInFlightMax(rate(5000), 60_000)).toBe(10_000);
  expect(planInFlightMax({kind: 'burst', requests: 500}, 10_000)).toBe(500);
});

test('over real connections, a burst meets as many instances as it has requests, and a rate is kept', async () => {
  let busy = 0;
  const server = createServer((_, response) => {
    const instance = busy++;
    setTimeout(() => {
      busy--;
      response.setHeader('thaw-boot', `boot-${instance}`).setHeader('thaw-ordinal', '2');
      response.setHeader('thaw-boot-age', '100000').end('{}');
    }, 150);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  try {
    const {signal} = new AbortController();
    const http = createHttp();
    let progress = 0;
    const load = (shape: LoadShape): Promise<LoadOutcome> =>
      runLoad({
        provider: 'real',
        shape,
        fire: () => http({url, timeoutMs: 20_000, signal}),
        inFlightMax: 1000,
        clock: systemClock,
        signal,
        keep: async () => {},
        onProgress: () => progress++,
      });
    const burst = (await load({kind: 'burst', requests: 30})).report.stages[0];
    expect(burst).toMatchObject({answered: 30, failed: 0, inFlightMax: 30, classes: {warm: 30}});
    expect(burst?.instances).toBeGreaterThan(25);

    const before = performance.now();
    const rate = (await load({kind: 'rate', perSecond: 200, durationMs: 1000})).report.stages[0];
    expect(performance.now() - before).toBeGreaterThan(990);
    expect(rate).toMatchObject({due: 200, answered: 200, failed: 0, dropped: 0});
    expect(rate?.latency.minMs).toBeGreaterThan(149);
    expect(progress).toBeGreaterThanOrEqual(2);
  } finally {
    server.closeAllConnections();
    server.close();
    await delay(1);
  }
});
