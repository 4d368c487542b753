import type {ProviderReport, Summary} from '../core/report.ts';

/** Requests that came out alike, and what they amount to. */
export interface Group {
  readonly name: 'cold' | 'warm' | 'restored' | 'unknown';
  readonly summary: Summary;
  /** Milliseconds of every one; null in the report of an older thaw. */
  readonly times: readonly number[] | null;
}

/**
 * The groups of a provider that have something to say. An endpoint that gives no evidence has neither cold nor warm
 * requests, and one with snapshots no cold ones, so those two are left out where nothing came of them and something came
 * out otherwise.
 */
export function groupsOf({cold, warm, restored, unknown, times}: ProviderReport): readonly Group[] {
  const known: readonly Group[] = [
    {name: 'cold', summary: cold, times: times?.cold ?? null},
    {name: 'warm', summary: warm, times: times?.warm ?? null},
  ];
  const others: readonly Group[] = [
    ...(restored === undefined
      ? []
      : [{name: 'restored' as const, summary: restored, times: times?.restored ?? null}]),
    ...(unknown === undefined
      ? []
      : [{name: 'unknown' as const, summary: unknown, times: times?.unknown ?? null}]),
  ];
  if (others.length === 0) return known;
  return [...known.filter(({summary}) => summary.n > 0 || summary.failures > 0), ...others];
}
