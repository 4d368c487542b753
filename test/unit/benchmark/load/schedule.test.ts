import {expect, test} from 'vitest';
import {countDue, lengthMs, peakPerSecond, scheduleLoad} from '../../../../src/benchmark/load/schedule.ts';
import type {LoadShape} from '../../../../src/core/load.ts';

const all = (shape: LoadShape) => [...scheduleLoad(shape)];

test('requests at a rate are evenly spaced from the first moment on', () => {
  expect(all({kind: 'rate', perSecond: 4, durationMs: 1000})).toEqual([
    {index: 0, dueMs: 0, stage: 0},
    {index: 1, dueMs: 250, stage: 0},
    {index: 2, dueMs: 500, stage: 0},
    {index: 3, dueMs: 750, stage: 0},
  ]);
  expect(all({kind: 'rate', perSecond: 0.5, durationMs: 4001}).map(({dueMs}) => dueMs)).toEqual([
    0, 2000, 4000,
  ]);
});

test('steps follow each other, each at its own rate', () => {
  const due = all({kind: 'steps', perSecond: [2, 4], durationMs: 1000});
  expect(due.map(({dueMs}) => dueMs)).toEqual([0, 500, 1000, 1250, 1500, 1750]);
  expect(due.map(({stage}) => stage)).toEqual([0, 0, 1, 1, 1, 1]);
  expect(due.map(({index}) => index)).toEqual([0, 1, 2, 3, 4, 5]);
});

test('a burst is due all at once', () => {
  const due = all({kind: 'burst', requests: 5});
  expect(due.map(({dueMs}) => dueMs)).toEqual([0, 0, 0, 0, 0]);
});

test.each([
  {fromPerSecond: 10, toPerSecond: 500, durationMs: 60_000},
  {fromPerSecond: 0, toPerSecond: 100, durationMs: 10_000},
  {fromPerSecond: 50, toPerSecond: 50, durationMs: 10_000},
  {fromPerSecond: 100, toPerSecond: 0, durationMs: 10_000},
])('a ramp from $fromPerSecond to $toPerSecond has in each second what its rate there asks for', (ramp) => {
  const shape = {kind: 'ramp', ...ramp} as const;
  const due = all(shape).map(({dueMs}) => dueMs);
  expect(due.length).toBeGreaterThanOrEqual(countDue(shape) - 1);
  expect(due.length).toBeLessThanOrEqual(countDue(shape) + 1);
  expect(due).toEqual([...due].sort((a, b) => a - b));
  for (let second = 0; second < ramp.durationMs / 1000; second++) {
    const middle =
      ramp.fromPerSecond +
      ((ramp.toPerSecond - ramp.fromPerSecond) * (second + 0.5) * 1000) / ramp.durationMs;
    const count = due.filter((ms) => Math.floor(ms / 1000) === second).length;
    expect(Math.abs(count - middle)).toBeLessThanOrEqual(1);
  }
});

test('ten million requests are never all in memory', () => {
  const shape = {kind: 'rate', perSecond: 1e6, durationMs: 10_000} as const;
  const schedule = scheduleLoad(shape);
  const first = Array.from({length: 3}, () => schedule.next().value?.dueMs);
  expect(first).toEqual([0, 0.001, 0.002]);
  expect(countDue(shape)).toBe(10_000_000);
});

test('what a load comes to is known before it begins', () => {
  const steps = {kind: 'steps', perSecond: [10, 40, 20], durationMs: 500} as const;
  expect([countDue(steps), lengthMs(steps), peakPerSecond(steps)]).toEqual([35, 1500, 40]);
  const burst = {kind: 'burst', requests: 7} as const;
  expect([countDue(burst), lengthMs(burst), peakPerSecond(burst)]).toEqual([7, 0, null]);
});
