import {expect, test} from 'vitest';
import {coldBootsOf, weighRecords} from '../../../src/benchmark/provider-record.ts';
import {toSample} from '../../../src/benchmark/sample.ts';
import type {StartupRecord} from '../../../src/core/deployment.ts';
import type {Sample} from '../../../src/core/sample.ts';

/** Samples of instances that were born for their request, or long before it. */
const samples: readonly Sample[] = [
  ['a', 5],
  ['b', 5],
  ['c', 90_000],
].map(([bootId, bootAgeMs], index) =>
  toSample(
    'aws',
    {index, want: 'cold'},
    {
      at: new Date(index * 1000).toISOString(),
      status: 200,
      headers: {},
      body: new Uint8Array(),
      timings: {sentMs: 0, connectedMs: 0, writtenMs: 0, firstByteMs: 10, endMs: 10},
      evidence: {
        bootId: bootId as string,
        ordinal: 1,
        bootAgeMs: bootAgeMs as number,
        image: null,
        restored: false,
        restarted: false,
        phases: {},
      },
      error: null,
    },
  ),
);

const record = (bootId: string, initMs: number | null, onDemand = true): StartupRecord => ({
  bootId,
  phases: {...(initMs === null ? {} : {'Init Duration': initMs}), Duration: 10},
  onDemand,
});

test('only what is cold by evidence is asked for', () => {
  expect(samples.map((sample) => sample.class)).toEqual(['cold', 'cold', 'prewarmed']);
  expect(coldBootsOf(samples)).toEqual(['a', 'b']);
});

test('cold starts that the provider knows stand, with what it says of them', () => {
  const weighed = weighRecords('aws', samples, [record('a', 100), record('b', 300), record('c', 1, false)]);
  expect(weighed.samples).toEqual(samples);
  expect(weighed.notes).toEqual([
    "2 of 2 cold starts are in aws's own record: Init Duration 200 ms, Duration 10.0 ms in the median",
  ]);
});

test('a start that the provider gives no time of is counted, and said', () => {
  expect(weighRecords('aws', samples, [record('a', 100), record('b', null)]).notes).toEqual([
    "2 of 2 cold starts are in aws's own record: Init Duration 100 ms (of 1), Duration 10.0 ms in the median",
  ]);
  expect(weighRecords('aws', samples, [record('a', 100)]).notes).toEqual([
    "1 of 2 cold starts are in aws's own record: Init Duration 100 ms, Duration 10.0 ms",
  ]);
});

test('what the provider did not start for a request is of unknown class', () => {
  const weighed = weighRecords('aws', samples, [record('a', 100), record('b', 100, false)]);
  expect(weighed.samples.map((sample) => sample.class)).toEqual(['cold', 'unknown', 'prewarmed']);
  expect(weighed.notes[1]).toContain('1 of 2 cold starts are unknown');
});

test('a provider that knows of none changes nothing, and that is said', () => {
  const weighed = weighRecords('aws', samples, []);
  expect(weighed.samples).toEqual(samples);
  expect(weighed.notes).toEqual(['aws itself has no record of the 2 cold starts']);
  expect(weighRecords('aws', samples.slice(2), [])).toEqual({samples: samples.slice(2), notes: []});
});
