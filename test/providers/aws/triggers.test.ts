import {expect, it} from 'vitest';
import type {Trigger} from '../../../src/core/function.ts';
import {changingSteps} from '../../../src/core/plan.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {openAwsHarness} from './harness.ts';

it.each([50, 1])(
  'makes, changes and removes what calls a function, and leaves what others made; lists of pages of %i',
  async (pageSize) => {
    const harness = await openAwsHarness({}, {runs: false, pageSize});
    try {
      const {aws} = harness;
      aws.queues.plant('orders');
      aws.buckets.plant('uploads');
      const before = await harness.inventory();
      const desk = openDesk(harness);
      const base = baseOf(harness);
      const wanted = (...triggers: Trigger[]) => ({...base, spec: {...base.spec, triggers}});
      const http: Trigger = {kind: 'http', auth: 'none'};
      const clock: Trigger = {kind: 'schedule', cron: '0 3 * * *'};
      const queue: Trigger = {kind: 'event', source: 'sqs', name: 'orders'};
      const stream: Trigger = {
        kind: 'event',
        source: 'dynamodb',
        name: 'arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000',
      };
      const bucket: Trigger = {kind: 'event', source: 's3', name: 'uploads/images/'};
      await desk.deploy(base);
      for (const triggers of [
        [http, clock],
        [http, clock, queue],
        [http, queue, bucket],
        [http, stream, {...bucket, name: 'uploads'}],
        [http],
        [],
      ]) {
        const plan = await desk.deploy(wanted(...triggers));
        const named = changingSteps(plan).flatMap(({changes}) => changes.map(({path}) => path));
        expect(named).toEqual(['triggers']);
        expect((await desk.plan(wanted(...triggers))).steps).toEqual([]);
      }
      await desk.deploy(wanted(http, clock, queue, bucket));
      await desk.teardown(base);
      expect(await harness.inventory()).toEqual(before);
    } finally {
      await harness.close();
    }
  },
  60_000,
);
