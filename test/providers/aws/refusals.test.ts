import {afterEach, describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../src/core/json.ts';
import {baseOf, openDesk, type Desk, type Wanted} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';
import {refusalOf} from './refusal.ts';

const open: AwsHarness[] = [];
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
});

async function openSite(options: JsonObject = {}): Promise<AwsHarness> {
  const harness = await openAwsHarness(options, {runs: false});
  open.push(harness);
  return harness;
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

  it('whose region the account has not enabled: it is named', async () => {
    const harness = await openSite({region: 'ap-east-1'});
    const error = await refusalOf(openDesk(harness).plan(baseOf(harness)));
    expect([error.code, error.facts['reason']]).toEqual(['CREDENTIALS_MISSING', 'invalid']);
    expect(error.message).toContain('asked in ap-east-1, which may not be enabled for the account');
    expect(harness.aws.writes()).toEqual([]);
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
  const small = async (): Promise<{harness: AwsHarness; desk: Desk; base: Wanted}> => {
    const harness = await openSite();
    harness.aws.account.concurrency = 10;
    const base = baseOf(harness);
    const spec = {...base.spec, scaling: {maxInstances: 10}};
    return {harness, desk: openDesk(harness), base: {...base, spec}};
  };
  const window = {up: '0 8 * * *', down: '0 18 * * *', timezone: 'UTC', min: 2};

  it('nothing is reserved of the ten instances that there are', async () => {
    const {harness, desk, base} = await small();
    await desk.deploy(base);
    expect(harness.aws.writes()).not.toContain('lambda:PutFunctionConcurrency');
    expect((await desk.plan(base)).steps).toEqual([]);
  });

  it.each([
    ['warm.min', {warm: {min: 2, schedule: []}}, '2 cannot be kept ready, 0 at most'],
    ['warm.schedule.0.min', {warm: {min: 0, schedule: [window]}}, '2 cannot be kept ready, 0 at most'],
    ['scaling.max', {scaling: {maxInstances: 4}}, '4 cannot be reserved, 0 at most'],
  ])(
    '%s is refused before anything is written, where all ten have to stay free',
    async (path, part, says) => {
      const {harness, desk, base} = await small();
      const error = await refusalOf(desk.plan({...base, spec: {...base.spec, ...part}}));
      expect(error.code).toBe('CONFIG_INVALID');
      expect(error.message).toContain(`${path}: ${says}`);
      expect(error.message).toContain('the account may have 10 instances at once');
      expect(harness.aws.writes()).toEqual([]);
    },
  );

  it('what cannot be kept ready is refused to who wants it later, too', async () => {
    const {desk, base} = await small();
    await desk.deploy(base);
    const view = await desk.inspect(base);
    const warm = () => view.warm({min: 1, schedule: []});
    expect(warm).toThrow('warm.min: 1 cannot be kept ready, 0 at most');
  });

  it('what others have reserved is not there', async () => {
    const harness = await openSite();
    const {aws} = harness;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const with_ = (maxInstances: number) => ({...base, spec: {...base.spec, scaling: {maxInstances}}});
    await desk.deploy(with_(900));
    aws.account.concurrency = 960;
    expect((await desk.plan(with_(900))).steps).toEqual([]);
    const error = await refusalOf(desk.plan(with_(951)));
    expect(error.message).toContain('scaling.max: 951 cannot be reserved, 950 at most');
  });
});

describe('who may not see the quota of the account', () => {
  it('deploys all the same, has reserved what is asked for, and is told by doctor', async () => {
    const harness = await openSite();
    const {aws, context, driver} = harness;
    aws.account.deny('lambda:GetAccountSettings');
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    expect(aws.writes()).toContain('lambda:PutFunctionConcurrency');
    expect((await desk.plan(base)).steps).toEqual([]);
    expect((await desk.inspect(base)).status.facts).not.toHaveProperty('accountConcurrency');
    const quotas = driver
      .open({})
      .checks(base.spec)
      .find(({name}) => name === 'Lambda quotas');
    const {ok, found, remedy} = (await quotas?.check(context)) ?? {};
    expect(ok).toBe(false);
    expect(found).toMatch(
      /cannot be seen \(not allowed: lambda:GetAccountSettings on .*scaling\.max is reserved/,
    );
    expect(remedy).toContain('have lambda:GetAccountSettings allowed');
  });

  it('has the last word of Lambda where there are too few', async () => {
    const harness = await openSite();
    const {aws} = harness;
    aws.account.deny('lambda:GetAccountSettings');
    aws.account.concurrency = 10;
    const error = await refusalOf(openDesk(harness).deploy(baseOf(harness)));
    expect([error.code, error.facts['action']]).toEqual([
      'PROVIDER_REFUSED',
      'lambda:PutFunctionConcurrency',
    ]);
    expect(error.message).toContain('below its minimum value of [10]');
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

describe('a change that never comes to be seen', () => {
  it('is said with what is there instead, and no value of the environment', async () => {
    const harness = await openAwsHarness({}, {runs: false, paces: {staleMs: 3_600_000}});
    open.push(harness);
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    const values = {...base.values, GREETING: 'another-value-8472', MORE: 'one-more-value-8473'};
    const resources = {...base.spec.resources, memoryMb: 1024};
    const error = await refusalOf(
      desk.deploy({...base, image: harness.images[1], values, spec: {...base.spec, resources}}),
    );
    expect(error.code).toBe('WAIT_TIMED_OUT');
    expect(error.message).toContain('the update of credit-scoring took longer than 900 s');
    expect(error.message).toContain('its memoryMb is 512 instead of 1024');
    expect(error.message).toContain('its variable GREETING has another value');
    expect(error.message).toContain('its variable MORE is missing');
    expect(desk.tape.join('\n')).not.toMatch(/another-value-8472|one-more-value-8473/);
  });
});
