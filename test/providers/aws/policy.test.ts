import {afterEach, expect, it} from 'vitest';
import type {Trigger} from '../../../src/core/function.ts';
import type {Json, JsonObject} from '../../../src/core/json.ts';
import type {PolicyDocument} from '../../fakes/aws/policy.ts';
import {baseOf, openDesk, type Wanted} from '../conformance/desk.ts';
import {awsTraits, NAME, openAwsHarness, type AwsHarness} from './harness.ts';

let harness: AwsHarness;
afterEach(() => harness.close());

const BOUNDARY = 'arn:aws:iam::123456789012:policy/boundary';
const own = (option: string): Json => awsTraits.optionValues?.[option] ?? null;

/** From now on the caller may do what the least policy for that allows, and nothing else. */
async function bind({spec, options}: Wanted): Promise<PolicyDocument> {
  const {aws, driver, context} = harness;
  aws.account.policy = null;
  const policy = (await driver.open(options).policy(context, spec)) as unknown as PolicyDocument;
  aws.account.policy = policy;
  return policy;
}

/** What a function goes through, from its first deploy to its end. */
async function live(wanted: Wanted): Promise<void> {
  const {driver, context} = harness;
  const desk = openDesk(harness);
  const more = (memoryMb: number): Wanted => ({
    ...wanted,
    spec: {...wanted.spec, resources: {...wanted.spec.resources, memoryMb}},
  });
  await desk.deploy(wanted);
  const {invocation} = await desk.invoke(wanted);
  const site = driver.open(wanted.options);
  const query = {bootIds: [invocation.evidence?.bootId ?? ''], sinceMs: null};
  await site.startup(context, await desk.deployment(wanted), query);
  await desk.invoke(wanted, await desk.chill(wanted));
  await desk.tidy(wanted);
  await desk.apply((await desk.inspect(wanted)).warm({min: 1, schedule: []}), wanted);
  await desk.apply((await desk.inspect(wanted)).warm({min: 0, schedule: []}), wanted);
  const second = more(640);
  await desk.deploy(second);
  await desk.apply((await desk.inspect(wanted)).rollback(null), wanted);
  await desk.deploy({...second, image: harness.images[1]});
  await desk.deploy({...more(768), image: harness.images[1]});
  const warm = {min: 1, schedule: wanted.spec.warm.schedule};
  await desk.deploy({...second, spec: {...second.spec, warm, scaling: {maxInstances: 8}}});
  await desk.assertDeployed({...second, spec: {...second.spec, warm, scaling: {maxInstances: 8}}});
  await desk.teardown(wanted);
  expect(await harness.inventory()).toEqual([]);
}

const everyTrigger: Trigger[] = [
  {kind: 'http', auth: 'none'},
  {kind: 'schedule', cron: '0 3 * * *'},
  {kind: 'event', source: 'sqs', name: 'orders'},
  {kind: 'event', source: 's3', name: 'uploads/images/'},
];
const window = {up: '0 8 * * *', down: '0 18 * * *', timezone: 'UTC', min: 2};

it.each<[string, JsonObject]>([
  ['an image', {}],
  ['an image within a boundary', {permissionsBoundary: BOUNDARY}],
  ['a zip archive', {artifact: 'zip'}],
  ['a role of one’s own', {role: own('role')}],
  ['a repository of one’s own', {repository: own('repository')}],
])(
  '%s lives under the least policy for it',
  async (_, options) => {
    harness = await openAwsHarness({keep: 1, ...options});
    const wanted = baseOf(harness);
    await bind(wanted);
    await live(wanted);
  },
  60_000,
);

it('a function with one of everything lives under the least policy for it, and needs all of that', async () => {
  harness = await openAwsHarness({keep: 1});
  const {aws} = harness;
  aws.queues.plant('orders');
  aws.buckets.plant('uploads');
  const base = baseOf(harness);
  const spec = {
    ...base.spec,
    triggers: everyTrigger,
    warm: {min: 0, schedule: [window]},
    secrets: {KEY: `ssm:/${NAME}/key`},
  };
  const wanted = {...base, spec};
  const bounded = {...wanted, options: {...wanted.options, permissionsBoundary: BOUNDARY}};
  const desk = openDesk(harness);
  await bind(bounded);
  await desk.deploy(bounded);
  const policy = await bind(wanted);
  await desk.deploy(wanted);
  await desk.teardown(wanted);
  await live(wanted);

  const windows = [window, {...window, up: '0 20 * * *', down: '0 22 * * *'}];
  await desk.deploy({...wanted, spec: {...spec, warm: {min: 0, schedule: windows}}});
  const direct = {...wanted, options: {...wanted.options, invoke: 'direct'}};
  await desk.invoke(direct);
  const batches = everyTrigger.map((each) =>
    each.kind === 'event' && each.source === 'sqs' ? {...each, batchSize: 1} : each,
  );
  await desk.deploy({...wanted, spec: {...spec, triggers: batches}});
  const tags = {...wanted.options, tags: {team: 'risk'}, logRetentionDays: null};
  await desk.deploy({...wanted, options: tags});
  const closed = everyTrigger.map((each) =>
    each.kind === 'http' ? ({...each, auth: 'iam'} as const) : each,
  );
  await desk.deploy({...wanted, spec: {...spec, triggers: closed, warm: {min: 0, schedule: []}}});
  await desk.deploy({...base, spec: {...base.spec, triggers: [], scaling: {maxInstances: 1000}}});
  await desk.teardown(wanted);

  const asked = new Set(aws.requests.map(({operation}) => ACTIONS[operation] ?? operation));
  const unused = policy.Statement.flatMap(({Action}) => [Action].flat()).filter(
    (action) => !asked.has(action),
  );
  expect(unused.sort()).toEqual(
    [
      // What services ask for beside a request, or on the caller's behalf, and no request of thaw's own.
      'ecr:BatchCheckLayerAvailability',
      'ecr:BatchGetImage',
      'ecr:CompleteLayerUpload',
      'ecr:GetDownloadUrlForLayer',
      'ecr:GetRepositoryPolicy',
      'ecr:InitiateLayerUpload',
      'ecr:PutImage',
      'ecr:SetRepositoryPolicy',
      'ecr:UploadLayerPart',
      'events:TagResource',
      'iam:CreateServiceLinkedRole',
      'iam:PassRole',
    ].sort(),
  );
}, 60_000);

/** Operations whose permission has another name. */
const ACTIONS: {readonly [operation: string]: string} = {
  'lambda:Invoke': 'lambda:InvokeFunction',
  'lambda-url:Invoke': 'lambda:InvokeFunctionUrl',
  's3:GetBucketNotificationConfiguration': 's3:GetBucketNotification',
  's3:PutBucketNotificationConfiguration': 's3:PutBucketNotification',
};
