import dns from 'node:dns';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, {type AddressInfo, type Server} from 'node:net';
import {afterEach, describe, expect, test, vi} from 'vitest';
import {openEndpoint, type Endpoint, type EndpointWish} from '../../../src/benchmark/endpoint.ts';
import {shouldGiveUp} from '../../../src/benchmark/give-up.ts';
import {weighEvidence} from '../../../src/benchmark/plausibility.ts';
import {runShots} from '../../../src/benchmark/run.ts';
import {scheduleShots} from '../../../src/benchmark/schedule.ts';
import {summarize} from '../../../src/benchmark/summarize.ts';
import type {SignRequest} from '../../../src/core/ports.ts';
import type {Sample, Shot} from '../../../src/core/sample.ts';
import {systemClock} from '../../../src/net/clock.ts';
import {createHttp} from '../../../src/net/http.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function listen(server: Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as AddressInfo).port;
}

const serve = (handler: http.RequestListener): Promise<number> => listen(http.createServer(handler));

const body = (text: string) => ({bytes: Buffer.from(text)});

function open(url: string, change: Partial<EndpointWish> = {}): Promise<Endpoint> {
  return openEndpoint({
    url,
    method: null,
    headers: [],
    bodies: [],
    bearerEnv: null,
    sign: null,
    env: {},
    http: createHttp(),
    clock: systemClock,
    timeoutMs: 20_000,
    signal: new AbortController().signal,
    ...change,
  });
}

const shot = (index: number, want: Shot['want'] = 'warm'): Shot => ({index, want});

/** Runs so many shots, each as it comes, and gives up where the run would. */
async function measure(
  endpoint: Endpoint,
  shots: number,
): Promise<{samples: readonly Sample[]; gaveUp: string | null}> {
  const controller = new AbortController();
  const kept: Sample[] = [];
  let gaveUp: string | null = null;
  const {samples} = await runShots({
    provider: endpoint.label,
    shots: scheduleShots({cold: 0, warm: shots, freshImage: false}),
    fire: (shot) => endpoint.fire(shot),
    chill: async () => {},
    keep: async (sample) => void kept.push(sample),
    onSample: () => {
      gaveUp ??= shouldGiveUp(kept);
      if (gaveUp !== null) controller.abort();
    },
    freshImage: false,
    signal: controller.signal,
  });
  return {samples, gaveUp};
}

describe('a request', () => {
  interface Seen {
    readonly method: string | undefined;
    readonly headers: http.IncomingHttpHeaders;
    readonly url: string | undefined;
    readonly body: string;
    readonly port: number | undefined;
  }
  async function record(): Promise<{url: string; seen: Seen[]}> {
    const seen: Seen[] = [];
    const port = await serve((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        const {method, headers, url} = request;
        seen.push({method, headers, url, body: text, port: request.socket.remotePort});
        response.end('ok');
      });
    });
    return {url: `http://127.0.0.1:${port}`, seen};
  }

  test('without a body is a GET, and with one a POST of JSON', async () => {
    const {url, seen} = await record();
    const get = await open(`${url}/a?b=1#c`);
    expect((await get.fire(shot(0))).status).toBe(200);
    const post = await open(url, {bodies: [body('{"x": 1}')]});
    await post.fire(shot(0));
    expect(seen).toMatchObject([
      {method: 'GET', url: '/a?b=1', body: ''},
      {method: 'POST', url: '/', body: '{"x": 1}', headers: {'content-type': 'application/json'}},
    ]);
    expect(seen[0]?.headers).not.toHaveProperty('content-type');
    expect([get.method, post.method]).toEqual(['GET', 'POST']);
    expect(post.headerNames).toEqual(['accept', 'content-type', 'user-agent']);
  });

  test('carries the bodies in turn, and a body that is no JSON as bytes', async () => {
    const {url, seen} = await record();
    const endpoint = await open(url, {bodies: [body('1'), body('2'), body('not JSON')], method: 'put'});
    for (let i = 0; i < 5; i++) await endpoint.fire(shot(i));
    expect(seen.map((request) => request.body)).toEqual(['1', '2', 'not JSON', '1', '2']);
    expect(seen[0]).toMatchObject({method: 'PUT', headers: {'content-type': 'application/octet-stream'}});
  });

  test('carries headers as given, and a bearer token from the environment', async () => {
    const {url, seen} = await record();
    const endpoint = await open(url, {
      headers: ['X-One:  a: b ', 'Content-Type: text/csv', 'accept:'],
      bearerEnv: 'MY_TOKEN',
      env: {MY_TOKEN: 'the-secret-token\n'},
      bodies: [body('{}')],
    });
    await endpoint.fire(shot(0));
    expect(seen[0]?.headers).toMatchObject({
      'x-one': 'a: b',
      'content-type': 'text/csv',
      authorization: 'Bearer the-secret-token',
    });
    expect(endpoint.headerNames).toEqual(['accept', 'authorization', 'content-type', 'user-agent', 'x-one']);
    expect(endpoint.secrets).toEqual(['the-secret-token']);
    const {secrets: _, ...shown} = endpoint;
    expect(JSON.stringify(shown)).not.toContain('secret');
  });

  test('of a load shares connections; each other one has its own', async () => {
    const {url, seen} = await record();
    const endpoint = await open(url);
    for (const [index, want] of (['warm', 'cold', 'any', 'any', 'any'] as const).entries()) {
      await endpoint.fire(shot(index, want));
    }
    expect(new Set(seen.map(({port}) => port)).size).toBe(3);
  });

  test('is signed before it is timed, and the same body not again while its signature is valid', async () => {
    const {url, seen} = await record();
    let nowMs = 0;
    const signed: string[] = [];
    const sign: SignRequest = async ({method, url, headers, body}) => {
      signed.push(`${method} ${url} ${headers['content-type']} ${Buffer.from(body ?? []).toString()}`);
      await systemClock.sleep(100, new AbortController().signal);
      return {headers: {authorization: `signed ${signed.length}`}, validMs: 1000};
    };
    const endpoint = await open(`${url}/p?q=1`, {
      sign,
      bodies: [body('"a"'), body('"b"')],
      clock: {...systemClock, monotonicMs: () => nowMs},
    });
    expect(endpoint.headerNames).toContain('authorization');
    const first = await endpoint.fire(shot(0));
    const second = await endpoint.fire(shot(1));
    expect(second.timings.endMs).toBeLessThan(Date.now() - Date.parse(first.at));
    await endpoint.fire(shot(2));
    nowMs = 1000;
    await endpoint.fire(shot(4));
    expect(signed).toEqual([
      `POST ${url}/p?q=1 application/json "a"`,
      `POST ${url}/p?q=1 application/json "b"`,
      `POST ${url}/p?q=1 application/json "a"`,
    ]);
    expect(seen.map(({headers}) => headers.authorization)).toEqual([
      'signed 1',
      'signed 2',
      'signed 1',
      'signed 3',
    ]);
  });
});

describe('an endpoint', () => {
  test('is called by its host and path, and shown without what its query holds', async () => {
    const endpoint = await open('https://Example.COM:8443/v1/score?code=a-function-key&v=2&flag#there');
    expect(endpoint).toMatchObject({
      label: 'example.com:8443/v1/score',
      url: 'https://example.com:8443/v1/score?code=***&v=***&***',
      secrets: ['a-function-key'],
    });
    expect((await open('http://example.com')).label).toBe('example.com');
  });

  test.each([
    ['localhost:8080/x', 'localhost:8080/x is no http:// or https:// URL of an endpoint'],
    ['example.com', 'example.com is no http:// or https:// URL of an endpoint'],
    ['ftp://example.com/', 'ftp://example.com/ is no http:// or https:// URL of an endpoint'],
    ['http://', 'http:// is no http:// or https:// URL of an endpoint'],
    ['http://a b/?key=hush', 'http://a b/ is no http:// or https:// URL of an endpoint'],
    [
      'https://me:hush@example.com/x?key=hush',
      'https://***@example.com/x has credentials in it, which would end up in reports and logs',
    ],
    ['https://hush@example.com', /^https:\/\/\*\*\*@example\.com has credentials in it/],
    ['gopher://me:hush@a', 'gopher://***@a is no http:// or https:// URL of an endpoint'],
  ])('that is given as %s is refused', async (url, message) => {
    const refusal = open(url);
    await expect(refusal).rejects.toMatchObject({code: 'USAGE'});
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.not.toThrow('hush');
  });

  test.each<[string, Partial<EndpointWish>, string]>([
    [
      'a header without a colon',
      {headers: ['A: b', 'Bearer hush']},
      "header 2 of 2 is not of the form 'Name: value'",
    ],
    [
      'a header with a space in its name',
      {headers: ['a b: hush']},
      "header 1 of 1 is not of the form 'Name: value'",
    ],
    ['a header without a name', {headers: [': hush']}, "header 1 of 1 is not of the form 'Name: value'"],
    [
      'a header with a line break',
      {headers: ['a: hush\r\nb: c']},
      'the value of the header a has a character in it',
    ],
    ['a header given twice', {headers: ['a: 1', 'A: hush']}, 'the header a is given twice'],
    [
      'a header of the connection',
      {headers: ['Content-Length: 3']},
      'the header content-length is set by thaw itself',
    ],
    ['a method that is none', {method: 'FETCH'}, 'FETCH is no method to measure with'],
    ['a tunnel', {method: 'connect'}, 'connect is no method to measure with'],
    ['a token for its variable', {bearerEnv: 'hush.hush.hush'}, 'by the name of the environment variable'],
    [
      'two proofs of who asks',
      {bearerEnv: 'T', env: {T: 'hush'}, headers: ['Authorization: hush']},
      'the header authorization and a bearer token exclude each other',
    ],
    [
      'a token no header can carry',
      {bearerEnv: 'T', env: {T: 'hush\u{1}'}},
      'the bearer token in T has a character',
    ],
  ])('with %s is refused, and no value is repeated', async (_, change, message) => {
    const refusal = open('http://example.com/', change);
    await expect(refusal).rejects.toMatchObject({code: 'USAGE'});
    await expect(refusal).rejects.toThrow(message);
    await expect(refusal).rejects.not.toThrow('hush');
  });

  test('whose bearer token is not in the environment is refused', async () => {
    for (const env of [{}, {T: ' '}]) {
      await expect(open('http://example.com/', {bearerEnv: 'T', env})).rejects.toMatchObject({
        code: 'SECRET_MISSING',
        message: 'the environment has no bearer token in T',
        facts: {names: ['T']},
      });
    }
  });

  test('that cannot be signed for is refused before the first request', async () => {
    const refusal = new Error('no credentials');
    await expect(open('http://example.com/', {sign: () => Promise.reject(refusal)})).rejects.toBe(refusal);
  });
});

describe('a bad answer is a failed sample, and the run goes on', () => {
  /** Every third request is answered well, so that nothing is given up. */
  async function errorsOf(
    answer: http.RequestListener,
    change: Partial<EndpointWish> = {},
  ): Promise<(string | null)[]> {
    let requests = 0;
    const port = await serve((request, response) => {
      request.resume();
      if (requests++ % 3 === 0)
        response.writeHead(200, {'content-type': 'application/json'}).end('{"ok": true}');
      else answer(request, response);
    });
    const endpoint = await open(`http://127.0.0.1:${port}/`, {bodies: [body('{}')], ...change});
    const {samples, gaveUp} = await measure(endpoint, 6);
    expect(gaveUp).toBeNull();
    const report = summarize({provider: endpoint.label, url: endpoint.url, image: null, notes: [], samples});
    expect(report.failed.reduce((sum, {count}) => sum + count, 0)).toBe(4);
    expect([samples[0]?.error, samples[3]?.error]).toEqual([null, null]);
    return [samples[1]?.error ?? null, samples[2]?.error ?? null];
  }

  const html = '<!doctype html><title>Sign in</title>';
  test.each<[string, http.RequestListener, string, Partial<EndpointWish>?]>([
    ['500', (_, response) => response.writeHead(500).end('{}'), 'HTTP 500'],
    ['429', (_, response) => response.writeHead(429, {'retry-after': '1'}).end(), 'HTTP 429'],
    [
      'a redirect to another host',
      (_, response) => response.writeHead(302, {location: 'https://login.example.com/?token=hush'}).end(),
      'HTTP 302, a redirect to https://login.example.com, not followed',
    ],
    [
      'a redirect within the host',
      (_, response) => response.writeHead(308, {location: '/elsewhere'}).end(),
      'HTTP 308, a redirect to the same host, not followed',
    ],
    ['a redirect to nowhere', (_, response) => response.writeHead(304).end(), 'HTTP 304'],
    [
      'a web page instead of JSON',
      (_, response) => response.writeHead(200, {'content-type': 'text/html; charset=utf-8'}).end(html),
      'HTTP 200 with a web page where JSON was expected',
    ],
    [
      'JSON that breaks off',
      (_, response) => response.writeHead(200, {'content-type': 'application/json'}).end('{"outputs": ['),
      'HTTP 200 with JSON that is broken or not whole',
    ],
    [
      'half a body',
      (_, response) => {
        response.writeHead(200, {'content-length': '100'}).write('{"outputs"');
        setTimeout(() => response.socket?.destroy(), 20);
      },
      'reset: aborted',
    ],
    ['an early close', (request) => request.socket.destroy(), 'reset: socket hang up'],
    ['no answer in time', () => {}, 'timeout: no whole answer within 150 ms', {timeoutMs: 150}],
  ])('%s', async (_, answer, error, change = {}) => {
    expect(await errorsOf(answer, change)).toEqual([error, error]);
  });

  test('but a web page is an answer where nobody asked for JSON, or somebody asked for HTML', async () => {
    const port = await serve((request, response) => {
      request.resume();
      response.writeHead(200, {'content-type': 'text/html'}).end(html);
    });
    const url = `http://127.0.0.1:${port}/`;
    for (const change of [{}, {bodies: [body('{}')], headers: ['Accept: text/html']}]) {
      expect((await (await open(url, change)).fire(shot(0))).error).toBeNull();
    }
  });

  test('a name that is gone in the middle', async () => {
    const port = await serve((_, response) => response.end('ok'));
    const endpoint = await open(`http://localhost:${port}/`);
    const real = dns.lookup;
    let lookups = 0;
    const spy = vi
      .spyOn(dns, 'lookup')
      .mockImplementation(((hostname: string, options: object, done: () => void) =>
        real(
          ++lookups > 2 ? `${'a'.repeat(64)}.invalid` : hostname,
          options as dns.LookupOneOptions,
          done,
        )) as never);
    cleanups.push(() => spy.mockRestore());
    const {samples, gaveUp} = await measure(endpoint, 8);
    expect(gaveUp).toBeNull();
    expect(samples.map(({error}) => error?.split(':')[0] ?? 'ok')).toEqual([
      'ok',
      'ok',
      ...Array(6).fill('dns'),
    ]);
  });
});

describe('a run is given up', () => {
  test('when nobody is there from the start', async () => {
    const server = net.createServer();
    const port = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    const {samples, gaveUp} = await measure(await open(`http://127.0.0.1:${port}/`), 200);
    expect(samples).toHaveLength(5);
    expect(gaveUp).toBe(
      `the first 5 requests all failed alike: refused: connect ECONNREFUSED 127.0.0.1:${port}`,
    );
  });

  test('when nobody vouches for the server', async () => {
    const pem = readFileSync(new URL('../net/self-signed.pem', import.meta.url));
    const port = await listen(https.createServer({key: pem, cert: pem}, (_, response) => response.end()));
    const {samples, gaveUp} = await measure(await open(`https://127.0.0.1:${port}/`), 200);
    expect(samples).toHaveLength(5);
    expect(gaveUp).toMatch(/^the first 5 requests all failed alike: tls: self-signed certificate/);
  });

  const failed = (error: string | null, want: Shot['want'] = 'warm'): Sample =>
    ({error, shot: {index: 0, want}}) as Sample;

  test.each([
    ['of too few failures', Array(4).fill(failed('HTTP 500')), false],
    ['of five alike', Array(5).fill(failed('HTTP 500')), true],
    ['of any one answer', [...Array(9).fill(failed('HTTP 500')), failed(null)], false],
    ['of different failures', [...Array(9).fill(failed('HTTP 500')), failed('HTTP 503')], false],
    ['after a good start', [failed(null), ...Array(9).fill(failed('HTTP 500'))], false],
    ['of a burst that is throttled', Array(9).fill(failed('HTTP 429', 'any')), false],
    ['of a load on nobody', Array(9).fill(failed('refused: x', 'any')), true],
    ['before anything was sent', [], false],
  ])('because %s: decided', (_, samples, gaveUp) => {
    expect(shouldGiveUp(samples) !== null).toBe(gaveUp);
  });
});

test('an endpoint without evidence is unknown throughout, and the report says what that means', async () => {
  const port = await serve((_, response) => response.end('ok'));
  const {samples} = await measure(await open(`http://127.0.0.1:${port}/`), 10);
  const weighed = weighEvidence(samples);
  expect(weighed.samples.map((sample) => sample.class)).toEqual(Array(10).fill('unknown'));
  expect(weighed.notes).toEqual([expect.stringContaining('cold and warm cannot be told apart')]);
});
