// What every runtime does over HTTP, on whichever platform: the contract of the server.
import {once} from 'node:events';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {Agent, request as httpRequest, type IncomingHttpHeaders} from 'node:http';
import {createServer, connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import {PHASES} from '../../src/core/sample.ts';
import {ServerFailed, type RunningServer} from '../instance.ts';
import {eventually, openServerBench, phasesOf, post, ROW, type ServerUnderTest} from './server-bench.ts';

/** The handlers of this suite, in the runtime's language. */
export interface ServerHandlers {
  /**
   * Does what the member `do` of its input says: `score` what the model says of `features`; `context` tells what it was
   * given; `talk` prints `plain words` and, as an error, `error words`; `sleep` for `ms` and `block` the thread for
   * them; `meet` waits until `of` calls are there, and gives each its place.
   */
  readonly obeying: string;
  /** More words for `do`, of calls that fail; `throw` is one, and raises `secret detail`. */
  readonly failing: readonly string[];
  /** Where a stack names the handler. */
  readonly frame: string;
  /** The same as obeying, once a file is there: until then its import waits. */
  readonly waiting: (file: string) => string;
  /** Its import takes a minute. */
  readonly neverLoaded: string;
  /** What cannot be served, and words of what is said of it. */
  readonly broken: readonly (readonly [what: string, source: string, words: string])[];
  /** Prints as many lines of 65535 x as `lines` says, on both streams. */
  readonly printing: string;
  /** Whether calls that wait let others begin where one at a time is served. */
  readonly interleaves: boolean;
}

/** Declares the tests of one runtime. */
export function testServer(runtime: ServerUnderTest, handlers: ServerHandlers): void {
  const bench = openServerBench(runtime);
  const {serve, close: stopAll} = bench;

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
      [
        'an element that is none',
        {inputs: [{...tensor, data: [1, 1, 1, 'x']}]},
        422,
        'WRONG_TYPE',
        'features',
      ],
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
      const dir = await runtime.lay(null);
      const seen: (string | undefined)[] = [];
      try {
        for (let process_ = 0; process_ < 2; process_ += 1) {
          const server = await runtime.startAlone(dir, sandboxTmp);
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

  describe.each([1, 4])('a server with a handler, at concurrency %i', (concurrency) => {
    const env = {THAW_CONCURRENCY: String(concurrency)};
    let server: RunningServer;
    beforeAll(async () => {
      server = await serve({handler: handlers.obeying, env});
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

    it('answers 422 with the tensor where predict feeds the model what does not fit', async () => {
      const answer = await post(server, {do: 'score', features: [1, 2]});
      expect(answer).toMatchObject({status: 422, body: {error: {code: 'WRONG_SHAPE', tensor: 'features'}}});
    });

    it.each([...handlers.failing])('answers 500 and logs the reason when predict does: %s', async (what) => {
      const answer = await post(server, {do: what});
      expect(answer).toMatchObject({status: 500, body: {error: {code: 'HANDLER_FAILED'}}});
      expect(JSON.stringify(answer.body)).not.toContain('secret');
      expect(JSON.stringify(answer.body)).not.toContain(handlers.frame);
      const requestId = `${server.bootId}-${answer.headers['thaw-ordinal']}`;
      const line = await eventually(() =>
        server.stdout.find((text) => text.includes(`"requestId":"${requestId}"`)),
      );
      expect(JSON.parse(line)).toMatchObject({level: 'error', requestId});
      if (what === 'throw')
        expect(JSON.parse(line)).toHaveProperty('stack', expect.stringContaining(handlers.frame));
      expect((await post(server, {do: 'score', features: [1, 1, 1, 1]})).status).toBe(200);
    });

    it('lets through what the handler writes', async () => {
      expect((await post(server, {do: 'talk'})).body).toBeNull();
      await eventually(() => (server.stdout.includes('plain words') ? true : undefined));
      await eventually(() => (server.stderr.includes('error words') ? true : undefined));
    });

    it.runIf(concurrency > 1 || handlers.interleaves)(
      'serves requests that wait for each other, each with its own ordinal',
      async () => {
        const answers = await Promise.all([1, 2, 3, 4].map(() => post(server, {do: 'meet', of: 4})));
        expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200, 200]);
        const places = answers
          .toSorted((a, b) => Number(a.headers['thaw-ordinal']) - Number(b.headers['thaw-ordinal']))
          .map((answer) => answer.body['place']);
        expect(places).toEqual([0, 1, 2, 3]);
      },
    );
  });

  it('has what the handler prints reach its reader', async () => {
    const server = await serve({handler: handlers.printing});
    expect((await post(server, {lines: 100})).status).toBe(200);
    const whole = (line: string): boolean => line.length === 65535;
    await eventually(() => server.stderr.filter(whole).length === 100 || undefined);
    expect(server.stdout.filter(whole)).toHaveLength(100);
    await stopAll();
  });

  it('answers /healthz while inference blocks, where concurrency is above 1', async () => {
    const server = await serve({handler: handlers.obeying, env: {THAW_CONCURRENCY: '2'}});
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
        const handler = handlers.waiting(gate);
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

  describe.each(['1', '4'])('a server that cannot start, at concurrency %s', (THAW_CONCURRENCY) => {
    async function failure(
      spoil: (thawDir: string) => Promise<void>,
      options: {handler?: string; env?: {[name: string]: string}} = {},
    ): Promise<ServerFailed> {
      const {handler, env} = options;
      const dir = await runtime.lay(handler ?? null);
      try {
        await spoil(join(dir, 'opt', 'thaw'));
        const server = await runtime.start(dir, {THAW_CONCURRENCY, ...env});
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
    ])('says so in one line when %s', async (_what, code, spoil, words) => {
      const {exitCode, line} = await failure(spoil);
      expect(exitCode).toBe(1);
      expect(line).toMatchObject({event: 'failed', code, message: expect.stringContaining(words)});
    });

    it.each([...handlers.broken])(
      'says so in one line when its handler %s',
      async (_what, handler, words) => {
        const {exitCode, line} = await failure(nothing, {handler});
        expect(exitCode).toBe(1);
        expect(line).toMatchObject({
          event: 'failed',
          code: 'HANDLER_INVALID',
          message: expect.stringContaining(words),
        });
      },
    );

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
      server = await serve({handler: handlers.obeying});
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
        const server = await serve({handler: handlers.obeying, env: {THAW_CONCURRENCY: '4'}});
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
      const dir = await runtime.lay(handlers.neverLoaded);
      const starting = runtime.start(dir, {}, ['--lifeline'], (child) => {
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
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as {port: number};
  server.close();
  await once(server, 'close');
  return port;
}
