import {describe, expect, it} from 'vitest';
import {ThawError} from '../../../../src/core/errors.ts';
import {describeFunction} from '../../../../src/providers/aws/describe.ts';
import type {Have} from '../../../../src/providers/aws/inspect/have.ts';
import {parseOptions} from '../../../../src/providers/aws/wanted/options.ts';
import {planChill, planTidy} from '../../../../src/providers/aws/plan/chill.ts';
import {planDeploy} from '../../../../src/providers/aws/plan/deploy.ts';
import {planRollback} from '../../../../src/providers/aws/plan/rollback.ts';
import {planTeardown} from '../../../../src/providers/aws/plan/teardown.ts';
import {planWarm} from '../../../../src/providers/aws/plan/warm.ts';
import {changesOf, IMAGE_B, NAME, nothing, opsOf, options, site, spec, version} from './found.ts';

const fn = {name: NAME};
const provisioned = [{version: '1', requested: 2, ready: 2, status: 'READY' as const, reason: null}];
const two = {versions: [version('1'), version('2', {...spec, image: IMAGE_B})]};
const notDeployed = (plan: () => unknown): void => {
  expect(plan).toThrow(ThawError);
  try {
    plan();
  } catch (error) {
    expect((error as ThawError).code).toBe('NOT_DEPLOYED');
  }
};

describe('warming', () => {
  it('is one change, and a wait', () => {
    const plan = planWarm(fn, options, site(), {min: 2, schedule: []});
    expect(opsOf(plan)).toEqual(['PutProvisionedConcurrencyConfig', 'WaitProvisioned']);
    expect(changesOf(plan)).toEqual(['PutProvisionedConcurrencyConfig warm.min']);
    expect(plan.steps[0]?.args).toMatchObject({version: '1', min: 2});
    expect(plan.facts['warmUsdPerMonth']).toBe(17.52);
  });

  it('has nothing to do where it is warm, and cools', () => {
    expect(planWarm(fn, options, site({provisioned}), {min: 2, schedule: []}).steps).toEqual([]);
    const plan = planWarm(fn, options, site({provisioned}), {min: 0, schedule: []});
    expect(opsOf(plan)).toEqual(['DeleteProvisionedConcurrencyConfig']);
  });

  it('refuses more than is reserved, and what is not deployed', () => {
    expect(() => planWarm(fn, options, site(), {min: 11, schedule: []})).toThrow('11 cannot be kept ready');
    notDeployed(() => planWarm(fn, options, nothing, {min: 1, schedule: []}));
    notDeployed(() => planWarm(fn, options, site({ours: false}), {min: 1, schedule: []}));
  });

  it('tells what a schedule keeps ready now from what is kept always', () => {
    const window = {up: '0 8 * * *', down: '0 18 * * *', timezone: 'UTC', min: 5};
    const schedules = [
      {
        version: '1',
        registered: true,
        actions: [
          {name: 'thaw-0-down', schedule: 'cron(0 18 * * ? *)', timezone: 'UTC', min: 0},
          {name: 'thaw-0-up', schedule: 'cron(0 8 * * ? *)', timezone: 'UTC', min: 5},
        ],
      },
    ];
    const inWindow = [{version: '1', requested: 5, ready: 5, status: 'READY' as const, reason: null}];
    const have = site({schedules, provisioned: inWindow});
    expect(planWarm(fn, options, have, {min: 0, schedule: [window]}).steps).toEqual([]);
    const plan = planWarm(fn, options, have, {min: 0, schedule: []});
    expect(opsOf(plan)).toEqual(['DeregisterScalableTarget', 'DeleteProvisionedConcurrencyConfig']);
    expect(changesOf(plan)).toEqual(['DeregisterScalableTarget warm.schedule']);
  });
});

describe('a cold start', () => {
  const leftBehind = site({
    versions: [version('1'), version('2', spec, 'abc')],
    coldAliases: [{name: 'thaw-cold-abc', version: '2'}],
    declared: {image: spec.image, nonce: 'abc'},
  });

  it('is asked of a twin of the live version, through an alias with a URL of its own', () => {
    const {plan, deployment} = planChill(fn, options, site());
    expect(opsOf(plan)).toEqual([
      'UpdateFunctionConfiguration',
      'WaitFunctionUpdated',
      'PublishVersion',
      'WaitVersionActive',
      'CreateAlias',
      'CreateFunctionUrlConfig',
      'WaitUrlKnown',
    ]);
    const {nonce} = plan.steps[0]?.args ?? {};
    expect(plan.steps[0]?.args).toMatchObject({like: '1', nonce: expect.stringMatching(/^[\da-f]{10}$/)});
    expect(changesOf(plan)).toEqual([]);
    expect(plan.steps.map(({args}) => args['alias'] ?? null).filter(Boolean)).toEqual(
      Array(3).fill(`thaw-cold-${nonce as string}`),
    );
    expect(deployment).toMatchObject({
      url: {$ref: 'url.url'},
      image: spec.image,
      version: {$ref: 'publish.version'},
      handle: {qualifier: `thaw-cold-${nonce as string}`, via: 'url', auth: 'iam'},
    });
  });

  it('lets anybody ask the twin where anybody may ask the live version', () => {
    const open = site({url: {url: 'https://abc.lambda-url.eu-central-1.on.aws/', auth: 'none'}});
    const {plan} = planChill(fn, options, open);
    const permissions = plan.steps.filter(({op}) => op === 'lambda:AddPermission');
    expect(permissions.map(({args}) => args['sid'])).toEqual(['thaw-url', 'thaw-url-invoke']);
    expect(permissions.every(({args}) => (args['alias'] as string).startsWith('thaw-cold-'))).toBe(true);
  });

  it('is asked by number where the function is asked directly', () => {
    for (const have of [site(), site({url: null})]) {
      const {plan, deployment} = planChill(fn, parseOptions({invoke: 'direct'}), have);
      expect(opsOf(plan).at(-1)).toBe('WaitVersionActive');
      expect(deployment.handle).toMatchObject({qualifier: {$ref: 'publish.version'}, via: 'direct'});
      expect(deployment.url).toEqual({
        $join: [expect.stringMatching(/invocations\?Qualifier=$/), {$ref: 'publish.version'}],
      });
    }
  });

  it('has a mark that no version had, and the same one for what is the same', () => {
    const nonceOf = (have: Have): unknown =>
      planChill(fn, options, have).plan.steps.find(({id}) => id === 'nonce')?.args['nonce'];
    const marks = [site(), site({revision: 'revision-8'}), leftBehind].map(nonceOf);
    expect(new Set(marks).size).toBe(3);
    expect(nonceOf(site())).toBe(marks[0]);
  });

  it('brings back the code of the live version first, where the newest is another', () => {
    const latest = {...site().fn?.latest, image: IMAGE_B};
    const {plan} = planChill(fn, options, site({...two, latest, live: '1'}));
    expect(opsOf(plan)[0]).toBe('UpdateFunctionCode');
    expect(plan.steps[0]?.args['image']).toBe(spec.image);
  });

  it('leaves what is kept ready alone, and needs an instance beside it', () => {
    const {plan} = planChill(fn, options, site({provisioned}));
    expect(opsOf(plan).filter((op) => /Provisioned|UpdateAlias/.test(op))).toEqual([]);
    expect(() => planChill(fn, options, site({provisioned, reserved: 2}))).toThrow(
      'none is left to start cold',
    );
  });

  it('deletes first what earlier ones have left behind', () => {
    expect(opsOf(planChill(fn, options, leftBehind).plan).slice(0, 4)).toEqual([
      'DeleteFunctionUrlConfig',
      'DeleteAlias',
      'DeleteFunction',
      'UpdateFunctionConfiguration',
    ]);
  });

  it('is tidied up: its alias, its version, and its mark on what is published next', () => {
    const plan = planTidy(fn, options, leftBehind);
    expect(opsOf(plan)).toEqual([
      'DeleteFunctionUrlConfig',
      'DeleteAlias',
      'DeleteFunction',
      'UpdateFunctionConfiguration',
      'WaitFunctionUpdated',
    ]);
    expect(changesOf(plan)).toEqual(['DeleteAlias cold.alias', 'DeleteFunction cold.version']);
    expect(plan.steps[2]?.args['version']).toBe('2');
    expect(plan.steps[3]?.args).toMatchObject({like: '1', nonce: null});
    for (const have of [site(), nothing, site({...leftBehind.fn, ours: false})]) {
      expect(planTidy(fn, options, have).steps).toEqual([]);
    }
  });

  it('is tidied up by a deploy as well', () => {
    expect(opsOf(planDeploy(spec, options, leftBehind))).toEqual([
      'DeleteFunctionUrlConfig',
      'DeleteAlias',
      'DeleteFunction',
    ]);
  });

  it('needs a deployment', () => notDeployed(() => planChill(fn, options, nothing)));
});

describe('a rollback', () => {
  it('moves the alias to the version before, or to one that is named', () => {
    const plan = planRollback(fn, options, site({...two, live: '2'}), null);
    expect(opsOf(plan)).toEqual(['UpdateAlias']);
    expect(plan.steps[0]?.args).toMatchObject({version: '1', from: '2'});
    expect(changesOf(plan)).toEqual(['UpdateAlias version', 'UpdateAlias image']);
    expect(planRollback(fn, options, site(two), '2').steps[0]?.args['version']).toBe('2');
    expect(planRollback(fn, options, site(two), '1').steps).toEqual([]);
  });

  it('takes what is kept ready along', () => {
    const have = site({...two, live: '2', provisioned: [{...provisioned[0]!, version: '2'}]});
    expect(opsOf(planRollback(fn, options, have, null))).toEqual([
      'PutProvisionedConcurrencyConfig',
      'WaitProvisioned',
      'UpdateAlias',
      'DeleteProvisionedConcurrencyConfig',
    ]);
  });

  it('is refused where there is no such version, a twin being none', () => {
    const twins = [version('1', spec, 'abc'), version('2'), version('3', spec, 'def')];
    notDeployed(() => planRollback(fn, options, site({versions: twins, live: '2'}), null));
    notDeployed(() => planRollback(fn, options, site({versions: twins, live: '2'}), '3'));
    notDeployed(() => planRollback(fn, options, site(two), '9'));
    notDeployed(() => planRollback(fn, options, nothing, null));
  });
});

describe('a teardown', () => {
  it('deletes what thaw made', () => {
    expect(opsOf(planTeardown(fn, options, site()))).toEqual([
      'DeleteFunction',
      'WaitFunctionDeleted',
      'DeleteRepository',
      'DeleteRole',
      'DeleteLogGroup',
    ]);
    expect(planTeardown(fn, options, nothing).steps).toEqual([]);
  });

  it('leaves everything alone that does not carry its tag', () => {
    const {role, repository, logs} = site();
    const have = site(
      {ours: false, tags: {}},
      {
        role: role && {...role, tags: {'thaw:function': 'another'}},
        repository: repository && {...repository, tags: {}},
        logs: logs && {...logs, tags: {}},
      },
    );
    expect(planTeardown(fn, options, have).steps).toEqual([]);
  });

  it('goes on after one that was cut off', () => {
    expect(opsOf(planTeardown(fn, options, site({state: 'Deleting'})))[0]).toBe('WaitFunctionDeleted');
    expect(opsOf(planTeardown(fn, options, {...site(), fn: null}))[0]).toBe('DeleteRepository');
  });
});

describe('a status', () => {
  it('is absent, pending or ready', () => {
    expect(describeFunction(fn, options, nothing).state).toBe('absent');
    expect(describeFunction(fn, options, site({ours: false})).state).toBe('absent');
    expect(describeFunction(fn, options, site({live: null})).state).toBe('pending');
    expect(describeFunction(fn, options, site()).state).toBe('ready');
  });

  it('shows no twin of a cold start among the versions', () => {
    const versions = [version('1', spec, 'abc'), version('2'), version('3', spec, 'def')];
    const status = describeFunction(fn, options, site({versions, live: '2'}));
    expect(status.versions.map(({version, live}) => [version, live])).toEqual([['2', true]]);
    expect(status.deployment).toMatchObject({
      version: '2',
      image: spec.image,
      handle: {via: 'url', auth: 'iam'},
    });
  });

  it('says why instances cannot be kept ready', () => {
    const failed = [{...provisioned[0]!, status: 'FAILED' as const, reason: 'FUNCTION_ERROR_INIT_FAILURE'}];
    expect(describeFunction(fn, options, site({provisioned: failed}))).toMatchObject({
      state: 'failed',
      problem: 'FUNCTION_ERROR_INIT_FAILURE',
    });
  });
});
