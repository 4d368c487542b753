import {randomBytes} from 'node:crypto';
import {setMaxListeners} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {pushToProvider} from '../../../src/cli/push-to-provider.ts';
import {digestOf} from '../../../src/core/digest.ts';
import type {Context, Driver} from '../../../src/core/driver.ts';
import {writeArchive} from '../../../src/image/archive.ts';
import {createHttp} from '../../../src/net/http.ts';
import {createAwsDriver} from '../../../src/providers/aws/driver.ts';
import {noContainerEngine, noPython} from '../../absent.ts';
import {makeSmallImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {openFakeAws, type FakeAws, type FakeAwsOptions} from '../../fakes/aws/server.ts';
import type {Harness, Traits} from '../conformance.ts';

export const NAME = 'credit-scoring';
/** The programs as they were built. */
export const PROGRAMS = fileURLToPath(new URL('../../../dist/runtime', import.meta.url));
const OWN_ROLE = 'functions';
const OWN_REPOSITORY = 'team/models';

/** What the suite must know of the AWS driver. */
export const awsTraits: Traits & {readonly driver: Driver} = {
  driver: createAwsDriver(),
  secretSource: 'ssm:/credit-scoring/key',
  optionValues: {
    role: `arn:aws:iam::123456789012:role/${OWN_ROLE}`,
    repository: OWN_REPOSITORY,
    kmsKey: 'arn:aws:kms:eu-central-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000',
  },
  placeOptions: ['region', 'profile', 'artifact', 'bucket', 'adopt', 'keep', 'invoke'],
};

export interface AwsHarness extends Harness {
  readonly aws: FakeAws;
}

/**
 * AWS on this machine, empty at first but for a role and a repository of the user's own, with the driver.
 *
 * @param times how long the driver waits for AWS, where that is to be less than usual
 */
export async function openAwsHarness(
  options: Harness['options'] = {},
  fake: FakeAwsOptions = {},
  times: Parameters<typeof createAwsDriver>[0] = {},
): Promise<AwsHarness> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-aws-'));
  const aws = await openFakeAws(fake);
  const restore = setEnvironment(aws.env);
  aws.roles.plant(OWN_ROLE);
  for (const name of ['key', 'key-2']) aws.parameters.plant(`/${NAME}/${name}`, `${name}-of-a-store-2718`);
  aws.repositories.plant(OWN_REPOSITORY);
  const given = new Set(aws.inventory());
  const {signal} = new AbortController();
  setMaxListeners(0, signal);
  const unused = (): never => {
    throw new TypeError('the AWS driver has no use for this');
  };
  const context: Context = {
    ports: {
      clock: aws.clock,
      http: createHttp(),
      startDetached: unused,
      unpackImage: unused,
      pushImage: (image, to, progress, signal) => pushToProvider(image, to, aws.clock, progress, signal),
      hostOnnxRuntime: unused,
      openContainerEngine: noContainerEngine,
      makePythonEnvironment: noPython,
    },
    signal,
    projectDir: join(dir, 'project'),
    stateDir: join(dir, 'state'),
    packageDir: join(dir, 'package'),
    thawVersion: '0.0.1',
    fingerprintKey: randomBytes(32),
  };
  // As `thaw package` makes them where the options ask for it.
  const {imageLabels: labels} = createAwsDriver().open({snapStart: true});
  const rows = {name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4]};
  return {
    aws,
    driver: createAwsDriver(times),
    context,
    images: [
      await makeSmallImage(join(dir, 'first'), {name: NAME, label: 'first', labels}),
      await makeSmallImage(join(dir, 'second'), {name: NAME, label: 'second', labels}),
    ],
    archiveOf: (image) => {
      const form = awsTraits.driver.open({artifact: 'zip'}).archive!;
      const target = join(dir, 'archives', image.image.digest.slice(-12));
      return writeArchive({image, form, provider: 'aws', programsDir: PROGRAMS, dir: target, signal});
    },
    options,
    spec: {
      schema: 'thaw.function/1',
      name: NAME,
      image: digestOf('to be replaced'),
      resources: {memoryMb: 512, timeoutMs: 30_000, cpu: null, concurrency: 1},
      scaling: {maxInstances: 4},
      warm: {min: 0, schedule: []},
      env: {},
      secrets: {},
      triggers: [{kind: 'http', auth: 'iam'}],
    },
    request: {
      body: new TextEncoder().encode(JSON.stringify({inputs: [rows]})),
      contentType: 'application/json',
      timeoutMs: 60_000,
    },
    shortIdle: {options: {}, waitMs: 11 * 60_000},
    inventory: async () => aws.inventory().filter((name) => !isGiven(name, given)),
    plant: async () => {
      aws.roles.plant(`thaw-${NAME}-2-eu-central-1`);
      aws.roles.plant(`thaw-${NAME}-eu-central-2`, {'thaw:function': `${NAME}-2`});
      aws.repositories.plant(`thaw/${NAME}-2`, {'thaw:function': `${NAME}-2`});
    },
    refuseOnce: () => aws.faults.onNextWrite('throttle'),
    close: async () => {
      await aws.close();
      restore();
      await rm(dir, {recursive: true, force: true, maxRetries: 5});
    },
  };
}

/** What the user had before, and images that stay in a repository of the user's own. */
const isGiven = (name: string, given: ReadonlySet<string>): boolean =>
  given.has(name) || (name.startsWith('image') && name.includes(OWN_REPOSITORY));

function setEnvironment(env: {readonly [name: string]: string}): () => void {
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, env);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}
