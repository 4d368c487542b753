import {expect, test} from 'vitest';
import type {LoadShape} from '../../../src/core/load.ts';
import {renderCommandLine} from '../../../src/report/command-line.ts';
import {measured, run} from './run.ts';

const plain = run(measured());
const asked = (change: object, name: string | null = 'credit-scoring') =>
  renderCommandLine({...plain, function: name, request: {...plain.request, ...change}});

test('a project is measured again by the names of its providers, from its own folder', () => {
  expect(asked({})).toBe('thaw benchmark local --data @samples/request.json --cold 60 --warm 500');
});

test.each<[LoadShape, string]>([
  [{kind: 'rate', perSecond: 200, durationMs: 20_000}, '--rate 200 --duration 20s'],
  [{kind: 'steps', perSecond: [50, 100.5], durationMs: 1500}, '--steps 50,100.5 --duration 1500ms'],
  [{kind: 'burst', requests: 64}, '--burst 64'],
  [{kind: 'ramp', fromPerSecond: 10, toPerSecond: 500, durationMs: 60_000}, '--ramp 10..500 --duration 1m'],
])('a load is asked for as it was: %j', (load, flags) => {
  expect(asked({load})).toMatch(new RegExp(` ${flags.replaceAll('.', '\\.')}$`));
});

test('an endpoint is measured again by its URL; what a report does not keep is left to fill in', () => {
  const change = {
    method: 'PUT',
    headers: ['content-type', 'x-api-key'],
    bodies: [
      {digest: `sha256:${'3'.repeat(64)}`, bytes: 2, source: 'the command line'},
      {digest: `sha256:${'4'.repeat(64)}`, bytes: 2, source: "it's here.json"},
    ],
  };
  expect(asked(change, null)).toBe(
    "thaw benchmark http://127.0.0.1:7000/ --method PUT --header 'x-api-key: …' --data … " +
      String.raw`--data '@it'\''s here.json' --cold 60 --warm 500`,
  );
});
