import * as fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import type {Objective, Shaping} from '../../../src/core/model.ts';
import {chooseShape, describeShape, planShapes, renderShapeReason} from '../../../src/model/choose-shape.ts';
import {costOf} from '../../../src/model/decide.ts';

const SHAPES = planShapes({isMapped: false, needsPrepacking: false, unfolds: false, objective: 'cold'});

const shaping = (place: number, coldMs: number | null, warmMs = 1): Shaping => ({
  shape: SHAPES[place]!,
  bytes: 100,
  session: {},
  failure: coldMs === null ? 'it does not load' : null,
  times: coldMs === null ? null : {processes: 5, loadMs: coldMs - 1, firstMs: 1, warmMs, rssMb: 80},
});

describe('what is measured', () => {
  const named = (facts: Partial<Parameters<typeof planShapes>[0]>) =>
    planShapes({isMapped: false, needsPrepacking: false, unfolds: false, objective: 'cold', ...facts}).map(
      describeShape,
    );

  test('the simplest comes first', () => {
    expect(named({})).toEqual([
      'as it is',
      'weights mapped',
      'weights mapped, not prepacked',
      'optimized ahead, weights mapped',
      'optimized ahead, weights mapped, not prepacked',
    ]);
  });

  test('block products are always prepacked', () => {
    expect(named({needsPrepacking: true})).toEqual([
      'as it is',
      'weights mapped',
      'optimized ahead, weights mapped',
    ]);
  });

  test('what unfolds its weights is not written unfolded, and nothing grows where bytes count', () => {
    const wanted = ['as it is', 'weights mapped', 'weights mapped, not prepacked'];
    expect(named({unfolds: true})).toEqual(wanted);
    expect(named({objective: 'size'})).toEqual(wanted);
  });

  test('a model with weights outside is mapped as it is', () => {
    expect(named({isMapped: true})[0]).toBe('weights mapped');
    expect(named({isMapped: true})).not.toContain('as it is');
  });
});

describe('what is chosen', () => {
  test('the shape that starts fastest, if it is 10 % better', () => {
    expect(chooseShape([shaping(0, 100), shaping(1, 91)], 'cold')).toBe(0);
    expect(chooseShape([shaping(0, 100), shaping(1, 80), shaping(3, 75)], 'cold')).toBe(1);
    expect(chooseShape([shaping(0, 100), shaping(1, 80), shaping(3, 60)], 'cold')).toBe(2);
  });

  test('a faster start at no cost to the objective is taken, one that costs is not', () => {
    const [slow, mapped, loose] = [shaping(0, 900, 60), shaping(1, 400, 60), shaping(2, 150, 130)];
    expect(chooseShape([slow, mapped, loose], 'balanced')).toBe(1);
    expect(chooseShape([slow, mapped, loose], 'size')).toBe(1);
    expect(chooseShape([slow, mapped, loose], 'warm')).toBe(1);
    expect(chooseShape([slow, mapped, loose], 'cold')).toBe(2);
  });

  test('what failed is not chosen, and if all did, the model is left as it is', () => {
    expect(chooseShape([shaping(0, 100), shaping(1, null)], 'cold')).toBe(0);
    expect(chooseShape([shaping(0, null), shaping(1, null)], 'cold')).toBe(0);
  });

  test('whatever was measured: nothing is 10 % better by the objective, nor starts as well and is simpler', () => {
    const ms = fc.double({min: 1.5, max: 1000, noNaN: true});
    const table = fc.array(fc.tuple(fc.option(ms), ms), {minLength: 1, maxLength: 5});
    const objectives = fc.constantFrom<Objective>('balanced', 'cold', 'warm', 'size');
    fc.assert(
      fc.property(table, objectives, (figures, objective) => {
        const shapings = figures.map(([coldMs, warmMs], place) => shaping(place, coldMs, warmMs));
        const place = chooseShape(shapings, objective);
        const chosen = shapings[place]!.times;
        const measured = shapings.flatMap(({times}) => times ?? []);
        if (measured.length === 0) {
          expect(place).toBe(0);
          return;
        }
        const by = objective === 'size' ? 'balanced' : objective;
        const cost = (times: typeof chosen) => costOf(by, 0, times!);
        const cold = (times: typeof chosen) => costOf('cold', 0, times!);
        expect(chosen).not.toBeNull();
        for (const other of measured) expect(cost(other)).toBeGreaterThanOrEqual(0.9 * cost(chosen));
        const best = Math.min(...measured.map(cost));
        const near = measured.filter((times) => 0.9 * cost(times) <= best);
        for (const other of near) expect(cold(other)).toBeGreaterThanOrEqual(0.9 * cold(chosen));
      }),
    );
  });

  test('the figures say why', () => {
    const shapings = [shaping(0, 100), shaping(1, 46, 0.9)];
    expect(renderShapeReason(shapings, 1)).toBe(
      'weights mapped: it starts in 46.0 ms instead of 100 ms, then answers in 0.90 ms instead of 1.00 ms',
    );
    expect(renderShapeReason(shapings, 0)).toContain('loaded as it is');
  });
});
