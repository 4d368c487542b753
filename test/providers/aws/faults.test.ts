import {expect, it} from 'vitest';
import type {Plan} from '../../../src/core/plan.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {openAwsHarness} from './harness.ts';

const FAULTS = ['throttle', '500', '503', 'reset', 'reset after'] as const;

// Every seventh request is broken, by one fault or another: all requests by all faults would take minutes.
it.each(['image', 'zip'])(
  'comes to the same end, whichever request is broken, with an artifact %s',
  async (artifact) => {
    const harness = await openAwsHarness({artifact}, {runs: false});
    try {
      const {aws} = harness;
      const desk = openDesk(harness);
      const base = baseOf(harness);
      const warm = {...base.spec, warm: {min: 1, schedule: []}};
      const other = {...base, image: harness.images[1], spec: warm};
      const life = async (): Promise<readonly Plan[]> => {
        const plans = [await desk.deploy(base), await desk.deploy(other)];
        await desk.chill(other);
        return [...plans, await desk.teardown(other)];
      };
      await life();
      const requests = aws.requests.length;
      expect(await harness.inventory()).toEqual([]);
      for (let at = 0; at < requests; at += 7) {
        const fault = FAULTS[at % FAULTS.length] ?? 'reset';
        aws.faults.at(at, fault);
        await life().catch((error: unknown) => {
          throw new Error(`${fault} at request ${at}`, {cause: error});
        });
        expect(await harness.inventory(), `${fault} at request ${at}`).toEqual([]);
      }
    } finally {
      await harness.close();
    }
  },
  300_000,
);
