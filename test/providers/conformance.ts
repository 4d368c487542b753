import {describe, it} from 'vitest';
import {deployChecks, resumeChecks} from './conformance/deploy-checks.ts';
import type {ConformanceCheck, Harness, Traits} from './conformance/harness.ts';
import {lifeChecks} from './conformance/life-checks.ts';

export type {ConformanceCheck, Harness, Traits} from './conformance/harness.ts';

/** All that a driver with these traits has to hold. */
export function conformanceChecks(traits: Traits): readonly ConformanceCheck[] {
  return [...deployChecks(traits), ...resumeChecks(), ...lifeChecks(traits)];
}

/** Holds a driver to the contract of `core/driver.ts`: each check at a place of its own, empty at first. */
export function describeConformance({
  name,
  traits,
  openHarness,
  timeoutMs = 60_000,
}: {
  readonly name: string;
  readonly traits: Traits;
  readonly openHarness: () => Promise<Harness>;
  readonly timeoutMs?: number;
}): void {
  describe(`the ${name} driver`, () => {
    it.each(conformanceChecks(traits))(
      '$name',
      async (check) => {
        const harness = await openHarness();
        try {
          await check.run(harness);
        } finally {
          await harness.close();
        }
      },
      timeoutMs,
    );
  });
}
