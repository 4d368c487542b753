import {expect, test} from 'vitest';
import {systemClock} from '../../../src/net/clock.ts';

test('sleep takes about as long as asked', async () => {
  const before = systemClock.monotonicMs();
  await systemClock.sleep(30, new AbortController().signal);
  expect(systemClock.monotonicMs() - before).toBeGreaterThan(25);
});

test('a sleep ends with INTERRUPTED when the signal fires, at once if it already has', async () => {
  const controller = new AbortController();
  const sleeping = systemClock.sleep(3_600_000, controller.signal);
  controller.abort();
  await expect(sleeping).rejects.toMatchObject({code: 'INTERRUPTED'});
  await expect(systemClock.sleep(0, controller.signal)).rejects.toMatchObject({code: 'INTERRUPTED'});
});
