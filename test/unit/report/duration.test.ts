import {expect, test} from 'vitest';
import {formatMsRange} from '../../../src/report/duration.ts';
import {leastSamplesFor} from '../../../src/benchmark/statistics.ts';
import {coldToWarm, QUANTILES, renderRatio} from '../../../src/report/quantiles.ts';
import {summary} from './fixture.ts';

test.each([
  [1.71, 9.1, '1.71–9.10 ms'],
  [0.84, 62.14, '0.84–62.1 ms'],
  [212, 1041, '212 ms–1.04 s'],
  [1500, 72_100, '1.50–72.1 s'],
])('%d to %d ms is %s', (low, high, text) => {
  expect(formatMsRange(low, high, '–')).toBe(text);
});

test('the numbers of samples that reports ask for are those of the statistics', () => {
  for (const {name, samplesMin} of QUANTILES) {
    expect(samplesMin).toBe(leastSamplesFor(Number(name.slice(1)) / 100));
  }
});

test('a ratio needs both medians', () => {
  expect(coldToWarm(summary({p50Ms: 200}), summary({p50Ms: 2}))).toBe(100);
  expect(coldToWarm(summary({p50Ms: null}), summary({p50Ms: 2}))).toBeNull();
  expect(coldToWarm(summary({p50Ms: 200}), summary({p50Ms: 0}))).toBeNull();
  expect([renderRatio(1.84), renderRatio(115.4)]).toEqual(['1.8', '115']);
});
