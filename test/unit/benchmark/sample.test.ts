import {expect, test} from 'vitest';
import {toSample} from '../../../src/benchmark/sample.ts';
import type {Invocation} from '../../../src/core/sample.ts';

const shot = {index: 0, want: 'cold'} as const;
const invocation = (came: Partial<Invocation>): Invocation => ({
  at: '2026-11-24T10:00:00.000Z',
  status: 200,
  headers: {},
  body: new Uint8Array(),
  timings: {sentMs: 1, connectedMs: 10, writtenMs: 14, firstByteMs: 114, endMs: 120},
  evidence: {
    bootId: 'b',
    ordinal: 1,
    bootAgeMs: 90,
    image: null,
    restored: false,
    restarted: false,
    phases: {},
  },
  error: null,
  ...came,
});

test('the total is the time from the open connection to the first byte', () => {
  expect(toSample('local', shot, invocation({}))).toMatchObject({totalMs: 104, class: 'cold', error: null});
});

test.each([
  ['late', {writtenMs: 113}],
  ['after the answer', {writtenMs: 200}],
  ['never', {writtenMs: null}],
])('when the client notices that its request is written (%s) does not matter', (_, change) => {
  const timings = {...invocation({}).timings, ...change};
  expect(toSample('local', shot, invocation({timings}))).toMatchObject({totalMs: 104, class: 'cold'});
});

test('an instance that is older than the wait was there before', () => {
  const timings = {...invocation({}).timings, connectedMs: 25};
  expect(toSample('local', shot, invocation({timings}))).toMatchObject({totalMs: 89, class: 'prewarmed'});
});

test('a timeout is a sample with its elapsed time', () => {
  const timings = {sentMs: 1, connectedMs: 10, writtenMs: 14, firstByteMs: null, endMs: 5000};
  const timedOut = invocation({
    status: null,
    evidence: null,
    timings,
    error: {kind: 'timeout', message: 'no whole answer within 5000 ms'},
  });
  expect(toSample('local', shot, timedOut)).toMatchObject({
    totalMs: 5000,
    class: 'unknown',
    error: 'timeout: no whole answer within 5000 ms',
  });
});

test('half a body is a failure with its elapsed time, and keeps its evidence', () => {
  const half = invocation({error: {kind: 'reset', message: 'aborted'}});
  expect(toSample('local', shot, half)).toMatchObject({totalMs: 120, error: 'reset: aborted', class: 'cold'});
});

test('an error of the server is a failure, a redirect is not', () => {
  expect(toSample('local', shot, invocation({status: 502})).error).toBe('HTTP 502');
  expect(toSample('local', shot, invocation({status: 302})).error).toBeNull();
});

test('a sample is plain JSON', () => {
  const sample = toSample('local', shot, invocation({}));
  expect(JSON.parse(JSON.stringify(sample))).toEqual(sample);
});
