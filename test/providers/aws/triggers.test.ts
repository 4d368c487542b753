import {EventBridge} from '@aws-sdk/client-eventbridge';
import {Lambda} from '@aws-sdk/client-lambda';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import type {EventOptions, Trigger} from '../../../src/core/function.ts';
import type {Json} from '../../../src/core/json.ts';
import {changingSteps} from '../../../src/core/plan.ts';
import type {Delivered} from '../../fakes/aws/delivery.ts';
import {connection} from '../../fakes/aws/open-for-test.ts';
import {makeSmallImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {kinesisEvent, sqsEvent} from '../../runtime/lambda-events.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';

it.each([50, 1])(
  'makes, changes and removes what calls a function, and leaves what others made; lists of pages of %i',
  async (pageSize) => {
    const harness = await openAwsHarness({}, {runs: false, pageSize});
    try {
      const {aws} = harness;
      aws.queues.plant('orders');
      aws.buckets.plant('uploads');
      aws.buckets.plant('archive');
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
        [http, {...clock, input: {rows: [1]}}, queue],
        [http, queue, bucket],
        [http, queue, {...bucket, suffix: '.jpg'}, {...bucket, suffix: '.png', events: ['removed'] as const}],
        [http, stream, {...bucket, name: 'uploads'}, {...bucket, name: 'archive'}],
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

const HANDLER = `export async function predict(input, {context}) {
  const {source} = context;
  if (source === 'sqs' && input.size > 3) throw new Error('too large');
  if (source === 's3' && !/^Object(Created|Removed):/.test(input.type)) throw new Error(input.type);
  if (source === 'schedule' && input.rows?.length !== 2) throw new Error('no rows');
  return {};
}`;

it('is called by what it was made for', async () => {
  const harness = await openAwsHarness();
  const dir = await mkdtemp(join(tmpdir(), 'thaw-handler-'));
  try {
    const {aws} = harness;
    aws.queues.plant('orders');
    aws.buckets.plant('uploads');
    const desk = openDesk(harness);
    const image = await makeSmallImage(dir, {name: NAME, handler: HANDLER, label: 'handler'});
    const base = baseOf(harness);
    const filter = [{body: {kind: ['order'], size: [{numeric: ['>', 1]}]}}];
    const triggers: Trigger[] = [
      {kind: 'schedule', cron: '0 3 * * *', input: {rows: [1, 2]}},
      {kind: 'event', source: 'sqs', name: 'orders', batchSize: 2, filter},
      {kind: 'event', source: 'kinesis', name: 'clicks', batchSize: 3, startingPosition: 'trim-horizon'},
      {kind: 'event', source: 's3', name: 'uploads/images/', suffix: '.jpg', events: ['created', 'removed']},
    ];
    await desk.deploy({...base, image, spec: {...base.spec, triggers}});
    const idsIn = (delivered: readonly Delivered[], id: (record: Json) => Json | undefined) =>
      delivered.map(({event}) => (event as {Records: Json[]}).Records.map(id));
    const member = (name: string) => (record: Json) => (record as {[name: string]: Json})[name];
    const ofLive = ({target}: Delivered) => expect(target).toContain(`${NAME}:live`);

    const order = (size: number, kind = 'order') => ({kind, size});
    const {Records} = sqsEvent([order(2), order(4), order(9, 'other'), order(1), order(3)]);
    const queue = await aws.deliver.records(QUEUE, Records);
    expect(idsIn(queue, member('messageId'))).toEqual([['message-0', 'message-1'], ['message-4']]);
    expect(queue.map(({body}) => body)).toEqual([
      {batchItemFailures: [{itemIdentifier: 'message-1'}]},
      {batchItemFailures: []},
    ]);
    const stream = await aws.deliver.records(CLICKS, kinesisEvent([1, 2, 3, 4]).Records);
    expect(idsIn(stream, member('eventID')).map((batch) => batch.length)).toEqual([3, 1]);

    const clock = aws.inventory().find((name) => name.startsWith('rule '));
    const [scheduled] = await aws.deliver.schedule(clock?.replace('rule ', '') ?? '');
    expect(scheduled).toMatchObject({failed: false, event: {detail: {rows: [1, 2]}}});
    const objects = [
      ...(await aws.deliver.object('uploads', 'images/one.jpg')),
      ...(await aws.deliver.object('uploads', 'images/one.jpg', 'ObjectRemoved:Delete')),
    ];
    expect(objects.map(({failed}) => failed)).toEqual([false, false]);
    for (const key of ['images/one.png', 'other/one.jpg']) {
      expect(await aws.deliver.object('uploads', key)).toEqual([]);
    }
    [...queue, ...stream, ...objects].forEach(ofLive);
  } finally {
    await harness.close();
    await rm(dir, {recursive: true, force: true});
  }
}, 60_000);

it('is given records as thaw.yaml says now, and again after somebody has changed that', async () => {
  const harness = await openAwsHarness({}, {runs: false});
  try {
    const {aws} = harness;
    aws.queues.plant('orders', {VisibilityTimeout: '180'});
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const wanted = (options: EventOptions) => ({
      ...base,
      spec: {...base.spec, triggers: [{kind: 'event', source: 'sqs', name: 'orders', ...options}] as const},
    });
    const changesOf = async (options: EventOptions) => {
      const plan = await desk.deploy(wanted(options));
      expect((await desk.plan(wanted(options))).steps).toEqual([]);
      return changingSteps(plan).flatMap(({changes}) => changes);
    };
    await desk.deploy(wanted({}));
    const path = (setting: string) => `triggers.sqs.orders.${setting}`;
    const patterns = [{body: {kind: ['order']}}, {body: {$or: [{a: [1]}, {b: [null]}]}}];
    const said = {batchSize: 50, batchWindowMs: 5000, maximumConcurrency: 3, filter: patterns};
    expect(await changesOf(said)).toEqual([
      {path: path('batchSize'), from: 10, to: 50},
      {path: path('batchWindowMs'), from: 0, to: 5000},
      {path: path('filter'), from: [], to: patterns},
      {path: path('maximumConcurrency'), from: null, to: 3},
    ]);
    // An answer that is lost is no reason to end: what is in use now is not in use later.
    aws.faults.on('lambda:UpdateEventSourceMapping', 'reset after');
    expect(await changesOf({})).toHaveLength(4);
    expect(aws.writes().slice(-3)).toEqual(Array(3).fill('lambda:UpdateEventSourceMapping'));

    const {EventSourceMappings: [{UUID} = {}] = []} = await lambdaOf(harness).listEventSourceMappings({});
    await lambdaOf(harness).updateEventSourceMapping({UUID, Enabled: false, BatchSize: 1});
    expect(await changesOf({})).toEqual([
      {path: path('batchSize'), from: 1, to: 10},
      {path: path('enabled'), from: false, to: true},
    ]);

    const hourly = {
      ...wanted({}),
      spec: {...base.spec, triggers: [{kind: 'schedule', cron: '0 * * * *'}] as const},
    };
    await desk.deploy(hourly);
    const events = new EventBridge(connection(aws));
    const {Rules: [{Name} = {}] = []} = await events.listRules({});
    await events.disableRule({Name});
    expect(changingSteps(await desk.deploy(hourly)).flatMap(({changes}) => changes)).toEqual([
      {
        path: 'triggers',
        from: {'schedule.cron(0 * * * ? *)': {enabled: false}},
        to: {'schedule.cron(0 * * * ? *)': true},
      },
    ]);
    expect((await desk.plan(hourly)).steps).toEqual([]);
  } finally {
    await harness.close();
  }
}, 60_000);

it('refuses what AWS would, before it writes anything', async () => {
  const harness = await openAwsHarness({}, {runs: false});
  try {
    const {aws} = harness;
    aws.queues.plant('orders', {VisibilityTimeout: '10'});
    aws.buckets.plant('uploads', {
      notifications: {
        TopicConfigurations: [
          {
            Id: 'theirs',
            TopicArn: 'arn:aws:sns:eu-central-1:123456789012:new',
            Events: ['s3:ObjectCreated:Put'],
          },
        ],
      },
    });
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const deployed = (source: string, name: string, options: EventOptions = {}) => {
      const triggers = [{kind: 'event', source, name, ...options}] as const;
      return desk.deploy({...base, spec: {...base.spec, triggers}});
    };
    await expect(deployed('sqs', 'orders')).rejects.toThrow('hidden for 10s while they are worked on');
    await expect(deployed('sqs', 'bills')).rejects.toThrow('there is no queue bills in eu-central-1');
    await expect(deployed('s3', 'downloads')).rejects.toThrow('there is no bucket downloads');
    await expect(deployed('s3', 'uploads/in/')).rejects.toThrow('uploads already tells arn:aws:sns:');
    expect(aws.writes()).toEqual([]);
    await deployed('s3', 'uploads/in/', {events: ['removed']});
    expect(Object.keys(aws.buckets.notifications('uploads')).sort()).toEqual([
      'LambdaFunctionConfigurations',
      'TopicConfigurations',
    ]);

    // Who may not look at a queue hears of it from Lambda.
    aws.account.deny('sqs:GetQueueUrl');
    await expect(deployed('sqs', 'orders')).rejects.toThrow(
      'Queue visibility timeout: 10 seconds is less than',
    );
  } finally {
    await harness.close();
  }
}, 60_000);

it('comes to the same end, whichever write is broken, with what the documentation says must be allowed', async () => {
  const harness = await openAwsHarness({}, {runs: false});
  try {
    const {aws} = harness;
    aws.queues.plant('orders');
    aws.buckets.plant('uploads');
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const wanted = (...triggers: Trigger[]) => ({...base, spec: {...base.spec, triggers}});
    const clock: Trigger = {kind: 'schedule', cron: '0 3 * * *'};
    const queue: Trigger = {kind: 'event', source: 'sqs', name: 'orders'};
    const stream: Trigger = {kind: 'event', source: 'kinesis', name: 'clicks'};
    const bucket: Trigger = {kind: 'event', source: 's3', name: 'uploads/images/'};
    const steps = [
      wanted(clock, queue, stream, bucket),
      wanted(
        {...clock, input: [1]},
        {...queue, batchSize: 1},
        {...stream, startingPosition: 'trim-horizon'},
        {...bucket, suffix: '.jpg'},
      ),
      wanted(),
    ];
    const life = async (): Promise<void> => {
      for (const step of steps) await desk.deploy(step);
    };
    await desk.deploy(wanted());
    const before = await harness.inventory();
    const from = aws.requests.length;
    await life();
    const made = aws.requests.slice(from);

    const writes = made.flatMap(({reads}, at) => (reads ? [] : [at]));
    expect(writes.length).toBeGreaterThan(15);
    for (const [index, at] of writes.entries()) {
      const fault = index % 2 === 0 ? 'reset after' : 'throttle';
      aws.faults.at(at, fault);
      await life().catch((error: unknown) => {
        throw new Error(`${fault} at ${made[at]?.operation}`, {cause: error});
      });
      expect((await desk.plan(wanted())).steps).toEqual([]);
      expect(await harness.inventory(), `${fault} at ${made[at]?.operation}`).toEqual(before);
    }
  } finally {
    await harness.close();
  }
}, 120_000);

const QUEUE = 'arn:aws:sqs:eu-central-1:123456789012:orders';
const CLICKS = 'arn:aws:kinesis:eu-central-1:123456789012:stream/clicks';

/** Lambda as somebody else reaches it. */
const lambdaOf = ({aws}: AwsHarness): Lambda => new Lambda(connection(aws));
