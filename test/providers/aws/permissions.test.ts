import {afterEach, describe, expect, it} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import {openDesk} from '../conformance/desk.ts';
import {openAwsHarness, type AwsHarness} from './harness.ts';
import {lifeOf, lookAfter, plantSurroundings, type Stage} from './life.ts';

/** Actions that are not needed: without them a command does what it can. */
const SPARED: {readonly [artifact: string]: readonly string[]} = {
  image: ['lambda:GetAccountSettings', 'sqs:GetQueueUrl', 'sqs:GetQueueAttributes'],
  // One of before may be there, where the function was an image.
  zip: ['lambda:GetAccountSettings', 'ecr:DescribeRepositories'],
};
/** What nobody can be denied. */
const FREE = ['sts:GetCallerIdentity'];

const open: AwsHarness[] = [];
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
});

async function openSite(artifact: string): Promise<AwsHarness> {
  const harness = await openAwsHarness({artifact}, {runs: false});
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
