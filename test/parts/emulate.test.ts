import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest';
import type {Report} from '../../src/core/report.ts';
import {openBench, type Bench} from '../cli/thaw.ts';
import {skippedFor} from './debian-registry.ts';
import {findMissingForDocker, openDocker, type TestDocker} from './docker.ts';
import {makeProject, succeed} from './local-docker.ts';

const missing = findMissingForDocker();
const HOOKS_MS = 600_000;
const NAME = 'emulated';
const INVOCATIONS = `2015-03-31/functions/${NAME}/invocations`;

const HANDLER = `
export async function predict(input, {context}) {
  if (input?.fail) throw new Error('told to fail');
  if (input?.hang) await new Promise((resolve) => setTimeout(resolve, 600_000));
  if (input?.leak) for (const kept = []; ; ) kept.push(Buffer.alloc(1 << 20, 1));
  return {input: input ?? null, source: context.source, name: process.env.AWS_LAMBDA_FUNCTION_NAME, memory: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE};
}
`;

const HTTP_EVENT = {
  version: '2.0',
  routeKey: '$default',
  rawPath: '/',
  rawQueryString: '',
  headers: {'content-type': 'application/json'},
  requestContext: {http: {method: 'POST', path: '/', protocol: 'HTTP/1.1'}, stage: '$default'},
  body: '{"age": 41}',
  isBase64Encoded: false,
};
const OBJECT_EVENT = {
  Records: [
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      s3: {bucket: {name: 'uploads'}, object: {key: 'a+b%2Fc.json', size: 12, eTag: 'e'}},
    },
  ],
};
const queueRecord = (messageId: string, body: string): object => ({
  messageId,
  body,
  eventSource: 'aws:sqs',
  eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:jobs',
});
const BATCH = {
  Records: [
    queueRecord('one', '{"age": 1}'),
    queueRecord('two', '{"fail": true}'),
    queueRecord('three', '{"age": 3}'),
  ],
};

describe.skipIf(missing.length > 0)(`an image at an emulated cloud${skippedFor(missing)}`, () => {
  let engine: TestDocker;
  let bench: Bench;
  let project: {cwd: string; env: {[name: string]: string}};

  beforeAll(async () => {
    [engine, bench] = await Promise.all([openDocker(), openBench()]);
    project = {cwd: NAME, env: {...engine.env}};
    await makeProject(bench, NAME, {
      handler: HANDLER,
      yaml: (text) => text.replace('memory: 512Mi', 'memory: 256Mi').replace(/timeout: \w+/, 'timeout: 20s'),
    });
    await succeed(bench.thaw(['package'], project));
  }, HOOKS_MS);

  afterEach(async () => {
    await succeed(bench.thaw(['destroy', 'local', '--yes'], project));
    expect(await engine.docker('ps', '-aq', '--filter', `label=thaw.function=${NAME}`)).toBe('');
  }, HOOKS_MS);

  afterAll(async () => {
    await bench?.leave();
    await engine?.stop();
  }, HOOKS_MS);

  const useEngine = async (name: string): Promise<void> => {
    const file = join(bench.dir, NAME, 'thaw.yaml');
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replace(/engine: \w+/, `engine: ${name}`));
  };
  const deploy = async (cloud: string): Promise<string> => {
    const {stdout} = await succeed(bench.thaw(['deploy', 'local', '--yes', '--emulate', cloud], project));
    return stdout.trim().split('\t')[1] ?? '';
  };
  const post = async (url: string, body: unknown): Promise<Response> =>
    fetch(url, {method: 'POST', body: JSON.stringify(body), headers: {'content-type': 'application/json'}});
  const logs = async (): Promise<string> => (await succeed(bench.thaw(['logs', 'local'], project))).stdout;
  const logged = async (what: RegExp): Promise<string> => {
    for (let tries = 0; tries < 120; tries++) {
      const found = what.exec(await logs())?.[0];
      if (found !== undefined) return found;
      await sleep(500);
    }
    return expect.fail(`not in the log within a minute: ${what}`);
  };

  test('answers an HTTP v2.0 event, an S3 event, and an SQS batch with one failing record, the same bytes on both engines', async () => {
    const answers: {[engine: string]: unknown} = {};
    for (const name of ['docker', 'process']) {
      await useEngine(name);
      const url = await deploy('lambda');
      const invoke = async (event: unknown): Promise<string> => {
        const answer = await post(`${url}${INVOCATIONS}`, event);
        expect(answer.headers.get('x-amz-function-error')).toBeNull();
        return answer.text();
      };
      const plain = await post(url, {age: 41});
      const http = JSON.parse(await invoke(HTTP_EVENT)) as {
        statusCode: number;
        body: string;
        headers: object;
      };
      expect(http.headers).toMatchObject({'thaw-ordinal': '2'});
      answers[name] = {
        plain: [plain.status, await plain.text()],
        http: [http.statusCode, http.body],
        object: await invoke(OBJECT_EVENT),
        batch: await invoke(BATCH),
      };
      const report = await logged(/REPORT RequestId: .*Init Duration: .*/);
      expect(report).toMatch(/\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 256 MB\t/);
      await succeed(bench.thaw(['destroy', 'local', '--yes'], project));
    }
    const expected = {input: {age: 41}, source: 'http', name: NAME, memory: '256'};
    expect(answers['docker']).toEqual({
      plain: [200, JSON.stringify(expected)],
      http: [200, JSON.stringify(expected)],
      object: JSON.stringify({
        input: {bucket: 'uploads', key: 'a b/c.json', size: 12, eTag: 'e', type: 'ObjectCreated:Put'},
        source: 's3',
        name: NAME,
        memory: '256',
      }),
      batch: '{"batchItemFailures":[{"itemIdentifier":"two"}]}',
    });
    expect(answers['process']).toEqual(answers['docker']);
  });

  test('is measured at Lambda, in containers, and every cold start is proved', async () => {
    await useEngine('docker');
    await deploy('lambda');
    const file = join(bench.dir, 'report.json');
    const wish = ['--cold', '4', '--warm', '10', '--data', '{}', '--export', `json=${file}`];
    await succeed(bench.thaw(['benchmark', 'local', ...wish], project));
    const report = JSON.parse(await readFile(file, 'utf8')) as Report;
    expect(report.providers[0]).toMatchObject({cold: {n: 4, failures: 0}, warm: {n: 10, failures: 0}});
  });

  test('is killed where it leaks or takes too long, and Lambda says so', async () => {
    await useEngine('docker');
    const url = await deploy('lambda');
    const leaked = await post(`${url}${INVOCATIONS}`, {leak: true});
    expect(leaked.headers.get('x-amz-function-error')).toBe('Unhandled');
    expect(await leaked.json()).toMatchObject({
      errorType: 'Runtime.ExitError',
      errorMessage: expect.stringContaining('out of memory (limit 256 MB)') as string,
    });
    const late = await post(`${url}${INVOCATIONS}`, {hang: true});
    expect(await late.json()).toMatchObject({errorType: 'Sandbox.Timedout'});
    expect((await post(url, {age: 1})).status).toBe(200);
    await logged(/Task timed out after 20\.00 seconds/);
  });

  test.each(['run', 'azure'])('answers at %s too', async (cloud) => {
    await useEngine('docker');
    const url = await deploy(cloud);
    const answer = await post(url, {age: 7});
    expect([answer.status, answer.headers.get('thaw-ordinal')]).toEqual([200, '1']);
    expect(await answer.json()).toMatchObject({input: {age: 7}, source: 'http'});
  });
});
