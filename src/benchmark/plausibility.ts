import type {Evidence, Sample} from '../core/sample.ts';
import {formatMs} from '../core/units.ts';
import {waitMs} from './sample.ts';

/** What is left of some samples once their evidence was held against itself. */
export interface Weighed {
  /** All of them; those whose class rests on evidence that contradicts itself are `unknown`. */
  readonly samples: readonly Sample[];
  /** Every oddity in one sentence, with how often it occurs and an example. */
  readonly notes: readonly string[];
}

/**
 * Holds the evidence of one target's answers against itself and against the client's clock. Evidence may be wrong
 * by intent, by a bug, through a cache, or through a clock: which, cannot be told, only that it cannot be so.
 *
 * One evidence alone may lie and not be caught. What is caught is what contradicts itself: an instance answers only
 * once as its first request, was born once, and lives as fast as its clients. Where most instances that can be held
 * against themselves are caught, those that answered just once are not believed either.
 */
export function weighEvidence(samples: readonly Sample[]): Weighed {
  const good = samples.filter((sample) => sample.error === null);
  const answers = samples.flatMap(answerOf);
  const boots = [...groupedBy(answers, ({evidence}) => evidence.bootId).values()];
  const findings: readonly Finding[] = [
    ...findMissing(good),
    ...findUnreadable(samples),
    ...findImpossible(samples),
    ...findRepeatedOrdinals(boots),
    ...findFallingOrdinals(boots),
    ...findStrayAges(boots),
    ...findCommonBirths(boots),
    ...findShortLives(answers),
    ...findLongPhases(answers),
  ];
  const doubted = new Set([
    ...findings.flatMap(({doubted}) => doubted),
    ...(isHabit(findings, boots) ? boots.filter(({length}) => length === 1).flatMap(samplesOf) : []),
  ]);
  const changed = samples.filter((sample) => doubted.has(sample) && sample.class !== 'unknown').length;
  const notes = findings.map(({note}) => note);
  if (changed > 0) {
    notes.push(
      `${changed} of ${samples.length} samples are unknown, because the evidence for what they were contradicts itself`,
    );
  }
  return {
    notes,
    samples: samples.map((sample) =>
      doubted.has(sample) ? {...sample, class: 'unknown', firstAfterDeploy: false} : sample,
    ),
  };
}

interface Finding {
  readonly note: string;
  /** Samples whose class cannot be upheld. */
  readonly doubted: readonly Sample[];
  /** Instances that contradict themselves or each other. */
  readonly caught?: readonly Boot[];
}

/** Whether contradictions are the rule and no accident: in most instances, and in more than one. */
function isHabit(findings: readonly Finding[], boots: readonly Boot[]): boolean {
  const caught = [...new Set(findings.flatMap(({caught}) => caught ?? []))];
  const isMost = (some: number, all: number): boolean => some >= 2 && some > all / 2;
  const manyTimed = (boot: Boot): boolean => boot.length > 1;
  return (
    isMost(caught.length, boots.length) ||
    isMost(caught.filter(manyTimed).length, boots.filter(manyTimed).length)
  );
}

/** A sample with evidence, on the client's clock, in milliseconds since the epoch. */
interface Answer {
  readonly sample: Sample;
  readonly evidence: Evidence;
  readonly waitMs: number;
  /** The evidence was written between these. */
  readonly sentAtMs: number;
  readonly cameAtMs: number;
}

/** Samples are dated in whole milliseconds. */
const DATE_MS = 1;

function answerOf(sample: Sample): Answer[] {
  const {evidence, timings} = sample;
  const waitedMs = waitMs(timings);
  if (evidence === null || waitedMs === null || timings.firstByteMs === null || !isPossible(evidence))
    return [];
  const cameMs = Date.parse(sample.at) + timings.firstByteMs;
  return [{sample, evidence, waitMs: waitedMs, sentAtMs: cameMs - waitedMs, cameAtMs: cameMs + DATE_MS}];
}

const isPossible = ({ordinal, bootAgeMs}: Evidence): boolean =>
  Number.isInteger(ordinal) && ordinal >= 1 && Number.isFinite(bootAgeMs) && bootAgeMs >= 0;

// Evidence that is none

function findMissing(good: readonly Sample[]): Finding[] {
  const bare = good.filter(({evidence, unreadable}) => evidence === null && unreadable === undefined);
  if (bare.length === 0) return [];
  const note =
    bare.length === good.length
      ? 'no answer says which instance gave it, so cold and warm cannot be told apart: every figure is of class ' +
        'unknown, a mixture of both (docs/evidence.md shows the headers that would tell)'
      : `${bare.length} of ${good.length} answers carry no evidence, as in ${shot(bare[0])}: they are of class unknown`;
  return [{note, doubted: []}];
}

function findUnreadable(samples: readonly Sample[]): Finding[] {
  const unreadable = samples.filter((sample) => sample.unreadable !== undefined);
  const names = [...new Set(unreadable.flatMap((sample) => sample.unreadable ?? []))].sort();
  if (unreadable.length === 0) return [];
  const note = `the evidence of ${unreadable.length} of ${samples.length} answers is missing or malformed in ${names.join(', ')}, as in ${shot(unreadable[0])}: it proves nothing`;
  return [{note, doubted: []}];
}

function findImpossible(samples: readonly Sample[]): Finding[] {
  const impossible = samples.filter(({evidence}) => evidence !== null && !isPossible(evidence));
  const evidence = impossible[0]?.evidence;
  if (!evidence) return [];
  const note = `${count(impossible, 'answer')} of ${samples.length} claimed what no instance can, as in ${shot(impossible[0])}: ordinal ${evidence.ordinal} at an age of ${evidence.bootAgeMs} ms`;
  return [{note, doubted: impossible}];
}

// Ordinals

type Boot = readonly Answer[];

function findRepeatedOrdinals(boots: readonly Boot[]): Finding[] {
  const repeating = boots.flatMap((boot) => {
    const most = [...groupedBy(boot, ({evidence}) => evidence.ordinal).values()].reduce((a, b) =>
      b.length > a.length ? b : a,
    );
    const [first, second] = most;
    return first && second ? [{boot, first, second, times: most.length}] : [];
  });
  const example = repeating[0];
  if (!example) return [];
  const {first, second, times} = example;
  const {bootId, ordinal, bootAgeMs} = first.evidence;
  const word = bootAgeMs === second.evidence.bootAgeMs ? ' word for word, as a cache would' : '';
  const note =
    `${ofBoots(repeating, boots)} counted several answers alike: ${bootId} gave ${times} answers as its request ` +
    `${ordinal}, as in ${shot(first.sample)} and ${shot(second.sample)}${word}`;
  const caught = repeating.map(({boot}) => boot);
  return [{note, caught, doubted: caught.flatMap(samplesOf)}];
}

/** Of two requests, one answered before the other was sent, the later has the higher ordinal. */
function findFallingOrdinals(boots: readonly Boot[]): Finding[] {
  const falling = boots.flatMap((boot) => {
    const ended = [...boot].sort((a, b) => a.cameAtMs - b.cameAtMs);
    let next = 0;
    let highest: Answer | null = null;
    for (const later of [...boot].sort((a, b) => a.sentAtMs - b.sentAtMs)) {
      for (let done = ended[next]; done && done.cameAtMs <= later.sentAtMs; done = ended[++next]) {
        if (highest === null || done.evidence.ordinal > highest.evidence.ordinal) highest = done;
      }
      if (highest !== null && later.evidence.ordinal < highest.evidence.ordinal) {
        return [{boot, earlier: highest, later}];
      }
    }
    return [];
  });
  const example = falling[0];
  if (!example) return [];
  const {earlier, later} = example;
  const note =
    `${ofBoots(falling, boots)} counted backwards: ${later.evidence.bootId} answered ${shot(earlier.sample)} as its ` +
    `request ${earlier.evidence.ordinal}, and ${shot(later.sample)} after that as its request ${later.evidence.ordinal}`;
  const caught = falling.map(({boot}) => boot);
  return [{note, caught, doubted: caught.flatMap(samplesOf)}];
}

// Ages

/** Coarse clocks, and what goes by between reading one and the answer. */
const SLACK_MS = 20;
/** Two clocks that are both being slewed as far as is usual drift apart by a thousandth. */
const DRIFT = 0.001;

/** When the instance was born, on the client's clock, by what an answer says of its age. */
const bornAfterMs = ({sentAtMs, evidence}: Answer): number => sentAtMs - evidence.bootAgeMs;
const bornBeforeMs = ({cameAtMs, evidence}: Answer): number => cameAtMs - evidence.bootAgeMs;

/** Whatever an instance says of its age, it was born once. */
function findStrayAges(boots: readonly Boot[]): Finding[] {
  const stray = boots.flatMap((boot) => {
    const [youngest, oldest] = [largest(boot, bornAfterMs), smallest(boot, bornBeforeMs)];
    if (!youngest || !oldest) return [];
    const apartMs = bornAfterMs(youngest) - bornBeforeMs(oldest);
    const spanMs = Math.abs(youngest.cameAtMs - oldest.cameAtMs);
    return apartMs > SLACK_MS + spanMs * DRIFT ? [{boot, youngest, oldest}] : [];
  });
  const example = stray[0];
  if (!example) return [];
  const [earlier, later] =
    example.youngest.cameAtMs < example.oldest.cameAtMs
      ? [example.youngest, example.oldest]
      : [example.oldest, example.youngest];
  const grownMs = later.evidence.bootAgeMs - earlier.evidence.bootAgeMs;
  const passedMs = later.cameAtMs - earlier.cameAtMs;
  const between = `${formatMs(passedMs)} from ${shot(earlier.sample)} to ${shot(later.sample)}`;
  const claim =
    grownMs < 0 ? `grew ${formatMs(-grownMs)} younger in the ` : `aged by ${formatMs(grownMs)} in the `;
  const note = `${ofBoots(stray, boots)} told an age that does not keep step with the clock: ${earlier.evidence.bootId} ${claim}${between}`;
  const caught = stray.map(({boot}) => boot);
  return [{note, caught, doubted: caught.flatMap(unsettled)}];
}

/**
 * Samples that were told by the age of their instance. The others stand whatever its age is: a flag says what they
 * are, or the instance had answered this very client before.
 */
function unsettled(boot: Boot): Sample[] {
  const metAtMs = smallest(boot, ({cameAtMs}) => cameAtMs)?.cameAtMs ?? Infinity;
  return boot
    .filter(({sample, sentAtMs}) => {
      if (sample.class === 'restored' || sample.class === 'restarted') return false;
      return sample.class !== 'warm' || sentAtMs + DATE_MS < metAtMs;
    })
    .map(({sample}) => sample);
}

/** Fewer instances may well have been started together. */
const BORN_TOGETHER_MIN = 5;

/**
 * Instances that all say they were born at the same moment, though they were met one after the other: the id changes
 * with each answer, or the age counts from something else than the birth. It may be true, of instances that were
 * started together and kept waiting; but then only their word says so.
 */
function findCommonBirths(boots: readonly Boot[]): Finding[] {
  const met = boots.flatMap((boot) => {
    const first = smallest(boot, ({sentAtMs}) => sentAtMs);
    return first ? [{boot, first, fresh: first.evidence.ordinal === 1 || boot.length === 1}] : [];
  });
  const groups = bornTogether(met).filter(
    (group) => group.filter(({fresh}) => fresh).length >= BORN_TOGETHER_MIN && isInTurn(group),
  );
  const suspect = groups.flat();
  const [one, other] = suspect;
  if (!one || !other) return [];
  const note =
    `${suspect.length} of ${boots.length} boot ids claimed to have been born at one moment, though met one after the ` +
    `other, as ${one.first.evidence.bootId} in ${shot(one.first.sample)} and ${other.first.evidence.bootId} in ` +
    `${shot(other.first.sample)}: unless they were started together, the ids or the ages are made up`;
  return [
    {
      note,
      caught: suspect.map(({boot}) => boot),
      doubted: suspect
        .map(({first}) => first.sample)
        .filter((sample) => sample.class === 'prewarmed' || sample.class === 'warm'),
    },
  ];
}

/** Puts together what has a possible moment of birth in common. */
function bornTogether<M extends {readonly first: Answer}>(met: readonly M[]): M[][] {
  const groups: M[][] = [];
  let endMs = -Infinity;
  for (const one of [...met].sort((a, b) => bornAfterMs(a.first) - bornAfterMs(b.first))) {
    if (bornAfterMs(one.first) > endMs) {
      groups.push([]);
      endMs = Infinity;
    }
    groups.at(-1)?.push(one);
    endMs = Math.min(endMs, bornBeforeMs(one.first));
  }
  return groups;
}

function isInTurn(met: readonly {readonly first: Answer}[]): boolean {
  const inTurn = met.map(({first}) => first).sort((a, b) => a.sentAtMs - b.sentAtMs);
  return inTurn.every((answer, i) => answer.sentAtMs >= (inTurn[i - 1]?.cameAtMs ?? -Infinity) - DATE_MS);
}

// Phases

/** Durations are rounded, and measured on another clock. */
const ROUNDED_MS = 2;

/** The phases of a start are parts of the life that the age counts. */
function findShortLives(answers: readonly Answer[]): Finding[] {
  const short = answers.filter(
    ({evidence}) => evidence.ordinal === 1 && startMs(evidence) > evidence.bootAgeMs + ROUNDED_MS,
  );
  const example = short[0];
  if (!example) return [];
  const {evidence, sample} = example;
  const note = `${count(short, 'first answer')} reported a start that took longer than the instance had lived, as ${shot(sample)}: ${formatMs(startMs(evidence))} at an age of ${formatMs(evidence.bootAgeMs)}`;
  return [{note, doubted: short.map(({sample}) => sample)}];
}

function startMs({phases}: Evidence): number {
  const {boot = 0, import: importing = 0, load = 0, infer = 0} = phases;
  return boot + importing + load + infer;
}

/** Nobody waits less than what is done meanwhile. This says nothing of the class. */
function findLongPhases(answers: readonly Answer[]): Finding[] {
  const meanwhileMs = ({sample, evidence}: Answer): number =>
    sample.class === 'cold' ? startMs(evidence) : (evidence.phases.infer ?? 0);
  const long = answers.filter((answer) => meanwhileMs(answer) > answer.waitMs + ROUNDED_MS);
  const example = long[0];
  if (!example) return [];
  const note = `${count(long, 'answer')} of ${answers.length} reported phases that took longer than the client waited, as ${shot(example.sample)}: ${formatMs(meanwhileMs(example))} in a wait of ${formatMs(example.waitMs)}`;
  return [{note, doubted: []}];
}

// Words and groups

const shot = (sample: Sample | undefined): string => `shot ${sample?.shot.index ?? ''}`;
const count = (items: readonly unknown[], noun: string): string =>
  `${items.length} ${noun}${items.length === 1 ? '' : 's'}`;
const ofBoots = (some: readonly unknown[], all: readonly unknown[]): string =>
  `${some.length} of ${all.length} instances`;
const samplesOf = (boot: Boot): Sample[] => boot.map(({sample}) => sample);

function groupedBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function smallest<T>(items: readonly T[], valueOf: (item: T) => number): T | undefined {
  return items.reduce<T | undefined>(
    (least, item) => (least === undefined || valueOf(item) < valueOf(least) ? item : least),
    undefined,
  );
}

const largest = <T>(items: readonly T[], valueOf: (item: T) => number): T | undefined =>
  smallest(items, (item) => -valueOf(item));
