import {describe, expect, test} from 'vitest';
import {weighEvidence} from '../../../src/benchmark/plausibility.ts';
import type {Evidence, Sample} from '../../../src/core/sample.ts';
import {toSample} from '../../../src/benchmark/sample.ts';

const EPOCH_MS = Date.parse('2026-01-01T00:00:00Z');

interface Told extends Partial<Evidence> {
  /** When the request was sent, and for how long the client waited. */
  readonly atMs: number;
  readonly waitMs?: number;
}

/** Samples as they come from answers that tell this. */
function samplesOf(told: readonly (Told | null)[]): Sample[] {
  return told.map((one, index) => {
    const {atMs, waitMs = 10, ...evidence} = one ?? {atMs: index * 100};
    return toSample(
      'local',
      {index, want: 'warm'},
      {
        at: new Date(EPOCH_MS + atMs).toISOString(),
        status: 200,
        headers: {},
        body: new Uint8Array(),
        timings: {sentMs: 0, connectedMs: 0, writtenMs: 0, firstByteMs: waitMs, endMs: waitMs},
        evidence: one && {
          bootId: 'a',
          ordinal: 1,
          bootAgeMs: 5,
          image: null,
          restored: false,
          restarted: false,
          phases: {},
          ...evidence,
        },
        error: null,
      },
    );
  });
}

const classes = (told: readonly (Told | null)[]): string[] =>
  weighEvidence(samplesOf(told)).samples.map((sample) => sample.class);
const notes = (told: readonly (Told | null)[]): readonly string[] => weighEvidence(samplesOf(told)).notes;

/** An instance that was born at 0 and answers every 100 ms. */
const honest: readonly Told[] = [0, 1, 2, 3, 4, 5].map((i) => ({
  atMs: i * 100,
  ordinal: i + 1,
  bootAgeMs: i * 100 + 5,
}));

describe('evidence that agrees with itself', () => {
  test('stands, and there is nothing to remark', () => {
    const samples = samplesOf(honest);
    expect(weighEvidence(samples)).toEqual({samples, notes: []});
    expect(classes(honest)).toEqual(['cold', ...Array(5).fill('warm')]);
  });

  test('of no samples at all leaves nothing to say', () => {
    expect(weighEvidence([])).toEqual({samples: [], notes: []});
  });

  test('may skip ordinals and come out of order: others ask too, and answers overtake each other', () => {
    expect(
      notes([
        {atMs: 0, waitMs: 50, ordinal: 9, bootAgeMs: 1040},
        {atMs: 1, waitMs: 20, ordinal: 12, bootAgeMs: 1015},
        {atMs: 2, waitMs: 90, ordinal: 8, bootAgeMs: 1070},
      ]),
    ).toEqual([]);
  });

  test('may come by a clock that is a little fast: 500 ppm over an hour are 1.8 s', () => {
    const hourMs = 3_600_000;
    expect(
      notes([
        {atMs: 0, ordinal: 1, bootAgeMs: 5},
        {atMs: hourMs, ordinal: 2, bootAgeMs: hourMs * 1.0005},
      ]),
    ).toEqual([]);
  });

  test('may come from four instances that were started together', () => {
    const pool = ['a', 'b', 'c', 'd'].map((bootId, i) => ({
      atMs: i * 100,
      bootId,
      bootAgeMs: 5000 + i * 100,
    }));
    expect(classes(pool)).toEqual(Array(4).fill('prewarmed'));
    expect(notes(pool)).toEqual([]);
  });

  test('may come from many instances that were started together and all were met at once', () => {
    const pool = Array.from({length: 20}, (_, i) => ({atMs: 0, bootId: `b${i}`, bootAgeMs: 5000 + i / 10}));
    expect(notes(pool)).toEqual([]);
  });
});

describe('of an instance that contradicts itself', () => {
  test('an ordinal that comes twice makes all its answers unknown, and no other instance’s', () => {
    const told = [
      ...honest.slice(0, 3),
      {atMs: 300, ordinal: 3, bootAgeMs: 305},
      {atMs: 400, bootId: 'b', bootAgeMs: 4},
    ];
    expect(classes(told)).toEqual(['unknown', 'unknown', 'unknown', 'unknown', 'cold']);
    expect(notes(told)).toEqual([
      '1 of 2 instances counted several answers alike: a gave 2 answers as its request 3, as in shot 2 and shot 3',
      '4 of 5 samples are unknown, because the evidence for what they were contradicts itself',
    ]);
  });

  test('an answer word for word like another may come from a cache', () => {
    expect(notes([honest[0] as Told, {...(honest[0] as Told), atMs: 900}])[0]).toBe(
      '1 of 1 instances counted several answers alike: a gave 2 answers as its request 1, as in shot 0 and shot 1 ' +
        'word for word, as a cache would',
    );
  });

  test('an ordinal that falls makes all its answers unknown', () => {
    const told = [
      ...honest.slice(0, 2),
      {atMs: 200, ordinal: 7, bootAgeMs: 205},
      {atMs: 300, ordinal: 4, bootAgeMs: 305},
    ];
    expect(classes(told)).toEqual(Array(4).fill('unknown'));
    expect(notes(told)[0]).toBe(
      '1 of 1 instances counted backwards: a answered shot 2 as its request 7, and shot 3 after that as its request 4',
    );
  });

  test('an age that shrinks makes unknown what was told by the age; what was met before stays warm', () => {
    const told = [
      {atMs: 0, ordinal: 1, bootAgeMs: 900},
      {atMs: 100, ordinal: 2, bootAgeMs: 400},
      {atMs: 200, ordinal: 3, bootAgeMs: 3},
    ];
    expect(classes(told)).toEqual(['unknown', 'warm', 'unknown']);
    expect(notes(told)[0]).toBe(
      '1 of 1 instances told an age that does not keep step with the clock: a grew 897 ms younger in the 200 ms ' +
        'from shot 0 to shot 2',
    );
  });

  test('an age that leaps, as with a clock that was set, costs the cold start and no more', () => {
    const told = honest.map((one, i) =>
      i < 3 ? one : {...one, bootAgeMs: (one.bootAgeMs ?? 0) + 3_600_000},
    );
    expect(classes(told)).toEqual(['unknown', ...Array(5).fill('warm')]);
    expect(notes(told)[0]).toContain('aged by 3600 s in the 300 ms from shot 0 to shot 3');
  });
});

test('a service whose instances mostly contradict themselves is not believed where they answered just once', () => {
  const twice = (bootId: string, atMs: number): Told[] => [
    {atMs, bootId, ordinal: 1, bootAgeMs: 5},
    {atMs: atMs + 100, bootId, ordinal: 1, bootAgeMs: 105},
  ];
  const once = {atMs: 900, bootId: 'z', ordinal: 1, bootAgeMs: 5};
  expect(classes([...twice('a', 0), once])).toEqual(['unknown', 'unknown', 'cold']);
  expect(classes([...twice('a', 0), ...twice('b', 300), once])).toEqual(Array(5).fill('unknown'));
});

test('many instances born at one moment, met in turn, are not believed to have waited', () => {
  const pool = Array.from({length: 5}, (_, i) => ({
    atMs: i * 100,
    bootId: `b${i}`,
    bootAgeMs: 5000 + i * 100,
  }));
  expect(classes(pool)).toEqual(Array(5).fill('unknown'));
  expect(notes(pool)[0]).toBe(
    '5 of 5 boot ids claimed to have been born at one moment, though met one after the other, as b0 in shot 0 and b1 ' +
      'in shot 1: unless they were started together, the ids or the ages are made up',
  );
});

test('a first cold start that is doubted is no longer the first after a deploy', () => {
  const samples = samplesOf([honest[0] as Told, {...(honest[0] as Told), atMs: 500}]);
  const marked = samples.map((sample, i) => ({...sample, firstAfterDeploy: i === 0}));
  expect(weighEvidence(marked).samples.map(({firstAfterDeploy}) => firstAfterDeploy)).toEqual([false, false]);
});

describe('phases', () => {
  test('that took longer than the client waited are named, and change no class', () => {
    const told = [{atMs: 0, waitMs: 50, phases: {boot: 40, load: 12}, bootAgeMs: 52}];
    // It says that it lived for longer than the client waited: then it was not born for this request.
    expect(classes(told)).toEqual(['prewarmed']);
    expect(notes(told)).toEqual([]);
    const lying = [{atMs: 0, waitMs: 50, phases: {boot: 40, load: 12.5}, bootAgeMs: 50}];
    expect(classes(lying)).toEqual(['unknown']);
    const slow = [...honest.slice(0, 2), {...(honest[2] as Told), phases: {infer: 12.5}}];
    expect(classes(slow)).toEqual(['cold', 'warm', 'warm']);
    expect(notes(slow)).toEqual([
      '1 answer of 3 reported phases that took longer than the client waited, as shot 2: 12.5 ms in a wait of 10.0 ms',
    ]);
  });

  test('of a start that took longer than the life make that answer unknown', () => {
    const told = [{...(honest[0] as Told), phases: {boot: 3, import: 3, load: 3}}, honest[1] as Told];
    expect(classes(told)).toEqual(['unknown', 'warm']);
    expect(notes(told)[0]).toBe(
      '1 first answer reported a start that took longer than the instance had lived, as shot 0: 9.00 ms at an age of 5.00 ms',
    );
  });
});

describe('evidence that is none', () => {
  test('on any answer means that cold and warm cannot be told apart', () => {
    expect(notes([null, null])).toEqual([
      'no answer says which instance gave it, so cold and warm cannot be told apart: every figure is of class ' +
        'unknown, a mixture of both (docs/evidence.md shows the headers that would tell)',
    ]);
  });

  test('on some answers only is counted', () => {
    expect(notes([honest[0] as Told, null, null])).toEqual([
      '2 of 3 answers carry no evidence, as in shot 1: they are of class unknown',
    ]);
  });

  test('of failed requests is not missed', () => {
    const [sample] = samplesOf([null]) as [Sample];
    expect(weighEvidence([{...sample, error: 'HTTP 502'}]).notes).toEqual([]);
  });

  test('because it is malformed is named by its headers', () => {
    const samples = samplesOf([honest[0] as Told, null]).map((sample, i) =>
      i === 1 ? {...sample, unreadable: ['thaw-boot-age']} : sample,
    );
    expect(weighEvidence(samples).notes).toEqual([
      'the evidence of 1 of 2 answers is missing or malformed in thaw-boot-age, as in shot 1: it proves nothing',
    ]);
  });

  test.each([{bootAgeMs: -1}, {bootAgeMs: NaN}, {ordinal: 0}, {ordinal: 1.5}])(
    'because no instance can be so is unknown: %j',
    (impossible) => {
      const told = [{...(honest[0] as Told), ...impossible}];
      expect(classes(told)).toEqual(['unknown']);
      expect(notes(told)[0]).toMatch(/^1 answer of 1 claimed what no instance can, as in shot 0: ordinal /);
    },
  );
});

test('a hundred thousand answers are weighed in a moment', () => {
  const many = Array.from({length: 100_000}, (_, i) => ({
    atMs: i * 11,
    ordinal: i + 1,
    bootAgeMs: i * 11 + 5,
  }));
  expect(notes(many)).toEqual([]);
}, 20_000);
