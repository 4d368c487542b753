import {expect, test} from 'vitest';
import type {BudgetVerdict} from '../../../src/core/budget.ts';
import type {Comparison, GroupComparison, QuantileChange} from '../../../src/core/comparison.ts';
import {renderBudgets, renderBudgetsMarkdown} from '../../../src/report/budgets.ts';
import {renderComparison, renderComparisonMarkdown} from '../../../src/report/comparison.ts';

const mark =
  (name: string) =>
  (text: string): string =>
    `<${name}>${text}</${name}>`;
const plain = (text: string): string => text;
const screen = (width: number, unicode = true) => ({
  width,
  unicode,
  paint: {bold: plain, dim: plain, good: plain, warn: plain, accent: plain, bad: plain},
});

const change = (over: Partial<QuantileChange> = {}): QuantileChange => ({
  quantile: 'p50',
  aMs: 412.2,
  bMs: 380.4,
  ratio: 0.923,
  ratioInterval: [0.901, 0.944],
  differenceIntervalMs: [-41, -23],
  verdict: 'better',
  why: 'more than 5 % faster',
  ...over,
});

const group = (over: Partial<GroupComparison> = {}): GroupComparison => ({
  provider: 'local',
  group: 'cold',
  perSecond: null,
  unit: 'requests',
  n: {a: 60, b: 61},
  changes: [change()],
  superiority: 0.131,
  pValue: 2e-9,
  ...over,
});

const comparison: Comparison = {
  schema: 'thaw.comparison/1',
  a: {
    thaw: '0.1.0',
    function: 'credit-scoring',
    startedAt: '2026-11-24T10:00:00.000Z',
    machine: {},
    targets: [],
  },
  b: {
    thaw: '0.2.0',
    function: 'credit-scoring',
    startedAt: '2026-11-25T11:30:00.000Z',
    machine: {},
    targets: [],
  },
  smallest: 0.05,
  verdict: 'cannot-tell',
  groups: [
    group(),
    group({
      group: 'warm',
      n: {a: 200, b: 3},
      changes: [
        change({
          aMs: 1.84,
          bMs: 1.9,
          ratio: null,
          ratioInterval: null,
          verdict: 'cannot-tell',
          why: 'p50 takes 6 on both sides, there are 200 and 3',
        }),
      ],
      pValue: 0.4321,
      superiority: 0.61,
    }),
    group({
      group: 'load',
      perSecond: 200,
      unit: 'stretches',
      n: {a: 20, b: 20},
      changes: [
        change({
          quantile: 'p99',
          ratio: 1.31,
          ratioInterval: [1.22, 1.4],
          verdict: 'worse',
          why: 'more than 5 % slower',
        }),
      ],
      superiority: null,
      pValue: null,
    }),
  ],
  failures: [
    {
      provider: 'local',
      of: 'shots',
      perSecond: null,
      a: {count: 0, of: 260},
      b: {count: 2, of: 66},
      pValue: 0.1,
      verdict: 'cannot-tell',
    },
    {
      provider: 'local',
      of: 'load',
      perSecond: 200,
      a: {count: 0, of: 4000},
      b: {count: 0, of: 4000},
      pValue: 1,
      verdict: 'same',
    },
  ],
  caveats: ['measured from different machines (cores: A 2, B 8)'],
  differences: ['local image: A 111111111111, B 222222222222'],
};

test('a wide terminal shows a table, what casts doubt, and what the intervals do not cover', () => {
  expect(renderComparison(comparison, screen(80))).toBe(
    `B against A: cannot tell
A: credit-scoring, thaw 0.1.0, 2026-11-24 10:00 UTC
B: credit-scoring, thaw 0.2.0, 2026-11-25 11:30 UTC

                          n        A        B   B/A       95 %
local cold p50        60/61   412 ms   380 ms  0.92  0.90–0.94  better
local warm p50        200/3  1.84 ms  1.90 ms                   cannot tell
local load 200/s p99  20/20   412 ms   380 ms  1.31  1.22–1.40  worse
local warm p50: p50 takes 6 on both sides, there are 200 and 3

local cold: of two requests, one from each, B’s took longer in 13 % (Mann–Whitney p < 0.001).
local warm: of two requests, one from each, B’s took longer in 61 % (Mann–Whitney p = 0.432).
local: without a good answer in A 0 of 260, in B 2 of 66, which may be chance.

! measured from different machines (cores: A 2, B 8)
• local image: A 111111111111, B 222222222222

A difference of less than 5 % is taken for none. The intervals cover the chance within the two runs, not what changed around them in between.
`,
  );
});

test('a narrow terminal shows one paragraph for each figure, without a table', () => {
  const text = renderComparison(comparison, screen(60));
  expect(text).toContain(`local cold p50
  A 412 ms, B 380 ms (n 60/61)
  B/A 0.92 (0.90–0.94)
  better: more than 5 % faster
local warm p50
  A 1.84 ms, B 1.90 ms (n 200/3)
  cannot tell: p50 takes 6`);
  expect(text).not.toContain('60/61   412 ms');
});

test('without Unicode there is none', () => {
  const text = renderComparison({...comparison, groups: [group({superiority: null})]}, screen(120, false));
  // oxlint-disable-next-line no-control-regex
  expect(text).toMatch(/^[\x00-\x7f]*$/);
});

test('colours follow the verdicts', () => {
  const coloured = {...screen(200).paint, good: mark('good'), bad: mark('bad'), warn: mark('warn')};
  const text = renderComparison(comparison, {...screen(200), paint: coloured});
  for (const piece of [
    '<good>better</good>',
    '<bad>worse</bad>',
    '<warn>cannot tell</warn>',
    '<warn>! measured from',
  ]) {
    expect(text).toContain(piece);
  }
});

test('the Markdown says the same, and nothing in it can break its table', () => {
  const odd = {...comparison, groups: [group({provider: 'a|b<i>*'})]};
  const text = renderComparisonMarkdown(odd);
  expect(text).toContain(
    String.raw`| a\|b\<i\>\* cold p50 | 60/61 | 412 ms | 380 ms | 0.92 | 0.90–0.94 | 🟢 better: more than 5 % faster |`,
  );
  expect(text).toContain('### 🟡 B against A: cannot tell');
  expect(text).toContain('- ⚠️ measured from different machines');
  expect(text.endsWith('\n')).toBe(true);
  const none = renderComparisonMarkdown({
    ...comparison,
    groups: [],
    caveats: ['the reports have no provider in common'],
  });
  expect(none).not.toContain('| n |');
  expect(none).toContain('no provider in common');
});

const verdict = (over: Partial<BudgetVerdict> = {}): BudgetVerdict => ({
  provider: 'local',
  budget: {text: 'cold.p95=800ms', group: 'cold', measure: 'p95', limit: 800, unit: 'ms'},
  verdict: 'within',
  certain: true,
  actual: 640,
  why: '95 % bounds from 610 ms to 700 ms, 60 samples',
  ...over,
});

test.each([
  [verdict(), '✓ local cold.p95=800ms: kept, 640 ms (95 % bounds from 610 ms to 700 ms, 60 samples)'],
  [
    verdict({certain: false, actual: 790, why: 'w'}),
    '✓ local cold.p95=800ms: kept, 790 ms, but only just (w)',
  ],
  [verdict({verdict: 'exceeded', actual: 912, why: 'w'}), '✗ local cold.p95=800ms: exceeded, 912 ms (w)'],
  [
    verdict({verdict: 'exceeded', actual: null, why: 'w'}),
    '✗ local cold.p95=800ms: exceeded, not every request was answered well (w)',
  ],
  [
    verdict({verdict: 'cannot-tell', certain: false, actual: null, why: '12 samples, p95 takes 59'}),
    '? local cold.p95=800ms: cannot tell (12 samples, p95 takes 59)',
  ],
  [
    verdict({
      budget: {text: 'load.failures=1%', group: 'load', measure: 'failures', limit: 0.01, unit: 'share'},
      verdict: 'exceeded',
      actual: 0.0234,
      why: '234 of 10000 got no good answer',
    }),
    '✗ local load.failures=1%: exceeded, 2.34 % (234 of 10000 got no good answer)',
  ],
])('a budget is one line %#', (given, line) => {
  expect(renderBudgets([given], screen(80))).toBe(`${line}\n`);
});

test('budgets in Markdown are a list, and none is nothing', () => {
  expect(renderBudgetsMarkdown([verdict(), verdict({verdict: 'exceeded', provider: 'a*b', why: 'w'})])).toBe(
    '- ✅ local cold.p95=800ms: kept, 640 ms (95 % bounds from 610 ms to 700 ms, 60 samples)\n' +
      '- ❌ a\\*b cold.p95=800ms: exceeded, 640 ms (w)\n',
  );
  expect(renderBudgetsMarkdown([])).toBe('');
});
