import {fingerprintWith} from '../../../core/digest.ts';
import type {Context, Inspected} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {ownSignal, readAccount, type Aws, type OpenAws} from '../calls/clients.ts';
import {look} from '../calls/errors.ts';
import {logGroupName, repositoryName, roleName} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {isIn, wantedTriggers} from '../wanted/triggers.ts';
import {readArchiveBucket} from './archive-bucket.ts';
import {readFunction} from './function.ts';
import {isToAdopt} from './findings.ts';
import type {Have} from './have.ts';
import {readLogGroup} from './log-group.ts';
import {readRepository} from './repository.ts';
import {readRole} from './role.ts';
import {readBuckets, readMappings, readQueues, readRules} from './triggers.ts';

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
