import type {JsonObject} from './json.ts';
import type {RunTarget} from './report.ts';

/**
 * What b is, compared to a. `better` and `worse`: by more than the smallest difference that matters, with 95 %
 * confidence. `same`: with 95 % confidence the difference is smaller than that. Else `cannot-tell`.
 */
export type Verdict = 'better' | 'worse' | 'same' | 'cannot-tell';

/** How one quantile of a group changed. Intervals hold with 95 % confidence. */
export interface QuantileChange {
  readonly quantile: 'p50' | 'p95' | 'p99';
  readonly aMs: number | null;
  readonly bMs: number | null;
  /** b over a. */
  readonly ratio: number | null;
  readonly ratioInterval: readonly [low: number, high: number] | null;
  /** b minus a. */
  readonly differenceIntervalMs: readonly [low: number, high: number] | null;
  readonly verdict: Verdict;
  readonly why: string;
}

/** How often a provider's requests got no good answer. */
export interface FailureChange {
  readonly provider: string;
  /** `shots`: the cold and the warm ones, fired one after the other. */
  readonly of: 'shots' | 'load';
  /** Of a load with several rates: which of them. */
  readonly perSecond: number | null;
  readonly a: {readonly count: number; readonly of: number};
  readonly b: {readonly count: number; readonly of: number};
  /** How likely a difference like this is by chance; null where it cannot be computed. */
  readonly pValue: number | null;
  readonly verdict: Verdict;
}

/** One group of requests, of both reports. */
export interface GroupComparison {
  /** As b names it. */
  readonly provider: string;
  readonly group: 'cold' | 'warm' | 'restored' | 'unknown' | 'load';
  /** Of a load with several rates: which of them. */
  readonly perSecond: number | null;
  /** What is counted: requests, or the stretches of a load, because requests of one moment share their luck. */
  readonly unit: 'requests' | 'stretches';
  readonly n: {readonly a: number; readonly b: number};
  readonly changes: readonly QuantileChange[];
  /** The chance that of two, one from each, b's took longer (equal ones count half); null of none. */
  readonly superiority: number | null;
  /** Of the Mann–Whitney test, two-sided. */
  readonly pValue: number | null;
}

/** Which report was compared. */
export interface ComparedReport {
  readonly thaw: string;
  readonly function: string | null;
  readonly startedAt: string;
  readonly machine: JsonObject;
  readonly targets: readonly Pick<RunTarget, 'provider' | 'url' | 'image'>[];
}

/** What came of comparing report b with report a. */
export interface Comparison {
  readonly schema: 'thaw.comparison/1';
  readonly a: ComparedReport;
  readonly b: ComparedReport;
  /** The smallest relative difference that matters: 0.05 is 5 %. */
  readonly smallest: number;
  /** Of all: `worse` if anything is, else `cannot-tell` if a median is, else `better` if anything is. */
  readonly verdict: Verdict;
  readonly groups: readonly GroupComparison[];
  readonly failures: readonly FailureChange[];
  /** What casts doubt on the verdicts: other machines, other requests, an interrupted run. */
  readonly caveats: readonly string[];
  /** What else is different, as it may well be meant to be: the image, thaw's version. */
  readonly differences: readonly string[];
}
