import type {FunctionConfiguration, GetFunctionResponse, Lambda} from '@aws-sdk/client-lambda';
import {fingerprintWith, type Digest, type FingerprintFn} from '../../../core/digest.ts';
import type {Context, Inspected} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import type {JsonObject} from '../../../core/json.ts';
import {ownSignal, readAccount, type Aws, type OpenAws} from '../calls/clients.ts';
import {look, lookFor} from '../calls/errors.ts';
import {readArchiveBucket} from './archive-bucket.ts';
import {readBuckets, readMappings, readQueues, readRules} from './triggers.ts';
import type {
  FunctionFound,
  Have,
  LogGroupFound,
  ProvisionedFound,
  RepositoryFound,
  RoleFound,
  ScheduleFound,
  StatementFound,
  Tags,
  VersionFound,
} from './have.ts';
import {
  COLD_ALIAS,
  imageIn,
  imageTag as thawsTag,
  IMAGE_VARIABLE,
  LIVE,
  logGroupName,
  NONCE_VARIABLE,
  OWNER_TAG,
  repositoryName,
  roleName,
} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {isToAdopt} from '../plan/refuse.ts';
import {readSecret, referencesIn} from '../wanted/secrets.ts';
import {readPages} from '../calls/pages.ts';
import {settingsOf, type SecretsNow} from '../wanted/settings.ts';
import {isIn, wantedTriggers} from '../wanted/triggers.ts';

/** Versions whose schedules are looked for: DescribeScalableTargets takes no more at a time. */
const SCHEDULES_MAX = 50;

/** Looks at all that belongs to a function. Reads only; values of its environment are fingerprints from here on. */
export async function inspectFunction(
  openAws: OpenAws,
  caller: Context,
  {name, triggers: given}: Inspected,
  options: AwsOptions,
): Promise<Have> {
  const context = {...caller, signal: ownSignal(caller.signal)};
  const {fingerprintKey} = context;
  const first = openAws(context, options);
  const account = await readAccount(first, context);
  const {arn: _, ...rest} = account;
  const aws = openAws(context, {region: account.region, profile: options.profile});
  const fingerprint = fingerprintWith(fingerprintKey);
  // Who brings a role or a repository along may not be allowed to look at others, and quotas are not everybody's to see.
  const [fn, rules, role, repository, ownRepository, archiveBucket, logs, concurrency] = await Promise.all([
    readFunction(aws, name, fingerprint, context),
    readRules(aws, name, context),
    unlessDenied(options.role !== null, readRole(aws, roleName(name, account.region), context)),
    unlessDenied(
      options.repository !== null || options.artifact === 'zip',
      readRepository(aws, repositoryName(name), context),
    ),
    options.repository === null ? null : readRepository(aws, options.repository, context),
    readArchiveBucket(aws, name, options, context),
    readLogGroup(aws, logGroupName(name), context),
    unlessDenied(true, readConcurrency(aws, context)),
  ]);
  // Who gives a function that is there new code leaves alone what calls it.
  const adopts = fn !== null && isToAdopt(fn, options);
  const wanted = wantedTriggers(name, adopts ? [] : (given ?? []), account);
  const bucketsAsked = {statements: fn?.statements ?? [], wanted: wanted.buckets.map(({bucket}) => bucket)};
  const [mappings, buckets, queues] = await Promise.all([
    readMappings(aws, name, account, context),
    readBuckets(aws, name, account, bucketsAsked, context),
    readQueues(
      aws,
      wanted.mappings.flatMap(({source, arn}) => (source === 'sqs' && isIn(account, arn) ? [arn] : [])),
      context,
    ),
  ]);
  const triggers = {rules, mappings, buckets, queues};
  return {account: rest, concurrency, fn, role, repository, ownRepository, archiveBucket, logs, triggers};
}

async function unlessDenied<T>(mayBeDenied: boolean, reading: Promise<T | null>): Promise<T | null> {
  try {
    return await reading;
  } catch (error) {
    if (mayBeDenied && error instanceof ThawError && error.code === 'PERMISSION_DENIED') return null;
    throw error;
  }
}

async function readConcurrency(aws: Aws, context: Context): Promise<NonNullable<Have['concurrency']>> {
  const asked = {action: 'lambda:GetAccountSettings', resource: 'the account'};
  const lambda = await aws.lambda();
  const {AccountLimit} = await look(asked, context, () =>
    lambda.getAccountSettings({}, {abortSignal: context.signal}),
  );
  const max = AccountLimit?.ConcurrentExecutions ?? 0;
  return {max, unreserved: AccountLimit?.UnreservedConcurrentExecutions ?? max};
}

async function readFunction(
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

/** @throws ThawError PERMISSION_DENIED if the environment is encrypted with a key that the caller may not use */
function readableConfiguration(configuration: FunctionConfiguration, name: string): FunctionConfiguration {
  const {Environment, KMSKeyArn} = configuration;
  if (Environment?.Error === undefined) return configuration;
  const resource = KMSKeyArn ?? name;
  const message = `not allowed: kms:Decrypt on ${resource}, so that the environment of ${name} cannot be compared`;
  throw new ThawError('PERMISSION_DENIED', message, {provider: 'aws', action: 'kms:Decrypt', resource});
}

/** The image that `$LATEST` runs, by its digest if Lambda says it. */
export const imageUriOf = ({Code}: GetFunctionResponse): string | null =>
  Code?.ResolvedImageUri ?? Code?.ImageUri ?? null;

/** The digest of the image that `$LATEST` runs; a tag alone says nothing. */
export const imageOf = (found: GetFunctionResponse): string | null =>
  /@(sha256:[\da-f]{64})$/.exec(imageUriOf(found) ?? '')?.[1] ?? null;

async function readVersions(
  lambda: Lambda,
  name: string,
  context: Context,
): Promise<FunctionConfiguration[]> {
  const asked = {action: 'lambda:ListVersionsByFunction', resource: name};
  const all = await readPages(
    (Marker) =>
      look(asked, context, () =>
        lambda.listVersionsByFunction({FunctionName: name, Marker}, {abortSignal: context.signal}),
      ),
    ({Versions}) => Versions,
    ({NextMarker}) => NextMarker,
  );
  return all
    .filter(({Version}) => Version !== undefined && Version !== '$LATEST')
    .map((configuration) => readableConfiguration(configuration, name))
    .sort((a, b) => Number(a.Version) - Number(b.Version));
}

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

function versionOf(
  configuration: FunctionConfiguration,
  latest: FunctionConfiguration,
  fingerprint: FingerprintFn,
  secrets: SecretsNow,
): VersionFound {
  const {Version = '', LastModified = '', State = 'Active', Environment, Description} = configuration;
  const {[IMAGE_VARIABLE]: declared, [NONCE_VARIABLE]: nonce = null} = Environment?.Variables ?? {};
  // A version gets the function's own description where it is given none.
  const isDescribed = (Description ?? '') !== '' && Description !== latest.Description;
  const image = imageOfVersion(configuration);
  return {
    version: Version,
    at: isoOf(LastModified),
    image,
    settings: settingsOf(configuration, image, fingerprint, secrets),
    codeBytes: configuration.CodeSize ?? 0,
    state: State,
    ours: imageIn(Description) !== null,
    byThaw: declared !== undefined && !isDescribed,
    nonce,
  };
}

/** Versions are listed without their images: thaw's own variable says it, else the digest that Lambda keeps. */
function imageOfVersion({
  Environment,
  CodeSha256,
  PackageType,
  Description,
}: FunctionConfiguration): Digest | null {
  const declared = imageIn(Description) ?? Environment?.Variables?.[IMAGE_VARIABLE];
  if (declared !== undefined && /^sha256:[\da-f]{64}$/.test(declared)) return declared as Digest;
  return PackageType === 'Image' && /^[\da-f]{64}$/.test(CodeSha256 ?? '') ? `sha256:${CodeSha256}` : null;
}

function isoOf(lambdaTime: string): string {
  const ms = Date.parse(lambdaTime);
  return Number.isNaN(ms) ? lambdaTime : new Date(ms).toISOString();
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

async function readSchedules(
  aws: Aws,
  name: string,
  versions: readonly string[],
  context: Context,
): Promise<ScheduleFound[]> {
  if (versions.length === 0) return [];
  const scaling = await aws.scaling();
  const service = {ServiceNamespace: 'lambda'} as const;
  const asked = {action: 'application-autoscaling:DescribeScalableTargets', resource: name};
  const ids = versions.slice(-SCHEDULES_MAX).map((version) => `function:${name}:${version}`);
  const targets = await readPages(
    (NextToken) =>
      look(asked, context, () =>
        scaling.describeScalableTargets(
          {...service, ResourceIds: ids, NextToken},
          {abortSignal: context.signal},
        ),
      ),
    ({ScalableTargets}) => ScalableTargets,
    ({NextToken}) => NextToken,
  );
  return Promise.all(
    targets.map(async ({ResourceId = ''}) => {
      const about = {action: 'application-autoscaling:DescribeScheduledActions', resource: ResourceId};
      const actions = await readPages(
        (NextToken) =>
          look(about, context, () =>
            scaling.describeScheduledActions(
              {...service, ResourceId, NextToken},
              {abortSignal: context.signal},
            ),
          ),
        ({ScheduledActions}) => ScheduledActions,
        ({NextToken}) => NextToken,
      );
      return {
        version: ResourceId.split(':').at(-1) ?? '',
        registered: true,
        actions: actions
          .map((action) => {
            return {
              name: action.ScheduledActionName ?? '',
              schedule: action.Schedule ?? '',
              timezone: action.Timezone ?? 'UTC',
              min: action.ScalableTargetAction?.MinCapacity ?? 0,
            };
          })
          .sort((a, b) => (a.name < b.name ? -1 : 1)),
      };
    }),
  );
}

function statementsOf(policy: string | null): StatementFound[] {
  if (policy === null) return [];
  const {Statement = []} = JSON.parse(policy) as {Statement?: readonly JsonObject[]};
  return Statement.map((statement) => ({
    sid: typeof statement['Sid'] === 'string' ? statement['Sid'] : '',
    statement,
  }));
}

async function readRole(aws: Aws, name: string, context: Context): Promise<RoleFound | null> {
  const iam = await aws.iam();
  const about = (action: string) => ({action, resource: name});
  const found = await lookFor(about('iam:GetRole'), context, () =>
    iam.getRole({RoleName: name}, {abortSignal: context.signal}),
  );
  if (!found?.Role) return null;
  const attached = await readPages(
    (Marker) =>
      lookFor(about('iam:ListAttachedRolePolicies'), context, () =>
        iam.listAttachedRolePolicies({RoleName: name, Marker}, {abortSignal: context.signal}),
      ),
    ({AttachedPolicies}) => AttachedPolicies,
    ({Marker}) => Marker,
  );
  const {Arn = '', Tags = [], PermissionsBoundary} = found.Role;
  return {
    arn: Arn,
    tags: tagsOf(Tags),
    boundary: PermissionsBoundary?.PermissionsBoundaryArn ?? null,
    policies: attached.map(({PolicyArn = ''}) => PolicyArn).sort(),
  };
}

async function readRepository(aws: Aws, name: string, context: Context): Promise<RepositoryFound | null> {
  const ecr = await aws.ecr();
  const how = {abortSignal: context.signal};
  const about = (action: string) => ({action, resource: name});
  const found = await lookFor(about('ecr:DescribeRepositories'), context, () =>
    ecr.describeRepositories({repositoryNames: [name]}, how),
  );
  const repository = found?.repositories?.[0];
  if (!repository?.repositoryArn) return null;
  const resourceArn = repository.repositoryArn;
  const [tags, images] = await Promise.all([
    lookFor(about('ecr:ListTagsForResource'), context, () => ecr.listTagsForResource({resourceArn}, how)),
    readImages(aws, name, context),
  ]);
  return {name, uri: repository.repositoryUri ?? '', tags: tagsOf(tags?.tags ?? []), ...images};
}

async function readImages(
  aws: Aws,
  name: string,
  context: Context,
): Promise<Pick<RepositoryFound, 'images' | 'pushed'>> {
  const ecr = await aws.ecr();
  const asked = {action: 'ecr:ListImages', resource: name};
  const ids = await readPages(
    (nextToken) =>
      look(asked, context, () =>
        ecr.listImages({repositoryName: name, nextToken}, {abortSignal: context.signal}),
      ),
    ({imageIds}) => imageIds,
    ({nextToken}) => nextToken,
  );
  // An image with several tags is there several times.
  const digests = new Set(ids.flatMap(({imageDigest}) => (imageDigest === undefined ? [] : [imageDigest])));
  const others = ids.filter(({imageDigest = '', imageTag}) => imageTag !== thawsTag(imageDigest));
  const images = [...digests].sort();
  return {images, pushed: images.filter((digest) => !others.some(({imageDigest}) => imageDigest === digest))};
}

async function readLogGroup(aws: Aws, name: string, context: Context): Promise<LogGroupFound | null> {
  const logs = await aws.logs();
  const groups = await readPages(
    (nextToken) =>
      look({action: 'logs:DescribeLogGroups', resource: name}, context, () =>
        logs.describeLogGroups({logGroupNamePrefix: name, nextToken}, {abortSignal: context.signal}),
      ),
    ({logGroups}) => logGroups,
    ({nextToken}) => nextToken,
  );
  const group = groups.find(({logGroupName}) => logGroupName === name);
  if (group === undefined) return null;
  // One of the two names of a log group ends in `:*`, which tags are not found by.
  const arn = group.logGroupArn ?? group.arn?.replace(/:\*$/, '') ?? '';
  const tags = await lookFor({action: 'logs:ListTagsForResource', resource: name}, context, () =>
    logs.listTagsForResource({resourceArn: arn}, {abortSignal: context.signal}),
  );
  return {arn, retentionDays: group.retentionInDays ?? null, tags: tags?.tags ?? {}};
}

const tagsOf = (tags: readonly {Key?: string | undefined; Value?: string | undefined}[]): Tags =>
  Object.fromEntries(tags.map(({Key = '', Value = ''}) => [Key, Value]));
