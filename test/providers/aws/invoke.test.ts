import {afterEach, expect, it} from 'vitest';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {openAwsHarness, type AwsHarness} from './harness.ts';

let harness: AwsHarness | null = null;
afterEach(async () => {
  await harness?.close();
  harness = null;
});

it('asks directly as through the URL: the same answer, the same evidence, once', async () => {
  harness = await openAwsHarness();
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  const byUrl = await desk.invoke(base);
  const before = harness.aws.requests.length;
  const direct = {...base, options: {invoke: 'direct'}};
  const {invocation, evidence} = await desk.invoke(direct);
  const sent = harness.aws.requests.slice(before).filter(({operation}) => /Invoke/.test(operation));
  expect(sent.map(({operation}) => operation)).toEqual(['lambda:Invoke']);
  expect(evidence).toMatchObject({bootId: byUrl.evidence.bootId, ordinal: 2, image: base.image.image.digest});
  expect(JSON.parse(Buffer.from(invocation.body).toString())).toEqual(
    JSON.parse(Buffer.from(byUrl.invocation.body).toString()),
  );
  const {connectedMs, writtenMs, firstByteMs} = invocation.timings;
  expect(connectedMs).not.toBeNull();
  expect(firstByteMs ?? 0).toBeGreaterThanOrEqual(writtenMs ?? Infinity);
});

it('asks directly where there is no URL', async () => {
  harness = await openAwsHarness();
  const desk = openDesk(harness);
  const base = baseOf(harness);
  const quiet = {...base, spec: {...base.spec, triggers: []}};
  await desk.deploy(quiet);
  expect(harness.aws.writes()).not.toContain('lambda:CreateFunctionUrlConfig');
  expect((await desk.deployment(quiet)).url).toContain('/2015-03-31/functions/credit-scoring/invocations');
  expect((await desk.invoke(quiet)).class).toBe('cold');
});

it('goes to the version that is live or was made cold, though requests follow aliases late', async () => {
  harness = await openAwsHarness({}, {paces: {aliasMs: 2500}});
  const desk = openDesk(harness);
  const base = baseOf(harness);
  await desk.deploy(base);
  expect((await desk.invoke(base)).class).toBe('cold');
  expect((await desk.invoke(base, await desk.chill(base))).class).toBe('cold');
  const other = {...base, image: harness.images[1]};
  await desk.deploy(other);
  expect((await desk.invoke(other)).evidence.image).toBe(other.image.image.digest);
});
