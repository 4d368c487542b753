import {afterEach, expect, it} from 'vitest';
import {deploymentOfColdStart} from '../../../src/core/driver.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {openAwsHarness, type AwsHarness} from './harness.ts';

let harness: AwsHarness | null = null;
afterEach(async () => {
  await harness?.close();
  harness = null;
});

const FAULTS = ['reset after', '500', 'throttle', '503', 'reset'] as const;
const nameOf = (operation: string): string => operation.replace(/^lambda:/, '');

it('is asked of a twin, by its number where the function is asked directly, and of nothing else', async () => {
  harness = await openAwsHarness({invoke: 'direct'});
  const {aws} = harness;
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  await desk.invoke(base);
  const before = aws.requests.length;
  const asked = await desk.chill(base);
  expect((await desk.invoke(base, asked)).class).toBe('cold');
  expect((await desk.invoke(base, asked)).class).toBe('warm');
  await desk.tidy(base);
  const after = aws.requests.slice(before);
  const invoked = after.filter(({operation}) => operation === 'lambda:Invoke');
  expect(invoked.map(({input}) => input['Qualifier'])).toEqual(['2', '2']);
  expect(asked.url).toMatch(/Qualifier=2$/);
  expect(after.filter(({reads}) => !reads).map(({operation}) => nameOf(operation))).toEqual([
    'UpdateFunctionConfiguration',
    'PublishVersion',
    'DeleteFunction',
    'UpdateFunctionConfiguration',
  ]);
  expect((await desk.invoke(base)).evidence.ordinal).toBe(2);
});

it('is asked through a URL that anybody may call where anybody may call the live one', async () => {
  harness = await openAwsHarness();
  const desk = openDesk(harness);
  const base = baseOf(harness);
  const open = {...base, spec: {...base.spec, triggers: [{kind: 'http' as const, auth: 'none' as const}]}};
  await desk.deploy(open);
  const before = await harness.inventory();
  const asked = await desk.chill(open);
  expect(asked.url).not.toBe((await desk.deployment(open)).url);
  expect((await fetch(asked.url, {method: 'POST', body: harness.request.body.slice()})).status).toBe(200);
  expect((await desk.invoke(open, asked)).evidence.ordinal).toBe(2);
  await desk.tidy(open);
  expect(await harness.inventory()).toEqual(before);
});

it('is proved by what Lambda itself recorded, whichever way it was asked', async () => {
  for (const invoke of ['url', 'direct']) {
    harness = await openAwsHarness({invoke});
    const {driver, context} = harness;
    const desk = openDesk(harness);
    const base = {...baseOf(harness), options: {invoke}};
    await desk.deploy(base);
    const sinceMs = context.ports.clock.now();
    const bootIds: string[] = [];
    for (let shot = 0; shot < 2; shot++) {
      const asked = await desk.chill(base);
      bootIds.push((await desk.invoke(base, asked)).evidence.bootId);
    }
    await desk.tidy(base);
    const live = await desk.deployment(base);
    const records = await driver.open(base.options).startup(context, live, {bootIds, sinceMs});
    expect(records.map(({bootId}) => bootId)).toEqual(bootIds);
    for (const {onDemand, phases} of records) {
      expect(onDemand).toBe(true);
      expect(phases['Init Duration']).toBeGreaterThan(0);
    }
    await harness.close();
    harness = null;
  }
});

it('is cold beside instances that are kept ready, which stay', async () => {
  harness = await openAwsHarness();
  const desk = openDesk(harness);
  const base = baseOf(harness);
  const warm = {...base, spec: {...base.spec, warm: {min: 1, schedule: []}}};
  await desk.deploy(warm);
  const before = await desk.endState(warm);
  const asked = await desk.chill(warm);
  expect((await desk.invoke(warm, asked)).class).toBe('cold');
  expect((await desk.invoke(warm)).class).toBe('prewarmed');
  await desk.tidy(warm);
  expect(await desk.endState(warm)).toEqual(before);
});

it('stays within what an account’s control plane takes', async () => {
  harness = await openAwsHarness({}, {runs: false, requestsPerSecond: 15});
  const {aws} = harness;
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  const before = aws.requests.length;
  for (let shot = 0; shot < 3; shot++) await desk.chill(base);
  await desk.tidy(base);
  const refused = aws.requests.slice(before).filter(({error}) => /TooManyRequests/.test(error ?? ''));
  expect(refused).toEqual([]);
});

it('is found and deleted by the next deploy after a run that was cut off, and by the next cold start', async () => {
  harness = await openAwsHarness({}, {runs: false});
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  const before = await desk.endState(base);
  const first = await desk.chill(base);
  const second = await desk.chill(base);
  expect(second.version).not.toBe(first.version);
  const there = (await harness.inventory()).filter((name) => !before.inventory.includes(name));
  expect(there.some((name) => name.includes(second.handle['qualifier'] as string))).toBe(true);
  expect(there.some((name) => name.includes(first.handle['qualifier'] as string))).toBe(false);
  expect((await desk.inspect(base)).status.versions.map(({version}) => version)).toEqual(['1']);
  await desk.deploy(base);
  expect(await desk.endState(base)).toEqual(before);
  expect((await desk.plan(base)).steps).toEqual([]);
});

it('is refused to one of two who make one at once', async () => {
  harness = await openAwsHarness({}, {runs: false});
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  const view = await desk.inspect(base);
  const mine = view.chill();
  const first = deploymentOfColdStart(mine, await desk.apply(mine.plan, base));
  await desk.chill(base);
  const late = await desk.apply(mine.plan, base).then(
    () => null,
    (error: unknown) => error,
  );
  expect(first.version).toBe('2');
  expect(late).toMatchObject({code: 'PROVIDER_CONFLICT'});
});

it('comes to the same end, whichever of its requests is broken', async () => {
  harness = await openAwsHarness({}, {runs: false});
  const {aws} = harness;
  const desk = openDesk(harness);
  const base = baseOf(harness);
  const open = {...base, spec: {...base.spec, triggers: [{kind: 'http' as const, auth: 'none' as const}]}};
  await desk.deploy(open);
  const before = await desk.endState(open);
  const life = async (): Promise<void> => {
    await desk.chill(open);
    await desk.tidy(open);
  };
  const from = aws.requests.length;
  await life();
  const requests = aws.requests.length - from;
  for (let at = 0; at < requests; at++) {
    const fault = FAULTS[at % FAULTS.length] ?? 'reset';
    aws.faults.at(at, fault);
    await life().catch((error: unknown) => {
      throw new Error(`${fault} at request ${at} of ${requests}`, {cause: error});
    });
    expect(await desk.endState(open), `${fault} at request ${at} of ${requests}`).toEqual(before);
  }
}, 120_000);
