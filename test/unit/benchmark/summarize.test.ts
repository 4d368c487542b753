import {expect, test} from 'vitest';
import {summarize} from '../../../src/benchmark/summarize.ts';
import type {PhaseTimes, Sample} from '../../../src/core/sample.ts';

const image = `sha256:${'1'.repeat(64)}` as const;

/** What every sample here spends before its wait and after it. */
const WIRE = {connect: 2, response: 5};

function sample(
  totalMs: number,
  told: Partial<Sample> = {},
  phases: PhaseTimes = {},
  from: Sample['evidence'] extends infer E ? Partial<NonNullable<E>> : never = {},
): Sample {
  return {
    schema: 'thaw.sample/1',
    provider: 'local',
    shot: {index: 0, want: told.class === 'cold' ? 'cold' : 'warm'},
    at: '2026-11-24T10:00:00.000Z',
    class: 'warm',
    firstAfterDeploy: false,
    status: 200,
    error: null,
    totalMs,
    timings: {sentMs: 1, connectedMs: 3, writtenMs: 4, firstByteMs: 3 + totalMs, endMs: 8 + totalMs},
    evidence: {
      bootId: 'b',
      ordinal: 2,
      bootAgeMs: 1,
      image,
      restored: false,
      restarted: false,
      phases,
      ...from,
    },
    ...told,
  };
}

const report = (samples: readonly Sample[]) =>
  summarize({provider: 'local', url: 'http://127.0.0.1/', image, notes: ['as is'], samples});

test('groups are made by what came out, and nothing is trimmed', () => {
  const samples = [
    ...[5, 1, 4, 2, 3].map((ms) => sample(ms)),
    ...[500, 100, 400, 200, 300].map((ms) => sample(ms, {class: 'cold'})),
    sample(90_000, {class: 'cold', shot: {index: 9, want: 'warm'}}),
  ];
  const {cold, warm, classes} = report(samples);
  expect(warm).toMatchObject({
    n: 5,
    minMs: 1,
    maxMs: 5,
    meanMs: 3,
    p50Ms: 3,
    p90Ms: null,
    p95Ms: null,
    p99Ms: null,
  });
  expect(warm.intervals).toMatchObject({p50: [1, 5], p99: [expect.any(Number), null]});
  expect(cold).toMatchObject({n: 6, minMs: 100, maxMs: 90_000, p50Ms: 350});
  expect(classes).toEqual({cold: 6, joined: 0, prewarmed: 0, restored: 0, restarted: 0, warm: 5, unknown: 0});
});

test('starts from a snapshot are a group of their own, and what a wish for a cold start comes to there', () => {
  const restored = {class: 'restored', shot: {index: 0, want: 'cold'}} as const;
  const {cold, ...rest} = report([
    ...[50, 10, 40, 20, 30].map((ms) => sample(ms, restored)),
    sample(60, {class: 'restored'}),
  ]);
  expect(cold.n).toBe(0);
  expect(rest.restored).toMatchObject({n: 6, failures: 0, minMs: 10, maxMs: 60, p50Ms: 35});
  expect(rest.times?.restored).toEqual([50, 10, 40, 20, 30, 60]);
  expect(rest.missed).toEqual([{want: 'warm', got: 'restored', count: 1}]);
  expect(report([sample(1)])).not.toHaveProperty('restored');
  expect(report([sample(1)]).times).not.toHaveProperty('restored');
});

test('the first cold start after a deploy is one of its class, but not in the group', () => {
  const {cold, classes, firstAfterDeployMs} = report([
    sample(900, {class: 'cold', firstAfterDeploy: true}),
    sample(100, {class: 'cold'}),
  ]);
  expect(firstAfterDeployMs).toBe(900);
  expect(cold).toMatchObject({n: 1, maxMs: 100});
  expect(classes.cold).toBe(2);
});

test('a shot that came out otherwise is counted by what it wanted and got', () => {
  const wantedCold = {shot: {index: 0, want: 'cold'}} as const;
  const {missed} = report([
    sample(1, {class: 'prewarmed', ...wantedCold}),
    sample(1, {class: 'prewarmed', ...wantedCold}),
    sample(1, {class: 'cold', shot: {index: 1, want: 'warm'}}),
    sample(1, {class: 'unknown', ...wantedCold}),
    sample(1),
  ]);
  expect(missed).toEqual([
    {want: 'cold', got: 'prewarmed', count: 2},
    {want: 'warm', got: 'cold', count: 1},
  ]);
});

test('failures are counted by what they wanted and are in no group', () => {
  const {cold, warm, failed, classes, missed} = report([
    sample(5000, {class: 'unknown', error: 'timeout: x', status: null, shot: {index: 0, want: 'cold'}}),
    sample(3, {error: 'HTTP 500', status: 500}),
    sample(4, {error: 'HTTP 500', status: 500}),
    sample(1),
  ]);
  expect(cold).toMatchObject({n: 0, failures: 1, p50Ms: null, minMs: null, meanMs: null});
  expect(warm).toMatchObject({n: 1, failures: 2, maxMs: 1});
  expect(failed).toEqual([
    {want: 'cold', error: 'timeout: x', count: 1},
    {want: 'warm', error: 'HTTP 500', count: 2},
  ]);
  expect(classes).toMatchObject({unknown: 0, warm: 1});
  expect(missed).toEqual([]);
});

test('the residual is the wait less the phases less what a warm request costs on the way', () => {
  const {cold, warm, warmOverheadMs} = report([
    sample(3, {}, {infer: 1}),
    sample(4, {}, {infer: 1}),
    sample(9, {}, {infer: 1}),
    sample(100, {class: 'cold'}, {boot: 40, import: 10, load: 20, wait: 1, infer: 2}),
    sample(120, {class: 'cold'}, {boot: 42, import: 10, load: 20, wait: 1, infer: 2}),
    sample(200, {class: 'cold'}, {boot: 44, import: 10, load: 20, wait: 1, infer: 2}),
  ]);
  // Overheads 2, 3, 8; residuals 100 − 73 − 3, 120 − 75 − 3, 200 − 77 − 3.
  expect(warmOverheadMs).toBe(3);
  expect(cold.phases).toEqual({...WIRE, boot: 42, import: 10, load: 20, wait: 1, infer: 2, residual: 42});
  expect(warm.phases).toEqual({...WIRE, infer: 1});
});

test('how long a warm instance had been ready is no part of a wait', () => {
  expect(report([sample(3, {}, {wait: 60_000, infer: 1})]).warm.phases).toEqual({...WIRE, infer: 1});
});

test('there is no residual without phases, and none without a warm request to compare with', () => {
  const cold = sample(100, {class: 'cold'}, {boot: 40});
  expect(report([cold]).cold.phases).toEqual({...WIRE, boot: 40});
  expect(report([cold]).warmOverheadMs).toBeNull();
  expect(report([sample(100, {class: 'cold'}), sample(3, {}, {infer: 1})]).cold.phases).toEqual(WIRE);
});

test('answers from another image are noted, and those that do not say from which one', () => {
  const {notes} = report([
    sample(1),
    sample(1, {}, {}, {image: `sha256:${'2'.repeat(64)}`}),
    sample(1, {}, {}, {image: null}),
  ]);
  expect(notes).toEqual([
    'as is',
    '1 of 3 answers came from another image',
    '1 of 3 answers do not say which image they came from',
  ]);
});

test('no samples make a report without figures', () => {
  expect(report([])).toMatchObject({
    cold: {n: 0, failures: 0, p50Ms: null, phases: {}},
    warm: {n: 0, meanMs: null},
    missed: [],
    failed: [],
    firstAfterDeployMs: null,
    warmOverheadMs: null,
  });
});

test('what is unknown is summed up apart, and every good time is kept for comparing', () => {
  const samples = [
    sample(4, {class: 'unknown', evidence: null}),
    sample(1),
    sample(3, {class: 'cold'}),
    sample(2),
    sample(9, {error: 'HTTP 500'}),
  ];
  const {unknown, times} = report(samples);
  expect(unknown).toMatchObject({n: 1, minMs: 4, phases: WIRE});
  expect(times).toEqual({cold: [3], warm: [1, 2], unknown: [4]});
  expect(report([sample(1)])).not.toHaveProperty('unknown');
});
