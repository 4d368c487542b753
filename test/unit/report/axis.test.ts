import {expect, test} from 'vitest';
import {linearAxis, logAxis, quantileAxis} from '../../../src/report/html/axis.ts';

test('on a logarithmic axis equal ratios are equally far apart, between round numbers', () => {
  const axis = logAxis([0.7, 640]);
  expect(axis.ticks.map(({label}) => label)).toEqual([
    '0.5 ms',
    '1 ms',
    '2 ms',
    '5 ms',
    '10 ms',
    '20 ms',
    '50 ms',
    '100 ms',
    '200 ms',
    '500 ms',
    '1 s',
  ]);
  expect([axis.at(0.5), axis.at(1000)]).toEqual([0, 1]);
  expect(axis.at(10) - axis.at(1)).toBeCloseTo(axis.at(100) - axis.at(10), 10);
  expect(axis.ticks.filter(({minor}) => !minor).map(({label}) => label)).toEqual([
    '1 ms',
    '10 ms',
    '100 ms',
    '1 s',
  ]);
});

test('a logarithmic axis takes what has no logarithm, and what is all the same', () => {
  expect(logAxis([0, 5]).at(0)).toBe(0);
  for (const axis of [logAxis([]), logAxis([10]), logAxis([10, 10])]) {
    expect(axis.ticks.length).toBeGreaterThan(1);
    for (const {at} of axis.ticks) expect(at).toBeGreaterThanOrEqual(0);
  }
});

test('a linear axis begins at zero and ends at a round number', () => {
  const axis = linearAxis(87, String, 5);
  expect(axis.at(0)).toBe(0);
  expect(axis.ticks.at(-1)).toMatchObject({at: 1, label: '100'});
  expect(linearAxis(0, String).at(0)).toBe(0);
});

test('on an axis of quantiles each nine takes as much room', () => {
  const axis = quantileAxis(10_000);
  expect([axis.at(0), axis.at(0.9), axis.at(0.99), axis.at(0.999), axis.at(0.9999)]).toEqual(
    [0, 0.25, 0.5, 0.75, 1].map((place) => expect.closeTo(place, 10) as number),
  );
  expect(axis.ticks.map(({label}) => label)).toEqual(['p50', 'p90', 'p99', 'p99.9', 'p99.99']);
});
