import {randomBytes} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, describe, expect, it} from 'vitest';
import type {Op} from '../../../src/core/driver.ts';
import type {ImageOnDisk} from '../../../src/core/ports.ts';
import {writeArchive} from '../../../src/image/archive.ts';
import {makeSmallImage} from '../../fakes/aws/sandboxes/small-image.ts';
import type {PolicyDocument} from '../../fakes/aws/policy.ts';
import type {BucketTraits} from '../../fakes/aws/services/s3.ts';
import {baseOf, openDesk} from '../conformance/desk.ts';
import {awsTraits, NAME, openAwsHarness, PROGRAMS, type AwsHarness} from './harness.ts';
import {refusalOf} from './refusal.ts';

const BUCKET = 'team-artifacts';
const OPTIONS = {artifact: 'zip', bucket: BUCKET};
const THEIRS = [`thaw/${NAME}/notes.txt`, `thaw/${NAME}-2/${'0'.repeat(64)}.zip`];

const open: AwsHarness[] = [];
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
});

/** AWS with a bucket of the user's own, and archives that claim to be too large for a request. */
async function openSite(traits: BucketTraits | null = {}): Promise<AwsHarness> {
  const harness = await openAwsHarness(OPTIONS, {runs: false});
  open.push(harness);
  const {buckets} = harness.aws;
  if (traits !== null) buckets.plant(BUCKET, traits);
  if (traits?.region === undefined && traits !== null) {
    for (const key of THEIRS) buckets.plantObject(BUCKET, key, Buffer.from('theirs'));
  }
  return {
    ...harness,
    archiveOf: async (image) => {
      const {archive, file} = await harness.archiveOf!(image);
      return {archive: {...archive, bytes: 60_000_000}, file};
    },
    inventory: async () => (await harness.inventory()).filter((name) => !isTheirs(name)),
  };
}

const isTheirs = (name: string): boolean => THEIRS.some((key) => name === `object ${BUCKET}/${key}`);

const objects = ({aws}: AwsHarness): string[] =>
  aws.inventory().filter((name) => name.startsWith('object') && !isTheirs(name));

describe('an archive that is too large for a request', () => {
  it.each([false, true])(
    'goes through a bucket, of which nothing is left, whether it keeps versions: %s',
    async (versioned) => {
      const harness = await openSite({versioned});
      const {aws, context, driver, spec} = harness;
      const policy = await driver.open(OPTIONS).policy(context, spec);
      aws.account.policy = policy as unknown as PolicyDocument;
      const desk = openDesk(harness);
      const base = baseOf(harness);
      const plan = await desk.deploy(base);
      expect(plan.steps.find(({op}) => op === 's3:PutObject')?.why).toContain('60.0 MB');
      // The function is asked for more than once: its role is new.
      const calls = aws.writes().filter((name) => /s3:|CreateFunction$/.test(name));
      expect([...new Set(calls)]).toEqual(['s3:PutObject', 'lambda:CreateFunction', 's3:DeleteObject']);
      expect([calls.at(0), calls.at(-1)]).toEqual(['s3:PutObject', 's3:DeleteObject']);
      expect(objects(harness)).toEqual([]);
      expect((await desk.plan(base)).steps).toEqual([]);

      await desk.deploy({...base, image: harness.images[1]});
      const update = aws.requests.findLast(({operation}) => operation === 'lambda:UpdateFunctionCode');
      expect(update?.input).toMatchObject({S3Bucket: BUCKET});
      expect(update?.input['ZipFile']).toBeUndefined();
      expect(typeof update?.input['S3ObjectVersion']).toBe(versioned ? 'string' : 'undefined');
      expect(objects(harness)).toEqual([]);
      await desk.teardown(base);
      expect(await harness.inventory()).toEqual([]);
      expect(aws.inventory().filter(isTheirs)).toHaveLength(THEIRS.length);
    },
  );

  it('that was left behind is deleted by the next deploy, or by the end', async () => {
    const harness = await openSite();
    const {aws} = harness;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const refused = {type: 'InvalidParameterValueException', message: 'not today', status: 400};
    aws.faults.on('lambda:CreateFunction', refused);
    await expect(desk.deploy(base)).rejects.toThrow('not today');
    expect(objects(harness)).toHaveLength(1);

    // What is there and whole is not sent again.
    await desk.deploy(base);
    expect(objects(harness)).toEqual([]);
    expect(aws.writes().filter((name) => name === 's3:PutObject')).toHaveLength(1);

    aws.faults.on('lambda:UpdateFunctionCode', refused);
    await expect(desk.deploy({...base, image: harness.images[1]})).rejects.toThrow('not today');
    expect(objects(harness)).toHaveLength(1);
    const {steps} = await desk.deploy(base);
    expect(steps.flatMap(({changes}) => changes)).toContainEqual({
      path: 'upload',
      from: expect.stringMatching(/^thaw\/credit-scoring\/[\da-f]{64}\.zip$/) as unknown,
      to: null,
    });
    expect(objects(harness)).toEqual([]);

    aws.faults.on('lambda:UpdateFunctionCode', refused);
    await expect(desk.deploy({...base, image: harness.images[1]})).rejects.toThrow('not today');
    await desk.teardown(base);
    expect(await harness.inventory()).toEqual([]);
  });

  it.each([
    [false, ['throttle', 'reset']],
    [true, ['503', 'reset after']],
  ] as const)(
    'is deployed and gone, whichever request is broken, with versions: %s',
    async (versioned, faults) => {
      const harness = await openSite({versioned});
      const {aws} = harness;
      const desk = openDesk(harness);
      const base = baseOf(harness);
      const operations = ['s3:ListObjectsV2', 's3:HeadObject', 's3:PutObject', 's3:DeleteObject'];
      for (const operation of [...operations, 'lambda:CreateFunction', 'lambda:UpdateFunctionCode']) {
        for (const fault of faults) {
          aws.faults.on(operation, fault);
          await desk.deploy(base);
          await desk.deploy({...base, image: harness.images[1]});
          expect(objects(harness), `${fault} at ${operation}`).toEqual([]);
          await desk.teardown(base);
          expect(await harness.inventory(), `${fault} at ${operation}`).toEqual([]);
        }
      }
    },
  );

  it('is not taken for what its name says if somebody has put something else there', async () => {
    const harness = await openSite();
    const {aws} = harness;
    const desk = openDesk(harness);
    const base = baseOf(harness);
    const {steps} = await desk.plan(base);
    const key = steps.find(({op}) => op === 's3:PutObject')?.args['key'] as string;
    aws.buckets.plantObject(BUCKET, key, Buffer.from('something else'));
    await desk.deploy(base);
    expect((await desk.plan(base)).steps).toEqual([]);
    expect(objects(harness)).toEqual([]);
  });

  it('is gone for a deploy whose archive another one has deleted: it says so', async () => {
    const harness = await openSite();
    const {aws, driver} = harness;
    const desk = openDesk(harness);
    const [put, remove] = ['s3:PutObject', 's3:DeleteObject'].map((name) => driver.ops[name]!);
    const lost: Op = {
      ...put!,
      async run(context, args) {
        const outputs = await put!.run(context, args);
        await remove!.run(context, args);
        return outputs;
      },
    };
    const ops = {...driver.ops, 's3:PutObject': lost};
    const error = await refusalOf(desk.deploy(baseOf(harness), {ops}));
    expect([error.code, error.facts['reason']]).toEqual(['PROVIDER_CONFLICT', 'changed']);
    expect(aws.inventory()).not.toContain(`function ${NAME}`);
    await desk.deploy(baseOf(harness));
    expect((await desk.plan(baseOf(harness))).steps).toEqual([]);
  });
});

describe('the bucket is refused', () => {
  it.each([
    [null, 'there is no bucket team-artifacts'],
    [{region: 'us-east-1'}, 'the bucket team-artifacts is in us-east-1, and Lambda takes archives'],
  ])('where it is not there, or in another region, before anything is written', async (traits, message) => {
    const harness = await openSite(traits);
    const error = await refusalOf(openDesk(harness).plan(baseOf(harness)));
    expect([error.code, error.message]).toEqual(['CONFIG_INVALID', expect.stringContaining(message)]);
    expect(error.facts['problems']).toEqual([
      {path: ['providers', 'aws', 'bucket'], message: expect.stringContaining(message) as unknown},
    ]);
    expect(harness.aws.writes()).toEqual([]);
    const {driver, context, spec} = harness;
    const checks = driver.open(OPTIONS).checks(spec);
    const check = checks.find(({name}) => name === 'bucket for archives');
    expect(await check?.check(context)).toMatchObject({
      ok: false,
      remedy: expect.stringContaining('eu-central-1'),
    });
  });

  it.each([
    ['s3:ListBucket', 's3:ListBucket'],
    ['s3:PutObject', 's3:PutObject'],
    ['s3:GetObject', 's3:GetObject'],
    ['s3:DeleteObject', 's3:DeleteObject'],
  ])('with the permission that lacks: %s', async (action) => {
    const harness = await openSite();
    harness.aws.account.deny(action);
    const error = await refusalOf(openDesk(harness).deploy(baseOf(harness)));
    expect([error.code, error.facts['action']]).toEqual(['PERMISSION_DENIED', action]);
    expect(error.facts['resource']).toContain(BUCKET);
    harness.aws.account.allow();
    await openDesk(harness).deploy(baseOf(harness));
    expect(objects(harness)).toEqual([]);
  });
});

describe('an archive of 55 MB', () => {
  it('runs, and so does a twin of older code, which Lambda alone has', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'thaw-large-'));
    const harness = await openAwsHarness(OPTIONS);
    open.push(harness);
    try {
      const {signal} = new AbortController();
      const files = {'opt/thaw/model/weights.data': randomBytes(53 * 2 ** 20)};
      const first = await makeSmallImage(join(dir, 'first'), {files});
      const large: AwsHarness = {
        ...harness,
        archiveOf: (image: ImageOnDisk) =>
          writeArchive({
            image,
            form: awsTraits.driver.open(OPTIONS).archive!,
            provider: 'aws',
            programsDir: PROGRAMS,
            dir: join(dir, image.image.digest.slice(-12)),
            signal,
          }),
      };
      harness.aws.buckets.plant(BUCKET, {versioned: true});
      const desk = openDesk(large);
      const base = {...baseOf(large), image: first};
      await desk.deploy(base);
      await desk.deploy({...base, image: harness.images[1]});
      await desk.apply((await desk.inspect(base)).rollback(null), base);
      expect((await desk.invoke(base)).evidence.image).toBe(base.image.image.digest);
      const asked = await desk.chill(base);
      expect((await desk.invoke(base, asked)).class).toBe('cold');
      expect(desk.tape.join()).not.toContain('/code/');
      await desk.tidy(base);
      expect(objects(harness)).toEqual([]);
      await desk.teardown(base);
      expect(await harness.inventory()).toEqual([]);
    } finally {
      await rm(dir, {recursive: true, force: true});
    }
  }, 120_000);
});
