import type {Check, Context, FunctionNeeds} from '../../../core/driver.ts';
import {messageOf, ThawError} from '../../../core/errors.ts';
import {readArchiveBucket} from '../inspect/archive-bucket.ts';
import {readAccount, type Account, type Aws, type OpenAws} from '../calls/clients.ts';
import {ask} from '../calls/errors.ts';
import type {Have} from '../inspect/have.ts';
import {inspectFunction} from '../inspect/inspect.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {homeRegion, mayBeNone, readDenials, readPrincipal, renderDenials} from './permissions.ts';
import {leastPolicy, type Policy} from './policy.ts';

/** What a look came to. */
type Finding = Awaited<ReturnType<Check['check']>>;
type Look = (aws: Aws, context: Context, caller: Caller) => Promise<Finding>;

/** Who calls, and whether where they call is open to them. */
interface Caller extends Account {
  readonly arn: string;
  readonly regionEnabled: boolean;
}

/** A new account has no more; others have a thousand. */
const CONCURRENCY_NEW = 10;
/** So much Lambda keeps for functions that reserve nothing. */
const UNRESERVED_MIN = 100;

const good = (found: string, remedy: string | null = null): Finding => ({ok: true, found, remedy});
const bad = (found: string, remedy: string | null): Finding => ({ok: false, found, remedy});

/** What has to be so for functions to run on Lambda. */
export function createChecks(openAws: OpenAws, fn: FunctionNeeds, options: AwsOptions): readonly Check[] {
  let caller: Promise<Caller> | null = null;
  const readOnce = (context: Context): Promise<Caller> => (caller ??= readCaller(openAws, context, options));
  let found: Promise<Have> | null = null;
  const inspectOnce = (context: Context): Promise<Have> =>
    (found ??= inspectFunction(openAws, context, fn, options));
  const check = (name: string, look: (context: Context) => Promise<Finding>): Check => ({
    name,
    async check(context) {
      try {
        return await look(context);
      } catch (error) {
        if (error instanceof ThawError && error.code === 'INTERRUPTED') throw error;
        return bad(messageOf(error), remedyFor(error));
      }
    },
  });
  /** What nobody can see without signing in: why not is said once, by the check of the credentials. */
  const signedIn = (name: string, look: Look): Check =>
    check(name, async (context) => {
      const known = await readOnce(context).catch((error: unknown) => {
        if (error instanceof ThawError && error.code === 'INTERRUPTED') throw error;
        return null;
      });
      if (known === null) return bad('cannot be seen without AWS credentials', null);
      if (!known.regionEnabled) return bad(`cannot be seen in ${known.region}`, null);
      return look(openAws(context, options), context, known);
    });
  return [
    check('AWS region', async (context) => {
      const region = await regionOf(openAws(context, options), context);
      const known = await readOnce(context).catch(() => null);
      return known === null || known.regionEnabled
        ? good(region)
        : bad(
            `the account has not enabled ${region}, or there is no such region`,
            `enable it, with: aws account enable-region --region-name ${region}; or set another one in thaw.yaml or AWS_REGION`,
          );
    }),
    check('AWS credentials', async (context) => {
      const region = await regionOf(openAws(context, options), context).catch(() => null);
      return region === null
        ? bad('cannot be seen without a region', null)
        : good((await readOnce(context)).arn);
    }),
    signedIn('permissions', (aws, context, known) => seePermissions(aws, context, known, fn, options)),
    signedIn('Lambda quotas', async (aws, context) => {
      const found = await inspectOnce(context).catch(() => null);
      return seeQuotas(aws, context, fn, found?.fn?.reserved ?? 0);
    }),
    signedIn('AWS can be read', async (_, context) => {
      const {fn: found} = await inspectOnce(context);
      return good(found === null ? `no function ${fn.name} yet` : found.arn);
    }),
    ...(options.artifact === 'zip' ? [] : [signedIn('ECR can be reached', seeRegistry)]),
    ...(options.artifact === 'zip' && options.bucket !== null
      ? [
          signedIn('bucket for archives', (aws, context, known) =>
            seeBucket(aws, context, known, fn, options),
          ),
        ]
      : []),
  ];
}

/**
 * The least policy for the project in the caller's account; with stars for account and region where nobody has signed
 * in yet.
 */
export async function readPolicy(
  openAws: OpenAws,
  context: Context,
  fn: FunctionNeeds,
  options: AwsOptions,
): Promise<Policy> {
  const unless = (error: unknown): null => {
    if (error instanceof ThawError && error.code !== 'INTERRUPTED') return null;
    throw error;
  };
  const region = (await regionOf(openAws(context, options), context).catch(unless)) ?? '*';
  const known = region === '*' ? null : await readCaller(openAws, context, options).catch(unless);
  const partition = known?.partition ?? partitionOf(region);
  return leastPolicy({partition, account: known?.id ?? '*', region}, fn, options);
}

function partitionOf(region: string): string {
  if (region.startsWith('cn-')) return 'aws-cn';
  return region.startsWith('us-gov-') ? 'aws-us-gov' : 'aws';
}

async function regionOf(aws: Aws, {signal}: Context): Promise<string> {
  const sts = await aws.sts();
  const asked = {action: 'sts:GetCallerIdentity', resource: 'the caller'};
  return ask(asked, signal, () => sts.config.region());
}

/** In a region that an account has not enabled, AWS knows its keys as little as anybody's. */
async function readCaller(openAws: OpenAws, context: Context, options: AwsOptions): Promise<Caller> {
  const aws = openAws(context, options);
  try {
    return {...(await readAccount(aws, context)), regionEnabled: true};
  } catch (error) {
    if (!(error instanceof ThawError) || error.facts['reason'] !== 'invalid') throw error;
    const region = await regionOf(aws, context);
    const home = homeRegion(region);
    const elsewhere = openAws(context, {region: home, profile: options.profile});
    const known = home === region ? null : await readAccount(elsewhere, context).catch(() => null);
    if (known === null) throw error;
    return {...known, region, regionEnabled: false};
  }
}

async function seePermissions(
  aws: Aws,
  context: Context,
  caller: Caller,
  fn: FunctionNeeds,
  options: AwsOptions,
): Promise<Finding> {
  const policy = leastPolicy({...caller, account: caller.id}, fn, options);
  try {
    const principal = await readPrincipal(aws, context, caller.arn);
    if (principal.kind === 'root') {
      const remedy = 'make a user or role with the least policy, and deploy as that one';
      return good('the root user of the account may do all', remedy);
    }
    if (principal.kind === 'federated') {
      return good('cannot be seen: IAM does not simulate federated users', COMPARE);
    }
    const denials = await readDenials(aws, context, principal.arn, policy, caller.region);
    return judge(denials, policy);
  } catch (error) {
    // To look is no need of thaw's.
    if (!(error instanceof ThawError)) throw error;
    const {code, facts} = error;
    const {action = 'iam:SimulatePrincipalPolicy'} = facts;
    if (code === 'PERMISSION_DENIED') {
      const remedy = `have ${action as string} allowed, which nothing else needs; or ${COMPARE}`;
      return good(`cannot be seen: ${action as string} is not allowed`, remedy);
    }
    if (code === 'PROVIDER_REFUSED') {
      return good(`cannot be seen: ${error.message}`, COMPARE);
    }
    throw error;
  }
}

const COMPARE = 'compare what the caller may do with what this prints: thaw doctor aws --policy';

const REMEDY = {
  nobody: 'give the caller the policy that this prints: thaw doctor aws --policy',
  policy: 'take what is denied out of the policy that denies it',
  boundary: "have what is left out added to the caller's permissions boundary",
  organization: 'ask who runs the organization to allow it there',
} as const;

function judge(denials: Awaited<ReturnType<typeof readDenials>>, {Statement}: Policy): Finding {
  const needed = new Set(Statement.flatMap(({Action}) => Action)).size;
  const sure = denials.filter((denial) => !mayBeNone(denial));
  const unsure = denials.filter(mayBeNone);
  const unknown = [...new Set(unsure.flatMap((denial) => denial.unknown))].join(', ');
  const doubts = unsure.length === 0 ? [] : [`it depends on ${unknown} whether:`, ...renderDenials(unsure)];
  if (sure.length === 0) {
    return unsure.length === 0
      ? good(`all ${needed} actions that thaw needs are allowed`)
      : good(
          [`nothing that thaw needs is denied for certain, but ${doubts[0]}`, ...doubts.slice(1)].join('\n'),
          `see whether requests from here have what the policy asks for: ${unknown}`,
        );
  }
  const actions = new Set(sure.map(({action}) => action)).size;
  const causes = new Set(sure.map(({by}) => by));
  const remedies = (Object.keys(REMEDY) as (keyof typeof REMEDY)[]).filter((by) => causes.has(by));
  return bad(
    [
      `${actions} of ${needed} actions that thaw needs are not allowed`,
      ...renderDenials(sure),
      ...doubts,
    ].join('\n'),
    remedies.map((by) => REMEDY[by]).join('; '),
  );
}

/** @param own what the function itself has reserved by now */
async function seeQuotas(
  aws: Aws,
  context: Context,
  {scaling, resources}: FunctionNeeds,
  own: number,
): Promise<Finding> {
  const {signal} = context;
  const lambda = await aws.lambda();
  const asked = {action: 'lambda:GetAccountSettings', resource: 'the account'};
  const settings = await ask(asked, signal, () => lambda.getAccountSettings({}, {abortSignal: signal})).catch(
    (error: unknown) => {
      if (error instanceof ThawError && error.code === 'PERMISSION_DENIED') return error;
      throw error;
    },
  );
  if (settings instanceof ThawError) {
    return bad(
      `how many instances the account may have cannot be seen (${settings.message}), so that scaling.max is reserved in any case`,
      remedyFor(settings),
    );
  }
  const {AccountLimit} = settings;
  const {ConcurrentExecutions: max = 0, UnreservedConcurrentExecutions: free = max} = AccountLimit ?? {};
  const found = `${max} instances at once, of which ${free} are not reserved`;
  const more = 'ask for a higher quota of "Concurrent executions" in Service Quotas';
  const {maxInstances} = scaling;
  // Where the account has no more anyway, nothing is reserved.
  const reserves = maxInstances < max;
  if (reserves && free + own - UNRESERVED_MIN < maxInstances) {
    const remedy = `${more}; until then set scaling.max to ${max} or more, and nothing is reserved`;
    return bad(`${found}; ${maxInstances} cannot be reserved: AWS keeps back ${UNRESERVED_MIN}`, remedy);
  }
  if (max > CONCURRENCY_NEW) return good(found);
  // AWS tells the quota of memory nowhere but in the refusal of a function that has more.
  const memory =
    resources.memoryMb > MEMORY_MB_NEW ? `, and resources.memory to 3008Mi if AWS refuses more` : '';
  return good(`${found}, as in a new account`, `${more}, if they are too few${memory}`);
}

/** Many a new account has no more. */
const MEMORY_MB_NEW = 3008;

async function seeRegistry(aws: Aws, {signal}: Context): Promise<Finding> {
  const registry = await aws.ecr();
  await ask({action: 'ecr:GetAuthorizationToken', resource: 'the registry'}, signal, () =>
    registry.getAuthorizationToken({}, {abortSignal: signal}),
  );
  return good('allowed');
}

async function seeBucket(
  aws: Aws,
  context: Context,
  {region}: Caller,
  {name}: FunctionNeeds,
  options: AwsOptions,
): Promise<Finding> {
  const found = await readArchiveBucket(aws, name, options, context);
  if (found === null || found.state === 'there') return good(options.bucket ?? '');
  const remedy = `make it in ${region}, or name another one there`;
  if (found.state === 'absent') return bad(`there is no bucket ${options.bucket}`, remedy);
  return bad(`${options.bucket} is in ${found.region}`, remedy);
}

function remedyFor(error: unknown): string {
  if (!(error instanceof ThawError)) return 'this is a bug in thaw: please report it';
  const {reason, action} = error.facts;
  switch (error.code) {
    case 'CREDENTIALS_MISSING':
      if (reason === 'no-region') return 'set AWS_REGION, or region in the profile or in thaw.yaml';
      if (reason === 'clock') return "set this machine's clock: AWS takes no request that is 5 minutes off";
      if (reason === 'expired') return 'sign in again, for example with: aws sso login';
      return 'sign in, for example with: aws configure sso; or set AWS_PROFILE';
    case 'PERMISSION_DENIED':
      return `have ${typeof action === 'string' ? action : 'it'} allowed: thaw doctor aws --policy prints the whole policy`;
    case 'PROVIDER_UNREACHABLE':
      return 'see whether this machine reaches AWS: the name of the region, proxy, DNS, AWS_ENDPOINT_URL';
    default:
      return 'see what AWS says';
  }
}
