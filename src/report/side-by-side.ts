import type {ProviderReport} from '../core/report.ts';
import {formatMs} from '../core/units.ts';
import {describeSize} from './size.ts';

/** The few figures that several targets are held against each other by. */
export const SIDE_BY_SIDE_HEADER = ['side by side', 'cold p50', 'warm p50', 'size'] as const;

/** A row for each target, in the order of the header; none where there is only one to look at. */
export function sideBySide(providers: readonly ProviderReport[]): readonly (readonly string[])[] {
  if (providers.length < 2) return [];
  const fewer = ({n}: ProviderReport['cold']): string => (n === 0 ? '' : 'n<5');
  return providers.map((report) => {
    const {provider, cold, warm} = report;
    return [
      provider,
      cold.p50Ms === null ? fewer(cold) : formatMs(cold.p50Ms),
      warm.p50Ms === null ? fewer(warm) : formatMs(warm.p50Ms),
      describeSize(report),
    ];
  });
}
