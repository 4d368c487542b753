import {describe, expect, it} from 'vitest';
import {makePlan, type Change, type Step} from '../../../src/core/plan.ts';
import {renderPlan} from '../../../src/deploy/render-plan.ts';

const step = (id: string, op: string, why: string, changes: Change[]): Step => ({
  id,
  op,
  why,
  changes,
  args: {},
});
const change = (path: string, from: Change['from'], to: Change['to']): Change => ({path, from, to});

describe('a rendered plan', () => {
  it('shows each step with what it changes', () => {
    const plan = makePlan(
      'moon',
      'credit-scoring',
      [
        step('role', 'iam:CreateRole', 'the function needs a role', [change('role', null, 'credit-scoring')]),
        step('configure', 'moon:UpdateConfiguration', 'its settings differ', [
          change('resources.memoryMb', 512, 1024),
          change('env', {A: 'hmac:1', B: 'hmac:2'}, {B: 'hmac:3', C: 'hmac:4'}),
          change('image', `sha256:${'a'.repeat(64)}`, `sha256:${'b'.repeat(64)}`),
        ]),
        step('wait', 'moon:Wait', 'until it is updated', []),
        step('url', 'moon:DeleteUrl', 'no http trigger any more', [
          change('triggers', [{kind: 'http'}], null),
        ]),
      ],
      {region: 'near side'},
    );
    expect(renderPlan(plan)).toBe(
      [
        'credit-scoring on moon: 4 steps',
        '  + iam:CreateRole            the function needs a role',
        '      + role  credit-scoring',
        '  ~ moon:UpdateConfiguration  its settings differ',
        '      ~ resources.memoryMb  512 -> 1024',
        '      - env.A               removed',
        '      ~ env.B               changed',
        '      + env.C               set',
        '      ~ image               aaaaaaaaaaaa -> bbbbbbbbbbbb',
        '  . moon:Wait                 until it is updated',
        '  - moon:DeleteUrl            no http trigger any more',
        '      - triggers  was [{"kind":"http"}]',
        '    region  near side',
        '',
      ].join('\n'),
    );
  });

  it('of an up-to-date function says that there is nothing to change', () => {
    expect(renderPlan(makePlan('moon', 'f', []))).toBe('f on moon: nothing to change\n');
    const facts = {region: 'far side', left: 'the function f'};
    expect(renderPlan(makePlan('moon', 'f', [], facts))).toBe(
      'f on moon: nothing to change\n    left  the function f\n',
    );
  });

  it('never shows a fingerprint, however deep it lies', () => {
    const plan = makePlan('moon', 'f', [
      step('a', 'op', 'why', [
        change('list', [{name: 'A', value: 'hmac:12'}], [{name: 'A', value: 'hmac:34'}]),
      ]),
    ]);
    expect(renderPlan(plan)).toContain('~ list  changed');
    expect(renderPlan(plan)).not.toContain('hmac:');
  });

  it('lets no value move the cursor or hide text', () => {
    const plan = makePlan('moon', 'f', [
      step('a', 'op', 'why', [change('label', 'a\u001b[2J', 'b\u009b2J\u202e')]),
    ]);
    expect(renderPlan(plan)).toContain('"a\\u001b[2J" -> "b\\u{9b}2J\\u{202e}"');
  });

  it('shows an empty map that becomes null, and the reverse, as one line', () => {
    const plan = makePlan('moon', 'f', [step('a', 'op', 'why', [change('env', {}, null)])]);
    expect(renderPlan(plan)).toContain('- env  was {}');
  });
});
