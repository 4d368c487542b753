import {expect, test} from 'vitest';
import {neighbourOf} from '../../../src/cli/push-image.ts';
import {digestOf} from '../../../src/core/digest.ts';
import {parseReference} from '../../../src/image/registry/reference.ts';

const base = {
  kind: 'registry',
  reference: `registry.example.com:5000/mirror/base@${digestOf('base')}`,
  glibc: '2.36',
} as const;
const from = (target: string): string | null => neighbourOf(base, parseReference(target));

test('layers of a base are taken from its repository only within one registry', () => {
  expect(from('registry.example.com:5000/team/scoring:1')).toBe('mirror/base');
  expect(from('registry.example.com/team/scoring:1')).toBeNull();
  expect(from('other.example.com:5000/mirror/base:1')).toBeNull();
  expect(from('registry.example.com:5000/mirror/base:mine')).toBeNull();
  const own = parseReference('registry.example.com:5000/team/scoring:1');
  expect(neighbourOf({kind: 'host', glibc: '2.36'}, own)).toBeNull();
});
