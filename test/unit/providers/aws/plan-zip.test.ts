import {describe, expect, it} from 'vitest';
import type {Archive} from '../../../../src/core/archive.ts';
import {digestOf} from '../../../../src/core/digest.ts';
import type {FunctionSpec} from '../../../../src/core/function.ts';
import type {FunctionFound} from '../../../../src/providers/aws/inspect/have.ts';
import {parseOptions} from '../../../../src/providers/aws/wanted/options.ts';
import {planChill, planTidy} from '../../../../src/providers/aws/plan/chill.ts';
import {planDeploy} from '../../../../src/providers/aws/plan/deploy.ts';
import {planRollback} from '../../../../src/providers/aws/plan/rollback.ts';
import {planTeardown} from '../../../../src/providers/aws/plan/teardown.ts';
import {wantedSettings} from '../../../../src/providers/aws/wanted/settings.ts';
import {changesOf, deployed, IMAGE_B, NAME, nothing, opsOf, ROLE, site, spec, version} from './found.ts';

const options = parseOptions({artifact: 'zip'});
const archiveOf = (text: string): Archive => ({
  digest: digestOf(text),
  bytes: 9_000_000,
  unpackedBytes: 25_000_000,
  runtime: {kind: 'node'},
});
const sha = (text: string): string => Buffer.from(digestOf(text).slice(7), 'hex').toString('base64');
const zipped: FunctionSpec = {...spec, archive: archiveOf('first')};
const other: FunctionSpec = {...spec, image: IMAGE_B, archive: archiveOf('second')};

const found = (fn: FunctionSpec, change: Partial<FunctionFound> = {}): FunctionFound => ({
  ...deployed({}, fn),
  packageType: 'Zip',
  imageUri: null,
  latest: wantedSettings(fn, options, ROLE),
  versions: [version('1', fn)],
  ...change,
});
const there = (fn: FunctionSpec = zipped, change: Partial<FunctionFound> = {}) => ({
  ...site({}, {repository: null}),
  fn: found(fn, change),
});

describe('a zip archive', () => {
  it('is sent with the call that makes the function, and named by what Lambda calls it', () => {
    const plan = planDeploy(zipped, options, nothing);
    expect(opsOf(plan)).toEqual([
      'CreateLogGroup',
      'PutRetentionPolicy',
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
    const create = plan.steps.find(({id}) => id === 'create');
    expect(create?.args).toMatchObject({
      codeSha256: sha('first'),
      archive: digestOf('first'),
      configuration: {runtime: 'nodejs22.x', handler: 'index.handler'},
    });
    expect(create?.changes).toContainEqual({path: 'image.codeSha256', from: null, to: sha('first')});
    expect(JSON.stringify(plan)).not.toContain('imageUri');
  });

  it('leaves nothing to do where it is there', () => {
    expect(planDeploy(zipped, options, there()).steps).toEqual([]);
  });

  it('is sent again when its bytes differ, and the image that it is of is said', () => {
    const plan = planDeploy(other, options, there());
    expect(opsOf(plan)).toEqual([
      'UpdateFunctionConfiguration',
      'WaitFunctionUpdated',
      'UpdateFunctionCode',
      'WaitFunctionUpdated',
      'PublishVersion',
      'WaitVersionActive',
      'UpdateAlias',
    ]);
    expect(changesOf(plan)).toEqual(['UpdateFunctionCode image', 'UpdateFunctionCode image.codeSha256']);
    const publish = plan.steps.find(({id}) => id === 'publish');
    expect(publish?.args['expected']).toMatchObject({image: null, codeSha256: sha('second')});
  });

  it('is not sent again for another image of the same bytes', () => {
    const plan = planDeploy({...other, archive: archiveOf('first')}, options, there());
    expect(opsOf(plan)).not.toContain('UpdateFunctionCode');
    expect(changesOf(plan)).toEqual(['UpdateFunctionConfiguration image']);
  });

  it('is sent again where somebody else sent other code', () => {
    const latest = {...wantedSettings(zipped, options, ROLE), 'image.codeSha256': sha('foreign')};
    const versions = [{...version('1', zipped), settings: latest}];
    expect(changesOf(planDeploy(zipped, options, there(zipped, {latest, versions})))).toEqual([
      'UpdateFunctionCode image.codeSha256',
    ]);
  });

  it.each([
    ['3.12', 'python3.12'],
    ['3.14', 'python3.14'],
  ])('with a handler in Python %s runs on %s', (version, runtime) => {
    const python = {kind: 'python', version, interpreter: 'base', provided: []} as const;
    const plan = planDeploy({...spec, archive: {...archiveOf('p'), runtime: python}}, options, nothing);
    expect(plan.steps.find(({id}) => id === 'create')?.args['configuration']).toMatchObject({
      runtime,
      handler: 'thaw_lambda.handler',
    });
  });

  it('is refused for a Python that Lambda does not have', () => {
    const runtime = {kind: 'python', version: '3.9', interpreter: 'base', provided: []} as const;
    const old = {...spec, archive: {...archiveOf('p'), runtime}};
    expect(() => planDeploy(old, options, nothing)).toThrow('Lambda has no Python 3.9 of its own');
  });

  it('is refused where packages are those of a base that it does not have', () => {
    const runtime = {kind: 'python', version: '3.12', interpreter: 'base', provided: ['torch']} as const;
    const bare = {...spec, archive: {...archiveOf('p'), runtime}};
    expect(() => planDeploy(bare, options, nothing)).toThrow('python.provided leaves to the base: torch');
  });

  it.each([
    [options, spec.archive, site(), 'deployed as an image, which cannot become a zip archive'],
    [parseOptions({}), undefined, there(), 'deployed as a zip archive, which cannot become an image'],
  ])('takes no function of the other kind', (options, _, have, message) => {
    const fn = options.artifact === 'zip' ? zipped : spec;
    expect(() => planDeploy(fn, options, have)).toThrow(message);
  });

  it('gets a twin for a cold start, told by its code', () => {
    const {plan} = planChill({name: NAME}, options, there());
    expect(opsOf(plan)).not.toContain('UpdateFunctionCode');
    const publish = plan.steps.find(({id}) => id === 'publish');
    expect(publish?.args['expected']).toEqual({
      configuration: null,
      image: null,
      codeSha256: sha('first'),
      nonce: plan.steps.find(({id}) => id === 'nonce')?.args['nonce'],
    });
  });

  it('goes back by the alias, and gets a twin of older code from Lambda itself', () => {
    const have = there(other, {versions: [version('1', zipped), version('2', other)], live: '2'});
    expect(opsOf(planRollback({name: NAME}, options, have, null))).toEqual(['UpdateAlias']);
    const {plan: back} = planChill({name: NAME}, options, {...have, fn: {...have.fn, live: '1'}});
    expect(opsOf(back).slice(0, 3)).toEqual([
      'UpdateFunctionCode',
      'WaitFunctionUpdated',
      'UpdateFunctionConfiguration',
    ]);
    expect(back.steps[0]?.args).toMatchObject({from: '1', codeSha256: sha('first'), expected: null});
  });
});

describe('a zip archive that is too large for a request', () => {
  const bucket = 'team-artifacts';
  const through = parseOptions({artifact: 'zip', bucket});
  const empty = {state: 'there', left: []} as const;
  const large = (fn: FunctionSpec): FunctionSpec => ({...fn, archive: {...fn.archive!, bytes: 60_000_000}});
  const keyOf = (text: string): string => `thaw/${NAME}/${digestOf(text).slice(7)}.zip`;

  it('lies in a bucket for as long as it takes', () => {
    const plan = planDeploy(large(zipped), through, {...nothing, archiveBucket: empty});
    expect(opsOf(plan).slice(4, 8)).toEqual([
      'PutObject',
      'CreateFunction',
      'WaitFunctionUpdated',
      'DeleteObject',
    ]);
    const args = (id: string) => plan.steps.find((step) => step.id === id)?.args;
    const where = {bucket, key: keyOf('first')};
    expect(args('upload')).toMatchObject({...where, archive: digestOf('first'), codeSha256: sha('first')});
    expect(args('create')).toMatchObject({...where, version: {$ref: 'upload.version'}});
    expect(args('create')).not.toHaveProperty('archive');
    expect(args('uploaded')).toMatchObject(where);
  });

  it.each([
    [50 * 2 ** 20, false],
    [50 * 2 ** 20 + 1, true],
  ])('of %s bytes: %s', (bytes, isLarge) => {
    const fn = {...other, archive: {...archiveOf('second'), bytes}};
    const plan = planDeploy(fn, through, {...there(), archiveBucket: empty});
    expect(opsOf(plan).includes('PutObject')).toBe(isLarge);
  });

  it('leaves nothing to do where it is there, but to delete what was left in the bucket', () => {
    const have = {...there(large(zipped)), archiveBucket: empty};
    expect(planDeploy(large(zipped), through, have).steps).toEqual([]);
    const left = {...have, archiveBucket: {...empty, left: [keyOf('old')]}};
    expect(changesOf(planDeploy(large(zipped), through, left))).toEqual(['DeleteObject upload']);
    expect(changesOf(planTidy({name: NAME}, through, left))).toEqual(['DeleteObject upload']);
    expect(changesOf(planTeardown({name: NAME}, through, left))).toContain('DeleteObject upload');
  });

  it('deletes once what an earlier deploy has left of the same bytes', () => {
    const left = {...empty, left: [keyOf('second'), keyOf('old')]};
    const plan = planDeploy(large(other), through, {...there(large(zipped)), archiveBucket: left});
    const deleted = plan.steps.filter(({op}) => op === 's3:DeleteObject').map(({args}) => args['key']);
    expect(deleted).toEqual([keyOf('second'), keyOf('old')]);
  });

  it('goes through it to a function that thaw did not make', () => {
    const theirs = {ours: false, tags: {}, live: null, versions: []};
    const have = {...there(large(zipped), theirs), archiveBucket: {...empty, left: [keyOf('old')]}};
    const plan = planDeploy(large(other), {...through, adopt: true}, have);
    expect(opsOf(plan)).toEqual([
      'PutObject',
      'UpdateFunctionCode',
      'WaitFunctionUpdated',
      'DeleteObject',
      'PublishVersion',
      'WaitVersionActive',
      'CreateAlias',
      'DeleteObject',
    ]);
  });

  it('goes through it for a cold start of older code, too, and is refused without one', () => {
    const versions = [version('1', large(zipped)), version('2', other)];
    const have = there(other, {versions, live: '1'});
    const {plan} = planChill({name: NAME}, through, {...have, archiveBucket: empty});
    expect(opsOf(plan).slice(0, 4)).toEqual([
      'PutObject',
      'UpdateFunctionCode',
      'WaitFunctionUpdated',
      'DeleteObject',
    ]);
    expect(plan.steps[0]?.args).toMatchObject({from: '1', key: keyOf('first')});
    const message = 'has 60.0 MB, and Lambda takes 52.4 MB in a request: it has to go through a bucket';
    expect(() => planChill({name: NAME}, options, have)).toThrow(message);
    const absent = {...have, archiveBucket: {state: 'absent'} as const};
    expect(() => planChill({name: NAME}, through, absent)).toThrow('there is no bucket team-artifacts');
  });
});
