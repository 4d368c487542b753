import type {FunctionConfiguration, Runtime} from '@aws-sdk/client-lambda';
import type {JsonObject} from '../../../core/json.ts';
import {changesBetween} from '../../../core/plan.ts';
import {NONCE_VARIABLE} from '../names.ts';

/** A function's configuration as steps carry it, every reference resolved. */
export type Configuration = {
  readonly role: string;
  readonly memoryMb: number;
  readonly timeoutSeconds: number;
  readonly ephemeralStorageMb: number;
  readonly vpc: {readonly subnets: readonly string[]; readonly securityGroups: readonly string[]} | null;
  readonly kmsKey: string | null;
  readonly snapStart: boolean;
  readonly variables: {readonly [name: string]: string};
  /** Of a zip archive: what Lambda runs it on, and what it calls. */
  readonly runtime?: string;
  readonly handler?: string;
};

/** The same as steps carry it: with secrets that are still to be read, by their references. */
export type Unresolved = Configuration & {readonly secrets?: {readonly [name: string]: string}};

/** The members of UpdateFunctionConfiguration. */
export function requestOf({
  role,
  memoryMb,
  timeoutSeconds,
  ephemeralStorageMb,
  vpc,
  kmsKey,
  snapStart,
  variables,
  runtime,
  handler,
}: Configuration) {
  return {
    Role: role,
    MemorySize: memoryMb,
    Timeout: timeoutSeconds,
    EphemeralStorage: {Size: ephemeralStorageMb},
    // Empty lists take a function out of its VPC, and no text gives it Lambda's own key back.
    VpcConfig: {SubnetIds: [...(vpc?.subnets ?? [])], SecurityGroupIds: [...(vpc?.securityGroups ?? [])]},
    KMSKeyArn: kmsKey ?? '',
    SnapStart: {ApplyOn: snapStart ? 'PublishedVersions' : 'None'} as const,
    Environment: {Variables: {...variables}},
    ...(runtime === undefined ? {} : {Runtime: runtime as Runtime}),
    ...(handler === undefined ? {} : {Handler: handler}),
  };
}

/** The members of CreateFunction: what a new function does not have is left out. */
export function creationOf(configuration: Configuration) {
  const {VpcConfig, KMSKeyArn, SnapStart, ...members} = requestOf(configuration);
  return {
    ...members,
    ...(configuration.vpc === null ? {} : {VpcConfig}),
    ...(configuration.kmsKey === null ? {} : {KMSKeyArn}),
    ...(configuration.snapStart ? {SnapStart} : {}),
  };
}

/** What Lambda tells of a function, in the form that steps carry. */
export function configurationOf(found: FunctionConfiguration): Configuration {
  const subnets = [...(found.VpcConfig?.SubnetIds ?? [])].sort();
  const securityGroups = [...(found.VpcConfig?.SecurityGroupIds ?? [])].sort();
  return {
    role: found.Role ?? '',
    memoryMb: found.MemorySize ?? 0,
    timeoutSeconds: found.Timeout ?? 0,
    ephemeralStorageMb: found.EphemeralStorage?.Size ?? 512,
    vpc: subnets.length === 0 ? null : {subnets, securityGroups},
    kmsKey: found.KMSKeyArn || null,
    snapStart: found.SnapStart?.ApplyOn === 'PublishedVersions',
    variables: {...found.Environment?.Variables},
    ...(found.PackageType === 'Zip' ? {runtime: found.Runtime ?? '', handler: found.Handler ?? ''} : {}),
  };
}

/** What `$LATEST` must be for the next step; null: whatever it is. */
export type Expected = {
  readonly configuration: JsonObject | Configuration | null;
  readonly image: string | null;
  /** `repository@digest`, where the digest alone does not tell what was there before from what shall be. */
  readonly imageUri?: string | null;
  /** Of a zip archive. */
  readonly codeSha256?: string | null;
  /** The mark of a cold start. */
  readonly nonce: string | null;
};

/** `$LATEST`, and the image that it runs. */
export interface Latest {
  readonly found: FunctionConfiguration;
  /** Its digest. */
  readonly image: string | null;
  /** `repository@digest` */
  readonly imageUri: string | null;
}

/** Whether a function is what it is expected to be. An answer from before the last write is not. */
export const isAsExpected = (latest: Latest, expected: Expected): boolean =>
  unlikeExpected(latest, expected).length === 0;

/** What of a function is not as expected, for people: the environment's variables by their names alone. */
export function unlikeExpected(
  {found, image, imageUri}: Latest,
  {configuration, nonce, ...code}: Expected,
): readonly string[] {
  const mark = found.Environment?.Variables?.[NONCE_VARIABLE];
  return [
    ...unlike('its image', code.imageUri ?? null, imageUri),
    ...unlike('its image', code.image, image),
    ...unlike('its CodeSha256', code.codeSha256 ?? null, found.CodeSha256),
    ...unlike(`its variable ${NONCE_VARIABLE}`, nonce, mark),
    ...(configuration === null ? [] : unlikeConfiguration(configurationOf(found), configuration)),
  ];
}

/** @param wanted null: anything will do */
const unlike = (what: string, wanted: string | null, is: string | null | undefined): string[] =>
  wanted === null || is === wanted ? [] : [`${what} is ${is ?? 'not known'} instead of ${wanted}`];

function unlikeConfiguration(is: JsonObject, wanted: JsonObject): string[] {
  return changesBetween('', is, wanted).flatMap(({path, from, to}) => {
    if (path !== 'variables')
      return [`its ${path} is ${JSON.stringify(from)} instead of ${JSON.stringify(to)}`];
    return changesBetween('', from as JsonObject, to as JsonObject).map((variable) => {
      const is =
        variable.from === null ? 'is missing' : variable.to === null ? 'is left' : 'has another value';
      return `its variable ${variable.path} ${is}`;
    });
  });
}
