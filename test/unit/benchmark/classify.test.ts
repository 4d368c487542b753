import {expect, test} from 'vitest';
import {classify} from '../../../src/benchmark/classify.ts';
import type {Evidence} from '../../../src/core/sample.ts';

const evidence = (told: Partial<Evidence>): Evidence => ({
  bootId: 'b',
  ordinal: 1,
  bootAgeMs: 100,
  image: null,
  restored: false,
  restarted: false,
  phases: {},
  ...told,
});

test.each([
  ['first request, younger than the wait', {ordinal: 1, bootAgeMs: 99.9}, 100, 'cold'],
  ['first request, exactly as old as the wait', {ordinal: 1, bootAgeMs: 100}, 100, 'cold'],
  ['first request, a hair older than the wait', {ordinal: 1, bootAgeMs: 100.001}, 100, 'prewarmed'],
  ['second request, younger than the wait', {ordinal: 2, bootAgeMs: 99.9}, 100, 'joined'],
  ['second request, exactly as old as the wait', {ordinal: 2, bootAgeMs: 100}, 100, 'joined'],
  ['second request, a hair older than the wait', {ordinal: 2, bootAgeMs: 100.001}, 100, 'warm'],
  ['thousandth request, old', {ordinal: 1000, bootAgeMs: 1e9}, 100, 'warm'],
  ['first request, born this very moment', {ordinal: 1, bootAgeMs: 0}, 0, 'cold'],
  ['first request after a restore', {ordinal: 1, bootAgeMs: 1e9, restored: true}, 100, 'restored'],
  ['first request after a restart', {ordinal: 1, bootAgeMs: 50, restarted: true}, 100, 'restarted'],
  ['a restore of a restarted process', {ordinal: 1, restored: true, restarted: true}, 100, 'restored'],
  ['second request after a restore', {ordinal: 2, bootAgeMs: 1e9, restored: true}, 100, 'warm'],
  ['second request after a restart', {ordinal: 2, bootAgeMs: 1e9, restarted: true}, 100, 'warm'],
  ['second request during a restart', {ordinal: 2, bootAgeMs: 50, restarted: true}, 100, 'joined'],
] as const)('%s', (_, told, waitMs, expected) => {
  expect(classify(evidence(told), waitMs)).toBe(expected);
});

test('without evidence nothing is claimed', () => {
  expect(classify(null, 0)).toBe('unknown');
  expect(classify(null, 1e9)).toBe('unknown');
});
