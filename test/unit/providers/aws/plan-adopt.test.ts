import {describe, expect, it} from 'vitest';
import {digestOf} from '../../../../src/core/digest.ts';
import {ThawError} from '../../../../src/core/errors.ts';
import type {FunctionSpec} from '../../../../src/core/function.ts';
import {describeFunction} from '../../../../src/providers/aws/describe.ts';
import type {FunctionFound, Have} from '../../../../src/providers/aws/inspect/have.ts';
import {parseOptions} from '../../../../src/providers/aws/wanted/options.ts';
import {planChill} from '../../../../src/providers/aws/plan/chill.ts';
import {planDeploy} from '../../../../src/providers/aws/plan/deploy.ts';
import {planTeardown} from '../../../../src/providers/aws/plan/teardown.ts';
import {planWarm} from '../../../../src/providers/aws/plan/warm.ts';
import {changesOf, deployed, IMAGE_B, NAME, nothing, opsOf, options, spec, URI, version} from './found.ts';

const adopting = parseOptions({adopt: true});
const wanted: FunctionSpec = {
  ...spec,
  image: IMAGE_B,
  warm: {min: 3, schedule: []},
  triggers: [
    {kind: 'http', auth: 'none'},
    {kind: 'schedule', cron: '0 3 * * *'},
  ],
};
const repository = {
  name: `thaw/${NAME}`,
  uri: URI,
  tags: {'thaw:function': NAME},
  images: [] as string[],
  pushed: [] as string[],
};
const theirs = (change: Partial<FunctionFound> = {}): Have => ({
  ...nothing,
  fn: deployed({ours: false, tags: {team: 'risk'}, url: null, reserved: null, live: null, ...change}),
});
const once = (change: Partial<FunctionFound> = {}): Have =>
  theirs({
    adopted: true,
    live: '2',
    latest: {...deployed().latest, image: IMAGE_B},
    versions: [version('1'), {...version('2', {...spec, image: IMAGE_B}), ours: true}],
    ...change,
  });

function refusal(act: () => unknown): ThawError {
  try {
    act();
  } catch (error) {
    if (error instanceof ThawError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a function that thaw did not make', () => {
  it('is left alone unless it is to be adopted', () => {
    const {code, facts} = refusal(() => planDeploy(wanted, options, theirs()));
    expect([code, facts['reason'], facts['what']]).toEqual(['PROVIDER_CONFLICT', 'taken', 'function']);
  });

  it('gets new code, a version and the alias, and nothing else', () => {
    const plan = planDeploy(wanted, adopting, theirs());
    expect(opsOf(plan)).toEqual([
      'CreateRepository',
      'PushImage',
      'UpdateFunctionCode',
      'WaitFunctionUpdated',
      'PublishVersion',
      'WaitVersionActive',
      'CreateAlias',
    ]);
    expect(changesOf(plan)).toEqual(['CreateRepository repository', 'UpdateFunctionCode image']);
    const publish = plan.steps.find(({id}) => id === 'publish');
    expect(publish?.args['description']).toBe(`thaw ${IMAGE_B}`);
    expect(publish?.args['expected']).toMatchObject({configuration: null, image: IMAGE_B});
    expect(plan.facts).toMatchObject({adopted: 'new code only: nothing else of the function is changed'});
  });

  it('has its alias moved if it has one, and what it keeps ready of its own left', () => {
    const provisioned = [{version: '1', requested: 2, ready: 2, status: 'READY', reason: null} as const];
    const have = {...theirs({live: '1', provisioned}), repository};
    expect(opsOf(planDeploy(wanted, adopting, have)).slice(-2)).toEqual(['WaitVersionActive', 'UpdateAlias']);
  });

  it('has nothing to be done once it has the code, with or without the option', () => {
    expect(planDeploy(wanted, adopting, once()).steps).toEqual([]);
    expect(planDeploy(wanted, options, once()).steps).toEqual([]);
  });

  it('keeps as warm as it was told to', () => {
    const provisioned = [{version: '2', requested: 2, ready: 2, status: 'READY', reason: null} as const];
    const have = {...once({provisioned}), repository};
    const ops = opsOf(planDeploy({...wanted, image: spec.image}, options, have)).slice(-4);
    expect(ops).toEqual([
      'PutProvisionedConcurrencyConfig',
      'WaitProvisioned',
      'UpdateAlias',
      'DeleteProvisionedConcurrencyConfig',
    ]);
  });

  it('is published where its code was written by a deploy that was cut off', () => {
    const have = {...theirs({latest: {...deployed().latest, image: IMAGE_B}}), repository};
    expect(changesOf(planDeploy(wanted, adopting, have))).toEqual(['PublishVersion image']);
  });

  it('waits for what is under way', () => {
    const plan = planDeploy(wanted, adopting, {...theirs({lastUpdate: 'InProgress'}), repository});
    expect(plan.steps.map(({id}) => id).slice(0, 3)).toEqual(['push', 'settled', 'code']);
    expect(plan.steps[2]?.args['revision']).toEqual({$ref: 'settled.revision'});
  });

  it.each([
    [{latest: {...deployed().latest, platform: 'x86_64'}}, 'it is for x86_64, and the image is for arm64'],
    [{startsOtherwise: true}, 'its own settings override the entry point of images'],
    [{latest: {...deployed().latest, 'options.snapStart': true}}, 'its instances go on from snapshots'],
  ])('is refused where new code alone would not run in it', (change, message) => {
    const error = refusal(() => planDeploy(wanted, adopting, theirs(change)));
    expect(error.message).toContain(message);
    expect(error.facts['reason']).toBe('adopt');
  });

  it('may go on from snapshots where the image is made for it', () => {
    const latest = {...deployed().latest, 'options.snapStart': true};
    const plan = planDeploy(
      {...wanted, warm: spec.warm},
      parseOptions({adopt: true, snapStart: true}),
      theirs({latest}),
    );
    expect(opsOf(plan)).toContain('UpdateFunctionCode');
  });

  it('of the kind Zip is given a zip archive, if it calls what is in it', () => {
    const zip = parseOptions({adopt: true, artifact: 'zip'});
    const archive = {digest: digestOf('zip'), bytes: 1, unpackedBytes: 2, runtime: {kind: 'node'} as const};
    const like = (runtime: string, handler: string): Have => {
      const latest = {...deployed().latest, 'image.codeSha256': 'other', runtime, handler};
      return theirs({packageType: 'Zip', imageUri: null, latest});
    };
    const plan = planDeploy({...wanted, archive}, zip, like('nodejs24.x', 'index.handler'));
    expect(opsOf(plan)).toEqual([
      'UpdateFunctionCode',
      'WaitFunctionUpdated',
      'PublishVersion',
      'WaitVersionActive',
      'CreateAlias',
    ]);
    for (const [runtime, handler, message] of [
      ['nodejs22.x', 'app.main', 'it calls app.main, and what thaw makes is called at index.handler'],
      ['python3.12', 'index.handler', 'it runs on python3.12, and the code needs nodejs22.x'],
    ] as const) {
      const error = refusal(() => planDeploy({...wanted, archive}, zip, like(runtime, handler)));
      expect(error.message).toContain(message);
    }
    const {facts} = refusal(() => planDeploy(wanted, adopting, like('nodejs22.x', 'index.handler')));
    expect(facts).toMatchObject({reason: 'package-type', artifact: 'zip', ours: false});
  });

  it('is said to be deployed once its alias leads to what thaw published', () => {
    expect(describeFunction({name: NAME}, options, theirs({live: '1'})).state).toBe('absent');
    const status = describeFunction({name: NAME}, options, once({logGroup: '/their/own'}));
    expect(status.deployment).toMatchObject({image: IMAGE_B, version: '2'});
    expect(status.facts).toMatchObject({adopted: true, logGroup: '/their/own'});
  });

  it('is kept warm on request, but its settings are not changed for a cold start', () => {
    expect(opsOf(planWarm({name: NAME}, options, once(), {min: 1, schedule: []}))[0]).toBe(
      'PutProvisionedConcurrencyConfig',
    );
    expect(refusal(() => planChill({name: NAME}, options, once())).facts['reason']).toBe('adopt');
  });

  it('outlives a destroy, with the repository whose image it runs; what thaw keeps ready ends', () => {
    const provisioned = ['1', '2'].map(
      (version) => ({version, requested: 2, ready: 2, status: 'READY', reason: null}) as const,
    );
    const plan = planTeardown({name: NAME}, options, {...once({provisioned}), repository});
    expect(plan.steps.map(({id}) => id)).toEqual(['cool-2']);
    expect(plan.facts['left']).toContain(`the function ${NAME}, which thaw did not make`);
    expect(plan.facts['left']).toContain(`thaw/${NAME}`);
  });

  it("is left without what cold starts made of it while it was thaw's own", () => {
    const {versions} = deployed(once().fn ?? {});
    const twins = once({
      versions: [...versions, version('3', spec, 'abc')],
      coldAliases: [{name: 'thaw-cold-abc', version: '3'}],
    });
    const plan = planTeardown({name: NAME}, options, {...twins, repository});
    expect(opsOf(plan)).toEqual(['DeleteFunctionUrlConfig', 'DeleteAlias', 'DeleteFunction']);
    expect(plan.steps.map(({args}) => args['alias'] ?? args['version'])).toEqual([
      'thaw-cold-abc',
      'thaw-cold-abc',
      '3',
    ]);
  });
});
