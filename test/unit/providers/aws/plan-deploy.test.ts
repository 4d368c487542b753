import {describe, expect, it} from 'vitest';
import type {Fingerprint} from '../../../../src/core/digest.ts';
import {ThawError} from '../../../../src/core/errors.ts';
import type {FunctionSpec} from '../../../../src/core/function.ts';
import {parseOptions} from '../../../../src/providers/aws/wanted/options.ts';
import {planDeploy} from '../../../../src/providers/aws/plan/deploy.ts';
import {
  changesOf,
  deployed,
  IMAGE_B,
  NAME,
  nothing,
  opsOf,
  options,
  ROLE,
  site,
  spec,
  version,
} from './found.ts';

const other: FunctionSpec = {...spec, image: IMAGE_B};
const withB = (have = site()) => ({
  ...have,
  repository: have.repository && {...have.repository, images: [...have.repository.images, IMAGE_B]},
});

describe('a deploy plan', () => {
  it('makes everything from nothing, in the order in which it is needed', () => {
    const plan = planDeploy(spec, options, nothing);
    expect(opsOf(plan)).toEqual([
      'CreateLogGroup',
      'PutRetentionPolicy',
      'CreateRepository',
      'PushImage',
      'CreateRole',
      'AttachRolePolicy',
      'CreateFunction',
      'WaitFunctionUpdated',
      'PublishVersion',
      'WaitVersionActive',
      'CreateAlias',
      'PutFunctionConcurrency',
      'CreateFunctionUrlConfig',
    ]);
    expect(changesOf(plan)).toContain('CreateFunction image');
    const create = plan.steps.find(({id}) => id === 'create');
    expect(create?.args['imageUri']).toEqual({$join: [{$ref: 'repository.uri'}, '@', spec.image]});
    expect(create?.args['at']).toEqual({region: 'eu-central-1', profile: null});
    expect(create?.args['tags']).toEqual({'thaw:function': NAME});
    expect(plan.facts).toMatchObject({region: 'eu-central-1', account: '123456789012'});
  });

  it('carries environment values by reference and fingerprint only', () => {
    const text = JSON.stringify(planDeploy(spec, options, nothing));
    expect(text).toContain('{"$secret":"GREETING"}');
    expect(text).toContain('hmac:0123456789abcdef');
  });

  it('has nothing to do where all is as it shall be', () => {
    expect(planDeploy(spec, options, site()).steps).toEqual([]);
  });

  it('names a new image once, and publishes before the alias moves', () => {
    const plan = planDeploy(other, options, site());
    expect(opsOf(plan)).toEqual([
      'PushImage',
      'UpdateFunctionConfiguration',
      'WaitFunctionUpdated',
      'UpdateFunctionCode',
      'WaitFunctionUpdated',
      'PublishVersion',
      'WaitVersionActive',
      'UpdateAlias',
    ]);
    expect(changesOf(plan)).toEqual(['UpdateFunctionCode image']);
  });

  it('names a changed setting once, and leaves the code alone', () => {
    const plan = planDeploy({...spec, resources: {...spec.resources, memoryMb: 2048}}, options, site());
    expect(opsOf(plan).slice(0, 3)).toEqual([
      'UpdateFunctionConfiguration',
      'WaitFunctionUpdated',
      'PublishVersion',
    ]);
    expect(changesOf(plan)).toEqual(['UpdateFunctionConfiguration resources.memoryMb']);
  });

  it('goes on after a deploy that was cut off before it published', () => {
    const {latest, declared, imageUri} = deployed({}, other);
    const plan = planDeploy(other, options, withB(site({latest, declared, imageUri})));
    expect(opsOf(plan)).toEqual(['PublishVersion', 'WaitVersionActive', 'UpdateAlias']);
    expect(changesOf(plan)).toEqual(['PublishVersion image']);
  });

  it('goes on after a deploy that was cut off between configuration and code', () => {
    const plan = planDeploy(other, options, withB(site({declared: {image: IMAGE_B, nonce: null}})));
    expect(opsOf(plan)[0]).toBe('UpdateFunctionCode');
    expect(plan.steps[0]?.args['revision']).toBe('revision-7');
  });

  it('waits for a change that is under way, and takes the revision from there', () => {
    const plan = planDeploy(other, options, withB(site({lastUpdate: 'InProgress'})));
    expect(plan.steps[0]?.id).toBe('settled');
    expect(plan.steps[1]?.args['revision']).toEqual({$ref: 'settled.revision'});
  });

  it('publishes what was created by a deploy that was cut off', () => {
    const plan = planDeploy(spec, options, site({versions: [], live: null, url: null, reserved: null}));
    expect(opsOf(plan)).toEqual([
      'PublishVersion',
      'WaitVersionActive',
      'CreateAlias',
      'PutFunctionConcurrency',
      'CreateFunctionUrlConfig',
    ]);
  });

  it('writes again what failed', () => {
    const have = withB(site({latest: deployed({}, other).latest, lastUpdate: 'Failed'}));
    expect(opsOf(planDeploy(other, options, have))).toContain('UpdateFunctionCode');
  });

  it('waits until an earlier function is gone, and creates it anew', () => {
    const ops = opsOf(planDeploy(spec, options, site({state: 'Deleting'})));
    expect(ops.slice(0, 2)).toEqual(['WaitFunctionDeleted', 'CreateFunction']);
  });

  it('deletes what Lambda could not make, and makes it anew', () => {
    const stillborn = site({state: 'Failed', stateReason: 'InvalidImage', live: null, versions: []});
    const plan = planDeploy(spec, options, stillborn);
    expect(opsOf(plan).slice(0, 3)).toEqual(['DeleteFunction', 'WaitFunctionDeleted', 'CreateFunction']);
    expect(plan.steps[0]?.why).toContain('InvalidImage');
    const failed = withB(site({state: 'Failed', latest: deployed({}, other).latest}));
    expect(opsOf(planDeploy(other, options, failed))).not.toContain('DeleteFunction');
  });

  it('waits for settings of a function that has failed without minding that, where other code follows', () => {
    const have = withB(site({state: 'Failed', declared: {image: null, nonce: null}}));
    const waits = planDeploy(other, options, have).steps.filter(
      ({op}) => op === 'lambda:WaitFunctionUpdated',
    );
    expect(waits.map(({id, args}) => [id, args['afterFailure'] ?? false])).toEqual([
      ['configured', true],
      ['updated', false],
    ]);
  });

  it('keeps instances of a new version ready before requests go there', () => {
    const provisioned = [{version: '1', requested: 2, ready: 2, status: 'READY' as const, reason: null}];
    const warm = {...other, warm: {min: 2, schedule: []}};
    const plan = planDeploy(warm, options, withB(site({provisioned})));
    expect(opsOf(plan).slice(-5)).toEqual([
      'WaitVersionActive',
      'PutProvisionedConcurrencyConfig',
      'WaitProvisioned',
      'UpdateAlias',
      'DeleteProvisionedConcurrencyConfig',
    ]);
    expect(changesOf(plan)).toEqual(['UpdateFunctionCode image']);
  });

  it('lets go of the old version first where both have no room', () => {
    const provisioned = [{version: '1', requested: 6, ready: 6, status: 'READY' as const, reason: null}];
    const warm = {...other, warm: {min: 6, schedule: []}};
    expect(opsOf(planDeploy(warm, options, withB(site({provisioned})))).slice(-4)).toEqual([
      'DeleteProvisionedConcurrencyConfig',
      'UpdateAlias',
      'PutProvisionedConcurrencyConfig',
      'WaitProvisioned',
    ]);
  });

  it('says what keeping instances ready costs', () => {
    const plan = planDeploy({...spec, warm: {min: 1, schedule: []}}, options, site());
    expect(plan.facts['warmUsdPerMonth']).toBe(8.76);
    expect(changesOf(plan)).toEqual(['PutProvisionedConcurrencyConfig warm.min']);
  });

  it('says what keeping a snapshot costs a month', () => {
    const resources = {...spec.resources, memoryMb: 2048};
    const plan = planDeploy({...spec, resources}, parseOptions({snapStart: true}), nothing);
    expect(plan.facts['snapshotUsdPerMonth']).toBe(7.91);
    expect(planDeploy(spec, options, nothing).facts).not.toHaveProperty('snapshotUsdPerMonth');
  });

  it('puts a schedule with AWS in its own words, as one change', () => {
    const window = {up: '0 8 * * 1-5', down: '0 18 * * 1-5', timezone: 'Europe/Berlin', min: 3};
    const plan = planDeploy({...spec, warm: {min: 0, schedule: [window]}}, options, site());
    expect(opsOf(plan)).toEqual(['RegisterScalableTarget', 'PutScheduledAction', 'PutScheduledAction']);
    expect(changesOf(plan)).toEqual(['RegisterScalableTarget warm.schedule']);
    expect(plan.steps.map(({args}) => args['schedule'] ?? args['max'])).toEqual([
      3,
      'cron(0 18 ? * MON-FRI *)',
      'cron(0 8 ? * MON-FRI *)',
    ]);
  });

  it('reserves nothing where the account itself has no more', () => {
    const have = {...nothing, concurrency: {max: 10, unreserved: 10}};
    expect(opsOf(planDeploy(spec, options, have))).not.toContain('PutFunctionConcurrency');
  });

  it('opens the URL to all with both permissions, and closes it', () => {
    const open = {...spec, triggers: [{kind: 'http', auth: 'none'}] as const};
    const plan = planDeploy(open, options, site());
    expect(opsOf(plan)).toEqual(['UpdateFunctionUrlConfig', 'AddPermission', 'AddPermission']);
    expect(changesOf(plan)).toEqual(['UpdateFunctionUrlConfig triggers']);
    expect(plan.steps.slice(1).map(({args}) => args['permission'])).toEqual([
      {Action: 'lambda:InvokeFunctionUrl', Principal: '*', FunctionUrlAuthType: 'NONE'},
      {Action: 'lambda:InvokeFunction', Principal: '*', InvokedViaFunctionUrl: true},
    ]);
    const statements = [
      {sid: 'thaw-url', statement: {Action: 'lambda:InvokeFunctionUrl'}},
      {sid: 'thaw-url-invoke', statement: {Action: 'lambda:InvokeFunction'}},
      {sid: 'somebody-else', statement: {Action: 'lambda:InvokeFunction'}},
    ];
    const url = {url: 'https://abc.lambda-url.eu-central-1.on.aws/', auth: 'none' as const};
    expect(planDeploy(open, options, site({url, statements})).steps).toEqual([]);
    expect(opsOf(planDeploy(spec, options, site({url, statements})))).toEqual([
      'UpdateFunctionUrlConfig',
      'RemovePermission',
      'RemovePermission',
    ]);
  });

  it('names a changed tag once, however many things carry it', () => {
    const plan = planDeploy(spec, parseOptions({tags: {team: 'risk'}}), site());
    expect(opsOf(plan)).toEqual(['TagResource', 'TagRole', 'TagResource', 'TagResource']);
    expect(changesOf(plan)).toEqual(['TagResource options.tags.team']);
    expect(plan.steps[0]?.args).toMatchObject({tags: {team: 'risk'}, remove: []});
  });

  it("makes no role and no repository where they are the user's own", () => {
    const own = parseOptions({role: 'arn:aws:iam::123456789012:role/functions', repository: 'team/models'});
    const ownRepository = {
      name: 'team/models',
      uri: 'registry/team/models',
      tags: {},
      images: [],
      pushed: [],
    };
    const ops = opsOf(planDeploy(spec, own, {...nothing, ownRepository}));
    expect(ops).not.toContain('CreateRole');
    expect(ops).not.toContain('CreateRepository');
    expect(ops).toContain('PushImage');
  });

  it('tidies up twins that forced cold starts left behind', () => {
    const versions = [version('1'), version('2', spec, 'abc'), version('3', spec, 'def')];
    const plan = planDeploy(other, options, withB(site({versions, live: '1'})));
    const deleted = plan.steps.filter(({op}) => op === 'lambda:DeleteFunction');
    expect(deleted.map(({args}) => args['version'])).toEqual(['2', '3']);
  });
});

describe('a deploy is refused', () => {
  const refusal = (fn: FunctionSpec, have = nothing, how = options): ThawError => {
    try {
      planDeploy(fn, how, have);
    } catch (error) {
      expect(error).toBeInstanceOf(ThawError);
      return error as ThawError;
    }
    throw new Error('it was not refused');
  };
  const pathsOf = ({facts}: ThawError): string[] =>
    (facts['problems'] as {path: string[]}[]).map(({path}) => path.join('.'));

  it('with every setting that Lambda does not take', () => {
    const mark = 'hmac:0' as Fingerprint;
    const error = refusal({
      ...spec,
      name: 'credit scoring',
      env: {X: mark, AWS_REGION: mark, THAW_IMAGE: mark, '1ST': mark, FINE: mark},
      secrets: {KEY: 'vault:key'},
      triggers: [
        {kind: 'http', auth: 'iam'},
        {kind: 'schedule', cron: '0 3 1 * 1'},
      ],
      warm: {min: 11, schedule: [{up: '0 8 1 * 1', down: '0 9 * * *', timezone: 'UTC', min: 1}]},
    });
    expect(error.code).toBe('CONFIG_INVALID');
    const wrong = [
      'name',
      'env.X',
      'env.AWS_REGION',
      'env.THAW_IMAGE',
      'env.1ST',
      'secrets.KEY',
      'triggers.1.schedule.cron',
    ];
    expect(pathsOf(error).sort()).toEqual([...wrong, 'warm.min', 'warm.schedule.0.up'].sort());
  });

  it.each([
    ['function', site({tags: {}, ours: false})],
    ['function', site({tags: {'thaw:function': 'another'}, ours: false})],
    ['role', {...nothing, role: {arn: ROLE, tags: {}, boundary: null, policies: []}}],
    ['repository', {...nothing, repository: {name: 'x', uri: 'x', tags: {}, images: [], pushed: []}}],
  ])('where a %s has the name and is not thaw’s', (what, have) => {
    const error = refusal(spec, have);
    expect([error.code, error.facts['what']]).toEqual(['PROVIDER_CONFLICT', what]);
  });

  it('where the function is a zip archive', () => {
    expect(refusal(spec, site({packageType: 'Zip'})).code).toBe('PROVIDER_CONFLICT');
  });

  it("where the user's repository is not there", () => {
    expect(refusal(spec, nothing, parseOptions({repository: 'team/models'})).code).toBe('CONFIG_INVALID');
  });
});
