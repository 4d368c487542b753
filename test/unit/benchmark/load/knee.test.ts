import {expect, test} from 'vitest';
import {judgeRamp, kneeOfSteps, type RampStretch, type Step} from '../../../../src/benchmark/load/knee.ts';

const calm = (index: number, change: Partial<RampStretch> = {}): RampStretch => ({
  fromMs: index * 1000,
  due: 100,
  dropped: 0,
  failed: 0,
  medianMs: 50,
  atLeast: false,
  ...change,
});
const course = (medians: readonly number[]): RampStretch[] =>
  medians.map((medianMs, index) => calm(index, {medianMs}));

test('a calm ramp has no knee', () => {
  expect(judgeRamp(course([50, 52, 48, 51, 50, 49, 60, 50, 55, 50]))).toEqual({clear: false, kneeMs: null});
});

test('the knee lies where latency began to run away', () => {
  const verdict = judgeRamp(course([50, 50, 50, 50, 50, 50, 90, 200, 380, 600, 900, 1300, 1700]));
  expect(verdict.clear).toBe(true);
  expect(verdict.kneeMs).toBeGreaterThanOrEqual(4000);
  expect(verdict.kneeMs).toBeLessThanOrEqual(6000);
});

test('a cold start at the beginning and a scale-out that catches up are no knee', () => {
  expect(judgeRamp(course([900, 300, 50, 50, 50, 50, 50, 50])).kneeMs).toBeNull();
  expect(judgeRamp(course([50, 50, 50, 50, 600, 700, 300, 50, 50, 50, 50, 50])).kneeMs).toBeNull();
});

test.each([{dropped: 1}, {failed: 6}])('%o in a row is a knee where it began', (change) => {
  const stretches = [0, 1, 2, 3].map((index) => calm(index));
  for (let index = 4; index < 10; index++) stretches.push(calm(index, change));
  expect(judgeRamp(stretches)).toEqual({clear: true, kneeMs: 4000});
  expect(judgeRamp(stretches.slice(0, 6))).toEqual({clear: false, kneeMs: null});
});

test('what never kept up has no knee', () => {
  expect(judgeRamp([0, 1, 2, 3, 4, 5].map((index) => calm(index, {dropped: 50}))).kneeMs).toBeNull();
  expect(judgeRamp(course([50, 1050, 2050, 3050, 4050, 5050])).kneeMs).toBeNull();
});

test('those still under way can show that they wait, not that they do not', () => {
  const before = course([50, 50, 50, 50, 50, 200, 400, 600, 800]);
  const waiting = [9, 10].map((index) => calm(index, {medianMs: 1000, atLeast: true}));
  const justSent = [9, 10].map((index) => calm(index, {medianMs: 1, atLeast: true}));
  expect(judgeRamp(before).clear).toBe(false);
  expect(judgeRamp([...before, ...waiting]).clear).toBe(true);
  expect(judgeRamp([...before, ...justSent])).toEqual(judgeRamp(before));
});

const step = (perSecond: number, change: Partial<Step> = {}): Step => ({
  perSecond,
  durationMs: 10_000,
  due: 1000,
  dropped: 0,
  failed: 0,
  earlyMs: 50,
  lateMs: 52,
  ...change,
});

test('the knee of steps is the last one kept up with, if a higher one was not', () => {
  expect(kneeOfSteps([step(10), step(20), step(40, {lateMs: 900})])).toBe(20);
  expect(kneeOfSteps([step(10), step(20), step(40, {dropped: 1})])).toBe(20);
  expect(kneeOfSteps([step(10), step(20), step(40, {failed: 51})])).toBe(20);
  expect(kneeOfSteps([step(10), step(20), step(40, {failed: 50})])).toBeNull();
  expect(kneeOfSteps([step(10, {dropped: 3}), step(20, {dropped: 3})])).toBeNull();
  expect(kneeOfSteps([step(10), step(20, {due: 0, earlyMs: null, lateMs: null})])).toBeNull();
  expect(kneeOfSteps([])).toBeNull();
});
