import {assert, oneof, property, string} from 'fast-check';
import {describe, expect, it} from 'vitest';
import {FUNCTION_NAME_RULE, isFunctionName, toFunctionName} from '../../../src/core/names.ts';
import {parseName} from '../../../src/scaffold/plan.ts';

describe('a function name', () => {
  it.each(['credit-scoring', 'ab', 'a1', 'x'.repeat(32), 'a-b-c-1'])('may be %j', (name) => {
    expect(isFunctionName(name)).toBe(true);
    expect(toFunctionName(name)).toBe(name);
  });

  it.each(['', 'a', 'A1', '1a', '-ab', 'ab-', 'a--b', 'a_b', 'a b', 'x'.repeat(33), 'crédit', 'ab\n'])(
    'may not be %j',
    (name) => {
      expect(isFunctionName(name)).toBe(false);
    },
  );

  it.each([
    ['Credit Scoring!', 'credit-scoring'],
    ['Crédit_Scoring', 'credit-scoring'],
    ['3d-model', 'fn-3d-model'],
    ['a', 'fn-a'],
    ['', 'fn'],
    ['模型', 'fn'],
    ['--x--y--', 'x-y'],
    [`${'x'.repeat(31)}-y`, 'x'.repeat(31)],
  ])('is made of %j as %j', (text, name) => {
    expect(toFunctionName(text)).toBe(name);
  });

  it('can be made of any text, and is then left alone', () => {
    assert(
      property(oneof(string({unit: 'binary'}), string({minLength: 30, maxLength: 80})), (text) => {
        const name = toFunctionName(text);
        expect(isFunctionName(name), `${JSON.stringify(text)} -> ${name}`).toBe(true);
        expect(toFunctionName(name)).toBe(name);
      }),
    );
  });

  it('is refused with the rule and the nearest valid one', () => {
    expect(parseName('credit-scoring')).toBe('credit-scoring');
    expect(() => parseName('Credit Scoring!')).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: expect.stringContaining('"Credit Scoring!"') as string,
        facts: {name: 'Credit Scoring!', rule: FUNCTION_NAME_RULE, suggestion: 'credit-scoring'},
      }),
    );
  });
});
