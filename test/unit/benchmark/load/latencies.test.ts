import {decodeFromCompressedBase64} from 'hdr-histogram-js';
import {expect, test} from 'vitest';
import {createLatencies} from '../../../../src/benchmark/load/latencies.ts';
import {createRandom} from './virtual.ts';

test('quantiles are within a thousandth of the sorted values’', () => {
  const random = createRandom(7);
  const latencies = createLatencies(3);
  const values = Array.from({length: 20_000}, () => Math.exp(random() * 12 - 3));
  for (const value of values) latencies.record(value);
  const sorted = values.sort((a, b) => a - b);
  for (const q of [0.5, 0.9, 0.95, 0.99, 0.999]) {
    const truth = sorted[Math.ceil(q * sorted.length) - 1] ?? NaN;
    expect(Math.abs((latencies.quantileMs(q) ?? NaN) / truth - 1)).toBeLessThan(0.0025);
  }
  const {n, minMs, maxMs, meanMs} = latencies.latency();
  expect([n, minMs, maxMs]).toEqual([20_000, sorted[0], sorted.at(-1)]);
  expect(meanMs).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / n, 6);
});

test.each([
  ['p50Ms', 5],
  ['p90Ms', 29],
  ['p95Ms', 59],
  ['p99Ms', 299],
  ['p999Ms', 2995],
] as const)('%s takes %i values', (name, least) => {
  const latencies = createLatencies(3);
  for (let i = 1; i < least; i++) latencies.record(i);
  expect(latencies.latency()[name]).toBeNull();
  latencies.record(least);
  expect(latencies.latency()[name]).not.toBeNull();
});

test('a rank is found however few values there are, and none beyond them', () => {
  const latencies = createLatencies(2);
  for (const ms of [30, 10, 20]) latencies.record(ms);
  expect([0, 1, 2, 3, 4].map((rank) => latencies.rankMs(rank)?.toFixed(0))).toEqual([
    undefined,
    '10',
    '20',
    '30',
    undefined,
  ]);
});

test('nothing measured is null, not zero', () => {
  expect(createLatencies(3).latency()).toEqual({
    n: 0,
    minMs: null,
    maxMs: null,
    meanMs: null,
    p50Ms: null,
    p90Ms: null,
    p95Ms: null,
    p99Ms: null,
    p999Ms: null,
  });
});

test('the histogram can be read by others, in microseconds', () => {
  const latencies = createLatencies(3);
  for (let ms = 1; ms <= 1000; ms++) latencies.record(ms);
  const histogram = decodeFromCompressedBase64(latencies.encode());
  expect(histogram.totalCount).toBe(1000);
  expect(histogram.getValueAtPercentile(50) / 1000).toBeCloseTo(500, 0);
});

test('more than an hour is an hour in quantiles and itself as the greatest', () => {
  const latencies = createLatencies(3);
  for (let i = 0; i < 9; i++) latencies.record(5e6);
  latencies.record(6e6);
  expect(latencies.quantileMs(0.5)).toBeGreaterThan(3.59e6);
  expect(latencies.latency().maxMs).toBe(6e6);
});
