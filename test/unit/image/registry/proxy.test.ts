import {once} from 'node:events';
import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {afterAll, describe, expect, test} from 'vitest';
import {openRegistry} from '../../../../src/image/registry/client.ts';
import {readProxies} from '../../../../src/image/registry/proxy.ts';
import {discard, openTransport} from '../../../../src/image/registry/transport.ts';
import {failureOf, never, scratch} from '../fixture.ts';
import {startFakeRegistry} from './fake-registry.ts';
import {stillClock} from './still-clock.ts';

const servers: Server[] = [];
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
});

/** A proxy that opens no tunnel, and what it was asked for. */
async function unwillingProxy(status: number) {
  const asked: {target: string; authorization: string | undefined}[] = [];
  const server = createServer();
  server.on('connect', ({url = '', headers}, socket) => {
    asked.push({target: url, authorization: headers['proxy-authorization']});
    socket.on('error', () => undefined);
    socket.end(`HTTP/1.1 ${status} No\r\ncontent-length: 0\r\n\r\n`);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {host: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked};
}

/** A try to reach a registry elsewhere. */
async function reach(env: NodeJS.ProcessEnv, registry = 'registry.invalid', allowHttp = false) {
  const surroundings = {env, homeDir: await scratch()};
  const clock = stillClock();
  const connectTimeoutMs = 2_000;
  return openRegistry({
    registry,
    credentials: null,
    clock,
    surroundings,
    allowHttp,
    connectTimeoutMs,
    signal: never,
  });
}

describe('the variables for proxies', () => {
  test('count in small letters first, and need no scheme', () => {
    const env = {http_proxy: 'a:1', HTTP_PROXY: 'http://b:2', HTTPS_PROXY: 'https://c:3', NO_PROXY: 'x,y'};
    expect(readProxies(env)).toEqual({httpProxy: 'http://a:1/', httpsProxy: 'https://c:3/', noProxy: 'x,y'});
    expect(readProxies({http_proxy: '', HTTP_PROXY: 'b:2'})).toEqual({
      httpProxy: '',
      httpsProxy: '',
      noProxy: '',
    });
  });

  test.each([
    'http://ann:hush-hush@',
    'socks5://ann:hush-hush@proxy:1080',
    'http://ann:hush-hush%@proxy:3128',
    'ann:hush-hush@proxy:99999',
  ])('that make no sense are named without what they hold: %s', async (HTTPS_PROXY) => {
    const failure = await failureOf(reach({HTTPS_PROXY}));
    expect(failure).toMatchObject({code: 'INPUT_INVALID', facts: {variable: 'HTTPS_PROXY'}});
    expect(JSON.stringify([failure.message, failure.facts, failure.stack])).not.toContain('hush');
  });
});

describe('a proxy', () => {
  test('is not asked the way to this machine itself, not even if it makes no sense', async () => {
    const registry = await startFakeRegistry();
    await (await reach({HTTP_PROXY: 'http://127.0.0.1:1', HTTPS_PROXY: '://'}, registry.host)).close();
    expect(registry.seen.map(({url}) => url)).toEqual(['/v2/']);
  });

  test('is asked for a tunnel, with its password, and what it answers is told without it', async () => {
    const proxy = await unwillingProxy(407);
    const failure = await failureOf(reach({HTTPS_PROXY: `http://ann:hush-hush@${proxy.host}`}));
    expect(failure.code).toBe('PROVIDER_UNREACHABLE');
    expect(failure.message).toBe('GET https://registry.invalid/v2/ got no answer: the proxy answered 407');
    const basic = `Basic ${Buffer.from('ann:hush-hush').toString('base64')}`;
    expect(proxy.asked).toEqual([{target: 'registry.invalid:443', authorization: basic}]);
    expect(JSON.stringify([failure.facts, failure.stack, String(failure.cause)])).not.toContain('hush');
  });

  test('that is not there is told by its address', async () => {
    const failure = await failureOf(reach({HTTPS_PROXY: 'http://ann:hush-hush@127.0.0.1:1'}));
    expect(failure).toMatchObject({code: 'PROVIDER_UNREACHABLE', facts: {code: 'ECONNREFUSED'}});
    expect(JSON.stringify([failure.message, failure.facts])).not.toContain('hush');
  });

  test('is passed by for the hosts that NO_PROXY names', async () => {
    const proxy = await unwillingProxy(403);
    const env = {HTTPS_PROXY: `http://${proxy.host}`, NO_PROXY: '.example.invalid,127.0.0.1'};
    await failureOf(reach(env, 'registry.other.invalid'));
    expect(proxy.asked.map(({target}) => target)).toEqual(['registry.other.invalid:443']);
  });

  test('carries plain http as it is', async () => {
    const proxy = await startFakeRegistry();
    const transport = await openTransport({
      host: 'registry.invalid',
      surroundings: {env: {HTTP_PROXY: `http://${proxy.host}`}, homeDir: await scratch()},
      clock: stillClock(),
      allowHttp: true,
    });
    const url = new URL('http://registry.invalid/v2/');
    const answer = await transport.send({method: 'GET', url, retry: true, signal: never});
    await discard(answer);
    await transport.close();
    expect(answer.status).toBe(200);
    expect(proxy.seen.map(({url}) => url)).toEqual(['http://registry.invalid/v2/']);
  });

  test('that drops the tunnel is not waited for', async () => {
    // A server that knows nothing of tunnels closes the connection without a word.
    const {host} = await startFakeRegistry();
    const failure = await failureOf(reach({HTTPS_PROXY: `http://${host}`}));
    expect(failure.code).toBe('PROVIDER_UNREACHABLE');
  });
});

describe('http without TLS', () => {
  test('is not spoken beyond this machine unless it is asked for', async () => {
    const proxy = await unwillingProxy(502);
    const web = await startFakeRegistry();
    const env = {HTTPS_PROXY: `http://${proxy.host}`, HTTP_PROXY: `http://${web.host}`};
    const failure = await failureOf(reach(env));
    expect(failure.message).toContain('https://registry.invalid/v2/');
    expect(web.seen).toEqual([]);
  });

  test('is tried after https where it is', async () => {
    const tunnels = await unwillingProxy(403);
    const web = await startFakeRegistry();
    const env = {HTTPS_PROXY: `http://${tunnels.host}`, HTTP_PROXY: `http://${web.host}`};
    await (await reach(env, 'registry.invalid:5000', true)).close();
    expect(tunnels.asked.map(({target}) => target)).toEqual(['registry.invalid:5000']);
    expect(web.seen.map(({url}) => url)).toEqual(['http://registry.invalid:5000/v2/']);
  });
});
