import {join} from 'node:path';
import {mkdtemp} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {afterEach, expect, it} from 'vitest';
import {makeSmallImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';

let harness: AwsHarness | null = null;
afterEach(async () => {
  await harness?.close();
  harness = null;
});

it('has instances go on from a snapshot, each as one of its own, and Lambda’s record says so', async () => {
  harness = await openAwsHarness({snapStart: true});
  const {driver, context} = harness;
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  expect((await desk.plan(base)).steps).toEqual([]);
  const everybody = await desk.invoke(base);
  const bootIds: string[] = [everybody.evidence.bootId];
  for (let shot = 0; shot < 2; shot++) {
    const asked = await desk.chill(base);
    const {evidence, class: found} = await desk.invoke(base, asked);
    expect([found, evidence.restored, evidence.ordinal]).toEqual(['restored', true, 1]);
    bootIds.push(evidence.bootId);
    expect((await desk.invoke(base, asked)).class).toBe('warm');
  }
  await desk.tidy(base);
  expect(new Set(bootIds).size).toBe(3);
  const query = {bootIds, sinceMs: null};
  const records = await driver.open(base.options).startup(context, await desk.deployment(base), query);
  expect(records.map(({bootId}) => bootId)).toEqual(bootIds);
  for (const {phases, onDemand} of records) {
    expect(phases['Restore Duration']).toBeGreaterThan(0);
    expect(phases['Init Duration']).toBeUndefined();
    expect(onDemand).toBe(true);
  }
});

it('is turned on and off by a deploy, and Lambda is told of it then alone', async () => {
  harness = await openAwsHarness();
  const {aws} = harness;
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  expect(aws.requests.filter(({input}) => 'SnapStart' in input)).toEqual([]);
  const snapping = {...base, options: {snapStart: true}};
  const {steps} = await desk.deploy(snapping);
  const changes = steps.flatMap((step) => step.changes);
  expect(changes).toEqual([{path: 'options.snapStart', from: false, to: true}]);
  expect((await desk.invoke(snapping)).class).toBe('restored');
  await desk.deploy(base);
  expect((await desk.invoke(base)).class).toBe('cold');
});

it('is refused by Lambda where the image does not allow it: the live version stays', async () => {
  harness = await openAwsHarness({}, {runs: false});
  const desk = openDesk(harness);
  const dir = await mkdtemp(join(tmpdir(), 'thaw-unlabelled-'));
  const image = await makeSmallImage(dir, {name: NAME, label: 'unlabelled'});
  const base = {...baseOf(harness), image};
  await desk.deploy(base);
  const snapping = {...base, options: {snapStart: true}};
  await expect(desk.deploy(snapping)).rejects.toMatchObject({
    code: 'PROVIDER_REFUSED',
    message: expect.stringContaining('com.amazonaws.lambda.feature.snapstart=Allow'),
  });
  expect((await desk.inspect(base)).status).toMatchObject({state: 'ready', deployment: {version: '1'}});
});

it('goes with no instances that are kept ready, and with no larger /tmp', async () => {
  harness = await openAwsHarness({snapStart: true}, {runs: false});
  const desk = openDesk(harness);
  const base = baseOf(harness);
  const warm = {...base, spec: {...base.spec, warm: {min: 1, schedule: []}}};
  await expect(desk.plan(warm)).rejects.toMatchObject({code: 'CONFIG_INVALID'});
  await desk.deploy(base);
  const view = await desk.inspect(base);
  expect(() => view.warm({min: 1, schedule: []})).toThrow('snapStart');
  expect(view.warm({min: 0, schedule: []}).steps).toEqual([]);
  expect(() => harness?.driver.open({snapStart: true, ephemeralStorage: '1Gi'})).toThrow('512Mi');
});
