import * as L from '@aws-sdk/client-lambda';
import {CloudWatchLogsClient, FilterLogEventsCommand} from '@aws-sdk/client-cloudwatch-logs';
import {describe, expect, it} from 'vitest';
import {createSigV4} from '../../../src/providers/aws/calls/sigv4.ts';
import {connection, openForTest, refusal, ROW, type TestAws} from './open-for-test.ts';

const HANDLER = `export async function predict(input, {model, context}) {
  if (input.exit) process.exit(7);
  if (input.sleepMs) await new Promise((resolve) => setTimeout(resolve, input.sleepMs));
  if (input.fail) throw new Error('told to fail');
  return {label: process.env.LABEL ?? null, type: process.env.AWS_LAMBDA_INITIALIZATION_TYPE};
}`;

async function live(test: TestAws, change: Partial<L.CreateFunctionCommandInput> = {}): Promise<string> {
  const name = await test.created({Environment: {Variables: {LABEL: 'one'}}, ...change}, {handler: HANDLER});
  const version = await test.published(name);
  const alias = {FunctionName: name, Name: 'live', FunctionVersion: version};
  await test.lambda.send(new L.CreateAliasCommand(alias));
  return name;
}

describe('an invocation', () => {
  it('runs the image, cold at first and then warm, and says so in its log', async () => {
    const test = await openForTest();
    const name = await test.created();
    const cold = await test.invoke(name);
    expect(cold.body).toMatchObject({outputs: [{data: [30.5]}]});
    expect([cold.version, cold.ordinal, cold.hasInit]).toEqual(['$LATEST', 1, true]);
    const warm = await test.invoke(name);
    expect([warm.boot, warm.ordinal, warm.hasInit]).toEqual([cold.boot, 2, false]);
    expect(test.aws.fleet.list()).toEqual([{function: name, version: '$LATEST', kind: 'on-demand'}]);
    await test.pass(5000);
    const logs = new CloudWatchLogsClient(connection(test.aws));
    const query = {logGroupName: `/aws/lambda/${name}`, filterPattern: 'REPORT'};
    const {events = []} = await logs.send(new FilterLogEventsCommand(query));
    expect(events.map(({message = ''}) => /Init Duration/.test(message))).toEqual([true, false]);
    expect(new Set(events.map(({logStreamName}) => logStreamName)).size).toBe(1);
  });

  it('of a new version is cold, and of what was there before stays warm', async () => {
    const test = await openForTest();
    const name = await live(test);
    const first = await test.invoke(name, 'live', {});
    expect([first.version, first.body['label']]).toEqual(['1', 'one']);
    const Environment = {Variables: {LABEL: 'two'}};
    await test.lambda.send(new L.UpdateFunctionConfigurationCommand({FunctionName: name, Environment}));
    await test.pass(10_000);
    await test.published(name);
    const second = await test.invoke(name, '2', {});
    expect([second.body['label'], second.hasInit]).toEqual(['two', true]);
    const again = await test.invoke(name, 'live', {});
    expect([again.boot, again.ordinal]).toEqual([first.boot, 2]);
  });

  it('follows an alias late, if it is told to', async () => {
    const test = await openForTest({paces: {aliasMs: 3000}});
    const name = await live(test);
    expect((await refusal(test.invoke(name, 'live', {}))).name).toBe('ResourceNotFoundException');
    await test.pass(4000);
    await test.lambda.send(new L.UpdateFunctionConfigurationCommand({FunctionName: name, Timeout: 9}));
    await test.pass(10_000);
    await test.published(name);
    const move = {FunctionName: name, Name: 'live', FunctionVersion: '2'};
    await test.lambda.send(new L.UpdateAliasCommand(move));
    expect((await test.invoke(name, 'live', {})).version).toBe('1');
    await test.pass(4000);
    expect((await test.invoke(name, 'live', {})).version).toBe('2');
  });

  it('is cold again when its sandbox has ended, or has been idle for long', async () => {
    const test = await openForTest();
    const name = await test.created();
    const boots = [(await test.invoke(name)).boot];
    await test.aws.fleet.end(() => true);
    boots.push((await test.invoke(name)).boot);
    await test.pass(11 * 60_000);
    expect(test.aws.fleet.list()).toEqual([]);
    boots.push((await test.invoke(name)).boot);
    expect(new Set(boots).size).toBe(3);
  });

  it('has a sandbox of its own, as far as the account goes', async () => {
    const test = await openForTest();
    const name = await live(test);
    const both = await Promise.all([1, 2].map(() => test.invoke(name, 'live', {sleepMs: 300})));
    expect(new Set(both.map(({boot}) => boot)).size).toBe(2);
    test.aws.account.concurrency = 1;
    const under = test.invoke(name, 'live', {sleepMs: 300});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const refused = await refusal(test.invoke(name, 'live', {}));
    expect(refused).toMatchObject({name: 'TooManyRequestsException', status: 429});
    await under;
  });

  it('goes on to its end though its function is changed meanwhile', async () => {
    const test = await openForTest();
    const name = await test.created({}, {handler: HANDLER});
    const under = test.invoke(name, undefined, {sleepMs: 500});
    await new Promise((resolve) => setTimeout(resolve, 50));
    await test.lambda.send(new L.UpdateFunctionConfigurationCommand({FunctionName: name, Timeout: 9}));
    expect((await under).failed).toBe(false);
    await test.pass(10_000);
    const after = await test.invoke(name, undefined, {});
    expect([after.ordinal, test.aws.fleet.list().length]).toEqual([1, 1]);
  });

  it('that ends its process fails, and the next one starts another within itself', async () => {
    const test = await openForTest();
    const name = await live(test);
    await test.invoke(name, 'live', {});
    const failed = await test.invoke(name, 'live', {exit: true});
    expect([failed.failed, failed.body['errorType']]).toEqual([true, 'Runtime.ExitError']);
    const next = await test.invoke(name, 'live', {});
    expect([next.failed, next.ordinal, next.hasInit]).toEqual([false, 1, false]);
    test.aws.fleet.behaviour.endsDuringNext = name;
    expect((await test.invoke(name, 'live', {sleepMs: 2000})).failed).toBe(true);
  });

  it('starts anew in itself what took too long to start', async () => {
    const test = await openForTest();
    test.aws.fleet.behaviour.initMs = 20;
    const name = await test.created();
    const answer = await test.invoke(name);
    expect([answer.failed, answer.ordinal, answer.hasInit]).toEqual([false, 1, false]);
    await test.pass(5000);
    const logs = new CloudWatchLogsClient(connection(test.aws));
    const query = {logGroupName: `/aws/lambda/${name}`, filterPattern: 'INIT_REPORT'};
    const {events = []} = await logs.send(new FilterLogEventsCommand(query));
    expect(events[0]?.message).toContain('Phase: init\tStatus: timeout');
  });

  it('may find a sandbox that was started before anybody asked', async () => {
    const test = await openForTest();
    const name = await live(test);
    await test.aws.lambda.startProactively(name, 'live');
    const startedMs = Date.now();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const answer = await test.invoke(name, 'live', {});
    const age = Number(/"thaw-boot-age":"([\d.]+)"/.exec(answer.log)?.[1]);
    expect(answer.ordinal).toBe(1);
    expect(age).toBeGreaterThan(Math.min(300, Date.now() - startedMs));
  });

  it('says how an image cannot start', async () => {
    const test = await openForTest();
    const name = await test.created({}, {handler: 'this is no handler'});
    const answer = await test.invoke(name);
    expect([answer.failed, answer.body['errorType']]).toEqual([true, 'Runtime.ExitError']);
  });

  it('of a function that logs in JSON has its report in JSON', async () => {
    const test = await openForTest();
    const name = await test.created({LoggingConfig: {LogFormat: 'JSON'}});
    const {log} = await test.invoke(name);
    const line = log.split('\n').find((each) => each.includes('platform.report')) ?? '{}';
    const {record} = JSON.parse(line) as {record: {metrics: {initDurationMs: number}; status: string}};
    expect([record.status, record.metrics.initDurationMs > 0]).toEqual(['success', true]);
  });
});

describe('provisioned concurrency', () => {
  it('has sandboxes ready before anybody asks, and takes them along when the alias moves', async () => {
    const test = await openForTest();
    const name = await live(test);
    const put = {FunctionName: name, Qualifier: 'live', ProvisionedConcurrentExecutions: 1};
    await test.lambda.send(new L.PutProvisionedConcurrencyConfigCommand(put));
    await test.pass(30_000);
    const get = new L.GetProvisionedConcurrencyConfigCommand({FunctionName: name, Qualifier: 'live'});
    expect((await test.lambda.send(get)).Status).toBe('READY');
    expect(test.aws.fleet.list()).toEqual([{function: name, version: '1', kind: 'provisioned'}]);
    await test.pass(60 * 60_000);
    const answer = await test.invoke(name, 'live', {});
    expect([answer.version, answer.ordinal]).toEqual(['1', 1]);
    expect(test.aws.fleet.list()).toHaveLength(1);

    await test.lambda.send(new L.UpdateFunctionConfigurationCommand({FunctionName: name, Timeout: 9}));
    await test.pass(10_000);
    await test.published(name);
    const move = {FunctionName: name, Name: 'live', FunctionVersion: '2'};
    await test.lambda.send(new L.UpdateAliasCommand(move));
    expect((await test.lambda.send(get)).Status).toBe('IN_PROGRESS');
    const alias = new L.GetAliasCommand({FunctionName: name, Name: 'live'});
    expect((await test.lambda.send(alias)).RoutingConfig?.AdditionalVersionWeights).toEqual({'1': 1});
    const early = test.lambda.send(new L.PutProvisionedConcurrencyConfigCommand(put));
    expect((await refusal(early)).message).toContain('Alias with weights');
    await test.pass(30_000);
    expect((await test.lambda.send(alias)).RoutingConfig).toBeUndefined();
    expect((await test.lambda.send(get)).Status).toBe('READY');
    expect(test.aws.fleet.list()).toEqual([{function: name, version: '2', kind: 'provisioned'}]);
  });
});

describe('a zip archive', () => {
  /** An archive of one file, stored as it is. */
  function zipOf(name: string, content: string): Buffer {
    const [path, bytes] = [Buffer.from(name), Buffer.from(content)];
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(path.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50);
    central.writeUInt32LE(bytes.length, 20);
    central.writeUInt32LE(bytes.length, 24);
    central.writeUInt16LE(path.length, 28);
    const end = Buffer.alloc(22);
    end.writeUInt32LE(0x06054b50);
    end.writeUInt16LE(1, 10);
    end.writeUInt32LE(central.length + path.length, 12);
    end.writeUInt32LE(local.length + path.length + bytes.length, 16);
    return Buffer.concat([local, path, bytes, central, path, end]);
  }

  it('runs on Node, by the handler that is named', async () => {
    const test = await openForTest();
    const ZipFile = zipOf(
      'index.mjs',
      `export async function handler(event, {awsRequestId}) {
        if (event.fail) throw new TypeError('told to fail');
        return {event, id: awsRequestId, label: process.env.LABEL};
      }`,
    );
    const name = await test.created({
      PackageType: 'Zip',
      Runtime: 'nodejs22.x',
      Handler: 'index.handler',
      Code: {ZipFile},
      Environment: {Variables: {LABEL: 'zipped'}},
    });
    const cold = await test.invoke(name, undefined, {a: 1});
    expect([cold.body['event'], cold.body['label'], cold.hasInit]).toEqual([{a: 1}, 'zipped', true]);
    const failed = await test.invoke(name, undefined, {fail: true});
    expect([failed.failed, failed.body['errorType'], failed.hasInit]).toEqual([true, 'TypeError', false]);
    const update = {FunctionName: name, ImageUri: await test.pushed()};
    const other = test.lambda.send(new L.UpdateFunctionCodeCommand(update));
    expect((await refusal(other)).message).toContain('packageType Zip');
  });
});

describe('what cannot start', () => {
  it('cannot be provisioned either', async () => {
    const test = await openForTest();
    const name = await test.created({}, {handler: 'this is no handler'});
    const Qualifier = await test.published(name);
    const put = {FunctionName: name, Qualifier, ProvisionedConcurrentExecutions: 1};
    await test.lambda.send(new L.PutProvisionedConcurrencyConfigCommand(put));
    await test.pass(30_000);
    const get = new L.GetProvisionedConcurrencyConfigCommand({FunctionName: name, Qualifier});
    expect(await test.lambda.send(get)).toMatchObject({
      Status: 'FAILED',
      StatusReason: 'FUNCTION_ERROR_INIT_FAILURE',
    });
  });
});

describe('SnapStart', () => {
  it('restores versions of images that allow it, and says what that took', async () => {
    const test = await openForTest();
    const labels = {'com.amazonaws.lambda.feature.snapstart': 'Allow'};
    const SnapStart = {ApplyOn: 'PublishedVersions'} as const;
    const name = await test.created({SnapStart}, {handler: HANDLER, labels});
    const version = await test.published(name);
    const first = await test.invoke(name, version, {});
    expect([first.body['type'], first.ordinal, first.hasInit]).toEqual(['snap-start', 1, false]);
    expect(first.report).toMatch(/\tRestore Duration: [\d.]+ ms\tBilled Restore Duration: \d+ ms\t/);
    expect(first.log).toContain('"thaw-restored":"1"');
    const second = await test.invoke(name, version, {});
    expect([second.boot, second.ordinal, second.report.includes('Restore')]).toEqual([first.boot, 2, false]);
    await test.aws.fleet.end((_, kind) => kind === 'snap-start');
    const third = await test.invoke(name, version, {});
    expect([third.ordinal, third.boot === first.boot]).toEqual([1, false]);
    expect(test.aws.fleet.list()).toEqual([{function: name, version, kind: 'snap-start'}]);
  });

  it('is refused to images without the label', async () => {
    const test = await openForTest();
    const name = await test.created({SnapStart: {ApplyOn: 'PublishedVersions'}});
    expect((await refusal(test.published(name))).message).toContain('feature.snapstart=Allow');
  });
});

describe('a function URL', () => {
  const post = (url: string, headers: {[name: string]: string} = {}, body: unknown = ROW) =>
    fetch(url, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: {'content-type': 'application/json', ...headers},
    });

  async function withUrl(test: TestAws, AuthType: L.FunctionUrlAuthType) {
    const name = await test.created();
    const version = await test.published(name);
    const alias = {FunctionName: name, Name: 'live', FunctionVersion: version};
    await test.lambda.send(new L.CreateAliasCommand(alias));
    const made = new L.CreateFunctionUrlConfigCommand({FunctionName: name, Qualifier: 'live', AuthType});
    return {name, url: (await test.lambda.send(made)).FunctionUrl ?? ''};
  }

  it('of everybody needs both permissions', async () => {
    const test = await openForTest();
    const {name, url} = await withUrl(test, 'NONE');
    expect((await post(url)).status).toBe(403);
    const both = {FunctionName: name, Qualifier: 'live', Principal: '*'};
    const byUrl = {
      StatementId: 'url',
      Action: 'lambda:InvokeFunctionUrl',
      FunctionUrlAuthType: 'NONE',
    } as const;
    await test.lambda.send(new L.AddPermissionCommand({...both, ...byUrl}));
    expect((await post(url)).status).toBe(403);
    const invoke = {StatementId: 'invoke', Action: 'lambda:InvokeFunction', InvokedViaFunctionUrl: true};
    const add = new L.AddPermissionCommand({...both, ...invoke});
    await test.lambda.send(add);
    expect((await refusal(test.lambda.send(add))).status).toBe(409);
    const answer = await post(url);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('thaw-ordinal')).toBe('1');
    expect(await answer.json()).toMatchObject({outputs: [{data: [30.5]}]});
    expect((await fetch(`${url}v2/health/ready`)).status).toBe(200);
    const {Policy} = await test.lambda.send(new L.GetPolicyCommand({FunctionName: name, Qualifier: 'live'}));
    const {Statement} = JSON.parse(Policy ?? '') as {Statement: {Sid: string; Condition: object}[]};
    expect(Statement.map(({Sid, Condition}) => [Sid, Condition])).toEqual([
      ['url', {StringEquals: {'lambda:FunctionUrlAuthType': 'NONE'}}],
      ['invoke', {Bool: {'lambda:InvokedViaFunctionUrl': 'true'}}],
    ]);
  });

  it('of who may needs a signature', async () => {
    const test = await openForTest();
    const {url} = await withUrl(test, 'AWS_IAM');
    expect((await post(url)).status).toBe(403);
    const {credentials, region} = connection(test.aws);
    const signed = async (secretAccessKey: string) => {
      const sign = createSigV4({
        region,
        service: 'lambda',
        credentials: async () => ({...credentials, secretAccessKey}),
      });
      const body = Buffer.from(JSON.stringify(ROW));
      const headers = {'content-type': 'application/json'};
      return post(url, {...(await sign({method: 'POST', url, headers, body})).headers});
    };
    expect((await signed('another')).status).toBe(403);
    expect((await signed(credentials.secretAccessKey)).status).toBe(200);
    test.aws.account.deny('lambda:InvokeFunction');
    expect((await signed(credentials.secretAccessKey)).status).toBe(403);
  });
});
