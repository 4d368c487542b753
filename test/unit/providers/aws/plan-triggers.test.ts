import {describe, expect, it} from 'vitest';
import type {EventOptions, FunctionSpec, Trigger} from '../../../../src/core/function.ts';
import type {BucketFound, Have, MappingFound} from '../../../../src/providers/aws/inspect/have.ts';
import {callerSid, ruleName} from '../../../../src/providers/aws/names.ts';
import {planDeploy} from '../../../../src/providers/aws/plan/deploy.ts';
import {planTeardown} from '../../../../src/providers/aws/plan/teardown.ts';
import {triggerProblems} from '../../../../src/providers/aws/wanted/trigger-problems.ts';
import {defaultSettings} from '../../../../src/providers/aws/wanted/triggers.ts';
import {changesOf, NAME, opsOf, options, site, spec} from './found.ts';

const http: Trigger = {kind: 'http', auth: 'iam'};
const withTriggers = (...triggers: Trigger[]): FunctionSpec => ({...spec, triggers: [http, ...triggers]});
const event = (source: string, name: string, said: EventOptions = {}): Trigger => ({
  kind: 'event',
  source,
  name,
  ...said,
});
const having = (triggers: Partial<Have['triggers']>, change = {}): Have => {
  const have = site(change);
  return {...have, triggers: {...have.triggers, ...triggers}};
};
const QUEUE = 'arn:aws:sqs:eu-central-1:123456789012:orders';
const STREAM = 'arn:aws:kinesis:eu-central-1:123456789012:stream/clicks';
const RULE = ruleName(NAME, 'cron(0 3 * * ? *)');

describe('a schedule', () => {
  const wanted = withTriggers({kind: 'schedule', cron: '0 3 * * *'});
  const rule = {name: RULE, schedule: 'cron(0 3 * * ? *)', enabled: true, targeted: true, input: null};
  const statements = [{sid: callerSid('rule', RULE), statement: {Action: 'lambda:InvokeFunction'}}];

  it('is a rule that may call the live version, as one change', () => {
    const plan = planDeploy(wanted, options, site());
    expect(opsOf(plan)).toEqual(['PutRule', 'AddPermission', 'PutTargets']);
    expect(changesOf(plan)).toEqual(['PutRule triggers']);
    expect(plan.steps[2]?.args['arn']).toBe(`arn:aws:lambda:eu-central-1:123456789012:function:${NAME}:live`);
  });

  it('is there already, or is deleted', () => {
    expect(planDeploy(wanted, options, having({rules: [rule]}, {statements})).steps).toEqual([]);
    const gone = planDeploy(spec, options, having({rules: [rule]}, {statements}));
    expect(opsOf(gone)).toEqual(['DeleteRule', 'RemovePermission']);
    expect(changesOf(gone)).toEqual(['DeleteRule triggers']);
  });

  it.each([
    [{targeted: false}, statements],
    [{enabled: false}, statements],
    [{schedule: 'rate(1 hour)'}, statements],
    [{input: '{}'}, statements],
    [{}, []],
  ])('is brought back where it is %j, with the statements %j', (change, there) => {
    const have = having({rules: [{...rule, ...change}]}, {statements: there});
    const plan = planDeploy(wanted, options, have);
    expect(opsOf(plan)).toEqual(['PutRule', 'AddPermission', 'PutTargets']);
    expect(changesOf(plan)).toEqual(['PutRule triggers']);
  });

  it('hands over what it is given, by a rule of its own', () => {
    const daily = {kind: 'schedule', cron: '0 3 * * *', input: {rows: [1]}} as const;
    const plan = planDeploy(
      withTriggers({kind: 'schedule', cron: '0 3 * * *'}, daily),
      options,
      having({rules: [rule]}, {statements}),
    );
    expect(opsOf(plan)).toEqual(['PutRule', 'AddPermission', 'PutTargets']);
    expect(plan.steps[0]?.args['rule']).not.toBe(RULE);
    expect(JSON.parse(plan.steps[2]?.args['input'] as string)).toMatchObject({
      'detail-type': 'Scheduled Event',
      detail: {rows: [1]},
    });
    const {from, to} = plan.steps[0]?.changes[0] ?? {};
    const key = 'schedule.cron(0 3 * * ? *)';
    const other = plan.steps[0]?.args['rule'] as string;
    const http = {auth: 'iam'};
    expect(from).toEqual({http, [`${key} ${RULE}`]: true});
    expect(to).toEqual({http, [`${key} ${RULE}`]: true, [`${key} ${other}`]: {input: {rows: [1]}}});

    const changed = having({rules: [{...rule, input: '[1]'}]}, {statements});
    const [back] = planDeploy(wanted, options, changed).steps[0]?.changes ?? [];
    expect([back?.from, back?.to]).toEqual([
      {http, [key]: {input: '[1]'}},
      {http, [key]: true},
    ]);
  });
});

const mapping = (change: Partial<MappingFound> = {}): MappingFound => ({
  uuid: 'u-1',
  source: QUEUE,
  state: 'Enabled',
  ours: true,
  startingPosition: null,
  settings: defaultSettings('sqs'),
  ...change,
});
const clicks = (change: Partial<MappingFound> = {}): MappingFound =>
  mapping({source: STREAM, startingPosition: 'LATEST', settings: defaultSettings('kinesis'), ...change});

describe('a queue or a stream', () => {
  it('is mapped to the live version, with what the role needs to read it', () => {
    const plan = planDeploy(withTriggers(event('sqs', 'orders')), options, site());
    expect(opsOf(plan)).toEqual(['AttachRolePolicy', 'CreateEventSourceMapping', 'WaitEventSourceMapping']);
    expect(changesOf(plan)).toEqual(['CreateEventSourceMapping triggers']);
    expect(plan.steps[1]?.args).toMatchObject({source: QUEUE, startingPosition: null});
    const stream = planDeploy(withTriggers(event('kinesis', 'clicks')), options, site());
    expect(stream.steps[1]?.args).toMatchObject({source: STREAM, startingPosition: 'LATEST'});
  });

  it('is mapped as thaw.yaml says, and shown so', () => {
    const filter = [{body: {kind: ['order']}}];
    const said = {batchSize: 20, batchWindowMs: 5000, maximumConcurrency: 4, filter};
    const plan = planDeploy(withTriggers(event('sqs', 'orders', said)), options, site());
    expect(plan.steps[1]?.args['settings']).toMatchObject({...said, filter: ['{"body":{"kind":["order"]}}']});
    expect(plan.steps[1]?.changes[0]).toEqual({
      path: 'triggers',
      from: {http: {auth: 'iam'}},
      to: {http: {auth: 'iam'}, 'sqs.orders': said},
    });
  });

  it('is let go of if thaw mapped it, and left alone if somebody else did', () => {
    const gone = planDeploy(spec, options, having({mappings: [mapping()]}));
    expect(opsOf(gone)).toEqual(['DeleteEventSourceMapping', 'WaitEventSourceMappingDeleted']);
    const foreign = having({mappings: [mapping({ours: false})]});
    expect(planDeploy(spec, options, foreign).steps).toEqual([]);
    expect(opsOf(planTeardown({name: NAME}, options, foreign))).not.toContain('DeleteEventSourceMapping');
    expect(opsOf(planTeardown({name: NAME}, options, having({mappings: [mapping()]})))[0]).toBe(
      'DeleteEventSourceMapping',
    );
  });

  it('is changed in place, each setting by its name', () => {
    const have = having({mappings: [mapping()]});
    const plan = planDeploy(withTriggers(event('sqs', 'orders', {batchSize: 5})), options, have);
    expect(opsOf(plan).slice(1)).toEqual(['UpdateEventSourceMapping', 'WaitEventSourceMapping']);
    expect(plan.steps[1]?.changes).toEqual([{path: 'triggers.sqs.orders.batchSize', from: 10, to: 5}]);
  });

  it('is brought back from what somebody has made of it, after what is under way', () => {
    const settings = {...defaultSettings('sqs'), enabled: false, partialFailures: false};
    const wanted = withTriggers(event('sqs', 'orders'));
    const disabled = planDeploy(
      wanted,
      options,
      having({mappings: [mapping({settings, state: 'Disabled'})]}),
    );
    expect(changesOf(disabled)).toEqual([
      'UpdateEventSourceMapping triggers.sqs.orders.enabled',
      'UpdateEventSourceMapping triggers.sqs.orders.partialFailures',
    ]);
    const busy = planDeploy(wanted, options, having({mappings: [mapping({settings, state: 'Updating'})]}));
    expect(opsOf(busy).slice(1)).toEqual([
      'WaitEventSourceMapping',
      'UpdateEventSourceMapping',
      'WaitEventSourceMapping',
    ]);
    const leaving = planDeploy(wanted, options, having({mappings: [mapping({state: 'Deleting'})]}));
    expect(opsOf(leaving).slice(1)).toEqual([
      'WaitEventSourceMappingDeleted',
      'CreateEventSourceMapping',
      'WaitEventSourceMapping',
    ]);
  });

  it('is mapped anew to be read from elsewhere, which the plan says the price of', () => {
    const have = having({mappings: [clicks()]});
    const from = (startingPosition?: 'latest' | 'trim-horizon') =>
      planDeploy(
        withTriggers(event('kinesis', 'clicks', startingPosition && {startingPosition})),
        options,
        have,
      );
    expect(from('latest').steps.slice(1)).toEqual([]);
    const all = from('trim-horizon');
    expect(opsOf(all).slice(1)).toEqual([
      'DeleteEventSourceMapping',
      'WaitEventSourceMappingDeleted',
      'CreateEventSourceMapping',
      'WaitEventSourceMapping',
    ]);
    expect(all.steps[1]?.changes).toEqual([
      {path: 'triggers.kinesis.clicks.startingPosition', from: 'LATEST', to: 'TRIM_HORIZON'},
    ]);
    expect(all.steps[1]?.why).toContain('also what has been before');
    expect(from().steps.slice(1)).toEqual([]);
    const back = planDeploy(
      withTriggers(event('kinesis', 'clicks', {startingPosition: 'latest'})),
      options,
      having({mappings: [clicks({startingPosition: 'TRIM_HORIZON'})]}),
    );
    expect(back.steps[1]?.why).toContain('is lost');
  });

  it('is refused if somebody else has mapped it otherwise than thaw.yaml says', () => {
    const have = having({mappings: [mapping({ours: false})]});
    const wish = (said: EventOptions) => () =>
      planDeploy(withTriggers(event('sqs', 'orders', said)), options, have);
    expect(wish({batchSize: 5})).toThrow('of somebody else, with batchSize 10');
    expect(opsOf(wish({batchSize: 10})())).not.toContain('UpdateEventSourceMapping');
  });

  it('is refused if it is not there, or hides messages for too short a time', () => {
    const wanted = withTriggers(event('sqs', 'orders'));
    const found = (exists: boolean, visibilityMs: number | null) =>
      having({queues: [{arn: QUEUE, exists, visibilityMs}]});
    const plan = (have: Have) => () => planDeploy(wanted, options, have);
    expect(plan(found(false, null))).toThrow('triggers.1.sqs.name: there is no queue orders in eu-central-1');
    expect(plan(found(true, 9000))).toThrow('hidden for 9s while they are worked on');
    expect(plan(found(true, 10_000))().facts['queues']).toEqual([
      'orders: its visibility timeout is 10s, and AWS advises 1m',
    ]);
    expect(plan(found(true, 60_000))().facts).not.toHaveProperty('queues');
    const elsewhere = event('sqs', QUEUE.replace('central', 'west'));
    expect(() => planDeploy(withTriggers(elsewhere), options, site())).toThrow('another region');
    expect(() =>
      planDeploy(withTriggers(event('sqs', 'orders'), event('sqs', QUEUE)), options, site()),
    ).toThrow('calls the function already, by triggers.1');
  });
});

describe('a bucket', () => {
  const created = ['s3:ObjectCreated:*'];
  const images = {prefix: 'images/', suffix: '', events: created};
  const bucket = (change: Partial<BucketFound> = {}): BucketFound => ({
    bucket: 'uploads',
    exists: true,
    sid: callerSid('s3', 'uploads'),
    rules: [images],
    others: [],
    ...change,
  });
  const wanted = withTriggers(event('s3', 'uploads/images/'));

  it('may call the function, then does for what begins and ends so', () => {
    const plan = planDeploy(wanted, options, having({buckets: [bucket({sid: null, rules: []})]}));
    expect(opsOf(plan)).toEqual(['AddPermission', 'PutBucketNotification']);
    expect(changesOf(plan)).toEqual(['AddPermission triggers']);
    expect(plan.steps[0]?.args['permission']).toMatchObject({SourceArn: 'arn:aws:s3:::uploads'});
    expect(plan.steps[1]?.args).toMatchObject({bucket: 'uploads', rules: [images]});
    const more = withTriggers(
      event('s3', 'uploads/images/', {suffix: '.jpg', events: ['removed', 'created']}),
      event('s3', 'uploads/texts/'),
    );
    expect(planDeploy(more, options, site()).steps[1]?.args['rules']).toEqual([
      {prefix: 'images/', suffix: '.jpg', events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*']},
      {prefix: 'texts/', suffix: '', events: created},
    ]);
    const twice = withTriggers(event('s3', 'uploads'), event('s3', 'uploads', {events: ['removed']}));
    expect(planDeploy(twice, options, site()).steps[1]?.args['rules']).toEqual([
      {prefix: '', suffix: '', events: ['s3:ObjectCreated:*', 's3:ObjectRemoved:*']},
    ]);
  });

  it('is there already, changes its rules, or is let go of', () => {
    expect(planDeploy(wanted, options, having({buckets: [bucket()]})).steps).toEqual([]);
    const other = planDeploy(withTriggers(event('s3', 'uploads')), options, having({buckets: [bucket()]}));
    expect(opsOf(other)).toEqual(['PutBucketNotification']);
    expect(changesOf(other)).toEqual(['PutBucketNotification triggers']);
    const gone = planDeploy(spec, options, having({buckets: [bucket()]}));
    expect(opsOf(gone)).toEqual(['PutBucketNotification', 'RemovePermission']);
    expect(gone.steps[0]?.args['rules']).toEqual([]);
    const deleted = planDeploy(spec, options, having({buckets: [bucket({exists: false, rules: []})]}));
    expect(opsOf(deleted)).toEqual(['RemovePermission']);
  });

  it('is refused if it is not there, or tells somebody else of the same', () => {
    const plan = (change: Partial<BucketFound>) => () =>
      planDeploy(wanted, options, having({buckets: [bucket({sid: null, rules: [], ...change})]}));
    expect(plan({exists: false})).toThrow('triggers.1.s3.name: there is no bucket uploads');
    const other = (rule: Partial<typeof images>) => ({
      others: [{...images, ...rule, target: 'arn:aws:sns:eu-central-1:123456789012:new'}],
    });
    for (const rule of [{}, {prefix: ''}, {prefix: 'images/a'}, {suffix: '.jpg'}]) {
      expect(plan(other(rule))).toThrow('uploads already tells arn:aws:sns:eu-central-1:123456789012:new of');
    }
    expect(plan(other({events: ['s3:ObjectCreated:Put']}))).toThrow(
      'overlaps with s3:ObjectCreated:* images/',
    );
    for (const rule of [{prefix: 'texts/'}, {events: ['s3:ObjectRemoved:*']}]) {
      expect(opsOf(plan(other(rule))())).toEqual(['AddPermission', 'PutBucketNotification']);
    }
    // What stands is not looked at again.
    const stands = having({buckets: [bucket(other({}))]});
    expect(planDeploy(wanted, options, stands).steps).toEqual([]);
  });
});

const wide = {filter: [{body: {text: ['x'.repeat(4096)]}}]};
it.each([
  [event('dynamodb', 'orders'), "triggers.1.dynamodb.name: orders is not the ARN of a table's stream"],
  [event('sqs', 'orders please'), 'triggers.1.sqs.name: orders please is not'],
  [event('s3', 'A'), 'triggers.1.s3.name: A is not a bucket'],
  [event('pubsub', 'topic'), 'triggers.1: there is no trigger of the kind pubsub'],
  [{kind: 'schedule', cron: '0 3 1 * 1'} as const, 'triggers.1.schedule.cron: 0 3 1 * 1: AWS takes no day'],
  [
    {kind: 'schedule', cron: '0 3 * * *', input: 'x'.repeat(8192)} as const,
    'triggers.1.schedule.input: is 82',
  ],
  [event('sqs', 'orders', {batchSize: 11}), 'sqs.batchWindow: must be 1s or more where batchSize is more'],
  [
    event('sqs', 'orders', {batchSize: 10_001, batchWindowMs: 1000}),
    'sqs.batchSize: must be 1 to 10000, not',
  ],
  [event('sqs', 'orders.fifo', {batchSize: 11}), 'sqs.batchSize: must be 1 to 10 of a FIFO queue, not 11'],
  [event('sqs', 'orders.fifo', {batchWindowMs: 1000}), 'sqs.batchWindow: is nothing that FIFO queues have'],
  [event('sqs', 'orders', {batchWindowMs: 1500}), 'sqs.batchWindow: must be whole seconds, 5m at most, not'],
  [event('sqs', 'orders', {batchWindowMs: 301_000}), 'sqs.batchWindow: must be whole seconds, 5m at most'],
  [event('sqs', 'orders', {maximumConcurrency: 1}), 'sqs.maximumConcurrency: must be 2 to 1000, not 1'],
  [event('kinesis', 'clicks', {batchSize: 10_001}), 'kinesis.batchSize: must be 1 to 10000, not 10001'],
  [
    event('sqs', 'orders', {filter: Array.from({length: 11}, () => ({body: {a: [1]}}))}),
    'sqs.filter: must be 10 patterns at most',
  ],
  [event('sqs', 'orders', wide), 'sqs.filter.0: is 41'],
  [event('sqs', 'orders', {filter: [{body: {kind: 'order'}}]}), 'filter.0.body.kind: must be a list of what'],
  [event('sqs', 'orders', {filter: [{body: {kind: []}}]}), 'filter.0.body.kind: must list what it may be'],
  [event('sqs', 'orders', {filter: [{body: {}}]}), 'filter.0.body: must name a member to look at'],
  [event('sqs', 'orders', {filter: [{$or: [{body: {a: 1}}]}]}), 'filter.0.$or.0.body.a: must be a list'],
])('%j is refused', (trigger, problem) => {
  expect(() => planDeploy(withTriggers(trigger), options, site())).toThrow(problem);
});

it.each([
  event('kinesis', 'clicks', {batchSize: 10_000}),
  event('sqs', 'orders', {batchSize: 10_000, batchWindowMs: 300_000, maximumConcurrency: 1000}),
  event('sqs', 'orders.fifo', {batchSize: 10}),
  event('sqs', 'orders', {filter: [{body: {a: [{numeric: ['>', 1]}, null]}, $or: [{b: ['x']}, {c: [1]}]}]}),
])('%j is taken', (trigger) => {
  expect(opsOf(planDeploy(withTriggers(trigger), options, site()))).toContain('CreateEventSourceMapping');
});

it('says what of a list of triggers is in the way of another', () => {
  const refused = (...triggers: Trigger[]) => triggerProblems(triggers).map(({path}) => path.join('.'));
  expect(refused(event('sqs', 'a'), event('kinesis', 'a'), event('sqs', 'a', {batchSize: 5}))).toEqual([
    'triggers.2.sqs.name',
  ]);
  const jpg = event('s3', 'uploads/in/', {suffix: '.jpg'});
  expect(refused(jpg, event('s3', 'uploads/in/', {suffix: '.png'}), event('s3', 'others/in/'))).toEqual([]);
  expect(refused(jpg, event('s3', 'uploads/in/', {events: ['removed']}))).toEqual([]);
  expect(refused(jpg, event('s3', 'uploads', {events: ['removed', 'created']}))).toEqual(['triggers.1.s3']);
});
