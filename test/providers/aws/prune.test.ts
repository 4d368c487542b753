import {CreateAliasCommand, DeleteAliasCommand, Lambda} from '@aws-sdk/client-lambda';
import {afterEach, expect, it} from 'vitest';
import {baseOf, openDesk, type Wanted} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';

let harness: AwsHarness;
afterEach(() => harness.close());

/** Each amount of memory is a version. */
const withMemory = (base: Wanted, memoryMb: number, options = base.options): Wanted => ({
  ...base,
  options,
  spec: {...base.spec, resources: {...base.spec.resources, memoryMb}},
});

async function open(runs: boolean, options: AwsHarness['options'] = {keep: 2}) {
  harness = await openAwsHarness(options, {runs, pageSize: 2});
  const base = baseOf(harness);
  const desk = openDesk(harness);
  // It finds the stand-in where the driver does.
  const lambda = new Lambda({});
  const kept = async (): Promise<readonly string[]> => {
    const named = (kind: string): string[] =>
      harness.aws
        .inventory()
        .filter((name) => name.startsWith(`${kind} `) && name.includes(NAME))
        .map((name) => name.slice(-2).replace(':', ''));
    return [...named('version'), `${named('image').length} images`];
  };
  return {base, desk, lambda, kept, other: {...base, image: harness.images[1]}};
}

it('deletes old versions and their images, rolls back to what is kept, and goes on from there', async () => {
  const {base, desk, kept, other} = await open(true);
  await desk.deploy(base);
  await desk.deploy(other);
  await desk.deploy(withMemory(other, 640));
  expect(await kept()).toEqual(['1', '2', '3', '2 images']);
  await desk.deploy(withMemory(other, 768));
  expect(await kept()).toEqual(['2', '3', '4', '1 images']);
  await desk.assertDeployed(withMemory(other, 768));

  await desk.apply((await desk.inspect(other)).rollback('2'), other);
  expect((await desk.invoke(other)).evidence.image).toBe(other.image.image.digest);
  // The image that is gone is pushed again; what was live until now is there to roll back to, older as it is.
  await desk.deploy(base);
  expect(await kept()).toEqual(['2', '4', '5', '2 images']);
  await desk.assertDeployed(base);
  await desk.teardown(base);
  expect(await harness.inventory()).toEqual([]);
}, 60_000);

it('keeps what an alias of somebody else’s leads to, be it with a weight, and what that runs', async () => {
  const {base, desk, lambda, kept, other} = await open(false);
  await desk.deploy(base);
  await desk.deploy(other);
  await lambda.send(
    new CreateAliasCommand({
      FunctionName: NAME,
      Name: 'canary',
      FunctionVersion: '2',
      RoutingConfig: {AdditionalVersionWeights: {1: 0.1}},
    }),
  );
  for (const memoryMb of [640, 768, 896]) await desk.deploy(withMemory(other, memoryMb));
  expect(await kept()).toEqual(['1', '2', '3', '4', '5', '2 images']);
  expect((await desk.plan(withMemory(other, 896))).steps).toEqual([]);
  await lambda.send(new DeleteAliasCommand({FunctionName: NAME, Name: 'canary'}));
  await desk.deploy(withMemory(other, 896));
  expect(await kept()).toEqual(['3', '4', '5', '1 images']);
});

it('spares what somebody has taken into use since the plan was made, and its image', async () => {
  const {base, desk, lambda, kept, other} = await open(false);
  await desk.deploy(base);
  for (const memoryMb of [512, 640]) await desk.deploy(withMemory(other, memoryMb));
  const wanted = withMemory(other, 768);
  const plan = await desk.plan(wanted);
  expect(plan.steps.map(({id}) => id).slice(-2)).toEqual(['prune-1', 'prune-images']);
  await lambda.send(new CreateAliasCommand({FunctionName: NAME, Name: 'mine', FunctionVersion: '1'}));
  await desk.apply(plan, wanted);
  expect(await kept()).toEqual(['1', '2', '3', '4', '2 images']);
  expect((await desk.plan(wanted)).steps).toEqual([]);
});

it('keeps versions that were published by hand and say so, and all where all are to be kept', async () => {
  const {base, desk, lambda, kept} = await open(false, {keep: 1});
  await desk.deploy(base);
  await desk.deploy(withMemory(base, 640, {keep: null}));
  await lambda.updateFunctionConfiguration({FunctionName: NAME, Timeout: 7});
  await harness.aws.clock.sleep(10_000, harness.context.signal);
  await lambda.publishVersion({FunctionName: NAME, Description: 'ours until spring'});
  await harness.aws.clock.sleep(10_000, harness.context.signal);
  await desk.deploy(withMemory(base, 768, {keep: null}));
  await desk.deploy(withMemory(base, 896, {keep: null}));
  expect(await kept()).toEqual(['1', '2', '3', '4', '5', '1 images']);
  await desk.deploy(withMemory(base, 896));
  expect(await kept()).toEqual(['3', '4', '5', '1 images']);
});

it('deletes old versions of a zip archive', async () => {
  const {base, desk, kept} = await open(false, {artifact: 'zip', keep: 1});
  for (const memoryMb of [512, 640, 768]) await desk.deploy(withMemory(base, memoryMb));
  expect(await kept()).toEqual(['2', '3', '0 images']);
  expect((await desk.plan(withMemory(base, 768))).steps).toEqual([]);
});
