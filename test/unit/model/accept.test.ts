import {expect, test} from 'vitest';
import {parseAccept} from '../../../src/model/accept.ts';

test('bounds are read; what none of them names keeps its default', () => {
  expect(parseAccept([])).toEqual({cosine: 0.998, nsr: 0.01, top1Drop: 0.005});
  expect(parseAccept(['cosine>=0.99', ' top1Drop <= 2e-1 '])).toEqual({
    cosine: 0.99,
    nsr: 0.01,
    top1Drop: 0.2,
  });
  expect(parseAccept(['nsr<=0', 'nsr<=1'])).toMatchObject({nsr: 1});
});

test.each(['cosine<=0.9', 'nsr>=1', 'nsr=1', 'cosinus>=1', 'nsr<=', 'nsr<=x', 'nsr<=-1', '', 'toString>=1'])(
  'what is no bound is told: %s',
  (bound) => {
    expect(() => parseAccept([bound])).toThrow(
      expect.objectContaining({code: 'USAGE', message: expect.stringContaining('cosine>=NUMBER')}),
    );
  },
);
