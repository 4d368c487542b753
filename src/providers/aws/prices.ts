import type {PriceTable} from '../../core/driver.ts';

/** On demand, in us-east-1, without free tier and discounts. */
export const prices: PriceTable = {
  currency: 'USD',
  asOf: '2026-11-23',
  source: 'second-hand copies of the AWS price list for us-east-1; confirm before relying on them',
  rates: {
    request: 0.2e-6,
    gbSecondX86: 0.0000166667,
    gbSecondArm: 0.0000133334,
    provisionedGbSecondX86: 0.0000041667,
    provisionedGbSecondArm: 0.0000033334,
    provisionedRunGbSecondX86: 0.0000097222,
    provisionedRunGbSecondArm: 0.0000077778,
    ephemeralGbSecond: 0.0000000309,
    imageGbMonth: 0.1,
    // Of functions in Python, for three hours at least; of images no price is known.
    snapStartCacheGbSecond: 0.0000015046,
    snapStartRestoreGb: 0.0001397998,
  },
};

const SECONDS_A_MONTH = 730 * 3600;

/** What keeping instances ready costs a month of 730 hours, before any request, in US dollars. */
export function monthlyWarmUsd(memoryMb: number, instances: number, arm: boolean): number {
  const rate = prices.rates[arm ? 'provisionedGbSecondArm' : 'provisionedGbSecondX86'] ?? 0;
  return instances * (memoryMb / 1024) * rate * SECONDS_A_MONTH;
}

/** What keeping the snapshot of one version costs a month of 730 hours, in US dollars. */
export function monthlySnapshotUsd(memoryMb: number): number {
  return (memoryMb / 1024) * (prices.rates['snapStartCacheGbSecond'] ?? 0) * SECONDS_A_MONTH;
}
