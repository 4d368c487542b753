import type {ProviderReport, Summary} from '../core/report.ts';

/** Requests that came out alike, and what they amount to. */
export interface Group {
  readonly name: 'cold' | 'warm' | 'unknown';
  readonly summary: Summary;
  /** Milliseconds of every one; null in the report of an older thaw. */
  readonly times: readonly number[] | null;
}

/**
 * The groups of a provider that have something to say. An endpoint that gives no evidence has neither cold nor warm
 * requests, so those two are left out where nothing came of them and something came out unknown.
 */
export function groupsOf({cold, warm, unknown, times}: ProviderReport): readonly Group[] {
  const known: readonly Group[] = [
    {name: 'cold', summary: cold, times: times?.cold ?? null},
    {name: 'warm', summary: warm, times: times?.warm ?? null},
  ];
  if (unknown === undefined) return known;
  return [
    ...known.filter(({summary}) => summary.n > 0 || summary.failures > 0),
    {name: 'unknown', summary: unknown, times: times?.unknown ?? null},
  ];
}
