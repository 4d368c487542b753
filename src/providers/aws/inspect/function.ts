import type {FunctionConfiguration, GetFunctionResponse, Lambda} from '@aws-sdk/client-lambda';
import type {FingerprintFn} from '../../../core/digest.ts';
import type {Context} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import type {JsonObject} from '../../../core/json.ts';
import type {Aws} from '../calls/clients.ts';
import {look, lookFor} from '../calls/errors.ts';
import {readPages} from '../calls/pages.ts';
import {
  COLD_ALIAS,
  IMAGE_VARIABLE,
  imageIn,
  LIVE,
  logGroupName,
  NONCE_VARIABLE,
  OWNER_TAG,
} from '../names.ts';
import {readSecret, referencesIn} from '../wanted/secrets.ts';
import {settingsOf, type SecretsNow} from '../wanted/settings.ts';
import type {FunctionFound, ProvisionedFound, StatementFound} from './have.ts';
import {readSchedules} from './schedules.ts';
import {imageOfVersion, readableConfiguration, readVersions, versionOf} from './versions.ts';

/** A function with all that belongs to it alone: versions, aliases, URL, policy, what is kept ready. Null: there is none. */
export async function readFunction(
  aws: Aws,
  name: string,
  fingerprint: FingerprintFn,
  context: Context,
): Promise<FunctionFound | null> {
  const lambda = await aws.lambda();
  const asked = {action: 'lambda:GetFunction', resource: name};
  const found = await lookFor(asked, context, () =>
    lambda.getFunction({FunctionName: name}, {abortSignal: context.signal}),
  );
  if (found === null) return null;
  const which = {FunctionName: name, Qualifier: LIVE};
  const about = (action: string) => ({action, resource: `${name}:${LIVE}`});
  const how = {abortSignal: context.signal};
  const [published, aliases, url, policy, provisioned] = await Promise.all([
    readVersions(lambda, name, context),
    readAliases(lambda, name, context),
    lookFor(about('lambda:GetFunctionUrlConfig'), context, () => lambda.getFunctionUrlConfig(which, how)),
    lookFor(about('lambda:GetPolicy'), context, () => lambda.getPolicy(which, how)),
    readProvisioned(lambda, name, context),
  ]);
  const configuration = readableConfiguration(found.Configuration ?? {}, name);
  const secrets = await readSecrets(aws, [configuration, ...published], fingerprint, context);
  const versions = published.map((each) => versionOf(each, configuration, fingerprint, secrets));
  const schedules = await readSchedules(
    aws,
    name,
    versions.map(({version}) => version),
    context,
  );
  const ours = found.Tags?.[OWNER_TAG] === name;
  const live = aliases.find((alias) => alias.name === LIVE)?.version ?? null;
  const isLive = ({Version}: FunctionConfiguration): boolean => Version !== undefined && Version === live;
  const isZip = configuration.PackageType === 'Zip';
  return {
    arn: configuration.FunctionArn ?? '',
    ours,
    adopted: !ours && imageIn(published.find(isLive)?.Description) !== null,
    tags: found.Tags ?? {},
    state: configuration.State ?? 'Active',
    stateReason: reasonOf(configuration.StateReasonCode, configuration.StateReason),
    lastUpdate: configuration.LastUpdateStatus ?? 'Successful',
    lastUpdateReason: reasonOf(
      configuration.LastUpdateStatusReasonCode,
      configuration.LastUpdateStatusReason,
    ),
    revision: configuration.RevisionId ?? '',
    packageType: configuration.PackageType ?? 'Image',
    startsOtherwise: Object.values(configuration.ImageConfigResponse?.ImageConfig ?? {}).some(
      (override) => override !== undefined && override.length > 0,
    ),
    logGroup: configuration.LoggingConfig?.LogGroup ?? logGroupName(name),
    latest: settingsOf(
      configuration,
      isZip ? imageOfVersion(configuration) : imageOf(found),
      fingerprint,
      secrets,
    ),
    declared: {
      image: configuration.Environment?.Variables?.[IMAGE_VARIABLE] ?? null,
      nonce: configuration.Environment?.Variables?.[NONCE_VARIABLE] ?? null,
    },
    imageUri: imageUriOf(found),
    versions,
    live,
    coldAliases: aliases
      .filter((alias) => alias.name.startsWith(COLD_ALIAS))
      .map(({name, version}) => ({name, version})),
    held: [...new Set(aliases.flatMap(({version, weighted}) => [version, ...weighted]))].sort(),
    reserved: found.Concurrency?.ReservedConcurrentExecutions ?? null,
    url: url && {url: url.FunctionUrl ?? '', auth: url.AuthType === 'NONE' ? 'none' : 'iam'},
    statements: statementsOf(policy?.Policy ?? null),
    provisioned,
    schedules,
  };
}

const reasonOf = (code: string | undefined, reason: string | undefined): string | null =>
  [code, reason].filter((part) => part !== undefined && part !== '').join(': ') || null;

/** The image that `$LATEST` runs, by its digest if Lambda says it. */
export const imageUriOf = ({Code}: GetFunctionResponse): string | null =>
  Code?.ResolvedImageUri ?? Code?.ImageUri ?? null;

/** The digest of the image that `$LATEST` runs; a tag alone says nothing. */
export const imageOf = (found: GetFunctionResponse): string | null =>
  /@(sha256:[\da-f]{64})$/.exec(imageUriOf(found) ?? '')?.[1] ?? null;

/** What the stores hold now of what thaw has filled variables with; not where it may not look, or there is nothing. */
async function readSecrets(
  aws: Aws,
  configurations: readonly FunctionConfiguration[],
  fingerprint: FingerprintFn,
  context: Context,
): Promise<SecretsNow> {
  const sources = new Set(configurations.flatMap((each) => Object.values(referencesIn(each))));
  const how = {abortSignal: context.signal};
  const read = async (source: string): Promise<string | null> => {
    try {
      return fingerprint(await readSecret(aws, source, (asked, call) => look(asked, context, call), how));
    } catch (error) {
      if (error instanceof ThawError && error.code !== 'INTERRUPTED') return null;
      throw error;
    }
  };
  return new Map(
    await Promise.all([...sources].map(async (source) => [source, await read(source)] as const)),
  );
}

async function readAliases(
  lambda: Lambda,
  name: string,
  context: Context,
): Promise<{readonly name: string; readonly version: string; readonly weighted: readonly string[]}[]> {
  const asked = {action: 'lambda:ListAliases', resource: name};
  const all = await readPages(
    (Marker) =>
      lookFor(asked, context, () =>
        lambda.listAliases({FunctionName: name, Marker}, {abortSignal: context.signal}),
      ),
    ({Aliases}) => Aliases,
    ({NextMarker}) => NextMarker,
  );
  return all.map(({Name = '', FunctionVersion = '', RoutingConfig}) => ({
    name: Name,
    version: FunctionVersion,
    weighted: Object.keys(RoutingConfig?.AdditionalVersionWeights ?? {}),
  }));
}

async function readProvisioned(lambda: Lambda, name: string, context: Context): Promise<ProvisionedFound[]> {
  const asked = {action: 'lambda:ListProvisionedConcurrencyConfigs', resource: name};
  const all = await readPages(
    (Marker) =>
      lookFor(asked, context, () =>
        lambda.listProvisionedConcurrencyConfigs({FunctionName: name, Marker}, {abortSignal: context.signal}),
      ),
    ({ProvisionedConcurrencyConfigs}) => ProvisionedConcurrencyConfigs,
    ({NextMarker}) => NextMarker,
  );
  return all.map((config) => {
    return {
      version: config.FunctionArn?.split(':').at(-1) ?? '',
      requested: config.RequestedProvisionedConcurrentExecutions ?? 0,
      ready: config.AvailableProvisionedConcurrentExecutions ?? 0,
      status: config.Status ?? 'IN_PROGRESS',
      reason: config.StatusReason ?? null,
    };
  });
}

function statementsOf(policy: string | null): StatementFound[] {
  if (policy === null) return [];
  const {Statement = []} = JSON.parse(policy) as {Statement?: readonly JsonObject[]};
  return Statement.map((statement) => ({
    sid: typeof statement['Sid'] === 'string' ? statement['Sid'] : '',
    statement,
  }));
}
