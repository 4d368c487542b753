import {copyFile, mkdir, mkdtemp, rm} from 'node:fs/promises';
import {request as httpRequest, type IncomingHttpHeaders} from 'node:http';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import type {Engine, Launch, Running} from '../../../src/providers/local/engine.ts';
import {processEngine} from '../../../src/providers/local/engine-process.ts';
import {NODE_SERVER} from '../../../src/providers/local/lay-runtime.ts';
import {emulateLambda} from '../../../src/providers/local/emulate/lambda.ts';
import {fixture, layInstance} from '../../instance.ts';
import {eventually} from './site.ts';

const here = dirname(fileURLToPath(import.meta.url));
const REPORT =
  /^REPORT RequestId: (\S+)\tDuration: ([\d.]+) ms\tBilled Duration: (\d+) ms\tMemory Size: 512 MB\t(?:Max Memory Used: (\d+) MB\t)?(?:Init Duration: ([\d.]+) ms\t)?(?:Status: (\w+)\t)?(?:Error Type: (\S+)\t)?$/;

let fakeDir: string;
let realDir: string;
const running: Running[] = [];

beforeAll(async () => {
  fakeDir = await mkdtemp(join(tmpdir(), 'thaw-emulate-'));
  await mkdir(dirname(join(fakeDir, NODE_SERVER)), {recursive: true});
  await copyFile(join(here, 'fake-runtime.cjs'), join(fakeDir, NODE_SERVER));
  realDir = await layInstance({
    model: fixture('linear.onnx'),
    handler: `export async function predict(input, {context}) {
      if (input === 'fail') throw new Error('told to fail');
      return {input: input ?? null, source: context.source ?? null};
    }`,
  });
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((run) => run.stop(0)));
});

afterAll(async () => {
  await Promise.all([fakeDir, realDir].map((dir) => rm(dir, {recursive: true, force: true})));
});

/** One emulated instance and what it wrote. */
interface Emulated {
  readonly run: Running;
  readonly lines: string[];
  readonly reports: () => RegExpExecArray[];
  readonly send: (path: string, body?: unknown, headers?: {[name: string]: string}) => Promise<Sent>;
}

interface Sent {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: never;
}

type Wish = {
  timeoutMs?: number;
  initMs?: number;
  env?: {[name: string]: string};
  rootDir?: string;
  engine?: Engine;
};

function emulate({
  timeoutMs = 60_000,
  initMs = 60_000,
  env = {},
  rootDir = fakeDir,
  engine = processEngine,
}: Wish = {}): Emulated {
  const lines: string[] = [];
  const launch: Launch = {
    id: 'i1',
    engine: {name: 'process'},
    rootDir,
    image: `sha256:${'0'.repeat(64)}`,
    env,
    memoryMb: 512,
    cpu: null,
    concurrency: 1,
    emulation: {cloud: 'lambda', function: 'demo', version: '3', timeoutMs},
    onLine: (_stream, text) => void lines.push(text),
  };
  const run = emulateLambda(engine, {initMs, logLateMs: 20_000}).start(launch);
  running.push(run);
  const send: Emulated['send'] = async (path, body, headers = {}) => {
    const {host, port} = await run.ready;
    return new Promise((resolve, reject) => {
      const sent = httpRequest({
        host,
        port,
        path,
        method: 'POST',
        headers: {'content-type': 'application/json', ...headers},
        agent: false,
      });
      sent.on('error', reject);
      sent.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          let json = undefined as never;
          try {
            json = JSON.parse(text) as never;
          } catch {
            // Not everything is.
          }
          resolve({status: response.statusCode ?? 0, headers: response.headers, text, json});
        });
      });
      sent.end(
        body instanceof Buffer || typeof body === 'string'
          ? body
          : body === undefined
            ? ''
            : JSON.stringify(body),
      );
    });
  };
  const reports = (): RegExpExecArray[] =>
    lines.map((line) => REPORT.exec(line)).filter((report) => report !== null);
  return {run, lines, reports, send};
}

const INVOKE = '/2015-03-31/functions/function/invocations';
const reported = (emulated: Emulated, count: number): Promise<void> =>
  eventually(`${count} reports`, async () => emulated.reports().length >= count);

describe('an instance at an emulated Lambda', () => {
  it('gets a request as an event of a function URL, and its answer goes back as the function means it', async () => {
    const {send} = emulate();
    const {status, json, headers} = await send(
      '/a%20b/c?x=1&x=2&y=%26',
      {n: 1},
      {cookie: 'a=1; b=2', 'x-mine': 'yes'},
    );
    expect(status).toBe(200);
    expect(headers['thaw-ordinal']).toBe('1');
    const {event} = json as {event: Record<string, unknown>};
    expect(event).toMatchObject({
      version: '2.0',
      rawPath: '/a%20b/c',
      rawQueryString: 'x=1&x=2&y=%26',
      cookies: ['a=1', 'b=2'],
      queryStringParameters: {x: '1,2', y: '&'},
      body: '{"n":1}',
      isBase64Encoded: false,
      requestContext: {http: {method: 'POST', path: '/a b/c'}, stage: '$default'},
    });
    expect(event['headers']).toMatchObject({'x-mine': 'yes', 'content-type': 'application/json'});
    expect(event['headers']).not.toHaveProperty('cookie');
  });

  it('gets bytes that are no text in base64', async () => {
    const {send} = emulate();
    const {json} = await send('/', Buffer.from([0xff, 0x00, 0x10]), {
      'content-type': 'application/octet-stream',
    });
    expect((json as {event: object}).event).toMatchObject({body: '/wAQ', isBase64Encoded: true});
  });

  it.each([
    [
      'cookies and headers',
      {
        statusCode: 201,
        headers: {'X-One': '1', 'content-type': 'text/plain'},
        cookies: ['a=1', 'b=2'],
        body: 'hi',
      },
      201,
      'hi',
    ],
    [
      'a body in base64',
      {statusCode: 200, body: Buffer.from('bytes').toString('base64'), isBase64Encoded: true},
      200,
      'bytes',
    ],
    ['something without a status as the body of a 200', {hello: 'you'}, 200, '{"hello":"you"}'],
    ['an answer without sense as a failure', {statusCode: 'no'}, 502, '{"Message":"Internal Server Error"}'],
    [
      'a body that is no text as a failure',
      {statusCode: 200, body: {no: 'text'}},
      502,
      '{"Message":"Internal Server Error"}',
    ],
    [
      'a header that cannot be one as a failure',
      {statusCode: 200, headers: {'x y': '1'}, body: ''},
      502,
      '{"Message":"Internal Server Error"}',
    ],
  ])('maps %s', async (_what, answer, status, text) => {
    const {send} = emulate();
    const got = await send('/', {answer});
    expect([got.status, got.text]).toEqual([status, text]);
    if (status === 201) {
      expect(got.headers['set-cookie']).toEqual(['a=1', 'b=2']);
      expect(got.headers['x-one']).toBe('1');
      expect(got.headers['content-type']).toBe('text/plain');
    }
  });

  it('finds the environment of Lambda, and its own where it may say so', async () => {
    const {send} = emulate({env: {MINE: 'yes', AWS_REGION: 'eu-west-1', AWS_LAMBDA_FUNCTION_NAME: 'forged'}});
    const {json} = await send(INVOKE, {env: true});
    const {env, given} = json as {env: Record<string, string>; given: Record<string, string>};
    expect(env).toMatchObject({
      MINE: 'yes',
      AWS_REGION: 'eu-west-1',
      AWS_DEFAULT_REGION: 'eu-west-1',
      AWS_LAMBDA_FUNCTION_NAME: 'demo',
      AWS_LAMBDA_FUNCTION_VERSION: '3',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '512',
      AWS_LAMBDA_INITIALIZATION_TYPE: 'on-demand',
      TZ: ':UTC',
    });
    expect(env['AWS_LAMBDA_RUNTIME_API']).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(given['lambda-runtime-invoked-function-arn']).toBe(
      'arn:aws:lambda:eu-west-1:000000000000:function:demo',
    );
    const leftMs = Number(given['lambda-runtime-deadline-ms']) - Date.now();
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(60_000);
  });

  it('reports each invocation as Lambda does: the first with its start, which is billed, others without', async () => {
    const emulated = emulate();
    await emulated.send('/', {});
    await emulated.send('/', {});
    await reported(emulated, 2);
    const [first, second] = emulated.reports();
    const [, id, duration, billed, peak, init] = first ?? [];
    expect(Number(init)).toBeGreaterThan(0);
    expect(Number(billed)).toBe(Math.ceil(Number((Number(duration) + Number(init)).toFixed(2))));
    if (process.platform === 'linux') expect(Number(peak)).toBeGreaterThan(10);
    expect(second?.[5]).toBeUndefined();
    const [start, end] = [`START RequestId: ${id} Version: 3`, `END RequestId: ${id}`];
    const order = [start, end, first?.[0] ?? ''].map((line) => emulated.lines.indexOf(line));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order).not.toContain(-1);
    const ready = await emulated.run.ready;
    expect(ready.phases['Init Duration']?.toFixed(2)).toBe(init);
  });

  it('gets one event at a time, each of them once', async () => {
    const emulated = emulate();
    const all = await Promise.all([1, 2, 3, 4, 5].map((n) => emulated.send(INVOKE, {n, sleepMs: 20})));
    const answers = all.map(({json}) => json as {ordinal: number; event: {n: number}});
    expect(answers.map(({ordinal}) => ordinal).sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5]);
    expect(answers.map(({event}) => event.n)).toEqual([1, 2, 3, 4, 5]);
    await reported(emulated, 5);
    const phases = emulated.lines.flatMap((line) => /^(START|END|REPORT) /.exec(line)?.[1] ?? []);
    expect(phases).toEqual(Array.from({length: 5}, () => ['START', 'END', 'REPORT']).flat());
  });

  it('is invoked with raw events too, by its name or as "function", and its log comes along if it is wanted', async () => {
    const {send} = emulate();
    for (const name of ['demo', 'function']) {
      const {status, json, headers} = await send(`/2015-03-31/functions/${name}/invocations`, {
        answer: [1, 2],
      });
      expect([status, json]).toEqual([200, [1, 2]]);
      expect(headers['x-amz-function-error']).toBeUndefined();
      expect(headers['x-amz-executed-version']).toBe('3');
    }
    const {headers} = await send(INVOKE, {log: 'said so', answer: null}, {'x-amz-log-type': 'Tail'});
    const tail = Buffer.from(String(headers['x-amz-log-result']), 'base64')
      .toString()
      .replace(/\n$/, '')
      .split('\n');
    expect(tail[0]).toMatch(/^START /);
    expect(tail[1]).toBe('said so');
    expect(tail.at(-1)).toMatch(REPORT);
  });

  it.each([
    ['another function', '/2015-03-31/functions/other/invocations', '{}', 404, 'ResourceNotFoundException'],
    ['what is no JSON', INVOKE, '{', 400, 'InvalidRequestContentException'],
    [
      'an event of more than 6 MiB',
      INVOKE,
      JSON.stringify('x'.repeat(6 * 2 ** 20)),
      413,
      'RequestTooLargeException',
    ],
  ])('is not invoked with %s', async (_what, path, body, status, type) => {
    const {send, lines} = emulate();
    const got = await send(path, body);
    expect([got.status, got.headers['x-amzn-errortype']]).toEqual([status, type]);
    expect(lines.filter((line) => line.startsWith('START'))).toEqual([]);
  });

  it('takes no request whose event would be larger than Lambda takes', async () => {
    const {send} = emulate();
    const half = Buffer.alloc(5 * 2 ** 20, 0xff);
    const {status} = await send('/', half, {'content-type': 'application/octet-stream'});
    expect(status).toBe(413);
  });

  it('gives no answer of more than 6 MiB', async () => {
    const {send} = emulate();
    const {status, headers, json} = await send(INVOKE, {bytes: 6 * 2 ** 20});
    expect([status, headers['x-amz-function-error']]).toEqual([200, 'Unhandled']);
    expect((json as {errorType: string}).errorType).toBe('Function.ResponseSizeTooLarge');
  });

  it('answers at once where nobody waits for the answer, and not at all where it is a rehearsal', async () => {
    const emulated = emulate();
    const dry = await emulated.send(INVOKE, {}, {'x-amz-invocation-type': 'DryRun'});
    expect(dry.status).toBe(204);
    const event = await emulated.send(INVOKE, {log: 'in the background'}, {'x-amz-invocation-type': 'Event'});
    expect([event.status, event.text]).toEqual([202, '']);
    await reported(emulated, 1);
    expect(emulated.lines).toContain('in the background');
  });

  it('goes on after an error that it reports itself', async () => {
    const {send} = emulate();
    const failed = await send(INVOKE, {fail: 'no such thing'});
    expect([failed.status, failed.headers['x-amz-function-error']]).toEqual([200, 'Unhandled']);
    expect(failed.json).toMatchObject({errorType: 'Boom', errorMessage: 'no such thing'});
    expect((await send('/', {fail: 'again'})).status).toBe(502);
    expect(((await send(INVOKE, {})).json as {ordinal: number}).ordinal).toBe(3);
  });

  it('is ended when it takes too long, and another process gets the next event', async () => {
    const emulated = emulate({timeoutMs: 6000});
    const before = (await emulated.send(INVOKE, {})).json as {bootId: string};
    const late = await emulated.send(INVOKE, {hang: true});
    expect([late.status, late.headers['x-amz-function-error']]).toEqual([200, 'Unhandled']);
    expect(late.json).toMatchObject({
      errorType: 'Sandbox.Timedout',
      errorMessage: expect.stringContaining('Task timed out after 6.00 seconds') as string,
    });
    const after = (await emulated.send(INVOKE, {})).json as {bootId: string; ordinal: number};
    expect(after.bootId).not.toBe(before.bootId);
    expect(after.ordinal).toBe(1);
    await reported(emulated, 3);
    const reports = emulated.reports();
    expect(reports[1]?.[6]).toBe('timeout');
    // Its start was part of the invocation: a cold start that no Init Duration tells of.
    expect(reports[2]?.[5]).toBeUndefined();
    expect(emulated.lines.some((line) => /^\S+Z \S+ Task timed out after 6\.00 seconds$/.test(line))).toBe(
      true,
    );
  });

  it('says how its process ended in the middle of an event, and another gets the next one', async () => {
    const emulated = emulate();
    expect((await emulated.send('/', {exit: 7})).status).toBe(502);
    const crashed = await emulated.send(INVOKE, {exit: 8});
    expect(crashed.json).toMatchObject({
      errorType: 'Runtime.ExitError',
      errorMessage: expect.stringContaining('exited with code 8') as string,
    });
    expect((await emulated.send(INVOKE, {})).json).toMatchObject({ordinal: 1});
    await reported(emulated, 3);
    expect(emulated.reports().map((report) => report[7])).toEqual([
      'Runtime.ExitError',
      'Runtime.ExitError',
      undefined,
    ]);
  });

  it('begins a start anew that takes longer than its limit, as part of the first invocation', async () => {
    const slowOnce = join(fakeDir, 'slow-once');
    const emulated = emulate({initMs: 1000, env: {SLOW_ONCE: slowOnce}});
    const ready = await emulated.run.ready;
    expect(ready.bootId).toBeNull();
    expect(emulated.lines.find((line) => line.startsWith('INIT_REPORT'))).toMatch(
      /^INIT_REPORT Init Duration: \d{4,6}\.\d\d ms\tPhase: init\tStatus: timeout$/,
    );
    expect((await emulated.send(INVOKE, {})).json).toMatchObject({ordinal: 1});
    await reported(emulated, 1);
    expect(emulated.reports()[0]?.[5]).toBeUndefined();
  });

  it('has not started if it says so itself, or ends before it asks for an event', async () => {
    const said = emulate({env: {INIT_ERROR: 'no model to be found'}});
    await expect(said.run.ready).rejects.toThrow('no model to be found');
    await said.run.exited;
    const initReport = said.lines.find((line) => line.startsWith('INIT_REPORT'));
    expect(initReport).toContain('Status: error\tError Type: Runtime.ModelInvalid');
    const ended = emulate({env: {EXIT_AT_START: '5'}});
    await expect(ended.run.ready).rejects.toThrow('exited with code 5');
    expect((await ended.run.exited).how).toBe('exited with code 5');
  });

  it('leaves no process and no port when it is ended, also in the middle of its start or of an event', async () => {
    const early = emulate({env: {SLOW_ONCE: join(fakeDir, 'never')}});
    await early.run.stop(0);
    const busy = emulate();
    const {port} = await busy.run.ready;
    const {pid} = (await busy.send(INVOKE, {})).json as {pid: number};
    const lost = busy.send(INVOKE, {hang: true}).catch(() => 'lost');
    await eventually(
      'the event is there',
      async () => busy.lines.filter((line) => line.startsWith('START')).length === 2,
    );
    await busy.run.stop(0);
    await lost;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it('ends with a process that ends while nobody wants anything of it', async () => {
    const emulated = emulate();
    const {run} = emulated;
    const {pid} = (await emulated.send(INVOKE, {})).json as {pid: number};
    await reported(emulated, 1);
    process.kill(pid, 'SIGKILL');
    expect((await run.exited).how).toBe('was ended by SIGKILL');
  });

  it('refuses an answer to an event that nobody has', async () => {
    const emulated = emulate();
    await emulated.send(INVOKE, {wrongId: true});
    await eventually('the answer', async () => emulated.lines.includes('{"wrongId":400}'));
  });
});

describe("thaw's own server at an emulated Lambda", () => {
  it('answers requests with evidence, queue batches with what failed, and events of other kinds', async () => {
    const emulated = emulate({rootDir: realDir});
    const http = await emulated.send('/', '"hello"');
    expect([http.status, http.json]).toMatchObject([200, {input: 'hello'}]);
    const {bootId} = await emulated.run.ready;
    expect(http.headers['thaw-boot']).toBe(bootId);
    expect(http.headers['thaw-ordinal']).toBe('1');
    const record = (messageId: string, body: string): object => ({
      messageId,
      body,
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:us-east-1:000000000000:jobs',
    });
    const batch = await emulated.send(INVOKE, {Records: [record('good', '"fine"'), record('bad', '"fail"')]});
    expect(batch.json).toEqual({batchItemFailures: [{itemIdentifier: 'bad'}]});
    await reported(emulated, 2);
    expect(emulated.reports().map((report) => report[5] !== undefined)).toEqual([true, false]);
  });
});
