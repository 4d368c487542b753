import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';
import {expect, test} from 'vitest';
import {createLoadRecorder, INSTANCES_MAX, planBucketMs} from '../../../../src/benchmark/load/recorder.ts';
import {scheduleLoad} from '../../../../src/benchmark/load/schedule.ts';
import {toSample} from '../../../../src/benchmark/sample.ts';
import type {LoadShape} from '../../../../src/core/load.ts';
import type {Evidence, Sample, Shot} from '../../../../src/core/sample.ts';
import {evidenceOf, invocation} from './virtual.ts';

const shot: Shot = {index: 0, want: 'any'};
const sample = (came: Parameters<typeof invocation>[0]): Sample => toSample('x', shot, invocation(came));

test('what is dropped, answered and failed adds up to what was due, per stage and per bucket', () => {
  const shape = {kind: 'steps', perSecond: [100, 200], durationMs: 1000} as const;
  const recorder = createLoadRecorder(shape);
  for (const request of scheduleLoad(shape)) {
    if (request.index % 10 === 9) {
      recorder.dropped(request);
      continue;
    }
    recorder.sent(request, 7);
    if (request.index % 10 === 8) recorder.cameOut(request, sample({tookMs: 3, status: 503}));
    else recorder.cameOut(request, sample({tookMs: 5}));
  }
  const {stages, timeline, bucketMs} = recorder.report(null);
  expect(stages).toMatchObject([
    {perSecond: 100, durationMs: 1000, due: 100, dropped: 10, answered: 80, failed: 10, inFlightMax: 7},
    {perSecond: 200, durationMs: 1000, due: 200, dropped: 20, answered: 160, failed: 20, instances: null},
  ]);
  expect(stages[0]?.latency).toMatchObject({n: 80, minMs: 5, maxMs: 5});
  expect(timeline.length).toBe(2000 / bucketMs);
  for (const {due, dropped, answered, failed} of timeline) expect(dropped + answered + failed).toBe(due);
  expect(timeline.reduce((sum, {due}) => sum + due, 0)).toBe(300);
});

test('who got no answer in time has waited that long, and an error is no latency', () => {
  const shape = {kind: 'rate', perSecond: 10, durationMs: 1000} as const;
  const recorder = createLoadRecorder(shape);
  for (const request of scheduleLoad(shape)) {
    recorder.sent(request, 1);
    recorder.cameOut(
      request,
      request.index < 3
        ? sample({tookMs: 30_000, error: {kind: 'timeout', message: 'no whole answer within 30000 ms'}})
        : request.index < 5
          ? sample({tookMs: 1, error: {kind: 'reset', message: 'closed'}})
          : sample({tookMs: 10}),
    );
  }
  const {stages} = recorder.report(null);
  expect(stages[0]).toMatchObject({answered: 5, failed: 5});
  expect(stages[0]?.latency).toMatchObject({n: 8, minMs: 10, maxMs: 30_000});
});

test('latency counts from when a request was due, service from when it was sent, and the difference is told', () => {
  const shape = {kind: 'rate', perSecond: 1000, durationMs: 1000} as const;
  const recorder = createLoadRecorder(shape);
  for (const request of scheduleLoad(shape)) {
    recorder.sent(request, 1);
    const came = sample({tookMs: 25});
    recorder.cameOut(request, {...came, timings: {...came.timings, sentMs: 20}});
  }
  const stage = recorder.report(null).stages[0];
  expect(stage?.latency.p50Ms).toBeCloseTo(25, 1);
  expect(stage?.service.p50Ms).toBeCloseTo(5, 1);
  expect(stage?.lateP99Ms).toBeCloseTo(20, 1);
});

test('classes, cold starts over time and instances come from evidence', () => {
  const shape = {kind: 'rate', perSecond: 100, durationMs: 1000} as const;
  const recorder = createLoadRecorder(shape);
  const evidence = (index: number): Evidence =>
    index < 20 ? evidenceOf(`boot-${index}`, 1, 2) : evidenceOf(`boot-${index % 5}`);
  for (const request of scheduleLoad(shape)) {
    recorder.sent(request, 1);
    recorder.cameOut(request, sample({tookMs: 5, evidence: evidence(request.index)}));
  }
  const {stages, timeline} = recorder.report(null);
  expect(stages[0]).toMatchObject({instances: 20, classes: {cold: 20, warm: 80, unknown: 0}});
  expect(timeline.slice(0, 3)).toMatchObject([
    {cold: 10, instances: 10},
    {cold: 10, instances: 10},
    {cold: 0, instances: 5},
  ]);
});

test('an endpoint that names a new instance in every answer fills no memory, and that is told', () => {
  const shape = {kind: 'rate', perSecond: 1000, durationMs: 20_000} as const;
  const recorder = createLoadRecorder(shape);
  for (const request of scheduleLoad(shape)) {
    recorder.sent(request, 1);
    recorder.cameOut(request, sample({tookMs: 5, evidence: evidenceOf(`boot-${request.index}`)}));
  }
  expect(recorder.instancesCut).toBe(true);
  expect(recorder.report(null).stages[0]?.instances).toBe(INSTANCES_MAX);
});

test('a stage that was never reached is not reported, and one that was cut is as long as it was', () => {
  const shape = {kind: 'steps', perSecond: [10, 10, 10], durationMs: 1000} as const;
  const recorder = createLoadRecorder(shape);
  for (const request of scheduleLoad(shape)) {
    if (request.dueMs > 1500) break;
    recorder.sent(request, 1);
    recorder.cameOut(request, sample({tookMs: 5}));
  }
  expect(recorder.report(1500).stages).toMatchObject([{durationMs: 1000}, {durationMs: 500}]);
});

test('what nobody waited for was never due', () => {
  const shape = {kind: 'rate', perSecond: 10, durationMs: 1000} as const;
  const recorder = createLoadRecorder(shape);
  for (const request of scheduleLoad(shape)) {
    recorder.sent(request, 1);
    if (request.index < 4) recorder.cameOut(request, sample({tookMs: 5}));
    else recorder.abandoned(request);
  }
  expect(recorder.report(500).stages[0]).toMatchObject({due: 4, answered: 4, failed: 0, dropped: 0});
});

test.each<[LoadShape, number]>([
  [{kind: 'rate', perSecond: 2000, durationMs: 10_000}, 200],
  [{kind: 'rate', perSecond: 200, durationMs: 20_000}, 2000],
  [{kind: 'rate', perSecond: 10, durationMs: 30_000}, 500],
  [{kind: 'rate', perSecond: 100, durationMs: 3_600_000}, 100_000],
  [{kind: 'ramp', fromPerSecond: 10, toPerSecond: 100, durationMs: 60_000}, 1000],
  [{kind: 'burst', requests: 100}, 1000],
])('%o has buckets of %i ms', (shape, bucketMs) => {
  expect(planBucketMs(shape)).toBe(bucketMs);
});

test('memory does not grow with the number of samples', () => {
  const shape = {kind: 'rate', perSecond: 100_000, durationMs: 10_000} as const;
  const recorder = createLoadRecorder(shape);
  const samples = Array.from({length: 1000}, (_, i) =>
    sample({tookMs: 1 + (i * 7919) / 1000, evidence: evidenceOf(`boot-${i % 50}`)}),
  );
  const record = (most: number): void => {
    let left = most;
    for (const request of schedule) {
      recorder.sent(request, 1);
      recorder.cameOut(request, samples[request.index % 1000] as Sample);
      if (--left === 0) return;
    }
  };
  const schedule = {[Symbol.iterator]: () => ({next: () => iterator.next()})};
  const iterator = scheduleLoad(shape);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const bytes = (): number => {
    collect();
    const {heapUsed, arrayBuffers} = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  record(100_000);
  const early = bytes();
  record(900_000);
  // Ten times the samples: one number kept of each would be 7 MB.
  const grown = bytes() - early;
  expect(recorder.report(null).stages[0]?.answered).toBe(1_000_000);
  expect(grown).toBeLessThan(4e6);
});
