import {expect, test} from 'vitest';
import {createPace} from '../../../../src/benchmark/load/pace.ts';
import {systemClock} from '../../../../src/net/clock.ts';

const pace = createPace(systemClock);
const {signal} = new AbortController();

test('no moment comes early, and most come at once', async () => {
  // A timer alone is late by a millisecond every other time. What a busy machine adds is beyond us: one quiet half
  // second will do.
  const medians: number[] = [];
  while (medians.length < 40 && !medians.some((median) => median < 0.5)) {
    const startMs = performance.now();
    const late: number[] = [];
    for (let i = 1; i <= 200; i++) {
      await pace(startMs + i * 2.5, signal);
      late.push(performance.now() - startMs - i * 2.5);
    }
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
    medians.push(late.sort((a, b) => a - b)[100] ?? Infinity);
  }
  expect(Math.min(...medians)).toBeLessThan(0.5);
});

test('a moment that has passed is not waited for', async () => {
  const before = performance.now();
  await pace(before - 1000, signal);
  expect(performance.now() - before).toBeLessThan(500);
});

test('waiting long leaves the processor alone', async () => {
  const before = process.cpuUsage();
  await pace(performance.now() + 800, signal);
  const {user, system} = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(400);
});

test('an interrupt ends the wait', async () => {
  const controller = new AbortController();
  const waiting = pace(performance.now() + 60_000, controller.signal);
  controller.abort();
  await expect(waiting).rejects.toMatchObject({code: 'INTERRUPTED'});
});
