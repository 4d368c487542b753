import {BUDGET_GROUPS, BUDGET_MEASURES, type Budget, type BudgetVerdict} from '../core/budget.ts';
import {ThawError} from '../core/errors.ts';
import type {Latency, LoadStage} from '../core/load.ts';
import type {ProviderReport, Report, RunRequest} from '../core/report.ts';
import {formatMs} from '../core/units.ts';
import {estimateQuantile, leastSamplesFor, mean} from './statistics.ts';

const QUANTILES = {p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99, p999: 0.999} as const;
type QuantileName = keyof typeof QUANTILES;

const FORMS =
  'GROUP.MEASURE=LIMIT such as cold.p95=800ms, warm.max=1.2s, load.failures=0 or load.failures=1% ' +
  `(groups ${BUDGET_GROUPS.join(', ')}; measures ${BUDGET_MEASURES.join(', ')})`;

/** Reads a budget such as `cold.p95=800ms`, `warm.max=1.2s` or `load.failures=1%`. @throws ThawError USAGE */
export function parseBudget(text: string): Budget {
  const [, groupName, measureName, value = ''] = /^\s*(\w+)\.(\w+)=(.*?)\s*$/.exec(text) ?? [];
  const group = BUDGET_GROUPS.find((known) => known === groupName);
  const measure = BUDGET_MEASURES.find((known) => known === measureName);
  const amount = measure === 'failures' ? parseAmount(value) : parseTime(value);
  if (group === undefined || measure === undefined || amount === null) {
    throw new ThawError('USAGE', `--budget takes ${FORMS}, not "${text}"`, {budget: text});
  }
  return {text: text.trim(), group, measure, ...amount};
}

// Not parseDuration, which rounds to whole milliseconds: a warm request may take less than one.
function parseTime(value: string): Pick<Budget, 'limit' | 'unit'> | null {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)(ms|s)$/.exec(value) ?? [];
  return digits === undefined ? null : {limit: Number(digits) * (unit === 's' ? 1000 : 1), unit: 'ms'};
}

function parseAmount(value: string): Pick<Budget, 'limit' | 'unit'> | null {
  const [, digits = '', percent] = /^(\d+(?:\.\d+)?)(%)?$/.exec(value) ?? [];
  if (digits === '') return null;
  if (percent !== undefined) {
    return Number(digits) <= 100 ? {limit: Number(digits) / 100, unit: 'share'} : null;
  }
  return Number.isInteger(Number(digits)) ? {limit: Number(digits), unit: 'count'} : null;
}

/**
 * Names the budgets that a run as it is asked for cannot answer, before anything is measured: each with what it
 * lacks.
 */
export function findUnanswerable(budgets: readonly Budget[], request: RunRequest): readonly string[] {
  return budgets.flatMap(({text, group, measure}) => {
    if (group === 'load') return request.load === null ? [`${text}: no load is asked for`] : [];
    const shots =
      group === 'unknown'
        ? request.cold + request.warm
        : group === 'restored'
          ? request.cold
          : request[group];
    const needed = isQuantile(measure) ? leastSamplesFor(QUANTILES[measure]) : 1;
    const kind = group === 'unknown' ? '' : `${group} `;
    return shots >= needed
      ? []
      : [`${text}: takes ${needed} ${kind}samples or more, ${shots} ${shots === 1 ? 'is' : 'are'} asked for`];
  });
}

/**
 * Holds a report against budgets, each at each provider. The estimate decides; `certain` says whether its 95 %
 * bounds agree. Where there are too few samples for an estimate, the verdict is `cannot-tell`, unless the lower bound
 * alone is beyond the limit. A shot that got no good answer counts as slower than any limit: to fail fast is not
 * to be fast.
 */
export function judgeBudgets(report: Report, budgets: readonly Budget[]): readonly BudgetVerdict[] {
  return report.providers.flatMap((provider) =>
    budgets.map((budget) => ({provider: provider.provider, budget, ...judge(budget, provider)})),
  );
}

type Finding = Pick<BudgetVerdict, 'verdict' | 'certain' | 'actual' | 'why'>;

const cannotTell = (why: string, actual: number | null = null): Finding => ({
  verdict: 'cannot-tell',
  certain: false,
  actual,
  why,
});

function judge(budget: Budget, provider: ProviderReport): Finding {
  const {group} = budget;
  if (group === 'load') {
    return provider.load === null ? cannotTell('no load was run') : judgeLoad(budget, provider.load.stages);
  }
  const failures =
    group === 'unknown'
      ? provider.failed.reduce((sum, {want, count}) => sum + (want === 'any' ? 0 : count), 0)
      : provider[group === 'restored' ? 'cold' : group].failures;
  const times = provider.times && (provider.times[group] ?? []);
  if (times === undefined) return cannotTell('the report holds no times to judge by');
  if (budget.measure === 'failures') return judgeFailures(budget, failures, times.length + failures);
  if (times.length + failures === 0) return cannotTell(whyEmpty(group, provider));
  return judgeTimes(budget, times, failures);
}

/** The group is empty though answers came: what they were says why. */
function whyEmpty(group: Exclude<Budget['group'], 'load'>, {classes}: ProviderReport): string {
  const others = Object.entries(classes).filter(([, count]) => count > 0);
  if (others.length === 0) return 'nothing was measured';
  const came = others.map(([name, count]) => `${count} ${name}`).join(', ');
  return group === 'unknown'
    ? `every answer gave evidence (${came})`
    : `no answer proved to be ${group} (${came})`;
}

function judgeFailures({limit, unit}: Budget, failures: number, shots: number): Finding {
  if (shots === 0) return cannotTell('nothing was measured');
  const actual = unit === 'share' ? failures / shots : failures;
  return {
    verdict: actual > limit ? 'exceeded' : 'within',
    certain: true,
    actual,
    why: `${failures} of ${shots} got no good answer`,
  };
}

function judgeTimes({measure, limit}: Budget, times: readonly number[], failures: number): Finding {
  const sorted = [...times].sort((a, b) => a - b).concat(Array.from({length: failures}, () => Infinity));
  const failed = failures === 0 ? '' : `, ${failures} of them without a good answer`;
  const n = `${sorted.length} ${sorted.length === 1 ? 'sample' : 'samples'}${failed}`;
  if (!isQuantile(measure)) {
    const whole =
      {min: sorted[0], max: sorted.at(-1), mean: mean(sorted), failures: null}[measure] ?? Infinity;
    return {
      verdict: whole > limit ? 'exceeded' : 'within',
      // Of what was measured; an extreme or a mean of what was not has no bounds without assumptions.
      certain: measure !== 'mean' && whole > limit,
      actual: finite(whole),
      why: n,
    };
  }
  const {point, low, high} = estimateQuantile(sorted, QUANTILES[measure]);
  const bounds = [...renderBounds(low, high), n].join(', ');
  if (low !== null && low > limit) {
    return {verdict: 'exceeded', certain: true, actual: finite(point ?? low), why: bounds};
  }
  if (point === null || high === null) {
    return cannotTell(`${n}, ${measure} takes ${leastSamplesFor(QUANTILES[measure])}`);
  }
  return {
    verdict: point > limit ? 'exceeded' : 'within',
    certain: high <= limit,
    actual: finite(point),
    why: bounds,
  };
}

/** A load keeps to a budget when each of its stages does; the worst one speaks for it. */
function judgeLoad(budget: Budget, stages: readonly LoadStage[]): Finding {
  const findings = stages.map((stage) => {
    const finding =
      budget.measure === 'failures' ? judgeStageFailures(budget, stage) : judgeStage(budget, stage);
    const at = stage.perSecond === null ? '' : `at ${stage.perSecond} per second: `;
    return {...finding, why: stages.length === 1 ? finding.why : `${at}${finding.why}`};
  });
  const first = (verdict: Finding['verdict']): Finding | undefined =>
    findings.find((finding) => finding.verdict === verdict);
  const worstWithin = findings.reduce<Finding | undefined>(
    (worst, finding) => ((finding.actual ?? 0) > (worst?.actual ?? -1) ? finding : worst),
    undefined,
  );
  return first('exceeded') ?? first('cannot-tell') ?? worstWithin ?? cannotTell('nothing was measured');
}

function judgeStageFailures(budget: Budget, {due, failed, dropped}: LoadStage): Finding {
  const finding = judgeFailures(budget, failed + dropped, due);
  return dropped === 0 ? finding : {...finding, why: `${finding.why}, ${dropped} of them never sent`};
}

/**
 * A stage's latencies are known by a few quantiles of its answered requests only. With the others counted as slower
 * than all, the q quantile of all that were due is the q · due / answered quantile of the answered ones, which the next
 * known one bounds from above.
 */
function judgeStage({measure, limit}: Budget, {due, answered, latency}: LoadStage): Finding {
  const bad = due - answered;
  if (due === 0) return cannotTell('nothing was due');
  const why = `${due} requests${bad === 0 ? '' : `, ${bad} of them without a good answer`}`;
  const exceeded = (actual: number | null): Finding => ({verdict: 'exceeded', certain: false, actual, why});
  if (!isQuantile(measure)) {
    const whole = measure === 'failures' ? null : latency[`${measure}Ms`];
    if (bad > 0 && measure !== 'min') return exceeded(null);
    if (whole === null) return cannotTell(why);
    return {verdict: whole > limit ? 'exceeded' : 'within', certain: false, actual: whole, why};
  }
  const q = QUANTILES[measure];
  const own = latency[`${measure}Ms`];
  if (own !== null && own > limit) return exceeded(own);
  const amongAnswered = answered === 0 ? Infinity : (q * due) / answered;
  if (amongAnswered > 1) return exceeded(null);
  if (own === null) return cannotTell(`${why}, ${measure} takes ${leastSamplesFor(q)}`);
  const upperMs = upperBound(latency, amongAnswered);
  if (upperMs !== null && upperMs <= limit) return {verdict: 'within', certain: false, actual: own, why};
  return cannotTell(`${measure} of the good answers is ${formatMs(own)}, ${why}`, own);
}

function upperBound(latency: Latency, q: number): number | null {
  const known = Object.entries(QUANTILES).find(
    ([name, at]) => at >= q - 1e-9 && latency[`${name as QuantileName}Ms`] !== null,
  );
  return known ? latency[`${known[0] as QuantileName}Ms`] : latency.maxMs;
}

const isQuantile = (measure: Budget['measure']): measure is QuantileName => Object.hasOwn(QUANTILES, measure);
const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function renderBounds(low: number | null, high: number | null): string[] {
  const from = low !== null && Number.isFinite(low) ? ` from ${formatMs(low)}` : '';
  const to = high !== null && Number.isFinite(high) ? ` to ${formatMs(high)}` : '';
  return from + to === '' ? [] : [`95 % bounds${from}${to}`];
}
