import type {FunctionConfiguration} from '@aws-sdk/client-lambda';
import type {FingerprintFn} from '../../../core/digest.ts';
import type {FunctionSpec} from '../../../core/function.ts';
import type {Platform} from '../../../core/image.ts';
import {canonicalJson, type Json} from '../../../core/json.ts';
import type {Arg} from '../../../core/plan.ts';
import {zipCodeOf} from '../archive.ts';
import {IMAGE_VARIABLE, OWN_VARIABLES, SECRETS_VARIABLE} from '../names.ts';
import type {AwsOptions} from './options.ts';
import {referencesIn} from './secrets.ts';

/**
 * What a version is made of, flat, by the path that a change of it is reported under: `resources.memoryMb`,
 * `env.LOG_LEVEL` (a fingerprint), `options.kmsKey`.
 */
export type Settings = {readonly [path: string]: Json};

/** What the stores hold now: fingerprints by reference; null where nobody could look. */
export type SecretsNow = ReadonlyMap<string, string | null>;

/** Architectures as Lambda names them. */
const ARCHITECTURE: {readonly [P in Platform]: string} = {'linux/amd64': 'x86_64', 'linux/arm64': 'arm64'};
const EPHEMERAL_MB = 512;

/** The path of a zip archive's digest, as Lambda writes it. */
export const CODE = 'image.codeSha256';

export const architectureOf = (platform: Platform | undefined): string =>
  ARCHITECTURE[platform ?? 'linux/amd64'];

/**
 * The settings of a function's configuration as Lambda tells it. Values of the environment leave here as fingerprints.
 *
 * @param image the digest of its image, as far as that is known
 */
export function settingsOf(
  configuration: FunctionConfiguration,
  image: string | null,
  fingerprint: FingerprintFn,
  secrets: SecretsNow = new Map(),
): Settings {
  const {
    PackageType,
    CodeSha256,
    Runtime,
    Handler,
    MemorySize,
    Timeout,
    Role,
    Architectures,
    EphemeralStorage,
    VpcConfig,
    KMSKeyArn,
    SnapStart,
    Environment,
  } = configuration;
  const variables = Object.entries(Environment?.Variables ?? {});
  const references = referencesIn(configuration);
  // What the store holds may have changed since.
  const isOld = (name: string, source: string): boolean =>
    (secrets.get(source) ?? null) !== null &&
    secrets.get(source) !== fingerprint(Environment?.Variables?.[name] ?? '');
  const subnets = [...(VpcConfig?.SubnetIds ?? [])].sort();
  const securityGroups = [...(VpcConfig?.SecurityGroupIds ?? [])].sort();
  return {
    image,
    ...(PackageType === 'Zip'
      ? {[CODE]: CodeSha256 ?? null, runtime: Runtime ?? null, handler: Handler ?? null}
      : {}),
    platform: Architectures?.[0] ?? 'x86_64',
    'resources.memoryMb': MemorySize ?? null,
    'resources.timeoutMs': (Timeout ?? 0) * 1000,
    'options.role': Role ?? null,
    'options.ephemeralStorageMb': EphemeralStorage?.Size ?? EPHEMERAL_MB,
    'options.vpc': subnets.length === 0 ? null : {subnets, securityGroups},
    'options.kmsKey': KMSKeyArn || null,
    'options.snapStart': SnapStart?.ApplyOn === 'PublishedVersions',
    ...Object.fromEntries(
      variables
        .filter(([name]) => !OWN_VARIABLES.includes(name) && !Object.hasOwn(references, name))
        .map(([name, value]) => [`env.${name}`, fingerprint(value)]),
    ),
    ...Object.fromEntries(
      Object.entries(references).map(([name, source]) => [
        `secrets.${name}`,
        isOld(name, source) ? `${source}, an older value` : source,
      ]),
    ),
  };
}

/**
 * The settings that are asked for.
 *
 * @param role the ARN of the role, as far as that is known before the role is there
 */
export function wantedSettings(fn: FunctionSpec, options: AwsOptions, role: string): Settings {
  const zip = fn.archive === undefined ? null : zipCodeOf(fn.archive);
  return {
    image: fn.image,
    ...(zip === null ? {} : {[CODE]: zip.codeSha256, runtime: zip.runtime, handler: zip.handler}),
    platform: architectureOf(fn.platform),
    'resources.memoryMb': fn.resources.memoryMb,
    'resources.timeoutMs': timeoutSeconds(fn) * 1000,
    'options.role': role,
    'options.ephemeralStorageMb': options.ephemeralStorageMb,
    'options.vpc': options.vpc,
    'options.kmsKey': options.kmsKey,
    'options.snapStart': options.snapStart,
    ...Object.fromEntries(Object.entries(fn.env).map(([name, mark]) => [`env.${name}`, mark])),
    ...Object.fromEntries(Object.entries(fn.secrets).map(([name, source]) => [`secrets.${name}`, source])),
  };
}

/** Lambda counts whole seconds. */
const timeoutSeconds = ({resources}: FunctionSpec): number => Math.ceil(resources.timeoutMs / 1000);

/** A function's configuration as an argument of a step: what Lambda's API takes, the environment by reference. */
export function configurationArg(
  fn: FunctionSpec,
  options: AwsOptions,
  role: Arg,
): {readonly [key: string]: Arg} {
  const zip = fn.archive === undefined ? null : zipCodeOf(fn.archive);
  return {
    ...(zip === null ? {} : {runtime: zip.runtime, handler: zip.handler}),
    role,
    memoryMb: fn.resources.memoryMb,
    timeoutSeconds: timeoutSeconds(fn),
    ephemeralStorageMb: options.ephemeralStorageMb,
    vpc: options.vpc,
    kmsKey: options.kmsKey,
    snapStart: options.snapStart,
    variables: {
      ...Object.fromEntries(Object.keys(fn.env).map((name) => [name, {$secret: name}])),
      [IMAGE_VARIABLE]: fn.image,
      ...(Object.keys(fn.secrets).length === 0 ? {} : {[SECRETS_VARIABLE]: canonicalJson(fn.secrets)}),
    },
    secrets: fn.secrets,
  };
}

/**
 * Settings that UpdateFunctionCode writes; UpdateFunctionConfiguration writes the others. Of a zip archive the image is
 * only said to be where it is from.
 */
export const isOfCode = (path: string, isZip: boolean): boolean =>
  path === 'platform' || path === (isZip ? CODE : 'image');
