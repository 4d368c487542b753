import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import type {Trigger} from '../../../src/core/function.ts';
import {changingSteps} from '../../../src/core/plan.ts';
import {ruleName} from '../../../src/providers/aws/names.ts';
import {makeSmallImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {sqsEvent} from '../../runtime/lambda-events.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {NAME, openAwsHarness} from './harness.ts';

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

it('is called by what it was made for', async () => {
  const harness = await openAwsHarness();
  const dir = await mkdtemp(join(tmpdir(), 'thaw-handler-'));
  try {
    const {aws} = harness;
    aws.queues.plant('orders');
    aws.buckets.plant('uploads');
    const desk = openDesk(harness);
    const handler =
      'export async function predict(input, {context}) { return {source: context.source ?? null}; }';
    const image = await makeSmallImage(dir, {name: NAME, handler, label: 'handler'});
    const base = baseOf(harness);
    const triggers: Trigger[] = [
      {kind: 'schedule', cron: '0 3 * * *'},
      {kind: 'event', source: 'sqs', name: 'orders'},
      {kind: 'event', source: 's3', name: 'uploads/images/'},
    ];
    await desk.deploy({...base, image, spec: {...base.spec, triggers}});
    const queue = sqsEvent([{orderId: 1}]).Records;
    const deliveries = [
      ...(await aws.deliver.schedule(ruleName(NAME, 'cron(0 3 * * ? *)'))),
      ...(await aws.deliver.records('arn:aws:sqs:eu-central-1:123456789012:orders', queue)),
      ...(await aws.deliver.object('uploads', 'images/one.png')),
    ];
    expect(deliveries.map(({failed, target}) => [failed, target.split(':').slice(-2).join(':')])).toEqual(
      deliveries.map(() => [false, `${NAME}:live`]),
    );
    expect(deliveries.length).toBe(3);
    expect(await aws.deliver.object('uploads', 'other/one.png')).toEqual([]);
  } finally {
    await harness.close();
    await rm(dir, {recursive: true, force: true});
  }
}, 60_000);
