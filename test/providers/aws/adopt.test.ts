import {Lambda, type FunctionConfiguration} from '@aws-sdk/client-lambda';
import {readFile} from 'node:fs/promises';
import {afterEach, expect, it} from 'vitest';
import {ThawError} from '../../../src/core/errors.ts';
import {plantImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {baseOf, openDesk, type Wanted} from '../conformance/desk.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';

let harness: AwsHarness;
afterEach(() => harness.close());

const SETTINGS = {
  Role: 'arn:aws:iam::123456789012:role/functions',
  MemorySize: 640,
  Timeout: 17,
  Description: 'scores credits',
  Environment: {Variables: {THEIRS: 'a value of theirs'}},
  Tags: {team: 'risk'},
};

/** A function of somebody else's, with a version and an alias of its own. */
async function makeTheirs(code: 'image' | 'zip'): Promise<Lambda> {
  const lambda = new Lambda({});
  const {aws, images} = harness;
  if (code === 'image') {
    await plantImage(aws.registry, 'team/models', images[0]);
    const ImageUri = `${aws.registry.host}/team/models@${images[0].image.digest}`;
    await lambda.createFunction({
      FunctionName: NAME,
      PackageType: 'Image',
      Code: {ImageUri},
      ...SETTINGS,
    });
  } else {
    const {file} = await harness.archiveOf!(images[0]);
    await lambda.createFunction({
      FunctionName: NAME,
      Runtime: 'nodejs24.x',
      Handler: 'index.handler',
      Code: {ZipFile: await readFile(file)},
      ...SETTINGS,
    });
  }
  await aws.clock.sleep(60_000, new AbortController().signal);
  await lambda.publishVersion({FunctionName: NAME});
  await aws.clock.sleep(60_000, new AbortController().signal);
  await lambda.createAlias({FunctionName: NAME, Name: 'theirs', FunctionVersion: '1'});
  return lambda;
}

const settingsOf = (configuration: FunctionConfiguration | undefined) => {
  const {Role, MemorySize, Timeout, Description, Environment, Runtime, Handler} = configuration ?? {};
  const {Architectures, PackageType, LoggingConfig, TracingConfig, EphemeralStorage} = configuration ?? {};
  return [
    {Role, MemorySize, Timeout, Description, Environment, Runtime, Handler},
    {Architectures, PackageType, LoggingConfig, TracingConfig, EphemeralStorage},
  ];
};

/** All of it that is not code, a version or the alias `live`. */
async function everythingElse(lambda: Lambda): Promise<unknown> {
  const {Configuration, Tags, Concurrency} = await lambda.getFunction({FunctionName: NAME});
  const {Aliases = []} = await lambda.listAliases({FunctionName: NAME});
  const first = await lambda.getFunctionConfiguration({FunctionName: NAME, Qualifier: '1'});
  return {
    settings: settingsOf(Configuration),
    first: [settingsOf(first), first.CodeSha256, first.State],
    aliases: Aliases.filter(({Name}) => Name !== 'live'),
    Tags,
    Concurrency,
  };
}

it.each(['image', 'zip'] as const)(
  'gives a function of somebody else new code, as %s, and leaves all else of it for good',
  async (artifact) => {
    harness = await openAwsHarness({artifact});
    const {aws} = harness;
    const lambda = await makeTheirs(artifact);
    const before = await everythingElse(lambda);
    const desk = openDesk(harness);
    const base: Wanted = {...baseOf(harness), image: harness.images[1]};
    const refusal: unknown = await desk.plan(base).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(ThawError);
    expect((refusal as ThawError).facts['what']).toBe('function');
    const wantedSettings = {...base.spec, triggers: [{kind: 'http', auth: 'none'} as const]};
    const adopting = {...base, spec: wantedSettings, options: {...base.options, adopt: true}};

    await desk.deploy(adopting);
    expect(await everythingElse(lambda)).toEqual(before);
    expect(aws.inventory().filter((name) => /url|role|log group|rule/.test(name))).toEqual([
      'role functions',
    ]);
    const {invocation, class: start} = await desk.invoke(base);
    expect([invocation.status, start]).toEqual([200, 'cold']);
    expect((await desk.deployment(base)).image).toBe(base.image.image.digest);

    // Once it is, it need not be said again.
    expect((await desk.plan(base)).steps).toEqual([]);
    await desk.deploy({...base, image: harness.images[0]});
    expect((await desk.invoke(base)).class).toBe('cold');
    expect(await everythingElse(lambda)).toEqual(before);
    const live = await lambda.getAlias({FunctionName: NAME, Name: 'live'});
    expect(live.FunctionVersion).toBe('3');
    await expect(desk.chill(base)).rejects.toThrow('thaw did not make it');

    await desk.teardown(base);
    expect(await everythingElse(lambda)).toEqual(before);
    expect((await desk.invoke(base)).invocation.status).toBe(200);
  },
);

it('does not believe what the environment of somebody else says of the image', async () => {
  harness = await openAwsHarness();
  const lambda = await makeTheirs('image');
  const [old, now] = harness.images;
  const Variables = {...SETTINGS.Environment.Variables, THAW_IMAGE: old.image.digest};
  await lambda.updateFunctionConfiguration({FunctionName: NAME, Environment: {Variables}});
  await harness.aws.clock.sleep(60_000, new AbortController().signal);
  const desk = openDesk(harness);
  const base = {...baseOf(harness), image: now, options: {adopt: true}};
  await desk.deploy(base);
  expect((await desk.deployment(base)).image).toBe(now.image.digest);
  const {evidence, class: start} = await desk.invoke(base);
  expect([start, evidence.image, evidence.ordinal]).toEqual(['cold', null, 1]);
});

it('finishes an adoption that was cut off anywhere', async () => {
  harness = await openAwsHarness();
  const lambda = await makeTheirs('image');
  const before = await everythingElse(lambda);
  const desk = openDesk(harness);
  const base = {...baseOf(harness), image: harness.images[1], options: {adopt: true}};
  const steps = (await desk.plan(base)).steps.length;
  for (let done = 1; done < steps; done++) {
    const plan = await desk.plan(base);
    await desk.apply({...plan, steps: plan.steps.slice(0, done)}, base);
    expect(await everythingElse(lambda)).toEqual(before);
  }
  await desk.deploy(base);
  expect((await desk.plan(base)).steps).toEqual([]);
  expect(await everythingElse(lambda)).toEqual(before);
});
