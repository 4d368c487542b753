import {setTimeout as delay} from 'node:timers/promises';
import {expect, test} from 'vitest';
import {createKeeper} from '../../../../src/benchmark/load/keeper.ts';
import {toSample} from '../../../../src/benchmark/sample.ts';
import type {Sample} from '../../../../src/core/sample.ts';
import {invocation} from './virtual.ts';

const sample = (index: number): Sample => toSample('x', {index, want: 'any'}, invocation({tookMs: 1}));

test('everything is kept, once and in order, while more comes in', async () => {
  const kept: number[] = [];
  const keeper = createKeeper(
    async (samples) => {
      await delay(1);
      kept.push(...samples.map(({shot}) => shot.index));
    },
    10_000,
    () => {},
  );
  for (let i = 0; i < 500; i++) {
    keeper.offer(sample(i));
    if (i % 50 === 0) await delay(3);
  }
  await keeper.close();
  expect(kept).toEqual(Array.from({length: 500}, (_, i) => i));
  expect(keeper.unkept).toBe(0);
});

test('a disk that does not follow costs samples, which are counted, and never time', async () => {
  let go = (): void => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  let kept = 0;
  const keeper = createKeeper(
    async (samples) => {
      await gate;
      kept += samples.length;
    },
    100,
    () => {},
  );
  for (let i = 0; i < 1000; i++) keeper.offer(sample(i));
  expect(keeper.unkept).toBe(900);
  go();
  await keeper.close();
  expect(kept).toBe(100);
});

test('after a failure nothing more is written and the failure is told', async () => {
  let calls = 0;
  let told = 0;
  const keeper = createKeeper(
    async () => {
      calls++;
      throw new Error('full');
    },
    1000,
    () => told++,
  );
  for (let i = 0; i < 100; i++) keeper.offer(sample(i));
  await expect(keeper.close()).rejects.toThrow('full');
  keeper.offer(sample(100));
  await delay(20);
  expect([calls, told, keeper.unkept]).toEqual([1, 1, 101]);
});
