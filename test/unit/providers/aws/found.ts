import type {Digest} from '../../../../src/core/digest.ts';
import type {FunctionSpec} from '../../../../src/core/function.ts';
import type {Plan} from '../../../../src/core/plan.ts';
import type {FunctionFound, Have, VersionFound} from '../../../../src/providers/aws/inspect/have.ts';
import {parseOptions} from '../../../../src/providers/aws/wanted/options.ts';
import {wantedSettings} from '../../../../src/providers/aws/wanted/settings.ts';

export const NAME = 'credit-scoring';
export const ACCOUNT = {id: '123456789012', partition: 'aws', region: 'eu-central-1'};
export const ROLE = `arn:aws:iam::123456789012:role/thaw-${NAME}-eu-central-1`;
export const URI = `123456789012.dkr.ecr.eu-central-1.amazonaws.com/thaw/${NAME}`;
export const [IMAGE_A, IMAGE_B] = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`) as [Digest, Digest];
export const options = parseOptions({});

export const spec: FunctionSpec = {
  schema: 'thaw.function/1',
  name: NAME,
  image: IMAGE_A,
  platform: 'linux/arm64',
  resources: {memoryMb: 1024, timeoutMs: 10_000, cpu: null, concurrency: 1},
  scaling: {maxInstances: 10},
  warm: {min: 0, schedule: []},
  env: {GREETING: 'hmac:0123456789abcdef'},
  secrets: {},
  triggers: [{kind: 'http', auth: 'iam'}],
};

export const nothing: Have = {
  account: ACCOUNT,
  concurrency: {max: 1000, unreserved: 1000},
  fn: null,
  role: null,
  repository: null,
  ownRepository: null,
  archiveBucket: null,
  logs: null,
  triggers: {rules: [], mappings: [], buckets: [], queues: []},
};

/** A version as it is after a deploy of the example. */
export function version(number: string, fn: FunctionSpec = spec, nonce: string | null = null): VersionFound {
  const settings = wantedSettings(fn, options, ROLE);
  return {
    version: number,
    at: '2026-11-23T00:00:00.000Z',
    image: fn.image,
    settings,
    codeBytes: fn.archive?.bytes ?? 0,
    state: 'Active',
    ours: false,
    byThaw: true,
    nonce,
  };
}

export function deployed(change: Partial<FunctionFound> = {}, fn: FunctionSpec = spec): FunctionFound {
  return {
    arn: `arn:aws:lambda:eu-central-1:123456789012:function:${NAME}`,
    ours: true,
    adopted: false,
    tags: {'thaw:function': NAME},
    state: 'Active',
    stateReason: null,
    lastUpdate: 'Successful',
    lastUpdateReason: null,
    revision: 'revision-7',
    packageType: 'Image',
    startsOtherwise: false,
    logGroup: `/aws/lambda/${NAME}`,
    latest: wantedSettings(fn, options, ROLE),
    declared: {image: fn.image, nonce: null},
    imageUri: `${URI}@${fn.image}`,
    versions: [version('1', fn)],
    live: '1',
    coldAliases: [],
    held: ['1'],
    reserved: 10,
    url: {url: 'https://abc.lambda-url.eu-central-1.on.aws/', auth: 'iam'},
    statements: [],
    provisioned: [],
    schedules: [],
    ...change,
  };
}

/** What is there after a deploy of the example. */
export function site(change: Partial<FunctionFound> = {}, more: Partial<Have> = {}): Have {
  return {
    ...nothing,
    fn: deployed(change),
    role: {
      arn: ROLE,
      tags: {'thaw:function': NAME},
      boundary: null,
      policies: ['arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole'],
    },
    repository: {
      name: `thaw/${NAME}`,
      uri: URI,
      tags: {'thaw:function': NAME},
      images: [IMAGE_A],
      pushed: [IMAGE_A],
    },
    logs: {
      arn: `arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/${NAME}`,
      retentionDays: 30,
      tags: {'thaw:function': NAME},
    },
    ...more,
  };
}

export const opsOf = ({steps}: Plan): string[] => steps.map(({op}) => op.replace(/^.*:/, ''));
export const changesOf = ({steps}: Plan): string[] =>
  steps.flatMap(({op, changes}) => changes.map(({path}) => `${op.replace(/^.*:/, '')} ${path}`));
