import {describe, expect, it} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {FunctionSpec} from '../../../src/core/function.ts';
import type {Have} from '../../../src/providers/local/have.ts';
import {parseOptions} from '../../../src/providers/local/options.ts';
import {
  planChill,
  planDeploy,
  planRollback,
  planTeardown,
  planWarm,
} from '../../../src/providers/local/planner.ts';
import type {FunctionState, GatewayState} from '../../../src/providers/local/protocol.ts';

const imageA = digestOf('a');
const imageB = digestOf('b');
const options = parseOptions({});
const fn: FunctionSpec = {
  schema: 'thaw.function/1',
  name: 'probe',
  image: imageA,
  resources: {memoryMb: 512, timeoutMs: 30_000, cpu: null, concurrency: 1},
  scaling: {maxInstances: 10},
  warm: {min: 1, schedule: []},
  env: {LOG_LEVEL: 'hmac:1', TOKEN: 'hmac:2'},
  secrets: {},
  triggers: [{kind: 'http', auth: 'iam'}],
};
const served: FunctionState = {
  live: {version: '1', image: imageA},
  settings: {
    resources: fn.resources,
    scaling: fn.scaling,
    triggers: fn.triggers,
    options,
    engine: {name: 'process'},
  },
  env: fn.env,
  warm: {min: 1, ready: 1},
  port: 4000,
  instances: [],
  problem: null,
};
const gateway: GatewayState = {protocol: 1, thawVersion: '1.0.0', pid: 42, function: served};
const containers: Have['containers'] = {look: null, images: [], used: []};
const nothing: Have = {thawVersion: '1.0.0', folder: false, versions: [], gateway: null, containers};
const deployed: Have = {
  thawVersion: '1.0.0',
  folder: true,
  versions: [{version: '1', image: imageA, at: '2026-01-01T00:00:00.000Z'}],
  gateway,
  containers,
};
const twoVersions: Have = {
  ...deployed,
  versions: [...deployed.versions, {version: '2', image: imageB, at: '2026-01-02T00:00:00.000Z'}],
  gateway: {...gateway, function: {...served, live: {version: '2', image: imageB}}},
};
const withFunction = (change: Partial<FunctionState>): Have => ({
  ...deployed,
  gateway: {...gateway, function: {...served, ...change}},
});
const opsOf = ({steps}: {steps: readonly {op: string}[]}): string[] => steps.map(({op}) => op);
const codeOf = (act: () => unknown): string | null => {
  try {
    act();
    return null;
  } catch (error) {
    return error instanceof ThawError ? error.code : 'a bug';
  }
};

describe('a deploy to an emulated cloud', () => {
  const emulated = parseOptions({emulate: 'lambda'});

  it('is one step of a function that is there, and says what is emulated', () => {
    const plan = planDeploy(fn, emulated, deployed);
    expect(opsOf(plan)).toEqual(['local:UpdateFunctionConfiguration']);
    expect(plan.steps[0]?.changes).toEqual([{path: 'options.emulate', from: null, to: 'lambda'}]);
    expect(plan.facts['emulates']).toContain('AWS Lambda');
    expect(planDeploy(fn, options, deployed).facts).not.toHaveProperty('emulates');
  });

  it('is refused where that cloud would refuse it', () => {
    const wide = {...fn, resources: {...fn.resources, concurrency: 4, timeoutMs: 901_000}};
    expect(() => planDeploy(wide, emulated, nothing)).toThrow(
      /resources\.timeout: AWS Lambda, .* at most 15m; resources\.concurrency: .* at most 1 request at a time, not 4/,
    );
    expect(codeOf(() => planDeploy(wide, parseOptions({emulate: 'run'}), nothing))).toBeNull();
  });
});

describe('a deploy', () => {
  it('starts a gateway, makes the function and warms it where there is nothing', () => {
    const plan = planDeploy(fn, options, nothing);
    expect(opsOf(plan)).toEqual(['local:StartGateway', 'local:CreateFunction', 'local:PutWarm']);
    expect(plan.steps.every(({changes}) => changes.length > 0)).toBe(true);
  });

  it('goes on where it was cut off', () => {
    const started = {...nothing, folder: true, gateway: {...gateway, function: null}};
    expect(opsOf(planDeploy(fn, options, started))).toEqual(['local:CreateFunction', 'local:PutWarm']);
    expect(opsOf(planDeploy(fn, options, withFunction({warm: {min: 0, ready: 0}})))).toEqual([
      'local:PutWarm',
    ]);
  });

  it('plans nothing where all is as wanted', () => {
    expect(planDeploy(fn, options, deployed).steps).toEqual([]);
  });

  const changes: [path: string, fn: Partial<FunctionSpec>, options?: object][] = [
    ['image', {image: imageB}],
    ['resources.memoryMb', {resources: {...fn.resources, memoryMb: 1024}}],
    ['resources.timeoutMs', {resources: {...fn.resources, timeoutMs: 1000}}],
    ['resources.cpu', {resources: {...fn.resources, cpu: 2}}],
    ['resources.concurrency', {resources: {...fn.resources, concurrency: 4}}],
    ['scaling.maxInstances', {scaling: {maxInstances: 3}}],
    ['warm.min', {warm: {min: 2, schedule: []}}],
    ['warm.min', {warm: {min: 0, schedule: []}}],
    ['env.LOG_LEVEL', {env: {...fn.env, LOG_LEVEL: 'hmac:9'}}],
    ['env.NEW', {env: {...fn.env, NEW: 'hmac:9'}}],
    ['env.TOKEN', {env: {LOG_LEVEL: 'hmac:1'}}],
    ['triggers', {triggers: [{kind: 'http', auth: 'none'}]}],
    ['options.engine', {}, {engine: 'process'}],
    ['options.idleTimeoutMs', {}, {idleTimeout: '1s'}],
    ['options.port', {}, {port: 8080}],
  ];
  it.each(changes)('has one step that names %s when only that has changed', (path, change, raw = {}) => {
    const {steps} = planDeploy({...fn, ...change}, parseOptions({...raw}), deployed);
    expect(steps.map(({changes}) => changes.map((change) => change.path))).toEqual([[path]]);
  });

  it('holds environment values by name alone', () => {
    const create = planDeploy(fn, options, nothing).steps[1];
    expect(create?.args['env']).toEqual({LOG_LEVEL: {$secret: 'LOG_LEVEL'}, TOKEN: {$secret: 'TOKEN'}});
    expect(create?.changes).toContainEqual({path: 'env.TOKEN', from: null, to: 'hmac:2'});
  });

  it('makes everything again when the gateway has ended, from the version that lies there', () => {
    const plan = planDeploy(fn, options, {...deployed, gateway: null});
    expect(opsOf(plan)).toEqual(['local:StartGateway', 'local:CreateFunction', 'local:PutWarm']);
    expect(plan.steps[1]?.args['live']).toEqual({version: '1', image: imageA});
  });

  it('sets what belongs to a new image for the version that it becomes', () => {
    const other = {...fn, image: imageB, env: {}};
    const live = {version: '2', image: imageB};
    const {steps} = planDeploy(other, options, deployed);
    expect(opsOf({steps})).toEqual(['local:UpdateFunctionCode', 'local:UpdateFunctionConfiguration']);
    expect(steps.map(({args}) => args['live'])).toEqual([live, live]);
  });

  describe('where a container engine answers', () => {
    const engine = {name: 'docker', command: 'docker', env: {}} as const;
    const found = {command: 'docker', env: {}, version: '28.0.1', platform: 'linux/amd64', sure: true};
    const tag = `thaw-local/probe:${imageA.slice(7, 19)}.01234567`;
    const inDocker: Have = {
      ...withFunction({settings: {...served.settings, engine}}),
      containers: {look: {found}, images: [tag], used: [engine]},
    };

    it('is one step to another engine, there and back', () => {
      const there = planDeploy(fn, options, {...deployed, containers: {...containers, look: {found}}});
      expect(there.steps.map(({op, changes}) => [op, changes])).toEqual([
        [
          'local:UpdateFunctionConfiguration',
          [{path: 'options.engine', from: 'auto: process', to: 'auto: docker'}],
        ],
      ]);
      expect(there.facts).toMatchObject({engineChosen: 'docker 28.0.1 answers'});
      expect(planDeploy(fn, options, inDocker).steps).toEqual([]);
      const {steps} = planDeploy(fn, parseOptions({engine: 'process'}), inDocker);
      expect(opsOf({steps})).toEqual(['local:UpdateFunctionConfiguration']);
    });

    it('brings an image again that the engine has lost', () => {
      const lost = {...inDocker, containers: {...inDocker.containers, images: []}};
      expect(opsOf(planDeploy(fn, options, lost))).toEqual(['local:BringImage']);
    });

    it('goes back to no version that is not ready for the engine', () => {
      const second = {live: {version: '2', image: imageB}, settings: {...served.settings, engine}};
      const lost = {...twoVersions, ...withFunction(second), versions: twoVersions.versions};
      const there = {...lost, containers: inDocker.containers};
      expect(opsOf(planRollback(fn, there, null))).toEqual(['local:SetLiveVersion']);
      const gone = {...there, containers: {...inDocker.containers, images: []}};
      expect(codeOf(() => planRollback(fn, gone, null))).toBe('NOT_DEPLOYED');
      const [first, ...others] = twoVersions.versions;
      const unpacked = {...twoVersions, versions: [{...first, unpacked: false}, ...others]} as Have;
      expect(codeOf(() => planRollback(fn, unpacked, null))).toBe('NOT_DEPLOYED');
    });

    it('leaves nothing in any engine when it is torn down', () => {
      expect(opsOf(planTeardown(fn, inDocker))).toEqual([
        'local:DeleteFunction',
        'local:RemoveContainers',
        'local:StopGateway',
      ]);
    });
  });

  it('that takes over when it is ready brings code and settings in one step', () => {
    const ready = {...options, replace: 'when-ready'} as const;
    const plan = planDeploy({...fn, image: imageB, env: {...fn.env, TOKEN: 'hmac:3'}}, ready, deployed);
    expect(plan.steps.map(({op, changes}) => [op, changes.map(({path}) => path)])).toEqual([
      ['local:ReplaceFunction', ['image', 'options.replace', 'env.TOKEN']],
    ]);
    expect(plan.steps[0]?.args).toMatchObject({live: {version: '2', image: imageB}});
    const settled = withFunction({settings: {...served.settings, options: ready}});
    expect(planDeploy(fn, ready, settled).steps).toEqual([]);
    expect(opsOf(planDeploy({...fn, image: imageB}, ready, settled))).toEqual(['local:ReplaceFunction']);
  });

  it('replaces the gateway of another thaw', () => {
    const plan = planDeploy(fn, options, {...deployed, thawVersion: '2.0.0'});
    expect(opsOf(plan)).toEqual(['local:StartGateway', 'local:CreateFunction', 'local:PutWarm']);
    expect(plan.steps[0]?.changes).toEqual([{path: 'gateway', from: '1.0.0', to: '2.0.0'}]);
  });

  it('numbers a new image after the newest version', () => {
    const [step] = planDeploy({...fn, image: imageA}, options, twoVersions).steps;
    expect(step?.op).toBe('local:UpdateFunctionCode');
    expect(step?.args['live']).toEqual({version: '3', image: imageA});
  });

  it('lays the code out again when its folder is gone', () => {
    expect(opsOf(planDeploy(fn, options, {...deployed, versions: []}))).toEqual(['local:UpdateFunctionCode']);
  });

  it('warms again when instances that shall be ready could not start', () => {
    const have = withFunction({warm: {min: 1, ready: 0}, problem: 'it exited with code 1'});
    expect(opsOf(planDeploy(fn, options, have))).toEqual(['local:PutWarm']);
  });

  it('waits for instances that are not ready yet, which changes nothing', () => {
    const {steps} = planDeploy(fn, options, withFunction({warm: {min: 1, ready: 0}}));
    expect(steps.map(({op, changes}) => [op, changes])).toEqual([['local:PutWarm', []]]);
  });

  it('refuses at once everything that this machine does not have', () => {
    const wanted: FunctionSpec = {
      ...fn,
      secrets: {REDIS_URL: 'ssm:/redis'},
      triggers: [...fn.triggers, {kind: 'schedule', cron: '* * * * *'}],
      warm: {min: 11, schedule: [{up: '0 8 * * *', down: '0 18 * * *', timezone: 'UTC', min: 1}]},
    };
    try {
      planDeploy(wanted, options, nothing);
      expect.unreachable();
    } catch (error) {
      const {code, facts} = error as ThawError;
      expect(code).toBe('CONFIG_INVALID');
      expect((facts['problems'] as {path: string[]}[]).map(({path}) => path.join('.'))).toEqual([
        'secrets.REDIS_URL',
        'triggers.1',
        'warm.schedule',
        'warm.min',
      ]);
    }
  });
});

describe('other plans', () => {
  it('warm has one step, or none where it is so already', () => {
    expect(opsOf(planWarm(fn, deployed, {min: 3, schedule: []}))).toEqual(['local:PutWarm']);
    expect(planWarm(fn, deployed, {min: 1, schedule: []}).steps).toEqual([]);
    expect(codeOf(() => planWarm(fn, deployed, {min: 11, schedule: []}))).toBe('CONFIG_INVALID');
  });

  it('chill is there to be applied even if no instance is, and says what warm instances mean', () => {
    const {plan: chill, deployment} = planChill(fn, deployed);
    expect(deployment).toMatchObject({provider: 'local', function: fn.name});
    expect(opsOf(chill)).toEqual(['local:EndInstances']);
    expect(chill.steps[0]?.changes).toEqual([]);
    expect(chill.facts['note']).toContain('prewarmed');
    expect(planChill(fn, withFunction({warm: {min: 0, ready: 0}})).plan.facts['note']).toBeUndefined();
  });

  it('rollback goes to the version before, or to the one named', () => {
    const back = planRollback(fn, twoVersions, null);
    expect(back.steps[0]?.args['live']).toEqual({version: '1', image: imageA});
    expect(planRollback(fn, twoVersions, '1').steps).toEqual(back.steps);
    expect(planRollback(fn, twoVersions, '2').steps).toEqual([]);
    expect(() => planRollback(fn, twoVersions, '7')).toThrow('no version 7 on this machine; it has 1, 2');
    expect(codeOf(() => planRollback(fn, deployed, null))).toBe('NOT_DEPLOYED');
  });

  it('teardown takes away what there is, what a killed gateway left too, and nothing where nothing is', () => {
    expect(opsOf(planTeardown(fn, deployed))).toEqual(['local:DeleteFunction', 'local:StopGateway']);
    expect(opsOf(planTeardown(fn, {...deployed, gateway: null}))).toEqual(['local:StopGateway']);
    expect(planTeardown(fn, nothing).steps).toEqual([]);
  });

  it('need a deployment where they change one', () => {
    expect(codeOf(() => planWarm(fn, nothing, {min: 1, schedule: []}))).toBe('NOT_DEPLOYED');
    expect(codeOf(() => planChill(fn, nothing))).toBe('NOT_DEPLOYED');
    expect(codeOf(() => planRollback(fn, nothing, null))).toBe('NOT_DEPLOYED');
  });
});
