import {expect, test} from 'vitest';
import {findUnanswerable, judgeBudgets, parseBudget} from '../../../src/benchmark/budget.ts';
import type {BudgetVerdict} from '../../../src/core/budget.ts';
import {loadOf, reportOf, stageOf, type Outcome} from './report-fixture.ts';

const oneTo = (n: number): number[] => Array.from({length: n}, (_, i) => i + 1);

const judge = (text: string, outcome: Outcome): Omit<BudgetVerdict, 'provider' | 'budget'> => {
  const [first] = judgeBudgets(reportOf(outcome), [parseBudget(text)]);
  if (!first) throw new Error('no verdict');
  const {verdict, certain, actual, why} = first;
  return {verdict, certain, actual, why};
};

test.each([
  ['cold.p95=800ms', {group: 'cold', measure: 'p95', limit: 800, unit: 'ms'}],
  ['warm.p50=0.8ms', {group: 'warm', measure: 'p50', limit: 0.8, unit: 'ms'}],
  [' load.p999=1.5s ', {group: 'load', measure: 'p999', limit: 1500, unit: 'ms'}],
  ['unknown.max=2s', {group: 'unknown', measure: 'max', limit: 2000, unit: 'ms'}],
  ['restored.p50=2s', {group: 'restored', measure: 'p50', limit: 2000, unit: 'ms'}],
  ['cold.failures=0', {group: 'cold', measure: 'failures', limit: 0, unit: 'count'}],
  ['load.failures=0.1%', {group: 'load', measure: 'failures', limit: 0.001, unit: 'share'}],
])('"%s" is read', (text, expected) => {
  expect(parseBudget(text)).toEqual({text: text.trim(), ...expected});
});

test.each([
  '',
  'cold',
  'cold.p95',
  'cold.p95=',
  'cold.p95=800',
  'cold.p95=-1ms',
  'cold.p95=1e3ms',
  'cold.p95<800ms',
  'cold.p94=800ms',
  'tepid.p95=800ms',
  'cold.failures=5ms',
  'cold.failures=1.5',
  'cold.failures=101%',
  'cold.p95=5%',
  'cold.p95=800ms,warm.p50=1ms',
])('"%s" is refused, with the forms that are taken', (text) => {
  expect(() => parseBudget(text)).toThrow(
    expect.objectContaining({
      code: 'USAGE',
      message: expect.stringMatching(/cold\.p95=800ms.*load\.failures=1%.*p999/s),
      facts: {budget: text},
    }),
  );
});

// Of 1 to 60 the p95 is 57.05, and its 95 % bounds are the values of ranks 54 and 60.
test.each([
  ['60ms', 'within', true],
  ['59ms', 'within', false],
  ['58ms', 'within', false],
  ['57ms', 'exceeded', false],
  ['54ms', 'exceeded', false],
  ['53ms', 'exceeded', true],
] as const)('a p95 of 57 ms against %s is %s, certain: %s', (limit, verdict, certain) => {
  const found = judge(`cold.p95=${limit}`, {cold: oneTo(60)});
  expect(found).toMatchObject({verdict, certain, actual: expect.closeTo(57.05, 9)});
  expect(found.why).toBe('95 % bounds from 54.0 ms to 60.0 ms, 60 samples');
});

test('with too few samples the verdict is that it cannot be told, and how many it takes', () => {
  expect(judge('cold.p95=800ms', {cold: oneTo(58)})).toEqual({
    verdict: 'cannot-tell',
    certain: false,
    actual: null,
    why: '58 samples, p95 takes 59',
  });
  expect(judge('cold.p50=800ms', {cold: oneTo(5)}).verdict).toBe('within');
});

test('a few samples are enough to say no where even the lower bound is beyond the limit', () => {
  expect(judge('cold.p95=1ms', {cold: [900, 950, 870]})).toMatchObject({verdict: 'exceeded', certain: true});
});

test('a failed request is slower than any limit', () => {
  // 60 good and 4 failed: more than 5 % never came.
  expect(judge('cold.p95=10s', {cold: oneTo(60), failed: {cold: 4}})).toMatchObject({
    verdict: 'exceeded',
    actual: null,
    why: '95 % bounds from 58.0 ms, 64 samples, 4 of them without a good answer',
  });
  expect(judge('cold.p50=10s', {cold: oneTo(60), failed: {cold: 4}})).toMatchObject({
    verdict: 'within',
    actual: 32.5,
  });
  expect(judge('cold.max=10s', {cold: oneTo(60), failed: {cold: 1}}).verdict).toBe('exceeded');
  expect(judge('cold.mean=10s', {cold: oneTo(60), failed: {cold: 1}}).verdict).toBe('exceeded');
  expect(judge('cold.p95=10s', {failed: {cold: 20}}).verdict).toBe('exceeded');
  // Failures of the other group are not held against this one.
  expect(judge('warm.max=10s', {warm: oneTo(60), failed: {cold: 4}}).verdict).toBe('within');
});

test.each([
  ['cold.failures=2', 'within', 2],
  ['cold.failures=1', 'exceeded', 2],
  ['cold.failures=20%', 'within', 0.2],
  ['cold.failures=19.9%', 'exceeded', 0.2],
  ['warm.failures=0', 'within', 0],
])('of 2 failures of 10, %s is %s', (text, verdict, actual) => {
  expect(judge(text, {cold: oneTo(8), warm: oneTo(8), failed: {cold: 2}})).toMatchObject({verdict, actual});
});

test.each([
  ['min', 1],
  ['max', 60],
  ['mean', 30.5],
] as const)('the %s is what it is', (measure, actual) => {
  expect(judge(`warm.${measure}=${actual}ms`, {warm: oneTo(60)})).toMatchObject({verdict: 'within', actual});
  expect(judge(`warm.${measure}=${actual - 0.1}ms`, {warm: oneTo(60)}).verdict).toBe('exceeded');
});

test('starts from a snapshot are held to budgets of their own, and failed wishes for a start against them', () => {
  expect(judge('restored.p50=40ms', {restored: oneTo(60)}).verdict).toBe('within');
  expect(judge('restored.p50=20ms', {restored: oneTo(60)}).verdict).toBe('exceeded');
  expect(judge('restored.max=10s', {restored: oneTo(60), failed: {cold: 1}}).verdict).toBe('exceeded');
  expect(judge('restored.max=10s', {restored: oneTo(60), failed: {warm: 1}}).verdict).toBe('within');
  expect(judge('restored.p50=1s', {cold: oneTo(9)}).why).toBe('no answer proved to be restored (9 cold)');
  expect(judge('cold.p50=1s', {restored: oneTo(9)}).why).toBe('no answer proved to be cold (9 restored)');
});

test('where nothing came out as the budget means it, that is what is said', () => {
  expect(judge('cold.p50=1s', {}).why).toBe('nothing was measured');
  expect(judge('cold.p50=1s', {warm: oneTo(9)}).why).toBe('no answer proved to be cold (9 warm)');
  expect(judge('warm.p50=1s', {unknown: oneTo(9)}).why).toBe('no answer proved to be warm (9 unknown)');
  expect(judge('unknown.p50=1s', {warm: oneTo(9)}).why).toBe('every answer gave evidence (9 warm)');
  expect(judge('load.p50=1s', {warm: oneTo(9)}).why).toBe('no load was run');
  expect(judge('unknown.p50=1s', {unknown: oneTo(9)}).verdict).toBe('within');
});

test('a budget is held against each provider', () => {
  const verdicts = judgeBudgets(
    reportOf([
      {provider: 'local', cold: oneTo(60)},
      {provider: 'far', cold: oneTo(60).map((ms) => ms + 100)},
    ]),
    [parseBudget('cold.p95=100ms'), parseBudget('cold.max=1s')],
  );
  expect(verdicts.map(({provider, budget, verdict}) => [provider, budget.text, verdict])).toEqual([
    ['local', 'cold.p95=100ms', 'within'],
    ['local', 'cold.max=1s', 'within'],
    ['far', 'cold.p95=100ms', 'exceeded'],
    ['far', 'cold.max=1s', 'within'],
  ]);
});

const underLoad = (change: Parameters<typeof stageOf>[0]): Outcome => ({
  load: loadOf([10], {stages: [stageOf(change)]}),
});

test.each([
  ['load.p99=50ms', {}, 'within', 50],
  ['load.p99=49ms', {}, 'exceeded', 50],
  // 0.1 % of 2,000 requests is too few for a p999.
  ['load.p999=1s', {}, 'cannot-tell', null],
  ['load.max=90ms', {}, 'within', 90],
  // With 4 % unanswered, the p90 of all is at most the p95 of the answered.
  ['load.p90=30ms', {answered: 1920, failed: 30, dropped: 50}, 'within', 20],
  ['load.p90=29ms', {answered: 1920, failed: 30, dropped: 50}, 'cannot-tell', 20],
  ['load.p99=10s', {answered: 1920, failed: 30, dropped: 50}, 'exceeded', null],
  ['load.p50=10s', {answered: 0, failed: 2000}, 'exceeded', null],
  ['load.failures=80', {answered: 1920, failed: 30, dropped: 50}, 'within', 80],
  ['load.failures=3%', {answered: 1920, failed: 30, dropped: 50}, 'exceeded', 0.04],
  ['load.max=10s', {answered: 1999, dropped: 1}, 'exceeded', null],
] as const)('%s of a load with %j is %s', (text, change, verdict, actual) => {
  expect(judge(text, underLoad(change))).toMatchObject({verdict, actual});
});

test('a load of several rates keeps to a budget when each rate does; the one that breaks it is named', () => {
  const stages = [
    stageOf({perSecond: 50}),
    stageOf({perSecond: 200, latency: {...stageOf().latency, p99Ms: 700}}),
  ];
  const load = loadOf([10], {stages});
  expect(judge('load.p99=100ms', {load})).toMatchObject({
    verdict: 'exceeded',
    actual: 700,
    why: 'at 200 per second: 2000 requests',
  });
  expect(judge('load.p99=1s', {load})).toMatchObject({verdict: 'within', actual: 700});
});

test('what a run cannot answer is known before it is run', () => {
  const {request} = reportOf({});
  const budgets = [
    'cold.p95=1s',
    'cold.p99=1s',
    'warm.p99=1s',
    'load.p99=1s',
    'unknown.p999=1s',
    'cold.failures=0',
  ].map(parseBudget);
  expect(findUnanswerable(budgets, request)).toEqual([
    'cold.p99=1s: takes 299 cold samples or more, 60 are asked for',
    'load.p99=1s: no load is asked for',
    'unknown.p999=1s: takes 2995 samples or more, 560 are asked for',
  ]);
});
