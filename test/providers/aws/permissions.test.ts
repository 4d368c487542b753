import {afterEach, describe, expect, it} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import {leastPolicy} from '../../../src/providers/aws/policy.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';
import {lifeOf, lookAfter, plantSurroundings, type Stage} from './life.ts';

const PLACE = {partition: 'aws', account: '123456789012', region: 'eu-central-1', function: NAME};

/** Actions that no life asks for by that name, and who does. */
const ASKED_BY_OTHERS: {readonly [action: string]: string} = {
  'ecr:BatchGetImage': 'Lambda, with the permissions of who deploys, to take the image',
  'ecr:GetDownloadUrlForLayer': 'Lambda, the same',
  'ecr:GetRepositoryPolicy': 'Lambda, to see whether it may take images from the repository',
  'ecr:SetRepositoryPolicy': 'Lambda, so that it may',
  'events:TagResource': 'EventBridge, where a rule is made with tags',
};

/** Actions that are not needed: without them a command does what it can. */
const SPARED: {readonly [artifact: string]: readonly string[]} = {
  image: ['lambda:GetAccountSettings'],
  // One of before may be there, where the function was an image.
  zip: ['lambda:GetAccountSettings', 'ecr:DescribeRepositories'],
};
/** What nobody can be denied. */
const FREE = ['sts:GetCallerIdentity'];

const open: AwsHarness[] = [];
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
});

async function openSite(artifact: string, runs = false): Promise<AwsHarness> {
  const harness = await openAwsHarness({artifact}, {runs});
  open.push(harness);
  plantSurroundings(harness);
  return harness;
}

/** The actions of each command, in the order in which they are first asked for, and what is there after it. */
async function record(harness: AwsHarness, stages: readonly Stage[]) {
  const {asked} = harness.aws.account;
  const desk = openDesk(harness);
  const recorded = new Map<Stage, {readonly actions: readonly string[]; readonly seen: unknown}>();
  for (const stage of stages) {
    const from = asked.length;
    await stage.run(desk);
    const actions = new Set(asked.slice(from).map(({action}) => action));
    recorded.set(stage, {actions: [...actions], seen: await lookAfter(harness, desk, stage)});
  }
  return recorded;
}

describe('each action in turn that is not allowed', () => {
  it.each(['image', 'zip'])(
    'is named with its resource, in whatever command it is needed first, and once it is allowed the command goes on, with an artifact %s',
    async (artifact) => {
      const harness = await openSite(artifact);
      const {account} = harness.aws;
      const stages = lifeOf(harness);
      const recorded = await record(harness, stages);
      const desk = openDesk(harness);
      const done = new Set([...FREE, ...(SPARED[artifact] ?? [])]);
      const named: string[] = [];
      for (const stage of stages) {
        const {actions = [], seen} = recorded.get(stage) ?? {};
        for (const action of actions.filter((each) => !done.has(each))) {
          done.add(action);
          account.deny(action);
          const error = await stage.run(desk).then(
            () => null,
            (thrown: unknown) => thrown,
          );
          account.allow(action);
          expect(error, `${action} in ${stage.name}`).toBeInstanceOf(ThawError);
          const {code, facts, message} = error as ThawError;
          const resource = facts['resource'] as string;
          expect([action, code, facts['action']]).toEqual([action, 'PERMISSION_DENIED', action]);
          expect(resource, action).toMatch(/^(\*|arn:aws:|thaw\/)/);
          expect(message).toContain(`not allowed: ${action} on ${resource}`);
          named.push(action);
        }
        await stage.run(desk);
        expect(await lookAfter(harness, desk, stage), stage.name).toEqual(seen);
      }
      expect(named.length).toBeGreaterThan(artifact === 'zip' ? 35 : 75);
    },
    300_000,
  );
});

describe('the least policy', () => {
  it('allows all that is asked for, on what it is asked for, and nothing else', async () => {
    const asked = new Map<string, Set<string>>();
    for (const artifact of ['image', 'zip']) {
      const harness = await openSite(artifact, true);
      const {aws, context, driver} = harness;
      await record(harness, lifeOf(harness));
      await askAround(harness);
      const checks = driver.open({artifact}).checks({name: NAME});
      for (const check of checks) await check.check(context);
      for (const {action, resource} of aws.account.asked) {
        asked.set(action, (asked.get(action) ?? new Set()).add(resource));
      }
    }
    const {Statement} = leastPolicy(PLACE) as unknown as {Statement: readonly Allowed[]};
    for (const [action, resources] of asked) {
      for (const resource of resources)
        expect([action, resource, allows(Statement, action, resource)]).toEqual([action, resource, true]);
    }
    const allowed = [...new Set(Statement.flatMap(({Action}) => Action))].sort();
    const unasked = allowed.filter((action) => !asked.has(action));
    expect(unasked).toEqual(Object.keys(ASKED_BY_OTHERS));
  }, 120_000);
});

/** A request each way, and the log. */
async function askAround(harness: AwsHarness): Promise<void> {
  const {context, driver} = harness;
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  for (const invoke of ['url', 'direct']) {
    const {evidence} = await desk.invoke({...base, options: {...base.options, invoke}});
    const query = {bootIds: [evidence.bootId], sinceMs: null};
    await driver.open(base.options).startup(context, await desk.deployment(base), query);
  }
  await desk.teardown(base);
}

interface Allowed {
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
}

const allows = (statements: readonly Allowed[], action: string, resource: string): boolean =>
  statements.some(
    ({Action, Resource}) =>
      [Action].flat().includes(action) && [Resource].flat().some((pattern) => matches(pattern, resource)),
  );

/** Whether a pattern of a policy, with stars, is of a resource. */
const matches = (pattern: string, resource: string): boolean =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  ).test(resource);
