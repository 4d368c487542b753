import {expect, test} from 'vitest';
import {planCandidates, type CandidateFacts} from '../../../src/model/plan-candidates.ts';
import type {WeightBytes} from '../../../src/model/weight-bytes.ts';

const NONE: WeightBytes = {products: 0, convolutions: 0, recurrences: 0, embeddings: 0, others: 0};
const facts = (weights: Partial<WeightBytes>, more: Partial<CandidateFacts> = {}): CandidateFacts => ({
  asked: 'auto',
  objective: 'balanced',
  bytes: 90_000_000,
  weights: {...NONE, ...weights},
  quantizedAlready: null,
  calibrationRows: 20,
  ...more,
});
const whyNot = (given: CandidateFacts, mode: string) =>
  planCandidates(given).untried.find((each) => each.mode === mode)?.why;

test('an encoder gets the forms for products, a conv net those for convolutions', () => {
  expect(planCandidates(facts({products: 70, embeddings: 30})).tried).toEqual([
    'dynamic',
    'weights',
    'int8-blocks',
    'int4',
    'fp16',
  ]);
  const net = facts({convolutions: 95, products: 5});
  expect(planCandidates(net).tried).toEqual(['static', 'weights', 'fp16']);
  expect(whyNot(net, 'int4')).toBe('5 % of the weights are in matrix products, which it is for');
  expect(planCandidates(facts({recurrences: 100})).tried).toEqual(['dynamic', 'weights', 'fp16']);
});

test('every mode is either tried or has a reason', () => {
  for (const objective of ['balanced', 'cold', 'warm', 'size'] as const) {
    const {tried, untried} = planCandidates(facts({products: 30, convolutions: 60}, {objective}));
    expect([...tried, ...untried.map(({mode}) => mode)].toSorted()).toEqual(
      ['dynamic', 'fp16', 'int4', 'int8-blocks', 'static', 'weights'].toSorted(),
    );
    for (const {why} of untried) expect(why).not.toBe('');
  }
});

test('static needs rows to calibrate with', () => {
  expect(whyNot(facts({convolutions: 100}, {calibrationRows: 0}), 'static')).toBe(
    'there are no rows to calibrate it with',
  );
});

test('forms that only shrink the file are not tried for warm latency', () => {
  expect(planCandidates(facts({products: 100}, {objective: 'warm'})).tried).toEqual([
    'dynamic',
    'int8-blocks',
    'int4',
  ]);
});

test('a small model has no candidates, unless bytes are what counts', () => {
  const small = facts({products: 100}, {bytes: 999_999});
  expect(planCandidates(small).tried).toEqual([]);
  expect(whyNot(small, 'dynamic')).toBe('a model under a megabyte (1.0 MB) has little to gain');
  expect(planCandidates({...small, objective: 'size'}).tried).toContain('dynamic');
  expect(planCandidates({...small, bytes: 1_000_000}).tried).toContain('dynamic');
});

test('a quantized model is left alone', () => {
  const why = 'it is quantized already: it has QLinearConv (conv)';
  const {tried, untried} = planCandidates(facts({convolutions: 100}, {quantizedAlready: why}));
  expect(tried).toEqual([]);
  expect(new Set(untried.map((each) => each.why))).toEqual(new Set([why]));
});

test('what is asked for by name is tried, whatever the rules say', () => {
  expect(planCandidates(facts({convolutions: 100}, {asked: 'int4', bytes: 9}))).toEqual({
    tried: ['int4'],
    untried: [],
  });
  expect(planCandidates(facts({products: 100}, {asked: 'none'}))).toEqual({tried: [], untried: []});
});
