import {expect, it} from 'vitest';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {NAME, openAwsHarness} from './harness.ts';

it.each([50, 1])(
  'leaves to the clock what the clock does, and takes it along to a new version; lists of pages of %i',
  async (pageSize) => {
    const harness = await openAwsHarness({}, {runs: false, pageSize});
    try {
      const {aws} = harness;
      const desk = openDesk(harness);
      const base = baseOf(harness);
      const window = {up: '0 8 * * 1-5', down: '0 18 * * 1-5', timezone: 'Europe/Berlin', min: 2};
      const warm = {min: 0, schedule: [window]};
      const first = {...base, spec: {...base.spec, warm}};
      await desk.deploy(first);
      aws.scheduler.carryOut(`function:${NAME}:1`, 'thaw-0-up');
      expect((await desk.plan(first)).steps).toEqual([]);
      expect((await desk.inspect(first)).status.warmMin).toBe(0);

      const second = {...first, image: harness.images[1]};
      const plan = await desk.deploy(second);
      const put = plan.steps.filter(({op}) => op === 'lambda:PutProvisionedConcurrencyConfig');
      expect(put.map(({args}) => args['min'])).toEqual([2]);
      expect((await desk.plan(second)).steps).toEqual([]);

      aws.scheduler.carryOut(`function:${NAME}:2`, 'thaw-0-down');
      expect((await desk.plan(second)).steps).toEqual([]);
      await desk.deploy({...second, spec: {...second.spec, warm: {min: 0, schedule: []}}});
      await desk.teardown(second);
      expect(await harness.inventory()).toEqual([]);
    } finally {
      await harness.close();
    }
  },
  60_000,
);
