import type {Digest} from '../core/digest.ts';
import type {ArchiveSize, ProviderReport, Summary} from '../core/report.ts';
import {
  PHASES,
  START_CLASSES,
  type Phase,
  type PhaseTimes,
  type Sample,
  type Shot,
  type StartClass,
} from '../core/sample.ts';
import {estimateQuantile, mean, median} from './statistics.ts';

/** What was measured at one provider, and what else a reader must know of it. */
export interface Subject {
  readonly provider: string;
  readonly url: string;
  readonly image: Digest | null;
  readonly imageBytes?: number | null;
  readonly archive?: ArchiveSize;
  readonly notes: readonly string[];
  readonly samples: readonly Sample[];
}

/**
 * Says what the samples of one provider amount to. Groups are made by what the samples turned out to be, whatever
 * was wanted of them; a failed sample is in no group, and none is dropped for being far from the others.
 */
export function summarize(subject: Subject): ProviderReport {
  const {provider, url, image, imageBytes = null, archive, notes, samples} = subject;
  const good = samples.filter((sample) => sample.error === null);
  const failed = samples.filter((sample) => sample.error !== null);
  const cold = good.filter((sample) => sample.class === 'cold' && !sample.firstAfterDeploy);
  const warm = good.filter((sample) => sample.class === 'warm');
  const restored = good.filter((sample) => sample.class === 'restored');
  const unknown = good.filter((sample) => sample.class === 'unknown');
  const failures = (want: Shot['want']): number =>
    failed.filter((sample) => sample.shot.want === want).length;

  const warmOverheadMs = median(
    warm.flatMap((sample) => {
      const inferMs = sample.evidence?.phases.infer;
      return inferMs === undefined ? [] : [sample.totalMs - inferMs];
    }),
  );
  const residualMs = warmOverheadMs === null ? null : median(residualsOf(cold, warmOverheadMs));
  return {
    provider,
    url,
    image,
    imageBytes,
    ...(archive === undefined ? {} : {archive}),
    notes: [...notes, ...strangerNotes(good, image)],
    cold: {
      ...summaryOf(cold, failures('cold')),
      phases: {
        ...wirePhases(cold),
        ...medianPhases(cold, PHASES),
        ...(residualMs === null ? {} : {residual: residualMs}),
      },
    },
    // A warm instance was ready long before: how long it had waited is no part of the client's wait.
    warm: {
      ...summaryOf(warm, failures('warm')),
      phases: {...wirePhases(warm), ...medianPhases(warm, ['infer'])},
    },
    ...(restored.length > 0
      ? {
          restored: {
            ...summaryOf(restored, 0),
            phases: {...wirePhases(restored), ...medianPhases(restored, ['infer'])},
          },
        }
      : {}),
    ...(unknown.length > 0 ? {unknown: {...summaryOf(unknown, 0), phases: wirePhases(unknown)}} : {}),
    classes: classCounts(good),
    missed: counted(
      good
        .filter((sample) => !cameAsWanted(sample) && sample.class !== 'unknown')
        .map((sample) => ({want: sample.shot.want, got: sample.class})),
    ),
    failed: counted(failed.map((sample) => ({want: sample.shot.want, error: sample.error ?? ''}))),
    firstAfterDeployMs: good.find((sample) => sample.firstAfterDeploy)?.totalMs ?? null,
    warmOverheadMs,
    load: null,
    times: {
      cold: cold.map(totalOf),
      warm: warm.map(totalOf),
      ...(restored.length > 0 ? {restored: restored.map(totalOf)} : {}),
      unknown: unknown.map(totalOf),
    },
  };
}

/** Where there are snapshots, going on from one is what a cold start is. */
const cameAsWanted = ({class: got, shot: {want}}: Sample): boolean =>
  got === want || (want === 'cold' && got === 'restored');

const totalOf = ({totalMs}: Sample): number => totalMs;

function summaryOf(samples: readonly Sample[], failures: number): Omit<Summary, 'phases'> {
  const sorted = samples.map(totalOf).sort((a, b) => a - b);
  const p50 = estimateQuantile(sorted, 0.5);
  const p90 = estimateQuantile(sorted, 0.9);
  const p95 = estimateQuantile(sorted, 0.95);
  const p99 = estimateQuantile(sorted, 0.99);
  return {
    n: sorted.length,
    failures,
    minMs: sorted[0] ?? null,
    maxMs: sorted.at(-1) ?? null,
    meanMs: mean(sorted),
    p50Ms: p50.point,
    p90Ms: p90.point,
    p95Ms: p95.point,
    p99Ms: p99.point,
    intervals: {
      p50: [p50.low, p50.high],
      p90: [p90.low, p90.high],
      p95: [p95.low, p95.high],
      p99: [p99.low, p99.high],
    },
  };
}

function medianPhases(samples: readonly Sample[], phases: readonly Phase[]): {[phase: string]: number} {
  const medians: {[phase: string]: number} = {};
  for (const phase of phases) {
    const times = samples.flatMap((sample) => sample.evidence?.phases[phase] ?? []);
    const middle = median(times);
    if (middle !== null) medians[phase] = middle;
  }
  return medians;
}

/** What comes before and after the wait for the first byte: `connect`, TLS included, and `response`. */
function wirePhases(samples: readonly Sample[]): {[phase: string]: number} {
  const times = samples.map(({timings: {sentMs, connectedMs, firstByteMs, endMs}}) => ({
    connect: connectedMs === null ? null : connectedMs - sentMs,
    response: firstByteMs === null ? null : endMs - firstByteMs,
  }));
  const connect = median(times.flatMap((time) => time.connect ?? []));
  const response = median(times.flatMap((time) => time.response ?? []));
  return {...(connect === null ? {} : {connect}), ...(response === null ? {} : {response})};
}

/** The client's wait less what the instance accounts for and what even a warm request costs on the way. */
function residualsOf(cold: readonly Sample[], warmOverheadMs: number): number[] {
  return cold.flatMap((sample) => {
    const accountedMs = sumOf(sample.evidence?.phases ?? {});
    return accountedMs === null ? [] : [sample.totalMs - accountedMs - warmOverheadMs];
  });
}

function sumOf(phases: PhaseTimes): number | null {
  const times = Object.values(phases);
  return times.length === 0 ? null : times.reduce((sum, time) => sum + time, 0);
}

function classCounts(samples: readonly Sample[]): {readonly [C in StartClass]: number} {
  const count = (wanted: StartClass): number => samples.filter((sample) => sample.class === wanted).length;
  return Object.fromEntries(START_CLASSES.map((name) => [name, count(name)])) as {[C in StartClass]: number};
}

/** Answers from an image other than the deployed one belong to another story; a reader must know of them. */
function strangerNotes(samples: readonly Sample[], image: Digest | null): string[] {
  if (image === null) return [];
  const {length} = samples;
  const told = samples.flatMap(({evidence}) => (evidence === null ? [] : [evidence.image]));
  const strangers = told.filter((each) => each !== null && each !== image).length;
  const silent = told.filter((each) => each === null).length;
  return [
    ...(strangers === 0 ? [] : [`${strangers} of ${length} answers came from another image`]),
    ...(silent === 0 ? [] : [`${silent} of ${length} answers do not say which image they came from`]),
  ];
}

/** Equal items once, each with how often it occurred, in order of first occurrence. */
function counted<T extends object>(items: readonly T[]): (T & {readonly count: number})[] {
  const groups = new Map<string, {readonly item: T; count: number}>();
  for (const item of items) {
    const key = JSON.stringify(item);
    const group = groups.get(key) ?? {item, count: 0};
    group.count++;
    groups.set(key, group);
  }
  return [...groups.values()].map(({item, count}) => ({...item, count}));
}
