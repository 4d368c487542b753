import type {
  ComparedReport,
  Comparison,
  FailureChange,
  GroupComparison,
  QuantileChange,
  Verdict,
} from '../core/comparison.ts';
import {sameJson} from '../core/json.ts';
import type {LoadBucket, LoadReport, LoadStage} from '../core/load.ts';
import type {ProviderReport, Report} from '../core/report.ts';
import {bootstrapShift, leastSamplesForShift} from './bootstrap.ts';
import {findCaveats, findDifferences} from './comparable.ts';
import {proportionTest, type Count} from './proportion-test.ts';
import {rankTest} from './rank-test.ts';
import {quantileOf} from './statistics.ts';

/** How two reports are compared. */
export interface CompareOptions {
  /** The smallest relative difference that matters; 0.05 by default. */
  readonly smallest?: number;
  /** Of the bootstrap: same seed, same intervals. */
  readonly seed?: number;
}

/** A difference in failures this unlikely by chance is taken for real. */
const ALPHA = 0.05;

const QUANTILES = {p50: 0.5, p95: 0.95, p99: 0.99} as const;

/**
 * Says what changed from report a to report b: for each provider that both have, group by group, by how much each
 * quantile that the samples can carry moved, with its interval. Pure and repeatable: same reports, same comparison.
 */
export function compare(a: Report, b: Report, {smallest = 0.05, seed = 1}: CompareOptions = {}): Comparison {
  const pairs = pairProviders(a, b);
  const groups = pairs.flatMap(([before, after]) => [
    ...compareTimes(before, after, {smallest, seed}),
    ...compareLoads(before, after, {smallest, seed}),
  ]);
  const failures = pairs.flatMap(([before, after]) => [
    ...compareFailedShots(before, after),
    ...compareFailedLoad(before, after),
  ]);
  return {
    schema: 'thaw.comparison/1',
    a: compared(a),
    b: compared(b),
    smallest,
    verdict: verdictOfAll(groups, failures),
    groups,
    failures,
    caveats: findCaveats(a, b, pairs),
    differences: findDifferences(a, b, pairs),
  };
}

/** Providers are paired by name, the first of a name with the first; two reports of one provider each need no name. */
function pairProviders(a: Report, b: Report): readonly (readonly [ProviderReport, ProviderReport])[] {
  const [onlyA, onlyB] = [a.providers[0], b.providers[0]];
  if (onlyA && onlyB && a.providers.length === 1 && b.providers.length === 1) return [[onlyA, onlyB]];
  const left = [...a.providers];
  return b.providers.flatMap((after) => {
    const index = left.findIndex(({provider}) => provider === after.provider);
    const before = index < 0 ? undefined : left.splice(index, 1)[0];
    return before ? [[before, after] as const] : [];
  });
}

function compared({thaw, function: name, startedAt, machine, providers}: Report): ComparedReport {
  const targets = providers.map(({provider, url, image}) => ({provider, url, image}));
  return {thaw, function: name, startedAt, machine, targets};
}

function verdictOfAll(groups: readonly GroupComparison[], failures: readonly FailureChange[]): Verdict {
  const changes = groups.flatMap((group) => group.changes);
  const all = [...changes, ...failures].map(({verdict}) => verdict);
  const medians = changes.filter(({quantile}) => quantile === 'p50');
  if (all.includes('worse')) return 'worse';
  if (medians.length === 0 || medians.some(({verdict}) => verdict === 'cannot-tell')) return 'cannot-tell';
  return all.includes('better') ? 'better' : 'same';
}

// Requests one after the other

type Rule = Required<CompareOptions>;

type TimeGroup = 'cold' | 'warm' | 'restored' | 'unknown';

function compareTimes(a: ProviderReport, b: ProviderReport, rule: Rule): GroupComparison[] {
  return (['cold', 'warm', 'restored', 'unknown'] as const).flatMap((group) => {
    const [timesA, timesB] = [a.times && (a.times[group] ?? []), b.times && (b.times[group] ?? [])];
    const n = {a: timesA?.length ?? a[group]?.n ?? 0, b: timesB?.length ?? b[group]?.n ?? 0};
    if (n.a + n.b === 0) return [];
    const outcome =
      timesA && timesB
        ? compareValues(timesA, timesB, rule)
        : {changes: [withoutTimes(a, b, group)], superiority: null, pValue: null};
    return {provider: b.provider, group, perSecond: null, unit: 'requests', n, ...outcome};
  });
}

function compareValues(
  a: readonly number[],
  b: readonly number[],
  rule: Rule,
): Pick<GroupComparison, 'changes' | 'superiority' | 'pValue'> {
  const test = rankTest(a, b);
  const fewest = Math.min(a.length, b.length);
  const carried = Object.entries(QUANTILES).filter(
    ([name, q]) => name === 'p50' || fewest >= leastSamplesForShift(q),
  ) as ['p50' | 'p95' | 'p99', number][];
  return {
    changes: carried.map(([name, q]) => compareQuantile(name, q, a, b, rule)),
    superiority: test?.superiority ?? null,
    pValue: test?.pValue ?? null,
  };
}

function compareQuantile(
  quantile: 'p50' | 'p95' | 'p99',
  q: number,
  a: readonly number[],
  b: readonly number[],
  {smallest, seed}: Rule,
): QuantileChange {
  const ascending = (values: readonly number[]): number[] => [...values].sort((x, y) => x - y);
  const [aMs, bMs] = [quantileOf(ascending(a), q), quantileOf(ascending(b), q)];
  const shift = bootstrapShift(a, b, q, seed);
  const isRatio =
    aMs !== null && bMs !== null && aMs > 0 && shift !== null && Number.isFinite(shift.ratio.high);
  if (!isRatio) {
    const needed = leastSamplesForShift(q);
    const why =
      shift === null
        ? `${quantile} takes ${needed} on both sides, there are ${a.length} and ${b.length}`
        : 'there is no ratio to a time of zero';
    return {...unknownChange(quantile, why), aMs, bMs};
  }
  const {ratio, difference} = shift;
  return {
    quantile,
    aMs,
    bMs,
    ratio: bMs / aMs,
    ratioInterval: [ratio.low, ratio.high],
    differenceIntervalMs: [difference.low, difference.high],
    ...judgeRatio(ratio.low, ratio.high, smallest),
  };
}

/** Where an interval of b over a lies against what matters: the same rule, turned round, for faster and slower. */
export function judgeRatio(
  low: number,
  high: number,
  smallest: number,
): {readonly verdict: Verdict; readonly why: string} {
  const slower = 1 + smallest;
  const faster = 1 / slower;
  const percent = `${Number((smallest * 100).toPrecision(3))} %`;
  if (low > slower) return {verdict: 'worse', why: `more than ${percent} slower`};
  if (high < faster) return {verdict: 'better', why: `more than ${percent} faster`};
  if (low >= faster && high <= slower) return {verdict: 'same', why: `within ${percent} of each other`};
  if (low > 1) return {verdict: 'cannot-tell', why: `slower, but maybe by less than ${percent}`};
  if (high < 1) return {verdict: 'cannot-tell', why: `faster, but maybe by less than ${percent}`};
  return {verdict: 'cannot-tell', why: 'the interval is too wide: more samples would tell'};
}

const unknownChange = (quantile: QuantileChange['quantile'], why: string): QuantileChange => ({
  quantile,
  aMs: null,
  bMs: null,
  ratio: null,
  ratioInterval: null,
  differenceIntervalMs: null,
  verdict: 'cannot-tell',
  why,
});

/** What can be said of reports without their times: the medians, but nothing of how sure they are. */
function withoutTimes(a: ProviderReport, b: ProviderReport, group: TimeGroup): QuantileChange {
  const [aMs, bMs] = [a[group]?.p50Ms ?? null, b[group]?.p50Ms ?? null];
  return {
    ...unknownChange('p50', 'a report does not hold the times it was made from'),
    aMs,
    bMs,
    ratio: aMs !== null && bMs !== null && aMs > 0 ? bMs / aMs : null,
  };
}

function compareFailedShots(a: ProviderReport, b: ProviderReport): FailureChange[] {
  const [failedA, failedB] = [failedShots(a), failedShots(b)];
  if (failedA.of + failedB.of === 0) return [];
  const judged = judgeFailures(failedA, failedB, proportionTest(failedA, failedB));
  return [{provider: b.provider, of: 'shots', perSecond: null, ...judged}];
}

function failedShots({failed, classes}: ProviderReport): Count {
  const count = failed.reduce((sum, failure) => sum + (failure.want === 'any' ? 0 : failure.count), 0);
  return {count, of: count + Object.values(classes).reduce((sum, good) => sum + good, 0)};
}

function judgeFailures(
  a: Count,
  b: Count,
  pValue: number | null,
): Pick<FailureChange, 'a' | 'b' | 'pValue' | 'verdict'> {
  const isMore = b.count * a.of > a.count * b.of;
  if (a.count + b.count === 0) return {a, b, pValue, verdict: 'same'};
  if (pValue === null || pValue >= ALPHA) return {a, b, pValue, verdict: 'cannot-tell'};
  return {a, b, pValue, verdict: isMore ? 'worse' : 'better'};
}

// Loads

/**
 * Requests of a load that are under way at one moment are not independent: they wait for each other. So a load is
 * compared by its stretches, each of which is one observation: what the median and the 99th percentile of a stretch
 * typically are.
 */
function compareLoads(a: ProviderReport, b: ProviderReport, rule: Rule): GroupComparison[] {
  if (a.load === null || b.load === null) return [];
  const [loadA, loadB] = [a.load, b.load];
  if (!sameJson(loadA.shape, loadB.shape)) return [refuseLoad(b.provider, loadA, loadB, 'the loads differ')];
  if (!hasLastingRates(loadA)) {
    const why = `one ${loadA.shape.kind} is one observation: it has no rate that lasts`;
    return [refuseLoad(b.provider, loadA, loadB, why)];
  }
  return stagePairs(loadA, loadB).map((pair) => compareStage(b.provider, pair, rule));
}

const hasLastingRates = ({shape}: LoadReport): boolean => shape.kind === 'rate' || shape.kind === 'steps';

/** One stage of two loads, and the stretches that it was divided into. */
interface StagePair {
  readonly perSecond: number | null;
  readonly a: {readonly stage: LoadStage; readonly stretches: readonly LoadBucket[]};
  readonly b: {readonly stage: LoadStage; readonly stretches: readonly LoadBucket[]};
}

function stagePairs(a: LoadReport, b: LoadReport): readonly StagePair[] {
  return a.stages.flatMap((stage, index) => {
    const other = b.stages[index];
    if (!other) return [];
    return {
      perSecond: stage.perSecond,
      a: {stage, stretches: stretchesOf(a, index)},
      b: {stage: other, stretches: stretchesOf(b, index)},
    };
  });
}

function stretchesOf({stages, timeline}: LoadReport, index: number): readonly LoadBucket[] {
  const fromMs = stages.slice(0, index).reduce((sum, {durationMs}) => sum + durationMs, 0);
  const toMs = fromMs + (stages[index]?.durationMs ?? 0);
  return timeline.filter((bucket) => bucket.fromMs >= fromMs && bucket.fromMs < toMs && bucket.due > 0);
}

function compareStage(provider: string, {perSecond, a, b}: StagePair, rule: Rule): GroupComparison {
  const all = (buckets: readonly LoadBucket[], key: 'p50Ms' | 'p99Ms'): number[] =>
    buckets.flatMap((bucket) => bucket[key] ?? []);
  const typical = compareQuantile('p50', 0.5, all(a.stretches, 'p50Ms'), all(b.stretches, 'p50Ms'), rule);
  const tail = compareQuantile('p50', 0.5, all(a.stretches, 'p99Ms'), all(b.stretches, 'p99Ms'), rule);
  const test = rankTest(all(a.stretches, 'p50Ms'), all(b.stretches, 'p50Ms'));
  return {
    provider,
    group: 'load',
    perSecond,
    unit: 'stretches',
    n: {a: a.stretches.length, b: b.stretches.length},
    changes: [
      typical,
      ...(tail.aMs === null || tail.bMs === null ? [] : [{...tail, quantile: 'p99' as const}]),
    ],
    superiority: test?.superiority ?? null,
    pValue: test?.pValue ?? null,
  };
}

function refuseLoad(provider: string, a: LoadReport, b: LoadReport, why: string): GroupComparison {
  return {
    provider,
    group: 'load',
    perSecond: null,
    unit: 'stretches',
    n: {a: a.timeline.length, b: b.timeline.length},
    changes: [unknownChange('p50', why)],
    superiority: null,
    pValue: null,
  };
}

function compareFailedLoad(a: ProviderReport, b: ProviderReport): FailureChange[] {
  if (a.load === null || b.load === null || !sameJson(a.load.shape, b.load.shape)) return [];
  const unanswered = ({due, failed, dropped}: LoadStage): Count => ({count: failed + dropped, of: due});
  const shares = (stretches: readonly LoadBucket[]): number[] =>
    stretches.map(({due, failed, dropped}) => (failed + dropped) / due);
  return stagePairs(a.load, b.load).map(({perSecond, a: before, b: after}) => {
    const pValue = rankTest(shares(before.stretches), shares(after.stretches))?.pValue ?? null;
    const judged = judgeFailures(unanswered(before.stage), unanswered(after.stage), pValue);
    return {provider: b.provider, of: 'load', perSecond, ...judged};
  });
}
