import * as fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import type {Candidate, CandidateTimes, Drift, Objective, QuantizeMode} from '../../../src/core/model.ts';
import {costOf, decide} from '../../../src/model/decide.ts';
import type {Decision} from '../../../src/model/decide.ts';

const times = (loadMs: number, firstMs: number, warmMs: number): CandidateTimes => ({
  processes: 5,
  loadMs,
  firstMs,
  warmMs,
  rssMb: 80,
});

const candidate = (
  mode: QuantizeMode,
  bytes: number,
  measured: CandidateTimes | null,
  more: Partial<Candidate> = {},
): Candidate => ({
  mode,
  digest: 'sha256:0',
  bytes,
  session: {},
  calibrator: null,
  keptFloat: [],
  quantizeMs: null,
  failure: null,
  times: measured,
  drift: [],
  accuracy: null,
  accepted: true,
  ...more,
});

const drift: Drift = {output: 'y', cosine: 0.9991, nsr: 0.002, maxAbs: 0.1, top1Drop: 0};
const original = candidate('none', 8_000_000, times(20, 5, 1));
const faster = candidate('dynamic', 2_000_000, times(10, 2, 0.5), {drift: [drift]});

const decision = (more: Partial<Decision> = {}): Decision => ({
  mode: 'auto',
  objective: 'balanced',
  accept: {cosine: 0.998, nsr: 0.01, top1Drop: 0.005},
  rows: 50,
  candidates: [original, faster],
  untried: [],
  originalNotFinite: null,
  ...more,
});

test('what a candidate costs: cold is load and first, balanced adds a hundred warm requests', () => {
  const costs = (['size', 'cold', 'warm', 'balanced'] as const).map((objective) =>
    costOf(objective, 7, times(20, 5, 1)),
  );
  expect(costs).toEqual([7, 25, 1, 125]);
});

test('the better candidate is chosen, and the figures say why', () => {
  expect(decide(decision())).toEqual({
    chosen: 'dynamic',
    why:
      'dynamic is chosen: it costs 62.0 ms against 125 ms by balanced, at 25 % of the bytes; ' +
      'cosine 0.9991, nsr 0.002, top1Drop 0 on 50 rows',
  });
});

describe('the original is kept', () => {
  test('unless the other is 10 % better', () => {
    const by = (warmMs: number) =>
      decide(decision({objective: 'warm', candidates: [original, {...faster, times: times(1, 1, warmMs)}]}));
    expect(by(0.9).chosen).toBe('dynamic');
    expect(by(0.91)).toMatchObject({
      chosen: 'none',
      why: expect.stringContaining('nothing is 10 % better by warm'),
    });
  });

  test('when the other is outside accept', () => {
    const worse = {...faster, drift: [{...drift, cosine: 0.99}], accepted: false};
    expect(decide(decision({candidates: [original, worse]}))).toEqual({
      chosen: 'none',
      why: 'the original is kept: dynamic drifts too far on 50 rows (y: cosine 0.99 < 0.998)',
    });
  });

  test('when there are no rows to judge by', () => {
    const unknown = {...faster, drift: [], accepted: null};
    expect(decide(decision({rows: 0, candidates: [original, unknown]}))).toMatchObject({
      chosen: 'none',
      why: expect.stringMatching(/no calibration rows.*62\.0 ms against 125 ms.*25 %/),
    });
  });

  test('when nothing was worth a try', () => {
    const odd = decision({candidates: [original], untried: [{why: 'it is quantized already'}]});
    expect(decide(odd)).toEqual({
      chosen: 'none',
      why:
        'the original is kept: it is quantized already; it loads in 20.0 ms and answers first in 5.00 ms, ' +
        'then in 1.00 ms',
    });
  });

  test('when all are outside accept, and the nearest is told', () => {
    const far = candidate('int4', 1_000_000, null, {drift: [{...drift, nsr: 0.3}], accepted: false});
    const near = candidate('static', 2_000_000, null, {drift: [{...drift, nsr: 0.02}], accepted: false});
    expect(decide(decision({candidates: [original, far, near]}))).toEqual({
      chosen: 'none',
      why: 'the original is kept: static drifts too far on 50 rows (y: nsr 0.02 > 0.01), and it is the nearest of 2',
    });
  });

  test('when there is no other', () => {
    const failed = candidate('dynamic', 0, null, {
      failure: 'nothing in it can be quantized',
      accepted: false,
    });
    expect(decide(decision({candidates: [original, failed]}))).toMatchObject({
      chosen: 'none',
      why: expect.stringContaining('nothing in it can be quantized'),
    });
  });

  test('when it could not be measured', () => {
    const silent = {...original, times: null, failure: 'it fails on zeros'};
    expect(decide(decision({candidates: [silent, faster]}))).toMatchObject({
      chosen: 'none',
      why: expect.stringContaining('it fails on zeros'),
    });
  });

  test('when its own outputs are not finite', () => {
    const unjudged = {...faster, accepted: false};
    const odd = decision({candidates: [original, unjudged], originalNotFinite: 'output y of row 3'});
    expect(decide(odd)).toMatchObject({chosen: 'none', why: expect.stringContaining('output y of row 3')});
  });

  test('when that was asked for', () => {
    expect(decide(decision({mode: 'none', candidates: [original]}))).toMatchObject({
      chosen: 'none',
      why: expect.stringContaining('as asked for'),
    });
  });
});

describe('a mode that was asked for by name is obeyed', () => {
  test('slower or small as it may be', () => {
    const slower = {...faster, times: times(90, 9, 9)};
    const small = {...original, bytes: 5000};
    expect(decide(decision({mode: 'dynamic', candidates: [small, slower]}))).toMatchObject({
      chosen: 'dynamic',
      why: expect.stringContaining('cosine 0.9991, nsr 0.002'),
    });
  });

  test('and drift outside accept is told', () => {
    const worse = {...faster, drift: [{...drift, nsr: 0.5}], accepted: false};
    expect(decide(decision({mode: 'dynamic', candidates: [original, worse]}))).toMatchObject({
      chosen: 'dynamic',
      why: expect.stringContaining('although it is outside accept on 50 rows (y: nsr 0.5 > 0.01)'),
    });
  });

  test('and unknown drift is told', () => {
    const unknown = {...faster, drift: [], accepted: null};
    expect(decide(decision({mode: 'dynamic', rows: 0, candidates: [original, unknown]})).why).toContain(
      'its drift is unknown',
    );
  });
});

test('whatever was measured: the choice is the best of what is within accept, or nothing is 10 % better', () => {
  const ms = fc.double({min: 0.01, max: 1000, noNaN: true});
  const bytes = fc.integer({min: 1000, max: 1e8});
  const measured = fc.tuple(ms, ms, ms).map(([load, first, warm]) => times(load, first, warm));
  const row = fc.record({
    bytes,
    times: fc.option(measured, {freq: 5}),
    accepted: fc.boolean(),
    failure: fc.option(fc.constant('no kernel'), {freq: 5}),
  });
  const modes = ['dynamic', 'static', 'weights', 'int8-blocks', 'int4', 'fp16'] as const;
  const table = fc.tuple(bytes, measured, fc.array(row, {maxLength: modes.length}));
  const objectives = fc.constantFrom<Objective>('balanced', 'cold', 'warm', 'size');
  fc.assert(
    fc.property(table, objectives, ([ownBytes, ownTimes, rows], objective) => {
      const first = candidate('none', ownBytes, ownTimes);
      const others = rows.map((made, at) => candidate(modes[at]!, made.bytes, made.times, made));
      const {chosen} = decide(decision({objective, candidates: [first, ...others]}));
      const cost = (one: Candidate) => (one.times ? costOf(objective, one.bytes, one.times) : Infinity);
      const eligible = others.filter(({failure, accepted}) => failure === null && accepted === true);
      const best = Math.min(...eligible.map(cost));
      if (best <= 0.9 * cost(first)) {
        const winner = eligible.find(({mode}) => mode === chosen);
        expect(winner && cost(winner)).toBe(best);
      } else expect(chosen).toBe('none');
    }),
  );
});
