import * as fc from 'fast-check';
import {expect, test} from 'vitest';
import {PHASES} from '../../../src/core/sample.ts';
import {parseEvidence, parseServerTiming} from '../../../src/core/evidence.ts';

const whole = {
  'thaw-boot': '5f0c1d8e-1111-4222-8333-944445555666',
  'thaw-ordinal': '1',
  'thaw-boot-age': '93.25',
  'thaw-image': `sha256:${'ab'.repeat(32)}`,
  'server-timing': 'boot;dur=40.5, import;dur=12, load;dur=30.25, wait;dur=0.5, infer;dur=2',
};

test('evidence is read from an answer that gives all of it', () => {
  expect(parseEvidence(whole)).toEqual({
    bootId: '5f0c1d8e-1111-4222-8333-944445555666',
    ordinal: 1,
    bootAgeMs: 93.25,
    image: `sha256:${'ab'.repeat(32)}`,
    restored: false,
    restarted: false,
    phases: {boot: 40.5, import: 12, load: 30.25, wait: 0.5, infer: 2},
  });
});

test('a restore and a restart are read where they are said, and only then', () => {
  expect(parseEvidence({...whole, 'thaw-restarted': '1'})).toMatchObject({restarted: true, restored: false});
  expect(parseEvidence({...whole, 'thaw-restored': '1'})).toMatchObject({restarted: false, restored: true});
  expect(parseEvidence({...whole, 'thaw-restarted': '0'})).toMatchObject({restarted: false});
});

test.each([
  ['no boot id', {'thaw-boot': undefined}],
  ['an empty boot id', {'thaw-boot': ''}],
  ['two boot ids', {'thaw-boot': 'a, b'}],
  ['no ordinal', {'thaw-ordinal': undefined}],
  ['ordinal 0', {'thaw-ordinal': '0'}],
  ['a negative ordinal', {'thaw-ordinal': '-1'}],
  ['a broken ordinal', {'thaw-ordinal': '1.5'}],
  ['an ordinal past counting', {'thaw-ordinal': '9'.repeat(40)}],
  ['no age', {'thaw-boot-age': undefined}],
  ['an age from the past', {'thaw-boot-age': '-3'}],
  ['an age that is no number', {'thaw-boot-age': 'NaN'}],
  ['an infinite age', {'thaw-boot-age': '1e999'}],
])('%s is no evidence', (_, change) => {
  const headers = Object.fromEntries(
    Object.entries({...whole, ...change}).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  );
  expect(parseEvidence(headers)).toBeNull();
});

test('a malformed image is left out and the rest kept', () => {
  expect(parseEvidence({...whole, 'thaw-image': 'sha256:short'})).toMatchObject({image: null, ordinal: 1});
});

test.each([
  ['', {}],
  ['cache;desc="hit", boot;dur=4', {boot: 4}],
  ['boot;desc="a, load;dur=9; \\" b";dur=4', {boot: 4}],
  ['boot;dur=4;dur=5, boot;dur=6', {boot: 4}],
  ['boot; DUR = 7.5 ', {boot: 7.5}],
  ['boot;dur="8"', {boot: 8}],
  ['boot', {}],
  ['boot;dur=, load;dur=-1, wait;dur=x, infer;dur=1e3', {}],
  ['__proto__;dur=1, constructor;dur=2', {}],
])('Server-Timing %j gives %j', (header, phases) => {
  expect(parseServerTiming(header)).toEqual(phases);
});

test('whatever the headers say, parsing does not throw and gives only sound values', () => {
  const hostile = fc.oneof(
    fc.string(),
    fc.string({unit: 'binary'}),
    fc.double().map(String),
    fc.integer().map(String),
  );
  const header = fc.record(
    {
      'thaw-boot': fc.oneof(fc.constant(whole['thaw-boot']), hostile),
      'thaw-ordinal': fc.oneof(fc.constant('1'), hostile),
      'thaw-boot-age': fc.oneof(fc.constant('5.5'), hostile),
      'thaw-image': hostile,
      'thaw-restarted': hostile,
      'server-timing': fc.oneof(
        hostile,
        fc
          .array(
            fc.oneof(fc.constantFrom(...PHASES, ';', ',', '"', '\\', 'dur=', '=', '1', '.5'), fc.string()),
          )
          .map((parts) => parts.join('')),
      ),
    },
    {requiredKeys: []},
  );
  fc.assert(
    fc.property(header, (headers) => {
      const evidence = parseEvidence(headers);
      if (evidence === null) return;
      expect(evidence.bootId).toMatch(/^[\w.:-]+$/);
      expect(Number.isSafeInteger(evidence.ordinal) && evidence.ordinal >= 1).toBe(true);
      expect(Number.isFinite(evidence.bootAgeMs) && evidence.bootAgeMs >= 0).toBe(true);
      for (const [phase, ms] of Object.entries(evidence.phases)) {
        expect(PHASES).toContain(phase);
        expect(Number.isFinite(ms) && ms >= 0).toBe(true);
      }
    }),
    {numRuns: 2000},
  );
});

test('what is written as Server-Timing is read back as it was', () => {
  const times = fc.record(
    Object.fromEntries(
      PHASES.map((phase) => [phase, fc.integer({min: 0, max: 10_000_000}).map((us) => us / 1000)]),
    ),
    {requiredKeys: []},
  );
  fc.assert(
    fc.property(times, (phases) => {
      const header = Object.entries(phases)
        .map(([phase, ms]) => `${phase};dur=${ms}`)
        .join(', ');
      expect(parseServerTiming(header)).toEqual(phases);
    }),
  );
});
