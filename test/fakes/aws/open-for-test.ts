import {IAMClient, CreateRoleCommand} from '@aws-sdk/client-iam';
import * as L from '@aws-sdk/client-lambda';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {onTestFinished} from 'vitest';
import {makeSmallImage, plantImage, type SmallImageParts} from './sandboxes/small-image.ts';
import {openFakeAws, type FakeAws, type FakeAwsOptions} from './server.ts';

export const never = new AbortController().signal;
export const TRUST = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{Effect: 'Allow', Principal: {Service: 'lambda.amazonaws.com'}, Action: 'sts:AssumeRole'}],
});
/** What the small image's model takes. */
export const ROW = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4]}]};

// The SDK says which Node it will need some day.
process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';

/** How the SDK's clients reach a fake, with nothing sent twice. */
export const connection = (aws: FakeAws) => ({
  endpoint: aws.url,
  region: aws.account.region,
  maxAttempts: 1,
  credentials: {
    accessKeyId: aws.account.accessKeyId,
    secretAccessKey: aws.account.secretAccessKey,
    ...(aws.account.sessionToken !== null && {sessionToken: aws.account.sessionToken}),
  },
});

export type TestAws = Awaited<ReturnType<typeof openForTest>>;

/** A fake that is gone when the test ends, with the clients that most tests use. */
export async function openForTest(options: FakeAwsOptions = {}) {
  const aws = await openFakeAws(options);
  const layoutDir = await mkdtemp(join(tmpdir(), 'thaw-fake-image-'));
  onTestFinished(async () => {
    await aws.close();
    await rm(layoutDir, {recursive: true, force: true});
  });
  const lambda = new L.LambdaClient(connection(aws));
  const iam = new IAMClient(connection(aws));
  const repository = 'credit-scoring';

  const pushed = async (parts: SmallImageParts = {}): Promise<string> => {
    if (!aws.inventory().includes(`repository ${repository}`)) aws.repositories.plant(repository);
    const image = await makeSmallImage(layoutDir, parts);
    await plantImage(aws.registry, repository, image);
    return `${aws.registry.host}/${repository}@${image.image.digest}`;
  };

  return {
    aws,
    lambda,
    iam,
    pushed,
    /** Lets so much of the fake's time pass. */
    pass: (ms: number) => aws.clock.sleep(ms, never),
    newRole: async (name = 'new-role') => {
      const made = await iam.send(new CreateRoleCommand({RoleName: name, AssumeRolePolicyDocument: TRUST}));
      return made.Role?.Arn ?? '';
    },
    /** A function that is Active, made from a role that is old enough. */
    created: async (
      change: Partial<L.CreateFunctionCommandInput> = {},
      parts: SmallImageParts = {},
    ): Promise<string> => {
      const name = change.FunctionName ?? 'scoring';
      const Role = aws.roles.plant(`${name}-role`);
      const Code = {ImageUri: await pushed(parts)};
      const input = {
        FunctionName: name,
        Role,
        PackageType: 'Image',
        Code,
        MemorySize: 512,
        Timeout: 30,
      } as const;
      await lambda.send(new L.CreateFunctionCommand({...input, ...change}));
      await aws.clock.sleep(60_000, never);
      return name;
    },
    /** A version that is Active. */
    published: async (name: string): Promise<string> => {
      const {Version} = await lambda.send(new L.PublishVersionCommand({FunctionName: name}));
      await aws.clock.sleep(10_000, never);
      return Version ?? '';
    },
    /** One invocation: its answer, the end of its log, and the REPORT line's keys. */
    invoke: async (name: string, qualifier?: string, payload: unknown = ROW) => {
      const answer = await lambda.send(
        new L.InvokeCommand({
          FunctionName: name,
          ...(qualifier !== undefined && {Qualifier: qualifier}),
          LogType: 'Tail',
          Payload: Buffer.from(JSON.stringify(payload)),
        }),
      );
      const log = Buffer.from(answer.LogResult ?? '', 'base64').toString('utf8');
      const report = log.split('\n').find((line) => line.startsWith('REPORT ')) ?? '';
      return {
        version: answer.ExecutedVersion,
        failed: answer.FunctionError !== undefined,
        body: JSON.parse(Buffer.from(answer.Payload ?? Buffer.from('null')).toString('utf8')) as {
          readonly [member: string]: unknown;
        },
        log,
        report,
        boot: /"thaw-boot":"([^"]+)"/.exec(log)?.[1],
        ordinal: Number(/"thaw-ordinal":"(\d+)"/.exec(log)?.[1]),
        hasInit: report.includes('Init Duration'),
      };
    },
  };
}

/** The name and message that a call is refused with. */
export async function refusal(
  call: Promise<unknown>,
): Promise<{readonly name: string; readonly message: string; readonly status: number | undefined}> {
  const error = await call.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason as Error,
  );
  const {$metadata} = error as {$metadata?: {httpStatusCode?: number}};
  return {name: error.name, message: error.message, status: $metadata?.httpStatusCode};
}
