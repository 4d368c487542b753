import {rm, writeFile} from 'node:fs/promises';
import {request as httpRequest} from 'node:http';
import {connect, createServer} from 'node:net';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import type {Json} from '../../../src/core/json.ts';
import {bodyOf, eventually, makePackage, makeSite, type TestSite} from './site.ts';

let packageDir: string;
const sites: TestSite[] = [];
beforeAll(async () => {
  packageDir = await makePackage();
});
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.cleanUp()));
});
afterAll(() => rm(packageDir, {recursive: true, force: true}));

async function newSite(options: Json = {}): Promise<TestSite> {
  const site = await makeSite(packageDir, options);
  sites.push(site);
  return site;
}

const portOf = async (site: TestSite): Promise<number> =>
  Number(new URL((await site.view()).status.deployment?.url ?? '').port);

describe('an instance that breaks', () => {
  it('costs the request it had one clear 502, and the next one finds a new instance', async () => {
    const site = await newSite();
    await site.deploy({resources: {concurrency: 1}});
    const slow = site.post({sleepMs: 10_000});
    await eventually('it is busy', async () => (await site.view()).status.instances?.[0]?.state === 'busy');
    const [pid] = (await site.pids()).instances;
    const other = await site.post();
    expect(other.status).toBe(200);

    process.kill(pid as number, 'SIGKILL');
    const broken = await slow;
    expect(broken.status).toBe(502);
    expect(bodyOf(broken).error.code).toBe('INSTANCE_DIED');
    expect(bodyOf(broken).error.message).toContain('SIGKILL');
    expect(broken.evidence).toBeNull();
    expect((await site.post()).status).toBe(200);
  });

  it('is told apart from one that only cuts a connection', async () => {
    const site = await newSite();
    await site.deploy();
    const cut = await site.post({cut: true});
    expect(cut.status).toBe(502);
    expect(bodyOf(cut).error.message).toContain('cut the connection');
    expect((await site.post()).status).toBe(200);
  });

  it('says why it could not start to the request that waited for it', async () => {
    const site = await newSite();
    await site.deploy({env: {FAIL_START: 'the model file is truncated'}});
    const first = await site.post();
    expect(first.status).toBe(502);
    expect(bodyOf(first).error).toEqual({
      code: 'INSTANCE_FAILED',
      message: 'an instance could not start: the model file is truncated',
    });
    const {status} = await site.view();
    expect(status.state).toBe('failed');
    expect(status.problem).toContain('the model file is truncated');

    await site.deploy();
    expect((await site.post()).status).toBe(200);
    expect((await site.view()).status.state).toBe('ready');
  });

  it('is not started over and over', async () => {
    const site = await newSite();
    await site.deploy({env: {EXIT_AT_START: '7'}});
    const statuses: (number | null)[] = [];
    for (let i = 0; i < 12; i++) statuses.push((await site.post()).status);
    expect(statuses[0]).toBe(502);
    expect(statuses).toContain(503);
    const refused = await site.post();
    expect(bodyOf(refused).error.message).toContain('exited with code 7');
    if (refused.status === 503) expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('that crashes as soon as it is ready is not started over and over to be kept warm', async () => {
    const site = await newSite();
    await site.deploy({warmMin: 1, env: {CRASH_WHEN_READY: '1'}});
    const seen = new Set<number>();
    const until = Date.now() + 1500;
    while (Date.now() < until) {
      for (const pid of (await site.pids()).instances) seen.add(pid);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(seen.size).toBeGreaterThan(0);
    expect(seen.size).toBeLessThan(8);
  });

  it('fails a deploy that wants it warm, with its reason', async () => {
    const site = await newSite();
    await expect(site.deploy({warmMin: 1, env: {FAIL_START: 'no such file'}})).rejects.toMatchObject({
      code: 'INSTANCE_FAILED',
      message: expect.stringContaining('no such file') as string,
    });
  });

  it('is ended when a request takes too long, which is answered 504', async () => {
    const site = await newSite();
    await site.deploy({resources: {timeoutMs: 3000}});
    await site.post();
    const [pid] = (await site.pids()).instances;
    const late = await site.post({sleepMs: 20_000});
    expect(late.status).toBe(504);
    expect(bodyOf(late).error.code).toBe('TIMED_OUT');
    await eventually('it is gone', async () => !(await site.pids()).instances.includes(pid as number));
    expect((await site.post()).status).toBe(200);
  });

  it('does not take its other requests with it when one of them takes too long', async () => {
    const site = await newSite();
    await site.deploy({resources: {concurrency: 2, timeoutMs: 6000}});
    const go = join(site.stateDir, 'go');
    const late = site.post({sleepMs: 60_000});
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const other = site.post({holdUntil: go});
    expect((await late).status).toBe(504);
    await writeFile(go, '');
    expect((await other).status).toBe(200);
  });
});

describe('the port of a function', () => {
  it('passes method, path, headers and body on, and every answer back as it is', async () => {
    const site = await newSite();
    await site.deploy();
    const {url} = (await site.view()).status.deployment ?? {url: ''};
    const answer = await fetch(`${url}v2/models/probe/infer?a=1&b=%20`, {
      method: 'PUT',
      headers: {'x-request-id': 'mine', 'x-other': 'two words', 'content-type': 'text/plain'},
      body: 'hällo',
    });
    expect(answer.headers.get('x-request-id')).toBe('mine');
    expect(answer.headers.get('thaw-ordinal')).toBe('1');
    const seen = (await answer.json()) as {method: string; url: string; bytes: number; headers: object};
    expect(seen).toMatchObject({method: 'PUT', url: '/v2/models/probe/infer?a=1&b=%20', bytes: 6});
    expect(seen.headers).toMatchObject({'x-request-id': 'mine', 'x-other': 'two words'});
    for (const path of ['healthz', 'hello', 'stop', 'inspect', '']) {
      const get = await fetch(url + path);
      expect(((await get.json()) as {url: string}).url).toBe(`/${path}`);
    }
  });

  it('gives an instance the declared environment and what the platform says, and nothing else', async () => {
    const site = await newSite();
    process.env['THAW_TEST_STRAY'] = 'of the user';
    await site.deploy({env: {DECLARED: 'yes', PORT: '1', THAW_IMAGE: 'forged'}});
    delete process.env['THAW_TEST_STRAY'];
    const {env} = bodyOf(await site.post({env: true})) as unknown as {env: {[name: string]: string}};
    const {DECLARED, PORT, THAW_IMAGE, THAW_CONCURRENCY, THAW_HOST, ORT_DISABLE_TELEMETRY, ...rest} = env;
    expect({DECLARED, PORT, THAW_CONCURRENCY, THAW_HOST, ORT_DISABLE_TELEMETRY}).toEqual({
      DECLARED: 'yes',
      PORT: '0',
      THAW_CONCURRENCY: '1',
      THAW_HOST: '127.0.0.1',
      ORT_DISABLE_TELEMETRY: '1',
    });
    expect(THAW_IMAGE).toBe(site.spec().image);
    expect(Object.keys(rest).filter((name) => !['TMPDIR', 'TEMP', 'TMP'].includes(name))).toEqual([]);
  });

  it('streams an answer as it comes', async () => {
    const site = await newSite();
    await site.deploy();
    const {url} = (await site.view()).status.deployment ?? {url: ''};
    const answer = await fetch(url, {method: 'POST', body: JSON.stringify({stream: 10})});
    const chunks: string[] = [];
    for await (const chunk of answer.body as unknown as AsyncIterable<Uint8Array>) {
      chunks.push(Buffer.from(chunk).toString());
    }
    expect(chunks.join('')).toBe('0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n');
    expect(chunks.length).toBeGreaterThan(2);
  });

  it.each(['a known length', 'no known length'])('answers 413 to a body of 50 MB with %s', async (kind) => {
    const site = await newSite();
    await site.deploy();
    await site.post();
    const [pid] = (await site.pids()).instances;
    const chunk = Buffer.alloc(2 ** 20, 0x20);
    const port = await portOf(site);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const length = kind === 'a known length' ? {'content-length': 50 * 2 ** 20} : {};
      const sent = httpRequest({host: '127.0.0.1', port, method: 'POST', headers: length}, (answer) => {
        answer.resume();
        answer.on('end', () => resolve(answer.statusCode));
      });
      sent.on('error', reject);
      let left = 50;
      const more = (): void => {
        while (left-- > 0) if (!sent.write(chunk)) return void sent.once('drain', more);
        sent.end();
      };
      more();
    });
    expect(status).toBe(413);
    expect((await site.post()).status).toBe(200);
    expect((await site.pids()).instances).toEqual([pid]);
  });

  it('outlives what is not HTTP, and clients that go away at every point', async () => {
    const site = await newSite();
    await site.deploy({maxInstances: 1, env: {START_DELAY_MS: '300'}});
    const port = await portOf(site);
    const say = (text: string, cutAfterMs: number): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(text));
        socket.on('error', () => {});
        socket.on('close', () => resolve());
        setTimeout(() => socket.destroy(), cutAfterMs);
      });
    const head = 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ';
    await Promise.all([
      say('\x16\x03\x01 this is not HTTP\r\n\r\n', 50),
      say(`${head}100\r\n\r\n{"half`, 50),
      say(`${head}2\r\n\r\n{}`, 100),
      say(`${head}17\r\n\r\n{"sleepMs": 500}\n`, 700),
      say(`${head}-5\r\n\r\n`, 50),
      say('GET /\xff\xfe HTTP/1.1\r\nhost: x\r\nx-a: \x80\r\n\r\n', 600),
      say('CONNECT example:443 HTTP/1.1\r\nhost: example\r\n\r\n', 50),
      say('GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n', 600),
    ]);
    expect((await site.post()).status).toBe(200);
    await eventually('all places are free', async () => {
      const {instances} = (await site.view()).status;
      return instances?.length === 1 && instances[0]?.state === 'idle';
    });
    expect((await site.pids()).gateways).toHaveLength(1);
  });

  it('taken by another fails the deploy with its number and leaves nothing half started', async () => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const {port} = blocker.address() as {port: number};
    try {
      const site = await newSite({port});
      await expect(site.deploy()).rejects.toMatchObject({
        code: 'PORT_IN_USE',
        facts: expect.objectContaining({port}) as object,
      });
      expect(await site.pids()).toEqual({gateways: [], instances: []});
      expect((await site.view()).status.state).toBe('absent');
    } finally {
      blocker.close();
    }
  });

  it('that cannot be changed to the one wanted stays as it is', async () => {
    const first = await newSite();
    await first.deploy();
    const port = await portOf(first);
    const second = await newSite();
    await second.deploy();
    const moved = await makeSite(packageDir, {port}, {stateDir: second.stateDir, name: second.name});
    await expect(moved.deploy()).rejects.toMatchObject({code: 'PORT_IN_USE'});
    expect((await second.post()).status).toBe(200);
  });
});
