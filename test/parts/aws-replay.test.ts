import {readFile, writeFile} from 'node:fs/promises';
import {setTimeout as sleep} from 'node:timers/promises';
import {expect, onTestFinished, test} from 'vitest';
import {createHttp} from '../../src/net/http.ts';
import {plantImage} from '../fakes/aws/sandboxes/small-image.ts';
import {openFakeAws, type FakeAws} from '../fakes/aws/server.ts';
import {baseOf, openDesk} from '../providers/conformance/desk.ts';
import {NAME, openPeerHarness, startMiniStack} from './aws-peers.ts';
import {
  compareSides,
  mapStrings,
  REGISTRY,
  REVISION,
  type Call,
  type Difference,
  type Side,
} from './aws-replay.ts';

const TABLE = new URL('aws-differences.json', import.meta.url);
const NEVER = new AbortController().signal;
/** Longer than MiniStack's functions are in transition. */
const SETTLE_MS = 700;

interface Listed extends Difference {
  /** Who is believed to be like AWS. */
  readonly believe: 'fake' | 'peer' | 'neither';
  readonly why: string;
}

/** What callers get wrong, tried right before a function is destroyed: where it is taken, the two are not the same any more. */
const ERRORS: readonly Call[] = [
  ['lambda:GetFunction', {FunctionName: 'unknown'}],
  ['lambda:GetFunctionConfiguration', {FunctionName: 'unknown'}],
  ['lambda:GetAlias', {FunctionName: NAME, Name: 'unknown'}],
  ['lambda:GetFunctionUrlConfig', {FunctionName: NAME, Qualifier: 'unknown'}],
  ['lambda:GetPolicy', {FunctionName: NAME}],
  ['lambda:GetProvisionedConcurrencyConfig', {FunctionName: NAME, Qualifier: '1'}],
  ['lambda:ListVersionsByFunction', {FunctionName: 'unknown'}],
  ['lambda:ListAliases', {FunctionName: 'unknown'}],
  ['lambda:DeleteAlias', {FunctionName: NAME, Name: 'unknown'}],
  ['lambda:DeleteFunctionUrlConfig', {FunctionName: NAME, Qualifier: 'unknown'}],
  ['lambda:CreateAlias', {FunctionName: NAME, Name: 'live', FunctionVersion: '1'}],
  ['lambda:CreateAlias', {FunctionName: NAME, Name: 'other', FunctionVersion: '99'}],
  ['lambda:UpdateAlias', {FunctionName: NAME, Name: 'live', RevisionId: 'stale', FunctionVersion: '1'}],
  ['lambda:UpdateAlias', {FunctionName: NAME, Name: 'unknown', FunctionVersion: '1'}],
  ['lambda:UpdateFunctionConfiguration', {FunctionName: NAME, RevisionId: 'stale', Timeout: 9}],
  ['lambda:UpdateFunctionConfiguration', {FunctionName: 'unknown', Timeout: 9}],
  ['lambda:UpdateFunctionConfiguration', {FunctionName: NAME, MemorySize: 1}],
  ['lambda:UpdateFunctionConfiguration', {FunctionName: NAME, Timeout: 901}],
  ['lambda:PublishVersion', {FunctionName: NAME, RevisionId: 'stale'}],
  ['lambda:CreateFunctionUrlConfig', {FunctionName: NAME, Qualifier: 'live', AuthType: 'AWS_IAM'}],
  ['lambda:RemovePermission', {FunctionName: NAME, Qualifier: 'live', StatementId: 'unknown'}],
  ['lambda:DeleteFunction', {FunctionName: 'unknown'}],
  ['lambda:DeleteFunction', {FunctionName: NAME, Qualifier: '1'}],
  [
    'lambda:PutProvisionedConcurrencyConfig',
    {FunctionName: NAME, Qualifier: '$LATEST', ProvisionedConcurrentExecutions: 1},
  ],
  ['ecr:CreateRepository', {repositoryName: `thaw/${NAME}`}],
  ['ecr:DescribeRepositories', {repositoryNames: ['unknown']}],
  ['ecr:DeleteRepository', {repositoryName: `thaw/${NAME}`}],
  ['ecr:DeleteRepository', {repositoryName: 'unknown'}],
  [
    'ecr:DescribeImages',
    {repositoryName: `thaw/${NAME}`, imageIds: [{imageDigest: `sha256:${'0'.repeat(64)}`}]},
  ],
  ['iam:GetRole', {RoleName: 'unknown'}],
  ['iam:CreateRole', {RoleName: `thaw-${NAME}-eu-central-1`, AssumeRolePolicyDocument: '{}'}],
  ['iam:DeleteRole', {RoleName: `thaw-${NAME}-eu-central-1`}],
  ['events:ListTargetsByRule', {Rule: 'unknown'}],
  ['events:RemoveTargets', {Rule: 'unknown', Ids: ['1']}],
  ['events:DeleteRule', {Name: 'unknown'}],
  ['logs:CreateLogGroup', {logGroupName: `/aws/lambda/${NAME}`}],
  ['logs:DeleteLogGroup', {logGroupName: 'unknown'}],
].map(([operation, input]) => ({operation, input}) as Call);

test('MiniStack answers every call of a life as the fake does, or it is known where not', async () => {
  const calls = await recordLife();
  const found = await compareSides(calls, await openFakeSide(), await openPeerSide());
  if (process.env['THAW_WRITE_DIFFERENCES'] !== undefined) await writeTable(found);
  const listed = await readTable();
  expect(found).toEqual(listed.map(({operation, fake, peer}) => ({operation, fake, peer})));
  for (const {believe, why} of listed) {
    expect(['fake', 'peer', 'neither']).toContain(believe);
    expect(why).not.toBe('');
  }
});

/** Lives a whole life with the real driver on the fake, and gives the calls that it made, and the errors amid them. */
async function recordLife(): Promise<Call[]> {
  const aws = await openFakeAws({runs: false});
  onTestFinished(() => aws.close());
  const pushes: {at: number; before: NonNullable<Call['before']>}[] = [];
  const harness = await openPeerHarness({
    url: aws.url,
    env: aws.env,
    pushImage: async (image, to) => {
      const [, repository = '', tag = null] = /^[^/]+\/([^:@]+):?(.*)$/.exec(to.reference) ?? [];
      await plantImage(aws.registry, repository, image, tag);
      pushes.push({
        at: aws.requests.length,
        before: async (side) => (side as Pushable).push(image, repository, tag),
      });
      return image.image.digest;
    },
  });
  const context = {
    ...harness.context,
    ports: {...harness.context.ports, clock: aws.clock, http: createHttp()},
  };
  const desk = openDesk({...harness, context});
  const base = baseOf({...harness, context});
  const timed = {kind: 'schedule', cron: '0 6 * * *'} as const;
  const first = {...base, spec: {...base.spec, triggers: [...base.spec.triggers, timed]}};
  const second = {...first, image: harness.images[1]};

  await desk.deploy(first);
  await desk.deploy(second);
  await desk.apply((await desk.inspect(second)).warm({min: 2, schedule: []}), second);
  await desk.inspect(second);
  await desk.apply((await desk.inspect(second)).warm({min: 0, schedule: []}), second);
  await desk.chill(second);
  await desk.tidy(second);
  await desk.apply((await desk.inspect(second)).rollback(null), second);
  const lived = aws.requests.length;
  await desk.teardown(first);
  await desk.inspect(first);

  const recorded = aws.requests.map(({operation, input}, n): Call => {
    const before = pushes.find(({at}) => at === n)?.before;
    return {operation, input: generalized(input, aws), ...(before !== undefined && {before})};
  });
  return withoutPolls([...recorded.slice(0, lived), ...ERRORS, ...recorded.slice(lived)]);
}

/** An input with what only that one server knows taken out. */
function generalized(input: Call['input'], aws: FakeAws): Call['input'] {
  const own = mapStrings(input, (text) => text.replaceAll(aws.registry.host, REGISTRY)) as Call['input'];
  return 'RevisionId' in own ? {...own, RevisionId: REVISION} : own;
}

/** Each call once, where it was only asked again and again. */
const withoutPolls = (calls: readonly Call[]): Call[] =>
  calls.filter(
    (call, n) =>
      call.before !== undefined ||
      JSON.stringify([call.operation, call.input]) !==
        JSON.stringify([calls[n - 1]?.operation, calls[n - 1]?.input]),
  );

/** A side that images can be put into. */
interface Pushable extends Side {
  push(image: Parameters<typeof plantImage>[2], repository: string, tag: string | null): Promise<unknown>;
}

async function openFakeSide(): Promise<Pushable> {
  const aws = await openFakeAws({runs: false});
  onTestFinished(() => aws.close());
  return {
    env: aws.env,
    registryHost: aws.registry.host,
    settle: () => aws.clock.sleep(60_000, NEVER),
    push: (image, repository, tag) => plantImage(aws.registry, repository, image, tag),
  };
}

async function openPeerSide(): Promise<Pushable> {
  const {url, env, pushImage} = await startMiniStack();
  const host = '123456789012.dkr.ecr.eu-central-1.amazonaws.com';
  return {
    env: {...env, AWS_ENDPOINT_URL: url},
    registryHost: host,
    settle: () => sleep(SETTLE_MS),
    push: (image, repository, tag) => {
      const reference = `${host}/${repository}:${tag ?? 'latest'}`;
      return pushImage(image, {reference, username: 'AWS', password: 'any'}, () => undefined, NEVER);
    },
  };
}

const readTable = async (): Promise<readonly Listed[]> =>
  JSON.parse(await readFile(TABLE, 'utf8')) as Listed[];

/** Writes what was found, with what the table already says of it: to be reviewed by hand. */
async function writeTable(found: readonly Difference[]): Promise<void> {
  const known = await readTable().catch(() => []);
  const table = found.map((each) => ({
    ...each,
    believe: '',
    why: '',
    ...known.find(
      ({operation, fake, peer}) => operation === each.operation && fake === each.fake && peer === each.peer,
    ),
  }));
  await writeFile(TABLE, `${JSON.stringify(table, null, 2)}\n`);
}
