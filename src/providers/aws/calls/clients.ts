import type {ApplicationAutoScaling} from '@aws-sdk/client-application-auto-scaling';
import type {CloudWatchLogs} from '@aws-sdk/client-cloudwatch-logs';
import type {ECR} from '@aws-sdk/client-ecr';
import type {EventBridge} from '@aws-sdk/client-eventbridge';
import type {IAM} from '@aws-sdk/client-iam';
import type {Lambda} from '@aws-sdk/client-lambda';
import type {S3} from '@aws-sdk/client-s3';
import type {SecretsManager} from '@aws-sdk/client-secrets-manager';
import type {SQS} from '@aws-sdk/client-sqs';
import type {SSM} from '@aws-sdk/client-ssm';
import type {STS} from '@aws-sdk/client-sts';
import {setMaxListeners} from 'node:events';
import type {Context} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {look} from './errors.ts';

/** Which credentials and which region: a region of null is the one that the environment or the profile names. */
export type Place = {readonly region: string | null; readonly profile: string | null};

/** The services that thaw calls, each loaded when it is first asked for, and how long an archive may take there. */
export interface Aws {
  readonly lambda: () => Promise<Lambda>;
  readonly ecr: () => Promise<ECR>;
  readonly iam: () => Promise<IAM>;
  readonly sts: () => Promise<STS>;
  readonly logs: () => Promise<CloudWatchLogs>;
  readonly scaling: () => Promise<ApplicationAutoScaling>;
  readonly events: () => Promise<EventBridge>;
  readonly s3: () => Promise<S3>;
  readonly sqs: () => Promise<SQS>;
  readonly ssm: () => Promise<SSM>;
  readonly secrets: () => Promise<SecretsManager>;
  /** How long a call may take that brings an archive of so many bytes, in milliseconds. */
  readonly archiveMs: (bytes: number) => number;
}

/** How long is waited, in milliseconds of the system's own clock: without these the SDK waits for ever. */
export interface TimeLimits {
  /** For a connection. */
  readonly connectMs: number;
  /** For an answer. */
  readonly answerMs: number;
  /** For an archive of so many bytes to be brought, and for the answer. */
  readonly archiveMs: (bytes: number) => number;
}

const TIME_LIMITS: TimeLimits = {
  connectMs: 10_000,
  answerMs: 30_000,
  // A minute, and what a line of 1 Mbit/s needs.
  archiveMs: (bytes) => 60_000 + Math.ceil(bytes / 125),
};

/** Opens the services at a place. */
export type OpenAws = (context: Pick<Context, 'ports'>, place: Place) => Aws;

/**
 * Makes what opens the SDK's clients: one of each for a place, for as long as the same ports are used. They try nothing
 * twice, since ops say themselves what they try again. Endpoints are the SDK's own, or what its own variables say.
 */
export function createOpenAws(limits: Partial<TimeLimits> = {}): OpenAws {
  const opened = new WeakMap<Context['ports'], Map<string, Aws>>();
  return ({ports}, place) => {
    const places = opened.get(ports) ?? new Map<string, Aws>();
    opened.set(ports, places);
    const key = JSON.stringify([place.region, place.profile]);
    const known = places.get(key) ?? openServices(place, {...TIME_LIMITS, ...limits});
    places.set(key, known);
    return known;
  };
}

function openServices({region, profile}: Place, {connectMs, answerMs, archiveMs}: TimeLimits): Aws {
  const config = {
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: answerMs,
      throwOnRequestTimeout: true,
    },
    ...(region === null ? {} : {region}),
    ...(profile === null ? {} : {profile}),
  };
  // The SDK says on standard error which Node it will need some day.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return {
    lambda: once(async () => new (await import('./sdk/lambda.ts')).Lambda(config)),
    ecr: once(async () => new (await import('./sdk/ecr.ts')).ECR(config)),
    iam: once(async () => new (await import('./sdk/iam.ts')).IAM(config)),
    sts: once(async () => new (await import('./sdk/sts.ts')).STS(config)),
    logs: once(async () => new (await import('./sdk/cloudwatch-logs.ts')).CloudWatchLogs(config)),
    scaling: once(async () => {
      const {ApplicationAutoScaling} = await import('./sdk/application-auto-scaling.ts');
      return new ApplicationAutoScaling(config);
    }),
    events: once(async () => new (await import('./sdk/eventbridge.ts')).EventBridge(config)),
    ssm: once(async () => new (await import('./sdk/ssm.ts')).SSM(config)),
    secrets: once(async () => new (await import('./sdk/secret-store.ts')).SecretsManager(config)),
    s3: once(async () => new (await import('./sdk/s3.ts')).S3(config)),
    sqs: once(async () => new (await import('./sdk/sqs.ts')).SQS(config)),
    archiveMs,
  };
}

/**
 * A signal that fires when the given one does, for one piece of work. The SDK listens to it once for each request, which
 * on a signal of the whole process would look like a leak.
 */
export function ownSignal(signal: AbortSignal): AbortSignal {
  const own = AbortSignal.any([signal]);
  setMaxListeners(0, own);
  return own;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => (made ??= make());
}

/** Who calls, and where. */
export type Account = {readonly id: string; readonly partition: string; readonly region: string};

/** Regions that an account has not enabled know nobody's credentials. */
function unknownIn(region: string, error: ThawError): ThawError {
  const message = `${error.message.replace(/\.$/, '')}; it was asked in ${region}, which may not be enabled for the account`;
  return new ThawError(error.code, message, {...error.facts, region}, {cause: error});
}

/**
 * Asks AWS who calls, which needs no permission.
 *
 * @throws ThawError CREDENTIALS_MISSING, also where no region is set; PROVIDER_UNREACHABLE
 */
export async function readAccount(
  aws: Aws,
  context: Pick<Context, 'ports' | 'signal'>,
): Promise<Account & {readonly arn: string}> {
  const asked = {action: 'sts:GetCallerIdentity', resource: 'the caller'};
  const sts = await aws.sts();
  const region = await look(asked, context, () => sts.config.region());
  const {Account: id = '', Arn: arn = ''} = await look(asked, context, () =>
    sts.getCallerIdentity({}, {abortSignal: context.signal}),
  ).catch((error: unknown) => {
    throw error instanceof ThawError && error.facts['reason'] === 'invalid'
      ? unknownIn(region, error)
      : error;
  });
  return {id, arn, region, partition: arn.split(':')[1] || 'aws'};
}
