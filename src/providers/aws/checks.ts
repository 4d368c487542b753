import type {Check, Context, FunctionRef} from '../../core/driver.ts';
import {messageOf, ThawError} from '../../core/errors.ts';
import {readArchiveBucket} from './archive-bucket.ts';
import {readAccount, type Aws, type OpenAws} from './clients.ts';
import {ask} from './errors.ts';
import {inspectFunction} from './inspect.ts';
import type {AwsOptions} from './options.ts';
import {leastPolicy} from './policy.ts';

/** A new account has so few; a function that is deployed often wants more. */
const CONCURRENCY_LOW = 100;

/** What has to be so for functions to run on Lambda. */
export function createChecks(openAws: OpenAws, fn: FunctionRef, options: AwsOptions): readonly Check[] {
  const check = (
    name: string,
    look: (aws: Aws, context: Context) => Promise<{ok: boolean; found: string; remedy: string | null}>,
  ): Check => ({
    name,
    async check(context) {
      try {
        return await look(openAws(context, options), context);
      } catch (error) {
        return {ok: false, found: messageOf(error), remedy: remedyFor(error)};
      }
    },
  });
  const ecr = check('ECR can be reached', async (aws, {signal}) => {
    const registry = await aws.ecr();
    await ask({action: 'ecr:GetAuthorizationToken', resource: 'the registry'}, signal, () =>
      registry.getAuthorizationToken({}, {abortSignal: signal}),
    );
    return {ok: true, found: 'allowed', remedy: null};
  });
  const bucket = check('bucket for archives', async (aws, context) => {
    const {region} = await readAccount(aws, context);
    const found = await readArchiveBucket(aws, fn.name, options, context);
    if (found === null || found.state === 'there')
      return {ok: true, found: options.bucket ?? '', remedy: null};
    const remedy = `make it in ${region}, or name another one there`;
    if (found.state === 'absent') return {ok: false, found: `there is no bucket ${options.bucket}`, remedy};
    return {ok: false, found: `${options.bucket} is in ${found.region}`, remedy};
  });
  return [
    check('AWS region', async (aws, {signal}) => {
      const sts = await aws.sts();
      const asked = {action: 'sts:GetCallerIdentity', resource: 'the caller'};
      return {ok: true, found: await ask(asked, signal, () => sts.config.region()), remedy: null};
    }),
    check('AWS credentials', async (aws, context) => {
      const {arn, region} = await readAccount(aws, context);
      return {ok: true, found: `${arn} in ${region}`, remedy: null};
    }),
    check('Lambda quotas', async (aws, {signal}) => {
      const lambda = await aws.lambda();
      const asked = {action: 'lambda:GetAccountSettings', resource: 'the account'};
      const settings = await ask(asked, signal, () =>
        lambda.getAccountSettings({}, {abortSignal: signal}),
      ).catch((error: unknown) => {
        if (!(error instanceof ThawError) || error.code !== 'PERMISSION_DENIED') throw error;
        return error;
      });
      if (settings instanceof ThawError) {
        const found = `how many instances the account may have cannot be seen (${settings.message}), so that scaling.max is reserved in any case`;
        return {ok: false, found, remedy: remedyFor(settings)};
      }
      const {AccountLimit} = settings;
      const {ConcurrentExecutions: max = 0, UnreservedConcurrentExecutions: free = max} = AccountLimit ?? {};
      const ok = max >= CONCURRENCY_LOW;
      return {
        ok,
        found: `${max} instances at once, of which ${free} are not reserved`,
        remedy: ok
          ? null
          : 'ask for a higher quota of "Concurrent executions" in Service Quotas; until then set scaling.max lower',
      };
    }),
    check('AWS can be read', async (_, context) => {
      const {fn: found} = await inspectFunction(openAws, context, fn, options);
      return {ok: true, found: found === null ? `no function ${fn.name} yet` : found.arn, remedy: null};
    }),
    ...(options.artifact === 'zip' ? [] : [ecr]),
    ...(options.artifact === 'zip' && options.bucket !== null ? [bucket] : []),
    check('least IAM policy', async (aws, context) => {
      const {id, region, partition} = await readAccount(aws, context);
      const policy = leastPolicy({partition, account: id, region, function: fn.name});
      return {ok: true, found: JSON.stringify(policy, null, 2), remedy: null};
    }),
  ];
}

function remedyFor(error: unknown): string {
  if (!(error instanceof ThawError)) return 'this is a bug in thaw: please report it';
  const {reason, action} = error.facts;
  switch (error.code) {
    case 'CREDENTIALS_MISSING':
      if (reason === 'no-region') return 'set AWS_REGION, or region in the profile or in thaw.yaml';
      if (reason === 'expired') return 'sign in again, for example with: aws sso login';
      return 'sign in, for example with: aws configure sso; or set AWS_PROFILE';
    case 'PERMISSION_DENIED':
      return `have ${typeof action === 'string' ? action : 'it'} allowed: docs/providers/aws.md has the whole policy`;
    case 'PROVIDER_UNREACHABLE':
      return 'see whether this machine reaches AWS: proxy, DNS, AWS_ENDPOINT_URL';
    default:
      return 'see what AWS says';
  }
}
