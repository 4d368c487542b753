import {cp, readdir, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, describe, expect, test} from 'vitest';
import type {Json} from '../../src/core/json.ts';
import {askAll, checkLog} from '../fixtures/handlers/ask.ts';
import {
  differencesOf,
  HANDLERS,
  type HandlerFixture,
  type HandlerRequest,
} from '../fixtures/handlers/index.ts';
import {startRuntimeApi} from '../lambda-runtime-api.ts';
import {layPythonInstance, startPythonServer} from '../python-instance.ts';
import type {RunningServer} from '../instance.ts';
import {httpEvent} from '../runtime/lambda-events.ts';
import {openPython} from './python.ts';

/** What the handlers import besides what the reference has. */
const IMPORTED = ['Pillow==12.0.0'];
const PATIENCE = {timeout: 300_000};

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** Starts the runtime around a fixture, without image or gateway. */
async function start(
  {dir, handler, event, model}: HandlerFixture,
  env: {readonly [name: string]: string} = {},
): Promise<RunningServer> {
  const [file = '', name = null] = handler.split(':');
  const instanceDir = await layPythonInstance({
    handler: {},
    choice: {file, name, event},
    ...(model !== null && {model: join(dir, model)}),
  });
  stops.push(() => rm(instanceDir, {recursive: true, force: true}));
  const left = new Set(['expected.json', 'samples', 'requirements.txt']);
  for (const entry of await readdir(dir)) {
    if (left.has(entry)) continue;
    await cp(join(dir, entry), join(instanceDir, 'opt', 'thaw', 'handler', entry), {recursive: true});
  }
  const python = await openPython(IMPORTED);
  const server = await startPythonServer(python.file, instanceDir, {PYTHONDONTWRITEBYTECODE: '1', ...env});
  stops.push(() => server.stop());
  return server;
}

const outputOf = ({stdout, stderr}: RunningServer): string => [...stdout, ...stderr].join('\n');

describe('the Python runtime', () => {
  test.each(HANDLERS)('serves $name, which is $title, over HTTP', PATIENCE, async (fixture) => {
    const server = await start(fixture);
    const invocations = '2015-03-31/functions/function/invocations';
    await askAll(fixture, {url: `${server.url.replace(/\/$/, '')}/`, invocations, isLambda: false});
    await expect.poll(() => checkLog(fixture, outputOf(server))).toBeUndefined();
  });

  test.each(HANDLERS)('serves $name to Lambda', PATIENCE, async (fixture) => {
    const api = await startRuntimeApi();
    stops.push(() => api.close());
    const server = await start(fixture, {
      AWS_LAMBDA_RUNTIME_API: api.address,
      AWS_LAMBDA_FUNCTION_NAME: 'demo',
      AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '256',
      AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/demo',
      AWS_LAMBDA_LOG_STREAM_NAME: '2026/01/01/[$LATEST]abc',
      AWS_REGION: 'eu-central-1',
      LAMBDA_TASK_ROOT: '/var/task',
    });
    for (const request of fixture.requests) {
      const headers = {
        'lambda-runtime-deadline-ms': String(Date.now() + 30_000),
        'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:123456789012:function:demo',
      };
      const {kind, text} = await api.invoke(eventOf(request), headers);
      expect(kind, text).toBe('response');
      checkResult(fixture, request, JSON.parse(text) as Json);
    }
    await expect.poll(() => checkLog(fixture, outputOf(server))).toBeUndefined();
  });
});

/** What Lambda is given for a request: a function URL's event, or what is one already. */
function eventOf({kind, method, path, headers, body}: HandlerRequest): unknown {
  if (kind !== 'http') return JSON.parse(Buffer.from(body ?? []).toString()) as unknown;
  const {pathname, search, searchParams} = new URL(path, 'http://localhost');
  const isText = /json|text/.test(headers['content-type'] ?? 'text');
  const event = httpEvent(method, pathname);
  const {queryStringParameters: _, ...rest} = event;
  return {
    ...rest,
    rawQueryString: search.slice(1),
    ...(search !== '' && {queryStringParameters: Object.fromEntries(searchParams)}),
    headers: {...event.headers, ...headers},
    ...(body !== null && {body: Buffer.from(body).toString(isText ? 'utf8' : 'base64')}),
    isBase64Encoded: !isText,
  };
}

/** Holds what goes back to Lambda to what is expected of the answer that a function URL makes of it. */
function checkResult({name}: HandlerFixture, {kind, expected}: HandlerRequest, result: Json): void {
  const where = `${name}: ${JSON.stringify(result)}`;
  if (kind !== 'http') {
    expect(differencesOf(result, expected.json ?? null), where).toEqual([]);
    return;
  }
  const {statusCode, body, headers, cookies} = result as {
    readonly statusCode: number;
    readonly body: string;
    readonly headers: {readonly [name: string]: string};
    readonly cookies?: readonly string[];
  };
  expect(statusCode, where).toBe(expected.status);
  const lower = Object.fromEntries(Object.entries(headers).map(([key, value]) => [key.toLowerCase(), value]));
  expect(lower, where).toMatchObject(expected.headers ?? {});
  if (expected.cookies) expect(cookies, where).toEqual(expected.cookies);
  if (expected.text !== undefined) expect(body, where).toBe(expected.text);
  if (expected.json !== undefined) {
    expect(differencesOf(JSON.parse(body) as Json, expected.json), where).toEqual([]);
  }
}
