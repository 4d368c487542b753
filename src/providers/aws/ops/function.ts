import {ThawError} from '../../../core/errors.ts';
import type {Op} from '../../../core/driver.ts';
import type {JsonObject} from '../../../core/json.ts';
import {
  configurationOf,
  creationOf,
  isAsExpected,
  requestOf,
  unlikeExpected,
  type Configuration,
  type Unresolved,
  type Expected,
  type Latest,
} from '../wanted/configuration.ts';
import {unless} from '../calls/errors.ts';
import {imageOf, imageUriOf} from '../inspect/function.ts';
import {NONCE_VARIABLE, OWNER_TAG} from '../names.ts';
import {readSecret} from '../wanted/secrets.ts';
import {changedMeanwhile, poll, type Job, type MakeOp} from './arguments.ts';
import {codeOf, sendCode, timeFor} from './code.ts';

/** Images of several gigabytes take minutes to be made ready. */
const UPDATE_MS_MAX = 900_000;
/** For so long it may be that a write is not to be seen. */
const STALE_MS_MAX = 5000;

/** The function itself: what CreateFunction and the calls that change it write. */
export const functionOps = (op: MakeOp): {readonly [name: string]: Op} => ({
  'lambda:CreateFunction': op(async (job) => {
    const {args, text, how} = job;
    const name = text('name');
    const configuration = await resolveSecrets(job, args['configuration'] as unknown as Unresolved);
    const expected: Expected = {configuration, ...expectedCode(args), nonce: null};
    const there = await readLatest(job);
    if (there && there.tags[OWNER_TAG] === name && isAsExpected(there, expected)) return;
    const code = await codeOf(job);
    const lambda = await job.aws.lambda();
    await sendCode(job, 'lambda:CreateFunction', () =>
      lambda.createFunction(
        {
          FunctionName: name,
          PackageType: 'ImageUri' in code ? 'Image' : 'Zip',
          Code: code,
          Architectures: [text('architecture') as 'arm64' | 'x86_64'],
          ...creationOf(configuration),
          Tags: {...(args['tags'] as {[key: string]: string})},
          Publish: false,
        },
        {...how, ...timeFor(job, code)},
      ),
    );
  }),

  'lambda:UpdateFunctionConfiguration': op(async (job) => {
    const {args, text, how} = job;
    const name = text('name');
    const wanted = await wantedConfiguration(job);
    const latest = await mustReadLatest(job);
    const expected = {configuration: wanted, image: null, nonce: null};
    if (isAsExpected(latest, expected) && latest.found.LastUpdateStatus !== 'Failed') return;
    const {SnapStart, ...members} = requestOf(wanted);
    // Of images it is spoken of only where that has to be.
    const snaps = configurationOf(latest.found).snapStart !== wanted.snapStart ? {SnapStart} : {};
    const lambda = await job.aws.lambda();
    await job.ask('lambda:UpdateFunctionConfiguration', name, () =>
      lambda.updateFunctionConfiguration(
        {FunctionName: name, ...members, ...snaps, ...revisionOf(args['revision'])},
        how,
      ),
    );
  }),

  'lambda:UpdateFunctionCode': op(async (job) => {
    const {args, text, how} = job;
    const name = text('name');
    const latest = await mustReadLatest(job);
    const {found, imageUri} = latest;
    const architecture = text('architecture') as 'arm64' | 'x86_64';
    const {codeSha256} = expectedCode(args);
    const isSame = codeSha256 === undefined ? imageUri === args['imageUri'] : found.CodeSha256 === codeSha256;
    const isThere = isSame && (found.Architectures?.[0] ?? 'x86_64') === architecture;
    if (isThere && found.LastUpdateStatus !== 'Failed') return;
    await refuseUnexpected(job, latest);
    const code = await codeOf(job);
    const lambda = await job.aws.lambda();
    await sendCode(job, 'lambda:UpdateFunctionCode', () =>
      lambda.updateFunctionCode(
        {
          FunctionName: name,
          ...code,
          Architectures: [architecture],
          Publish: false,
          ...revisionOf(args['revision'] ?? found.RevisionId ?? null),
        },
        {...how, ...timeFor(job, code)},
      ),
    );
  }),

  'lambda:WaitFunctionUpdated': op(async (job) => {
    const {args, text} = job;
    const name = text('name');
    const expected = await readExpected(job);
    const {clock} = job.context.ports;
    const startedMs = clock.monotonicMs();
    let missing: readonly string[] = [];
    const read = async (): Promise<{revision: string} | null> => {
      const latest = await mustReadLatest(job);
      // What does not show the last write yet says nothing of how that went.
      missing = unlikeExpected(latest, expected);
      if (missing.length > 0) return null;
      const {found} = latest;
      const {State = 'Active', LastUpdateStatus = 'Successful', RevisionId = ''} = found;
      const mayFail = args['afterFailure'] === true;
      if ((State === 'Failed' && !mayFail) || State === 'Deactivated' || State === 'Deleting') {
        throw failedState(name, State, found.StateReasonCode, found.StateReason);
      }
      if (LastUpdateStatus === 'Failed' && !mayFail) {
        throw failedState(name, 'Failed', found.LastUpdateStatusReasonCode, found.LastUpdateStatusReason);
      }
      const settled = State !== 'Pending' && LastUpdateStatus !== 'InProgress';
      // Right after a write Lambda may still show how it was before: then the revision is that of before, too. Where
      // there was nothing to write it stays that.
      const isNew = RevisionId !== args['after'] || clock.monotonicMs() - startedMs >= STALE_MS_MAX;
      missing = [`it is ${State}, and its last update ${LastUpdateStatus}`];
      return settled && isNew ? {revision: RevisionId} : null;
    };
    return poll(job, `the update of ${name}`, UPDATE_MS_MAX, read, () => missing);
  }),

  'lambda:DeleteFunction': op(async (job) => {
    const {text, args, how} = job;
    const lambda = await job.aws.lambda();
    const version = (args['version'] ?? null) as string | null;
    const name = text('name');
    const which = version === null ? {} : {Qualifier: version};
    // Where somebody's alias leads there by now, it is one to keep.
    const spared = args['spare'] === true ? ['ResourceConflictException'] : [];
    await unless(['ResourceNotFoundException', ...spared], () =>
      job.ask('lambda:DeleteFunction', version === null ? name : `${name}:${version}`, () =>
        lambda.deleteFunction({FunctionName: name, ...which}, how),
      ),
    );
  }),

  'lambda:WaitFunctionDeleted': op(async (job) => {
    const name = job.text('name');
    return poll(job, `the deletion of ${name}`, UPDATE_MS_MAX, async () =>
      (await readLatest(job)) === null ? {} : null,
    );
  }),

  'lambda:PutFunctionConcurrency': op(async (job) => {
    const {text, args, how} = job;
    const lambda = await job.aws.lambda();
    const name = text('name');
    await job.ask('lambda:PutFunctionConcurrency', name, () =>
      lambda.putFunctionConcurrency(
        {FunctionName: name, ReservedConcurrentExecutions: args['reserved'] as number},
        how,
      ),
    );
  }),

  'lambda:DeleteFunctionConcurrency': op(async (job) => {
    const lambda = await job.aws.lambda();
    const name = job.text('name');
    await job.askFor('lambda:DeleteFunctionConcurrency', name, () =>
      lambda.deleteFunctionConcurrency({FunctionName: name}, job.how),
    );
  }),

  'lambda:TagResource': op(async (job) => {
    const {text, args, how} = job;
    const lambda = await job.aws.lambda();
    const [Resource, name] = [text('arn'), text('name')];
    const Tags = {...(args['tags'] as {[key: string]: string})};
    const TagKeys = [...(args['remove'] as string[])];
    if (Object.keys(Tags).length > 0) {
      await job.ask('lambda:TagResource', name, () => lambda.tagResource({Resource, Tags}, how));
    }
    if (TagKeys.length > 0) {
      await job.ask('lambda:UntagResource', name, () => lambda.untagResource({Resource, TagKeys}, how));
    }
  }),
});

/** What tells the code of a step's arguments from other code. */
const expectedCode = (args: JsonObject): {readonly image: string | null; readonly codeSha256?: string} =>
  typeof args['codeSha256'] === 'string'
    ? {image: null, codeSha256: args['codeSha256']}
    : {image: args['image'] as string};

/** The configuration that is asked for; or that of a version, with the mark of a cold start or without. */
async function wantedConfiguration(job: Job): Promise<Configuration> {
  const {args, text, how} = job;
  const like = (args['like'] ?? null) as string | null;
  if (like === null) return resolveSecrets(job, args['configuration'] as unknown as Unresolved);
  const lambda = await job.aws.lambda();
  const which = {FunctionName: text('name'), Qualifier: like};
  const found = await job.ask('lambda:GetFunctionConfiguration', `${text('name')}:${like}`, () =>
    lambda.getFunctionConfiguration(which, how),
  );
  const configuration = configurationOf(found);
  const {[NONCE_VARIABLE]: _, ...variables} = configuration.variables;
  const nonce = (args['nonce'] ?? null) as string | null;
  return {...configuration, variables: nonce === null ? variables : {...variables, [NONCE_VARIABLE]: nonce}};
}

/** `$LATEST`, and the digest of its image; null if there is no such function. */
export async function readLatest(
  job: Job,
): Promise<(Latest & {readonly tags: {readonly [key: string]: string}}) | null> {
  const {text, how} = job;
  const lambda = await job.aws.lambda();
  const answer = await job.askFor('lambda:GetFunction', text('name'), () =>
    lambda.getFunction({FunctionName: text('name')}, how),
  );
  return (
    answer && {
      found: answer.Configuration ?? {},
      image: imageOf(answer),
      imageUri: imageUriOf(answer),
      tags: answer.Tags ?? {},
    }
  );
}

async function mustReadLatest(job: Job): Promise<NonNullable<Awaited<ReturnType<typeof readLatest>>>> {
  const latest = await readLatest(job);
  if (latest === null) throw changedMeanwhile(job.text('name'), {function: job.text('name')});
  return latest;
}

/** What `$LATEST` is to be, with the values of secrets that steps carry references of. */
async function readExpected(job: Job): Promise<Expected> {
  const expected = job.args['expected'] as unknown as Expected;
  const {configuration} = expected;
  if (configuration === null) return expected;
  return {...expected, configuration: await resolveSecrets(job, configuration as Unresolved)};
}

async function resolveSecrets(
  job: Job,
  {secrets = {}, ...configuration}: Unresolved,
): Promise<Configuration> {
  const values = await Promise.all(
    Object.entries(secrets).map(async ([name, source]) => [
      name,
      await readSecret(
        job.aws,
        source,
        ({action, resource}, call) => job.ask(action, resource, call),
        job.how,
      ),
    ]),
  );
  return {
    ...configuration,
    variables: {...configuration.variables, ...(Object.fromEntries(values) as {[name: string]: string})},
  };
}

/** Refuses to go on from what another deploy has written. */
export async function refuseUnexpected(job: Job, latest: Latest): Promise<void> {
  if ((job.args['expected'] ?? null) === null) return;
  const expected = await readExpected(job);
  if (isAsExpected(latest, expected)) return;
  throw changedMeanwhile(job.text('name'), {function: job.text('name')});
}

const revisionOf = (revision: unknown): {RevisionId?: string} =>
  typeof revision === 'string' && revision !== '' ? {RevisionId: revision} : {};

export function failedState(
  name: string,
  state: string,
  code: string | undefined,
  reason: string | undefined,
): ThawError {
  const why = [code, reason].filter((part) => part !== undefined && part !== '').join(': ');
  const message = `${name} is ${state}${why === '' ? '' : `: ${why}`}`;
  return new ThawError('PROVIDER_REFUSED', message, {
    provider: 'aws',
    function: name,
    state,
    reason: code ?? state,
  });
}
