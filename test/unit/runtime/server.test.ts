import {once} from 'node:events';
import {copyFile, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {Agent, request as httpRequest, type IncomingHttpHeaders} from 'node:http';
import {createServer, connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import {PHASES} from '../../../src/core/sample.ts';
import type {ServeManifest as CoreServeManifest} from '../../../src/core/model.ts';
import type {ServeManifest} from '../../../src/runtime/node/serve-manifest.ts';
import {fixture, layInstance, ServerFailed, startServer, type RunningServer} from '../../instance.ts';

/** The runtime has its own copy of this type, as it imports nothing from the rest: this holds the two together. */
const sameManifest = (manifest: CoreServeManifest): ServeManifest => manifest;
void sameManifest;

const ROW = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 1, 1, 1]}]};
const running: RunningServer[] = [];

async function serve(
  parts: {handler?: string; env?: {[name: string]: string}; args?: string[]} = {},
): Promise<RunningServer> {
  const {handler, env, args} = parts;
  const dir = await layInstance({model: fixture('linear.onnx'), ...(handler === undefined ? {} : {handler})});
  const server = await startServer(dir, env, args);
  running.push(server);
  return server;
}

async function post(
  server: RunningServer,
  body: unknown,
  path = '/',
): Promise<{
  status: number;
  headers: {[name: string]: string};
  body: {[member: string]: unknown; error?: {code: string; message: string; tensor?: string}};
}> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(server.url + path, {method: 'POST', body: text});
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: (await response.json()) as {[member: string]: unknown},
  };
}

function phasesOf(serverTiming: string | undefined): {[phase: string]: number} {
  const entries = (serverTiming ?? '').split(', ').map((entry) => entry.split(';dur='));
  return Object.fromEntries(entries.map(([name, ms]) => [name, Number(ms)]));
}

const logOf = (server: RunningServer, words: string): {[fact: string]: string} | undefined =>
  server.stdout
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as {[fact: string]: string})
    .find((line) => line['message']?.includes(words));

async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it never came');
}

async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((server) => server.stop()));
}

describe('a server without a handler', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await serve();
  });
  afterAll(stopAll);

  it('answers tensors at / and at the Open Inference Protocol, from the model', async () => {
    for (const path of ['/', '/v2/models/demo/infer', '/?trace=1']) {
      const answer = await post(server, {...ROW, id: 'a-1'}, path);
      expect(answer.status).toBe(200);
      expect(answer.headers['content-type']).toBe('application/json');
      expect(answer.body).toEqual({
        model_name: 'demo',
        id: 'a-1',
        outputs: [{name: 'score', shape: [1, 1], datatype: 'FP32', data: [10.5]}],
      });
    }
  });

  it('takes several rows, nested or flat, and gives the outputs asked for', async () => {
    const rows = [
      [1, 0, 0, 0],
      [0, 0, 0, 1],
    ];
    const answer = await post(server, {
      inputs: [{name: 'features', shape: [2, 4], datatype: 'FP32', data: rows}],
      outputs: [{name: 'score'}],
    });
    expect(answer.body['outputs']).toEqual([
      {name: 'score', shape: [2, 1], datatype: 'FP32', data: [1.5, 4.5]},
    ]);
  });

  it.each(['/healthz', '/v2/health/live', '/v2/health/ready', '/v2/models/demo/ready'])(
    'says at %s that it is well, and counts no request',
    async (path) => {
      const before = Number((await post(server, ROW)).headers['thaw-ordinal']);
      for (const method of ['GET', 'HEAD']) {
        const response = await fetch(server.url + path, {method});
        expect(response.status).toBe(200);
        expect(response.headers.get('thaw-ordinal')).toBeNull();
        expect(response.headers.get('server-timing')).toBeNull();
        await response.text();
      }
      expect(Number((await post(server, ROW)).headers['thaw-ordinal'])).toBe(before + 1);
    },
  );

  it('describes its model', async () => {
    const response = await fetch(`${server.url}/v2/models/demo`);
    expect(await response.json()).toEqual({
      name: 'demo',
      versions: [],
      platform: 'onnxruntime_onnx',
      inputs: [{name: 'features', datatype: 'FP32', shape: [-1, 4]}],
      outputs: [{name: 'score', datatype: 'FP32', shape: [-1, 1]}],
    });
  });

  const tensor = {name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 1, 1, 1]};
  it.each<[string, unknown, number, string, string | undefined]>([
    ['no body', '', 400, 'BAD_JSON', undefined],
    ['what is not JSON', '{"inputs":', 400, 'BAD_JSON', undefined],
    ['JSON that is no request', 'null', 422, 'WRONG_SHAPE', undefined],
    ['no inputs', {}, 422, 'WRONG_SHAPE', undefined],
    ['an input without a name', {inputs: [{...tensor, name: 1}]}, 422, 'WRONG_SHAPE', undefined],
    ['an input twice', {inputs: [tensor, tensor]}, 422, 'WRONG_SHAPE', 'features'],
    ['no shape', {inputs: [{...tensor, shape: undefined}]}, 422, 'WRONG_SHAPE', 'features'],
    ['another shape', {inputs: [{...tensor, shape: [4]}]}, 422, 'WRONG_SHAPE', 'features'],
    ['too few elements', {inputs: [{...tensor, data: [1]}]}, 422, 'WRONG_SHAPE', 'features'],
    ['another datatype', {inputs: [{...tensor, datatype: 'FP64'}]}, 422, 'WRONG_TYPE', 'features'],
    ['an element that is none', {inputs: [{...tensor, data: [1, 1, 1, 'x']}]}, 422, 'WRONG_TYPE', 'features'],
    ['no input', {inputs: []}, 422, 'MISSING_INPUT', 'features'],
    ['a stranger', {inputs: [tensor, {...tensor, name: 'z'}]}, 422, 'UNKNOWN_INPUT', 'z'],
    [
      'a stranger to Object',
      {inputs: [tensor, {...tensor, name: '__proto__'}]},
      422,
      'UNKNOWN_INPUT',
      '__proto__',
    ],
    ['an unknown output', {inputs: [tensor], outputs: [{name: 'z'}]}, 422, 'UNKNOWN_OUTPUT', 'z'],
  ])('refuses %s with its reason, and lives on', async (_what, body, status, code, name) => {
    const answer = await post(server, body);
    expect(answer.status).toBe(status);
    expect(answer.body.error?.code).toBe(code);
    expect(answer.body.error?.tensor).toBe(name);
    expect(answer.body.error?.message).not.toBe('');
    expect(answer.headers['thaw-boot']).toBe(server.bootId);
    expect((await post(server, ROW)).status).toBe(200);
  });

  it.each([
    ['GET', '/nothing', 404, 'UNKNOWN_ROUTE'],
    ['POST', '/v2/models/other/infer', 404, 'UNKNOWN_MODEL'],
    ['POST', '/v2/models/%E0%A4%A/infer', 404, 'UNKNOWN_MODEL'],
    ['GET', '/', 405, 'WRONG_METHOD'],
    ['POST', '/healthz', 405, 'WRONG_METHOD'],
  ])('answers %s %s with %i', async (method, path, status, code) => {
    const response = await fetch(server.url + path, {method});
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({error: {code}});
  });
});

describe('evidence', () => {
  afterEach(stopAll);

  it('of a first answer has all phases, which add up to the age of the boot', async () => {
    const server = await serve({env: {THAW_IMAGE: 'sha256:abc'}});
    const sentAt = performance.timeOrigin + performance.now();
    const {headers} = await post(server, ROW);
    expect(headers).toMatchObject({
      'thaw-boot': server.bootId,
      'thaw-ordinal': '1',
      'thaw-image': 'sha256:abc',
    });
    expect(headers).not.toHaveProperty('thaw-restarted');
    const phases = phasesOf(headers['server-timing']);
    expect(Object.keys(phases)).toEqual([...PHASES]);
    for (const phase of PHASES) expect(phases[phase]).toBeGreaterThan(0);
    const sum = Object.values(phases).reduce((a, b) => a + b, 0);
    const age = Number(headers['thaw-boot-age']);
    expect(sum).toBeLessThanOrEqual(age + 1);
    // Between arrival and the call lies only the reading of the body: generous, for noisy machines.
    expect(sum).toBeGreaterThan(age - 10_000);
    const {boot = 0, import: imported = 0, load = 0} = phases;
    expect(boot + imported + load).toBeLessThanOrEqual(server.readyMs);
    expect(age).toBeGreaterThan(server.readyMs);
    expect(performance.timeOrigin + performance.now() - age).toBeLessThan(sentAt + 10_000);
  });

  it('of later answers has no start any more', async () => {
    const server = await serve();
    const first = await post(server, ROW);
    const second = await post(server, ROW);
    const refused = await post(server, 'nonsense');
    expect(second.headers['thaw-ordinal']).toBe('2');
    expect(Object.keys(phasesOf(second.headers['server-timing']))).toEqual(['infer']);
    expect(Number(second.headers['thaw-boot-age'])).toBeGreaterThan(Number(first.headers['thaw-boot-age']));
    expect(refused.headers['thaw-ordinal']).toBe('3');
    expect(refused.headers['server-timing']).toBeUndefined();
  });

  it.runIf(process.platform === 'linux')('knows the age of the process as the kernel does', async () => {
    const server = await serve();
    const {headers} = await post(server, ROW);
    const now = Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1000;
    const stat = (await readFile(`/proc/${server.pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
    const kernelAgeMs = now - Number(stat[19]) * 10;
    const age = Number(headers['thaw-boot-age']);
    expect(age).toBeLessThan(kernelAgeMs + 30);
    expect(age).toBeGreaterThan(kernelAgeMs - 10_000);
  });

  it('of instances that share one temporary folder never says restarted', async () => {
    for (let instance = 0; instance < 2; instance += 1) {
      const server = await serve();
      expect((await post(server, ROW)).headers).not.toHaveProperty('thaw-restarted');
    }
  });

  it.runIf(process.platform !== 'win32')('of a second process in one sandbox says restarted', async () => {
    const sandboxTmp = await mkdtemp(join(tmpdir(), 'thaw-sandbox-'));
    const dir = await layInstance({model: fixture('linear.onnx')});
    const thawDir = join(dir, 'opt', 'thaw');
    await mkdir(join(thawDir, 'bin'));
    await copyFile(process.execPath, join(thawDir, 'bin', 'node'));
    const seen: (string | undefined)[] = [];
    try {
      for (let process_ = 0; process_ < 2; process_ += 1) {
        const env = {TMPDIR: sandboxTmp, THAW_HOST: '127.0.0.1'};
        const server = await startServer(dir, env, [], join(thawDir, 'bin', 'node'));
        seen.push((await post(server, ROW)).headers['thaw-restarted']);
        server.child.kill('SIGKILL');
        await server.ended;
      }
    } finally {
      await rm(dir, {recursive: true, force: true});
      await rm(sandboxTmp, {recursive: true, force: true});
    }
    expect(seen).toEqual([undefined, '1']);
  });
});

const HANDLER = `
let failLater = [];
export async function predict(input, {model, context}) {
  switch (input.do) {
    case 'score': return {prediction: (await model.run({features: [input.features]})).score.data[0]};
    case 'context': return {...context, inputs: model.inputs, outputs: model.outputs};
    case 'typed': return {all: (await model.run({features: new Float32Array(8)})).score, big: 2n ** 60n};
    case 'throw': throw new Error('secret detail');
    case 'throw nothing': throw null;
    case 'reject': return Promise.reject(new Error('secret detail'));
    case 'nothing': return undefined;
    case 'circle': { const circle = {}; circle.self = circle; return circle; }
    case 'talk': console.log('plain words'); console.error('error words'); return null;
    case 'forget': void Promise.reject(new Error('forgotten promise')); return 'fine';
    case 'explode': setTimeout(() => { throw new Error('too late'); }, 10); return 'fine';
    case 'exit': process.exit(input.code);
    case 'sleep': await new Promise((resolve) => setTimeout(resolve, input.ms)); return 'slept';
    case 'block': for (const end = Date.now() + input.ms; Date.now() < end; ); return 'blocked';
    case 'meet': return meet(input.of);
  }
}
let waiting = [];
function meet(of) {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === of) for (const [place, go] of waiting.splice(0).entries()) go({place});
  });
}
`;

describe.each([1, 4])('a server with a handler, at concurrency %i', (concurrency) => {
  const env = {THAW_CONCURRENCY: String(concurrency)};
  let server: RunningServer;
  beforeAll(async () => {
    server = await serve({handler: HANDLER, env});
  });
  afterAll(stopAll);

  it('gives what predict returns', async () => {
    const answer = await post(server, {do: 'score', features: [1, 2, 3, 4]});
    expect(answer).toMatchObject({status: 200, body: {prediction: 30.5}});
    expect((await post(server, ROW, '/v2/models/demo/infer')).body).toHaveProperty('model_name', 'demo');
  });

  it('tells the handler of its call and of the model', async () => {
    const answer = await post(server, {do: 'context'});
    expect(answer.body).toMatchObject({
      requestId: `${server.bootId}-${answer.headers['thaw-ordinal']}`,
      deadlineMs: null,
      function: 'demo',
      headers: {'user-agent': 'node'},
      inputs: [{name: 'features', type: 'FP32', shape: ['batch', 4]}],
      outputs: [{name: 'score', type: 'FP32', shape: ['batch', 1]}],
    });
  });

  it('renders typed arrays and large integers that predict returns', async () => {
    expect((await post(server, {do: 'typed'})).body).toEqual({
      all: {type: 'FP32', shape: [2, 1], data: [0.5, 0.5]},
      big: '1152921504606846976',
    });
  });

  it('answers 422 with the tensor where predict feeds the model what does not fit', async () => {
    const answer = await post(server, {do: 'score', features: [1, 2]});
    expect(answer).toMatchObject({status: 422, body: {error: {code: 'WRONG_SHAPE', tensor: 'features'}}});
  });

  it.each(['throw', 'throw nothing', 'reject', 'nothing', 'circle'])(
    'answers 500 and logs the reason when predict does: %s',
    async (what) => {
      const answer = await post(server, {do: what});
      expect(answer).toMatchObject({status: 500, body: {error: {code: 'HANDLER_FAILED'}}});
      expect(JSON.stringify(answer.body)).not.toMatch(/secret|handler\.mjs/);
      const requestId = `${server.bootId}-${answer.headers['thaw-ordinal']}`;
      const line = await eventually(() =>
        server.stdout.find((text) => text.includes(`"requestId":"${requestId}"`)),
      );
      expect(JSON.parse(line)).toMatchObject({level: 'error', requestId});
      if (what === 'throw')
        expect(JSON.parse(line)).toHaveProperty('stack', expect.stringContaining('handler.mjs'));
      expect((await post(server, {do: 'score', features: [1, 1, 1, 1]})).status).toBe(200);
    },
  );

  it('lets through what the handler writes', async () => {
    expect((await post(server, {do: 'talk'})).body).toBeNull();
    await eventually(() => (server.stdout.includes('plain words') ? true : undefined));
    await eventually(() => (server.stderr.includes('error words') ? true : undefined));
  });

  it('survives a promise that the handler forgot', async () => {
    expect((await post(server, {do: 'forget'})).body).toBe('fine');
    await eventually(() => logOf(server, 'forgotten promise'));
    expect((await post(server, {do: 'score', features: [1, 1, 1, 1]})).status).toBe(200);
  });

  it('serves requests that wait for each other, each with its own ordinal', async () => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => post(server, {do: 'meet', of: 4})));
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
    const places = answers
      .toSorted((a, b) => Number(a.headers['thaw-ordinal']) - Number(b.headers['thaw-ordinal']))
      .map((answer) => answer.body['place']);
    expect(places).toEqual([0, 1, 2, 3]);
  });

  it('ends with a word in its log when the handler throws outside of any request', async () => {
    const own = await serve({handler: HANDLER, env});
    // The answer may be on its way when the end comes, or not.
    await post(own, {do: 'explode'}).catch(() => undefined);
    expect((await own.ended).code).toBe(1);
    expect(own.stdout.join('\n')).toContain('too late');
  });

  it('ends with a word in its log when the handler ends the process', async () => {
    const own = await serve({handler: HANDLER, env});
    const answer = await post(own, {do: 'exit', code: 7}).catch(() => null);
    // In the server's own thread nothing is left that could answer.
    if (concurrency > 1) {
      expect(answer).toMatchObject({status: 500, body: {error: {code: 'INSTANCE_FAILED'}}});
    }
    expect((await own.ended).code).toBe(concurrency > 1 ? 1 : 7);
    expect(logOf(own, 'ended')).toMatchObject({level: 'error', message: expect.stringContaining('code 7')});
  });
});

it('keeps nothing of what the handler prints: it has reached the reader', async () => {
  const server = await serve({
    handler: `export async function predict({lines}) {
      for (const stream of [process.stdout, process.stderr]) {
        for (let line = 0; line < lines; line += 1) stream.write('x'.repeat(65535) + '\\n');
      }
      return {kept: process.stdout.writableLength + process.stderr.writableLength};
    }`,
  });
  const {body} = await post(server, {lines: 100});
  expect(body).toEqual({kept: 0});
  await eventually(() => server.stderr.filter((line) => line.length === 65535).length === 100 || undefined);
  expect(server.stdout.filter((line) => line.length === 65535)).toHaveLength(100);
});

it('answers /healthz while inference blocks, where concurrency is above 1', async () => {
  const server = await serve({handler: HANDLER, env: {THAW_CONCURRENCY: '2'}});
  let blocked = true;
  const blocking = post(server, {do: 'block', ms: 2000}).then((answer) => {
    blocked = false;
    return answer;
  });
  // The worker is busy once it has the request; a health check before that would prove nothing.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  expect(blocked).toBe(true);
  expect((await blocking).body).toBe('blocked');
  await stopAll();
});

describe('a server that is still loading', () => {
  afterEach(stopAll);

  it.each([1, 4])(
    'is alive, not ready, and answers who came early, at concurrency %i',
    async (concurrency) => {
      const gateDir = await mkdtemp(join(tmpdir(), 'thaw-gate-'));
      const gate = join(gateDir, 'open');
      const port = await freePort();
      const handler = `
      import {existsSync} from 'node:fs';
      while (!existsSync(${JSON.stringify(gate)})) await new Promise((resolve) => setTimeout(resolve, 10));
      ${HANDLER}`;
      const starting = serve({handler, env: {PORT: String(port), THAW_CONCURRENCY: String(concurrency)}});
      const url = `http://127.0.0.1:${port}`;
      const health = await eventually(() => fetch(`${url}/healthz`).catch(() => undefined));
      expect(health.status).toBe(503);
      expect((await fetch(`${url}/v2/health/live`)).status).toBe(200);
      const body = JSON.stringify({do: 'score', features: [1, 1, 1, 1]});
      const early = fetch(url, {method: 'POST', body});
      await new Promise((resolve) => setTimeout(resolve, 50));
      await writeFile(gate, '');
      const server = await starting;
      const answer = await early;
      expect(await answer.json()).toEqual({prediction: 10.5});
      expect(answer.headers.get('thaw-ordinal')).toBe('1');
      const phases = phasesOf(answer.headers.get('server-timing') ?? '');
      expect(phases['wait']).toBe(0);
      expect(phases['import']).toBeGreaterThan(40);
      expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
      await rm(gateDir, {recursive: true, force: true});
    },
  );
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as {port: number};
  server.close();
  await once(server, 'close');
  return port;
}

describe.each(['1', '4'])('a server that cannot start, at concurrency %s', (THAW_CONCURRENCY) => {
  async function failure(
    spoil: (thawDir: string) => Promise<void>,
    options: {handler?: string; env?: {[name: string]: string}} = {},
  ): Promise<ServerFailed> {
    const {handler, env} = options;
    const dir = await layInstance({
      model: fixture('linear.onnx'),
      ...(handler === undefined ? {} : {handler}),
    });
    try {
      await spoil(join(dir, 'opt', 'thaw'));
      const server = await startServer(dir, {THAW_CONCURRENCY, ...env});
      await server.stop();
    } catch (error) {
      if (error instanceof ServerFailed) return error;
      throw error;
    } finally {
      await rm(dir, {recursive: true, force: true});
    }
    throw new Error('it started');
  }
  const nothing = async (): Promise<void> => undefined;

  it.each<[string, string, (thawDir: string) => Promise<void>, string]>([
    [
      'its model file is missing',
      'MODEL_INVALID',
      (dir) => rm(join(dir, 'model', 'linear.onnx')),
      'linear.onnx',
    ],
    [
      'its model is none',
      'MODEL_INVALID',
      (dir) => writeFile(join(dir, 'model', 'linear.onnx'), 'x'),
      'failed',
    ],
    [
      'its manifest is missing',
      'MODEL_INVALID',
      (dir) => rm(join(dir, 'config', 'serve.json')),
      'serve.json',
    ],
    [
      'its manifest is of another kind',
      'MODEL_INVALID',
      (dir) => writeFile(join(dir, 'config', 'serve.json'), '{}'),
      'schema',
    ],
    [
      'ONNX Runtime is missing',
      'RUNTIME_UNAVAILABLE',
      (dir) => rm(join(dir, 'runtime', 'onnxruntime'), {recursive: true}),
      'onnxruntime_binding.node',
    ],
  ])('says so in one line when %s', async (_what, code, spoil, words) => {
    const {exitCode, line} = await failure(spoil);
    expect(exitCode).toBe(1);
    expect(line).toMatchObject({event: 'failed', code, message: expect.stringContaining(words)});
  });

  it.each([
    ['exports no predict', 'export const predict = 1, other = 2;', 'it exports other, predict'],
    ['throws on import', 'throw new Error("no such luck");', 'no such luck'],
    [
      'throws while it loads',
      'setTimeout(() => { throw new Error("no such luck"); }); await new Promise((r) => setTimeout(r, 5000));',
      'no such luck',
    ],
    ['does not parse', 'export {', 'imported'],
    ['ends the process', 'process.exit(3)', 'code 3'],
  ])('says so in one line when its handler %s', async (_what, handler, words) => {
    const {exitCode, line} = await failure(nothing, {handler});
    expect(exitCode).toBe(1);
    expect(line).toMatchObject({
      event: 'failed',
      code: 'HANDLER_INVALID',
      message: expect.stringContaining(words),
    });
  });

  it('says so in one line when its port is taken, or is none', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const {port} = taken.address() as {port: number};
    const busy = await failure(nothing, {env: {PORT: String(port)}});
    taken.close();
    expect(busy.line).toMatchObject({code: 'PORT_IN_USE', message: expect.stringContaining(String(port))});
    const absurd = await failure(nothing, {env: {PORT: 'http'}});
    expect(absurd.line).toMatchObject({
      code: 'RUNTIME_UNAVAILABLE',
      message: expect.stringContaining('PORT'),
    });
  });
});

describe('a client that misbehaves', () => {
  let server: RunningServer;
  beforeAll(async () => {
    server = await serve({handler: HANDLER});
  });
  afterAll(stopAll);
  const SIZE = 50 * 2 ** 20;

  /** Sends a large body and gives the answer, over one connection that is then used again. */
  async function sendLarge(headers: {
    [name: string]: string | number;
  }): Promise<{status: number; body: string; connection: string | undefined; again: number}> {
    const agent = new Agent({keepAlive: true, maxSockets: 1});
    const large = await exchange(agent, headers, Buffer.alloc(SIZE, 0x20));
    const again = await exchange(agent, {}, Buffer.from('{"do":"talk"}'));
    agent.destroy();
    const {connection} = large.headers;
    return {status: large.status, body: large.body, connection, again: again.status};
  }

  function exchange(
    agent: Agent,
    headers: {[name: string]: string | number},
    body: Buffer,
  ): Promise<{status: number; body: string; headers: IncomingHttpHeaders}> {
    return new Promise((resolve, reject) => {
      const options = {method: 'POST', port: server.port, host: '127.0.0.1', agent, headers};
      const request = httpRequest(options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({status: response.statusCode ?? 0, body: text, headers: response.headers});
        });
      });
      request.on('error', reject);
      if (headers['expect'] === undefined) request.end(body);
      else request.on('continue', () => request.end(body)).flushHeaders();
    });
  }

  it.each<[string, {[name: string]: string | number}]>([
    ['says so beforehand', {'content-length': SIZE}],
    ['does not say so', {'transfer-encoding': 'chunked'}],
    ['asks first', {'content-length': SIZE, expect: '100-continue'}],
  ])('by sending 50 MB gets 413, and the instance lives: it %s', async (_how, headers) => {
    const {status, body, connection, again} = await sendLarge(headers);
    // Only where nobody can know what comes next on it, the connection is given up.
    expect(connection).toBe('expect' in headers ? 'close' : 'keep-alive');
    expect(status).toBe(413);
    expect(JSON.parse(body)).toMatchObject({
      error: {code: 'TOO_LARGE', message: expect.stringContaining('33554432')},
    });
    expect(again).toBe(200);
  });

  it('may ask first, and is told to go on', async () => {
    const body = Buffer.from('{"do":"score","features":[1,1,1,1]}');
    const headers = {'content-length': body.length, expect: '100-continue'};
    expect(await exchange(new Agent(), headers, body)).toMatchObject({
      status: 200,
      body: '{"prediction":10.5}',
    });
  });

  it('has the limit that the environment sets', async () => {
    const strict = await serve({env: {THAW_REQUEST_BYTES_MAX: '100'}});
    expect((await post(strict, JSON.stringify(ROW).padEnd(100))).status).toBe(200);
    expect((await post(strict, JSON.stringify(ROW).padEnd(101))).status).toBe(413);
  });

  it('by going away in the middle of its body, or of the answer, harms nobody', async () => {
    const half = connect(server.port, '127.0.0.1');
    await once(half, 'connect');
    half.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"do":');
    await new Promise((resolve) => setTimeout(resolve, 50));
    half.destroy();

    const abort = new AbortController();
    const gone = fetch(server.url, {
      method: 'POST',
      body: '{"do":"sleep","ms":200}',
      signal: abort.signal,
    }).catch(() => 'gone');
    await new Promise((resolve) => setTimeout(resolve, 50));
    abort.abort();
    expect(await gone).toBe('gone');
    await new Promise((resolve) => setTimeout(resolve, 250));

    const noise = connect(server.port, '127.0.0.1');
    noise.write('this is not HTTP\r\n\r\n');
    await once(noise, 'data');
    noise.destroy();
    expect((await post(server, {do: 'score', features: [1, 1, 1, 1]})).body).toEqual({prediction: 10.5});
  });
});

describe('the end of a server', () => {
  afterEach(stopAll);

  it.runIf(process.platform !== 'win32').each(['SIGTERM', 'SIGINT'] as const)(
    'on %s comes after the answers that are under way, and takes no new requests',
    async (signal) => {
      const server = await serve({handler: HANDLER, env: {THAW_CONCURRENCY: '4'}});
      const idle = connect(server.port, '127.0.0.1');
      await once(idle, 'connect');
      const under = [post(server, {do: 'sleep', ms: 600}), post(server, {do: 'block', ms: 600})];
      await new Promise((resolve) => setTimeout(resolve, 200));
      server.child.kill(signal);
      const answers = await Promise.all(under);
      expect(answers.map((answer) => answer.body)).toEqual(['slept', 'blocked']);
      expect(answers[0]?.headers['connection']).toBe('close');
      const late = new Promise((resolve) =>
        setTimeout(resolve, 8000, 'it waits for a connection without a request'),
      );
      expect(await Promise.race([server.ended, late])).toEqual({code: 0, signal: null});
      await expect(post(server, ROW)).rejects.toThrow('fetch failed');
      idle.destroy();
    },
  );

  it('comes with the end of its lifeline', async () => {
    const server = await serve({args: ['--lifeline']});
    expect((await post(server, ROW)).status).toBe(200);
    server.child.stdin?.end();
    expect(await server.ended).toEqual({code: 0, signal: null});
  });

  it('comes with the end of its lifeline also while it loads', async () => {
    const dir = await layInstance({
      model: fixture('linear.onnx'),
      handler: 'await new Promise((r) => setTimeout(r, 60000));',
    });
    const starting = startServer(dir, {}, ['--lifeline'], undefined, (child) => {
      child.stdin?.end();
    });
    await expect(starting).rejects.toMatchObject({exitCode: 0});
    await rm(dir, {recursive: true, force: true});
  });

  it('does not come with the end of stdin that is no lifeline', async () => {
    const server = await serve();
    server.child.stdin?.end();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await post(server, ROW)).status).toBe(200);
  });
});
