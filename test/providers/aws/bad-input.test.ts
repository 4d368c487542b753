import {ECR} from '@aws-sdk/client-ecr';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, describe, expect, it} from 'vitest';
import {hintsFor} from '../../../src/cli/hints.ts';
import {openProject} from '../../../src/cli/project.ts';
import type {Image} from '../../../src/core/image.ts';
import {refuseBeyondLimits} from '../../../src/image/limits.ts';
import {limits} from '../../../src/providers/aws/limits.ts';
import {imageTag} from '../../../src/providers/aws/names.ts';
import {plantImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {baseOf, openDesk, type Wanted} from '../conformance/desk.ts';
import {openAwsHarness, type AwsHarness} from './harness.ts';
import {fullOf, plantSurroundings} from './life.ts';
import {refusalOf} from './refusal.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0)) await clean();
});

async function openSite(options: AwsHarness['options'] = {}): Promise<AwsHarness> {
  const harness = await openAwsHarness(options, {runs: false});
  cleanups.push(() => harness.close());
  return harness;
}

/** What is wrong with a thaw.yaml, as `path: message`. */
async function problemsOf(text: string): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-config-'));
  cleanups.push(() => rm(dir, {recursive: true, force: true}));
  await writeFile(join(dir, 'thaw.yaml'), text);
  const {code, facts} = await refusalOf(openProject(undefined, dir));
  expect(code).toBe('CONFIG_INVALID');
  const problems = facts['problems'] as unknown as {path: string; message: string}[];
  return problems.map(({path, message}) => `${path}: ${message}`);
}

describe('thaw.yaml', () => {
  const start = 'name: scoring\nmodel: {path: model.onnx}\n';
  const aws = (section: string): string => `${start}providers:\n  aws: ${section}\n`;

  it.each([
    [aws('{resources: {memory: 127Mi}}'), 'aws takes 128Mi to 10Gi, not 127Mi'],
    [aws('{resources: {memory: 10241Mi}}'), 'aws takes 128Mi to 10Gi, not 10241Mi'],
    [aws('{resources: {timeout: 901s}}'), 'aws takes 1ms to 15m, not 901s'],
    [aws('{ephemeralStorage: 511Mi}'), 'must be 512Mi to 10Gi, not "511Mi"'],
    [aws('{ephemeralStorage: 10241Mi}'), 'must be 512Mi to 10Gi, not "10241Mi"'],
    [aws('{repository: Team/Models}'), 'must be the name of an ECR repository or null, not "Team/Models"'],
    [
      `name: ${'a'.repeat(33)}\nmodel: {path: model.onnx}\nproviders: {aws: {}}\n`,
      '2 to 32 lower-case letters',
    ],
    [
      'name: Credit_Scoring!\nmodel: {path: model.onnx}\nproviders: {aws: {}}\n',
      '2 to 32 lower-case letters',
    ],
  ])('is refused with its limit: %j', async (text, message) => {
    const problems = await problemsOf(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
  });
});

describe('a name', () => {
  it.each(['a'.repeat(65), 'credit scoring', 'crédit', ''])(
    'that Lambda does not take is refused before anything is written: %j',
    async (name) => {
      const harness = await openSite();
      const base = baseOf(harness);
      const view = await openDesk(harness).inspect(base);
      const spec = {...base.spec, name, image: base.image.image.digest, env: {}};
      expect(() => view.deploy(spec)).toThrow(`name: ${name} is not 1 to 64 letters, digits, - and _`);
      expect(harness.aws.writes()).toEqual([]);
    },
  );

  it('of the greatest length is good for all that is named after it', async () => {
    const harness = await openSite();
    plantSurroundings(harness);
    const desk = openDesk(harness);
    const full = fullOf(harness);
    const wanted = {...full, spec: {...full.spec, name: 'a'.repeat(64)}};
    await desk.deploy(wanted);
    expect((await desk.plan(wanted)).steps).toEqual([]);
    await desk.chill(wanted);
    await desk.teardown(wanted);
    expect(await harness.inventory()).toEqual([]);
  });
});

describe('a repository of the user’s own', () => {
  it('that does not exist is refused before anything is written', async () => {
    const harness = await openSite({repository: 'team/none'});
    const error = await refusalOf(openDesk(harness).plan(baseOf(harness)));
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.message).toBe('there is no ECR repository team/none in eu-central-1');
    expect(harness.aws.writes()).toEqual([]);
  });

  it('with immutable tags, one of which is taken by another image, is named with both', async () => {
    const harness = await openSite({repository: 'team/models'});
    const {aws, images} = harness;
    const [{image: wanted}, other] = images;
    await new ECR({}).putImageTagMutability({repositoryName: 'team/models', imageTagMutability: 'IMMUTABLE'});
    const tag = imageTag(wanted.digest);
    await plantImage(aws.registry, 'team/models', other, tag);
    const error = await refusalOf(openDesk(harness).deploy(baseOf(harness)));
    expect([error.code, error.facts['reason']]).toEqual(['PROVIDER_CONFLICT', 'immutable-tag']);
    expect(error.message).toContain(
      `the tag ${tag} in team/models is immutable and of another image, ${other.image.digest}`,
    );
    expect(error.message).toContain(wanted.digest);
    const advice = `Delete the tag ${tag} in team/models, or name another repository.`;
    expect(hintsFor(error.code, error.facts)).toEqual([advice]);
  });

  it('with immutable tags takes an image again, and another one', async () => {
    const harness = await openSite({repository: 'team/models'});
    const {images} = harness;
    await new ECR({}).putImageTagMutability({repositoryName: 'team/models', imageTagMutability: 'IMMUTABLE'});
    const desk = openDesk(harness);
    const base = baseOf(harness);
    await desk.deploy(base);
    await desk.deploy({...base, image: images[1]});
    await desk.deploy(base);
    expect((await desk.plan(base)).steps).toEqual([]);
  });
});

describe('an image', () => {
  it('of more than 10 GB is refused before it is sent', () => {
    const layer = {role: 'model', bytes: 4 * 2 ** 30, unpackedBytes: 10 * 2 ** 30 + 1};
    const image = {platform: 'linux/amd64', layers: [layer]} as unknown as Image;
    expect(() => refuseBeyondLimits(image, limits, 'aws', [])).toThrow(
      /the image has 10.* unpacked, and aws takes 10.*: model/,
    );
    const fits = {...image, layers: [{...layer, unpackedBytes: 10 * 2 ** 30}]} as unknown as Image;
    refuseBeyondLimits(fits, limits, 'aws', []);
  });

  it('that Lambda finds too large says so in Lambda’s words, and a smaller one goes on from there', async () => {
    const harness = await openSite();
    const {account} = harness.aws;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const {imageBytesMax} = account;
    account.imageBytesMax = 10;
    const error = await refusalOf(desk.deploy(base));
    expect([error.code, error.facts['reason']]).toEqual(['PROVIDER_REFUSED', 'InvalidImage']);
    expect(error.message).toContain('Uncompressed container image size exceeds 10 GiB limit');
    const {state, problem} = (await desk.inspect(base)).status;
    expect([state, problem]).toEqual(['failed', expect.stringContaining('SizeLimitExceeded')]);
    account.imageBytesMax = imageBytesMax;
    await desk.deploy(base);
    expect((await desk.plan(base)).steps).toEqual([]);
  });
});

describe('what only Lambda refuses', () => {
  const with_ = (base: Wanted, part: Partial<Wanted['spec']['resources']>): Wanted => ({
    ...base,
    spec: {...base.spec, resources: {...base.spec.resources, ...part}},
  });

  it.each([
    [{memoryMb: 127}, /'127' at 'memorySize'.*greater than or equal to 128/],
    [{memoryMb: 10_241}, /'10241' at 'memorySize'.*less than or equal to 10240/],
    [{timeoutMs: 900_001}, /'901' at 'timeout'.*less than or equal to 900/],
  ])('is said with its limit: %j', async (part, message) => {
    const harness = await openSite();
    const error = await refusalOf(openDesk(harness).deploy(with_(baseOf(harness), part)));
    expect([error.code, error.facts['action']]).toEqual(['PROVIDER_REFUSED', 'lambda:CreateFunction']);
    expect(error.message).toMatch(message);
  });
});
