import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import {compare, judgeRatio} from '../../../src/benchmark/compare.ts';
import {createRandom} from '../../../src/benchmark/random.ts';
import type {ProviderReport, Report} from '../../../src/core/report.ts';
import {loadOf, reportOf, stageOf} from './report-fixture.ts';
import {sequence} from './sequence.ts';

/** n times spread evenly over 100 to 110 ms, in no order, all of them so many times as long. */
const times = (n: number, factor = 1): number[] => sequence(n, 389, 1009, 100, 100).map((ms) => ms * factor);

const only = (a: Report, b: Report) => {
  const {groups} = compare(a, b);
  expect(groups).toHaveLength(1);
  const [group] = groups;
  if (!group) throw new Error('no group');
  return group;
};

test.each([
  [1.2, 'worse', 'more than 5 % slower'],
  [1 / 1.2, 'better', 'more than 5 % faster'],
  [1.01, 'same', 'within 5 % of each other'],
  [1.055, 'cannot-tell', 'slower, but maybe by less than 5 %'],
  [1 / 1.055, 'cannot-tell', 'faster, but maybe by less than 5 %'],
])('200 times that are %d times as long are %s', (factor, verdict, why) => {
  const group = only(reportOf({warm: times(200)}), reportOf({warm: times(200, factor)}));
  expect(group).toMatchObject({provider: 'local', group: 'warm', unit: 'requests', n: {a: 200, b: 200}});
  expect(group.changes.map(({quantile}) => quantile)).toEqual(['p50', 'p95']);
  for (const change of group.changes) {
    expect(change.ratio).toBeCloseTo(factor, 9);
    expect(change.ratioInterval?.[0]).toBeLessThan(factor);
    expect(change.ratioInterval?.[1]).toBeGreaterThan(factor);
  }
  expect(group.changes[0]).toMatchObject({verdict, why});
  // The interval of the difference, in milliseconds, says the same.
  const [low, high] = group.changes[0]?.differenceIntervalMs ?? [0, 0];
  const difference = (group.changes[0]?.bMs ?? 0) - (group.changes[0]?.aMs ?? 0);
  expect(low).toBeLessThan(difference);
  expect(high).toBeGreaterThan(difference);
});

test('with few and scattered times nothing can be told, and more would', () => {
  const scattered = [100, 900, 200, 700, 450, 300];
  expect(only(reportOf({cold: scattered}), reportOf({cold: scattered})).changes).toMatchObject([
    {
      quantile: 'p50',
      ratio: 1,
      verdict: 'cannot-tell',
      why: 'the interval is too wide: more samples would tell',
    },
  ]);
  expect(only(reportOf({cold: scattered}), reportOf({cold: [100, 200, 300]})).changes).toMatchObject([
    {
      aMs: 375,
      bMs: 200,
      ratio: null,
      verdict: 'cannot-tell',
      why: 'p50 takes 6 on both sides, there are 6 and 3',
    },
  ]);
});

test('a p95 is compared where both sides can carry it, and a worse one is worse for all', () => {
  const tail = [...times(180), ...times(20, 4)];
  const {groups, verdict} = compare(reportOf({warm: times(200)}), reportOf({warm: tail}));
  expect(groups[0]?.changes.map(({quantile, verdict: each}) => [quantile, each])).toEqual([
    ['p50', 'same'],
    ['p95', 'worse'],
  ]);
  expect(verdict).toBe('worse');
});

test('the effect is the chance that b took longer, and p is how likely that is by chance', () => {
  const apart = only(reportOf({warm: times(50)}), reportOf({warm: times(50, 2)}));
  expect(apart.superiority).toBe(1);
  expect(apart.pValue).toBeLessThan(1e-15);
  const alike = only(reportOf({warm: times(50)}), reportOf({warm: times(50)}));
  expect(alike).toMatchObject({superiority: 0.5, pValue: 1});
});

test('the same reports compared again give the same comparison', () => {
  const [a, b] = [reportOf({cold: times(60)}), reportOf({cold: times(60, 1.05)})];
  expect(compare(a, b)).toEqual(compare(a, b));
});

test('of equal distributions hardly ever one is called better or worse', () => {
  const random = createRandom(3);
  const draw = (): number[] =>
    Array.from({length: 40}, () => 100 * Math.exp(0.1 * (random() + random() + random() - 1.5)));
  const verdicts = Array.from(
    {length: 60},
    () => only(reportOf({warm: draw()}), reportOf({warm: draw()})).changes[0],
  );
  expect(verdicts.filter((change) => change?.verdict === 'better' || change?.verdict === 'worse')).toEqual(
    [],
  );
});

test('turned round, better is worse', () => {
  const turned = {better: 'worse', worse: 'better', same: 'same', 'cannot-tell': 'cannot-tell'} as const;
  const positive = fc.double({min: 0.01, max: 100, noNaN: true});
  fc.assert(
    fc.property(positive, positive, (x, y) => {
      const [low, high] = [Math.min(x, y), Math.max(x, y)];
      expect(judgeRatio(1 / high, 1 / low, 0.05).verdict).toBe(turned[judgeRatio(low, high, 0.05).verdict]);
    }),
  );
});

test('how small a difference matters is the caller’s to say', () => {
  const [a, b] = [reportOf({warm: times(300)}), reportOf({warm: times(300, 1.2)})];
  expect(compare(a, b, {smallest: 0.3}).verdict).toBe('same');
  expect(compare(a, b, {smallest: 0.1}).groups[0]?.changes[0]?.why).toBe('more than 10 % slower');
});

test('more failures are worse, whatever the times say', () => {
  const a = reportOf({cold: times(60), failed: {cold: 0}});
  const b = reportOf({cold: times(54, 0.5), failed: {cold: 6}});
  const comparison = compare(a, b);
  expect(comparison.failures).toMatchObject([
    {
      of: 'shots',
      a: {count: 0, of: 60},
      b: {count: 6, of: 60},
      pValue: expect.closeTo(0.0274116, 6),
      verdict: 'worse',
    },
  ]);
  expect(comparison.groups[0]?.changes[0]?.verdict).toBe('better');
  expect(comparison.verdict).toBe('worse');
  expect(compare(b, a).failures).toMatchObject([{verdict: 'better'}]);
  const oneFailed = reportOf({cold: times(59), failed: {cold: 1}});
  expect(compare(a, oneFailed).failures).toMatchObject([{verdict: 'cannot-tell'}]);
});

test('a report that holds no times gives its medians and no verdict', () => {
  const {times: _, ...bare}: ProviderReport = {
    ...(reportOf({warm: times(60)}).providers[0] as ProviderReport),
  };
  const old = reportOf([], {providers: [{...bare, warm: {...bare.warm, p50Ms: 200}}]});
  const other = reportOf([], {providers: [{...bare, warm: {...bare.warm, p50Ms: 100}}]});
  const {groups, verdict} = compare(old, other);
  expect(groups[0]?.changes).toMatchObject([
    {aMs: 200, bMs: 100, ratio: 0.5, ratioInterval: null, verdict: 'cannot-tell'},
  ]);
  expect(verdict).toBe('cannot-tell');
});

test('times of zero give no ratio', () => {
  const zeros = [0, 0, 0, 0, 0, 0, 0];
  expect(only(reportOf({warm: zeros}), reportOf({warm: times(9)})).changes).toMatchObject([
    {ratio: null, verdict: 'cannot-tell', why: 'there is no ratio to a time of zero'},
  ]);
});

test('providers are paired by name; two of one each are paired whatever they are called', () => {
  const a = reportOf([
    {provider: 'local', warm: times(20)},
    {provider: 'here', warm: times(20, 3)},
  ]);
  const b = reportOf([
    {provider: 'here', warm: times(20, 3)},
    {provider: 'there', warm: times(20)},
  ]);
  const {groups, caveats} = compare(a, b);
  expect(groups.map(({provider, changes}) => [provider, changes[0]?.ratio])).toEqual([['here', 1]]);
  expect(caveats).toEqual(['only A has local', 'only B has there']);

  const one = compare(
    reportOf({provider: 'local', warm: times(20)}),
    reportOf({provider: 'far', warm: times(20)}),
  );
  expect(one.groups).toHaveLength(1);
  expect(one.caveats).toEqual(['A measured local, B far']);
  const none = compare(a, reportOf([{provider: 'x'}, {provider: 'y'}]));
  expect(none).toMatchObject({groups: [], verdict: 'cannot-tell'});
  expect(none.caveats[0]).toBe('the reports have no provider in common');
});

test('what casts doubt is told from what is meant to differ', () => {
  const a = reportOf({warm: times(20)});
  const [provider] = a.providers;
  if (!provider) throw new Error('no provider');
  const b: Report = {
    ...a,
    thaw: '0.2.0',
    interrupted: true,
    machine: {...a.machine, cores: 8},
    request: {
      ...a.request,
      method: 'GET',
      bodies: [{digest: `sha256:${'b'.repeat(64)}`, bytes: 2, source: '--data'}],
    },
    providers: [
      {...provider, image: `sha256:${'2'.repeat(64)}`, notes: ['not the image'], url: 'http://127.0.0.1:1/'},
    ],
  };
  const {caveats, differences} = compare(a, b);
  expect(caveats).toEqual([
    'measured from different machines (cores: A 2, B 8)',
    'other requests: A sent POST, B GET',
    'other requests: the bodies differ',
    'B was ended before every shot was fired',
    'only B, local: not the image',
  ]);
  expect(differences).toEqual(['thaw: A 0.1.0, B 0.2.0', 'local image: A 111111111111, B 222222222222']);
  expect(compare(a, a)).toMatchObject({caveats: [], differences: []});
});

// Loads

const seconds = (n: number, factor = 1): number[] => times(n).map((ms) => ms * factor);

test('a load is compared by its stretches, not by its requests', () => {
  const group = only(reportOf({load: loadOf(seconds(20))}), reportOf({load: loadOf(seconds(20, 1.5))}));
  expect(group).toMatchObject({
    group: 'load',
    perSecond: 100,
    unit: 'stretches',
    n: {a: 20, b: 20},
    superiority: 1,
  });
  expect(group.changes.map(({quantile, verdict}) => [quantile, verdict])).toEqual([
    ['p50', 'worse'],
    ['p99', 'worse'],
  ]);
  expect(group.changes[1]?.aMs).toBeCloseTo((group.changes[0]?.aMs ?? 0) * 5, 9);
});

test('each rate of a load in steps is compared with its like', () => {
  const load = (slow: number) =>
    loadOf([...seconds(10), ...seconds(10, slow)], {
      shape: {kind: 'steps', perSecond: [50, 200], durationMs: 10_000},
      stages: [stageOf({perSecond: 50, durationMs: 10_000}), stageOf({perSecond: 200, durationMs: 10_000})],
    });
  const {groups} = compare(reportOf({load: load(1)}), reportOf({load: load(2)}));
  expect(groups.map(({perSecond, n, changes}) => [perSecond, n.a, changes[0]?.verdict])).toEqual([
    [50, 10, 'same'],
    [200, 10, 'worse'],
  ]);
});

test.each([
  ['another shape', loadOf(seconds(21)), 'the loads differ'],
  [
    'bursts',
    loadOf(seconds(20), {shape: {kind: 'burst', requests: 50}}),
    'one burst is one observation: it has no rate that lasts',
  ],
])('of loads of %s nothing can be told', (kind, load, why) => {
  const other = kind === 'bursts' ? load : loadOf(seconds(20));
  expect(only(reportOf({load}), reportOf({load: other})).changes).toMatchObject([
    {verdict: 'cannot-tell', why},
  ]);
});

test('failures of a load count by stretches too', () => {
  const good = loadOf(seconds(20));
  const bad: typeof good = {
    ...good,
    stages: [stageOf({durationMs: 20_000, answered: 1800, failed: 100, dropped: 100})],
    timeline: good.timeline.map((bucket) => ({...bucket, failed: 5, dropped: 5, answered: 90})),
  };
  expect(compare(reportOf({load: good}), reportOf({load: bad})).failures).toMatchObject([
    {of: 'load', perSecond: 100, a: {count: 0, of: 2000}, b: {count: 200, of: 2000}, verdict: 'worse'},
  ]);
  // One bad second of twenty is no proof.
  const blip: typeof good = {
    ...good,
    stages: [stageOf({durationMs: 20_000, answered: 1900, failed: 100})],
    timeline: good.timeline.map((bucket, index) =>
      index === 7 ? {...bucket, failed: 100, answered: 0} : bucket,
    ),
  };
  expect(compare(reportOf({load: good}), reportOf({load: blip})).failures).toMatchObject([
    {verdict: 'cannot-tell'},
  ]);
});
