import {afterEach, describe, expect, it} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import type {JsonObject} from '../../../src/core/json.ts';
import {openDesk, baseOf} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';

const open: AwsHarness[] = [];
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
});

async function openSite(options: JsonObject = {}): Promise<AwsHarness> {
  const harness = await openAwsHarness(options, {runs: false});
  open.push(harness);
  return harness;
}

async function refusalOf(work: Promise<unknown>): Promise<ThawError> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ThawError);
  return error as ThawError;
}

describe('AWS refuses', () => {
  it('whoever has no credentials: it says so before anything is written', async () => {
    const harness = await openSite();
    delete process.env['AWS_ACCESS_KEY_ID'];
    const error = await refusalOf(openDesk(harness).plan(baseOf(harness)));
    expect([error.code, error.facts['reason']]).toEqual(['CREDENTIALS_MISSING', 'none']);
    expect(harness.aws.requests).toEqual([]);
  });

  it('whose credentials have expired', async () => {
    const harness = await openSite();
    harness.aws.account.expired = true;
    const error = await refusalOf(openDesk(harness).plan(baseOf(harness)));
    expect([error.code, error.facts['reason']]).toEqual(['CREDENTIALS_MISSING', 'expired']);
  });

  it('who says no region', async () => {
    const harness = await openSite();
    delete process.env['AWS_REGION'];
    const error = await refusalOf(openDesk(harness).plan(baseOf(harness)));
    expect([error.code, error.facts['reason']]).toEqual(['CREDENTIALS_MISSING', 'no-region']);
  });

  it('each call in turn that is not allowed: the error names action and resource', async () => {
    const harness = await openSite();
    const {aws} = harness;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const deployAndLook = async (): Promise<unknown> => {
      await desk.deploy(base);
      return desk.plan(base);
    };
    await deployAndLook();
    const actions = new Set(aws.requests.map(({operation}) => operation));
    await desk.teardown(base);
    expect(actions.size).toBeGreaterThan(25);
    for (const action of actions) {
      if (action === 'sts:GetCallerIdentity') continue;
      aws.account.deny(action);
      const error = await refusalOf(deployAndLook());
      expect([action, error.code]).toEqual([action, 'PERMISSION_DENIED']);
      expect(error.facts['action']).toBe(action);
      expect(error.facts['resource']).toMatch(/./);
      aws.account.allow(action);
    }
    await desk.deploy(base);
    expect((await desk.plan(base)).steps).toEqual([]);
  });

  it('more memory than a new account may have', async () => {
    const harness = await openSite();
    harness.aws.account.memoryMbMax = 3008;
    const base = baseOf(harness);
    const resources = {...base.spec.resources, memoryMb: 4096};
    const error = await refusalOf(openDesk(harness).deploy({...base, spec: {...base.spec, resources}}));
    expect(error.code).toBe('PROVIDER_REFUSED');
    expect(error.message).toContain('3008');
  });
});

describe('on a new account', () => {
  it('nothing is reserved of the ten instances that there are', async () => {
    const harness = await openSite();
    harness.aws.account.concurrency = 10;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const wanted = {...base, spec: {...base.spec, scaling: {maxInstances: 10}}};
    await desk.deploy(wanted);
    expect(harness.aws.writes()).not.toContain('lambda:PutFunctionConcurrency');
    expect((await desk.plan(wanted)).steps).toEqual([]);
  });
});

describe('what is there already', () => {
  it('is not taken over, and not deleted', async () => {
    const harness = await openSite();
    harness.aws.roles.plant(`thaw-${NAME}-eu-central-1`);
    const desk = openDesk(harness);
    const error = await refusalOf(desk.deploy(baseOf(harness)));
    expect([error.code, error.facts['what']]).toEqual(['PROVIDER_CONFLICT', 'role']);
    expect((await desk.inspect(baseOf(harness))).teardown().steps).toEqual([]);
    expect(harness.aws.writes()).toEqual([]);
  });

  it('is planned with reads alone', async () => {
    const harness = await openSite();
    await openDesk(harness).plan(baseOf(harness));
    expect(harness.aws.requests.length).toBeGreaterThan(3);
    expect(harness.aws.writes()).toEqual([]);
  });
});

describe('of two deploys at once', () => {
  it('one wins, and the other says so', async () => {
    const harness = await openSite();
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    const more = (memoryMb: number) => {
      const resources = {...base.spec.resources, memoryMb};
      return {...base, spec: {...base.spec, resources}};
    };
    const [first, second] = await Promise.all([desk.plan(more(1024)), desk.plan(more(2048))]);
    await desk.apply(first, more(1024));
    const error = await refusalOf(desk.apply(second, more(2048)));
    expect(error.code).toBe('PROVIDER_CONFLICT');
    expect((await desk.plan(more(1024))).steps).toEqual([]);
  });
});
