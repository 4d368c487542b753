import {readFileSync} from 'node:fs';
import {mkdtemp, rm} from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import net, {type AddressInfo, type Server} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as delay} from 'node:timers/promises';
import {afterEach, expect, test} from 'vitest';
import type {HttpRequest} from '../../../src/core/ports.ts';
import type {Invocation} from '../../../src/core/sample.ts';
import {systemClock} from '../../../src/net/clock.ts';
import {createHttp, kindOf} from '../../../src/net/http.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Listens on a free port of the loopback, or at a path, until the test ends. */
async function listen(server: Server, path?: string): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve);
    else server.listen(path, resolve);
  });
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return path === undefined ? (server.address() as AddressInfo).port : 0;
}

const serve = (handler: http.RequestListener): Promise<number> => listen(http.createServer(handler));

function send(port: number, options: Partial<HttpRequest> = {}, client = createHttp()): Promise<Invocation> {
  const signal = new AbortController().signal;
  return client({url: `http://127.0.0.1:${port}/`, timeoutMs: 20_000, signal, ...options});
}

const text = (invocation: Invocation): string => Buffer.from(invocation.body).toString();

/** What came came in order. */
function expectOrdered({timings}: Invocation): void {
  const {sentMs, connectedMs, writtenMs, firstByteMs, endMs} = timings;
  const moments = [sentMs, connectedMs, writtenMs, firstByteMs, endMs].filter((moment) => moment !== null);
  expect(moments).toEqual([...moments].sort((a, b) => a - b));
}

test('a request arrives as asked for and its answer comes back whole', async () => {
  const port = await serve((request, response) => {
    request.setEncoding('utf8');
    let body = '';
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      response.setHeader('set-cookie', ['a=1', 'b=2']);
      response.end(`${request.method} ${request.url} ${String(request.headers['x-one'])} ${body}`);
    });
  });
  const invocation = await send(port, {
    url: `http://127.0.0.1:${port}/path?q=1`,
    headers: {'X-One': 'yes'},
    body: 'héllo',
  });
  expect(invocation.error).toBeNull();
  expect(invocation.status).toBe(200);
  expect(text(invocation)).toBe('POST /path?q=1 yes héllo');
  expect(invocation.headers['set-cookie']).toBe('a=1, b=2');
  expect(Math.abs(Date.now() - Date.parse(invocation.at))).toBeLessThan(60_000);
  expectOrdered(invocation);
});

test('waiting for the first byte and for the rest are told apart', async () => {
  const port = await serve((_, response) => {
    setTimeout(() => {
      response.write('first');
      setTimeout(() => response.end(' rest'), 120);
    }, 150);
  });
  const {timings, ...invocation} = await send(port);
  expect(Buffer.from(invocation.body).toString()).toBe('first rest');
  expect(timings.writtenMs).toBeLessThan(timings.firstByteMs ?? 0);
  expect((timings.firstByteMs ?? 0) - (timings.writtenMs ?? 0)).toBeGreaterThan(140);
  expect(timings.endMs - (timings.firstByteMs ?? 0)).toBeGreaterThan(110);
});

test('an interim answer is not taken for the first byte', async () => {
  const port = await serve((_, response) => {
    response.writeEarlyHints({link: '</style.css>; rel=preload; as=style'});
    setTimeout(() => response.end('late'), 150);
  });
  const {timings, status} = await send(port);
  expect(status).toBe(200);
  expect((timings.firstByteMs ?? 0) - (timings.writtenMs ?? 0)).toBeGreaterThan(140);
});

test('connections are kept, except for a request that asks for its own', async () => {
  let connections = 0;
  const server = http.createServer((_, response) => response.end());
  server.on('connection', () => connections++);
  const port = await listen(server);
  const client = createHttp();
  await send(port, {}, client);
  const kept = await send(port, {}, client);
  expect(connections).toBe(1);
  expectOrdered(kept);
  await send(port, {freshConnection: true}, client);
  await send(port, {freshConnection: true}, client);
  expect(connections).toBe(3);
  await send(port, {}, createHttp());
  expect(connections).toBe(4);
});

test('a kept connection gathers no listeners', async () => {
  const port = await serve((_, response) => response.end('x'));
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  cleanups.push(() => process.removeListener('warning', onWarning));
  const client = createHttp();
  for (let i = 0; i < 30; i++) await send(port, {}, client);
  await delay(10);
  expect(warnings).toEqual([]);
});

test('a kept connection that the server has dropped is an error, not a second send', async () => {
  let requests = 0;
  const port = await listen(
    net.createServer((socket) => {
      socket.on('data', () => {
        requests++;
        if (requests === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
        else socket.destroy();
      });
    }),
  );
  const client = createHttp();
  expect((await send(port, {}, client)).error).toBeNull();
  const second = await send(port, {}, client);
  expect(second.error?.kind).toBe('reset');
  expect(second.status).toBeNull();
  expect(requests).toBe(2);
});

test('looking up a name, opening a connection and TLS are told apart', async () => {
  const port = await serve((_, response) => response.end());
  const client = createHttp();
  const named = await send(port, {url: `http://localhost:${port}/`, freshConnection: true}, client);
  const {sentMs, resolvedMs = NaN, openedMs = NaN, connectedMs} = named.timings;
  const moments = [sentMs, resolvedMs, openedMs, connectedMs ?? NaN];
  expect(moments).toEqual([...moments].sort((x, y) => x - y));
  // There is no name to look up; and a kept connection is open.
  expect((await send(port, {}, client)).timings).not.toHaveProperty('resolvedMs');
  const kept = await send(port, {}, client);
  expect(kept.timings).not.toHaveProperty('openedMs');
  expect(kept.timings.connectedMs).not.toBeNull();
});

test('a wall clock that is set parts no requests', async () => {
  const port = await serve((_, response) => response.end());
  let wallMs = Date.parse('2026-01-01T00:00:00Z');
  const clock = {...systemClock, now: () => wallMs};
  const client = createHttp(clock);
  const before = await send(port, {}, client);
  wallMs -= 3_600_000;
  const after = await send(port, {}, client);
  expect(before.at).toMatch(/^2026-01-01T00:00/);
  expect(Date.parse(after.at) - Date.parse(before.at)).toBeGreaterThanOrEqual(0);
});

test('evidence of which a part is malformed is named by its headers', async () => {
  const port = await serve((_, response) => {
    response.writeHead(200, {'thaw-boot': 'b', 'thaw-ordinal': '1', 'thaw-boot-age': '-5'}).end();
  });
  expect(await send(port)).toMatchObject({evidence: null, unreadable: ['thaw-boot-age']});
});

test('a redirect is an answer', async () => {
  const port = await serve((_, response) => response.writeHead(302, {location: '/elsewhere'}).end());
  expect(await send(port)).toMatchObject({status: 302, error: null});
});

test('no answer in time is a timeout with the time that passed', async () => {
  const port = await serve(() => {});
  const invocation = await send(port, {timeoutMs: 150, body: '{}'});
  expect(invocation).toMatchObject({status: null, error: {kind: 'timeout'}, evidence: null});
  expect(invocation.timings.firstByteMs).toBeNull();
  expect(invocation.timings.writtenMs).not.toBeNull();
  expect(invocation.timings.endMs).toBeGreaterThan(140);
});

test('an answer that stops half-way in time is a timeout with what came', async () => {
  const port = await serve((_, response) => {
    response.writeHead(200, {'content-length': '100'});
    response.write('half');
  });
  const invocation = await send(port, {timeoutMs: 200});
  expect(invocation).toMatchObject({status: 200, error: {kind: 'timeout'}});
  expect(text(invocation)).toBe('half');
});

test.each(['content-length: 100', 'transfer-encoding: chunked'])(
  'half a body (%s) is an error with what came and its evidence',
  async (framing) => {
    const port = await listen(
      net.createServer((socket) => {
        socket.once('data', () => {
          const evidence = 'thaw-boot: b\r\nthaw-ordinal: 3\r\nthaw-boot-age: 5';
          const body = framing.startsWith('transfer') ? '4\r\nhalf\r\n' : 'half';
          socket.write(`HTTP/1.1 200 OK\r\n${evidence}\r\n${framing}\r\n\r\n${body}`);
          setTimeout(() => socket.destroy(), 50);
        });
      }),
    );
    const invocation = await send(port);
    expect(invocation).toMatchObject({status: 200, error: {kind: 'reset'}, evidence: {ordinal: 3}});
    expect(text(invocation)).toBe('half');
  },
);

test('a body that ends with its connection is whole', async () => {
  const port = await listen(
    net.createServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
    }),
  );
  const invocation = await send(port);
  expect(invocation.error).toBeNull();
  expect(text(invocation)).toBe('until the end');
});

test('an answer before the whole request is sent is the answer', async () => {
  const port = await serve((_, response) => {
    response.writeHead(413, {connection: 'close'}).end('too much');
  });
  const invocation = await send(port, {body: new Uint8Array(64 * 1024 * 1024)});
  // The kernel may drop the answer when the server closes on unread data; then it must be an error, never a hang.
  if (invocation.error === null) expect(invocation).toMatchObject({status: 413});
  else expect(invocation.error.kind).toBe('reset');
});

test('a port nobody listens on refuses', async () => {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  expect(await send(port)).toMatchObject({status: null, error: {kind: 'refused'}});
});

test('something that is no HTTP is an error', async () => {
  const port = await listen(net.createServer((socket) => void socket.end('SSH-2.0-OpenSSH\r\n')));
  expect((await send(port)).error).toMatchObject({kind: 'other'});
});

test('an upgrade that nobody asked for is an error, never a hang', async () => {
  const port = await listen(
    net.createServer((socket) => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'),
      );
    }),
  );
  expect((await send(port)).error).toMatchObject({kind: 'reset'});
});

test.skipIf(process.platform === 'win32')('a Unix socket is used instead of the host', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-'));
  cleanups.push(() => rm(dir, {recursive: true}));
  const socketPath = join(dir, 's');
  await listen(
    http.createServer((request, response) => response.end(request.headers.host)),
    socketPath,
  );
  const options = {url: 'http://gateway/', socketPath};
  expect(text(await send(0, options))).toBe('gateway');
  expect(await send(0, {...options, socketPath: join(dir, 'none')})).toMatchObject({
    error: {kind: 'refused'},
  });
});

test('a name that cannot exist is a DNS failure', async () => {
  expect((await send(0, {url: `http://${'a'.repeat(64)}.invalid/`})).error?.kind).toBe('dns');
});

test('TLS to a server that speaks none, or that nobody vouches for, is a TLS failure', async () => {
  const plain = await serve((_, response) => response.end());
  expect((await send(0, {url: `https://127.0.0.1:${plain}/`})).error?.kind).toBe('tls');
  const port = await listen(secureServer());
  const invocation = await send(0, {url: `https://127.0.0.1:${port}/`});
  expect(invocation).toMatchObject({status: null, error: {kind: 'tls'}});
  expect(invocation.error?.message).toContain('self-signed');
});

test('being connected includes the TLS handshake', async () => {
  // The check is off for this one connection to a certificate of our own.
  process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
  cleanups.push(() => delete process.env['NODE_TLS_REJECT_UNAUTHORIZED']);
  const server = secureServer();
  const port = await listen(server);
  // Between the client and the server, hold back the server's first words.
  const slow = await listen(
    net.createServer((socket) => {
      const upstream = net.connect(port, '127.0.0.1');
      cleanups.push(() => upstream.destroy());
      socket.pipe(upstream);
      upstream.once('data', (hello) => {
        upstream.pause();
        setTimeout(() => {
          socket.write(hello);
          upstream.pipe(socket);
        }, 150);
      });
    }),
  );
  const invocation = await send(0, {url: `https://127.0.0.1:${slow}/`, freshConnection: true});
  expect(invocation).toMatchObject({status: 200, error: null});
  expect(invocation.timings.connectedMs).toBeGreaterThan(140);
  expectOrdered(invocation);
});

const secureServer = (): https.Server => {
  const pem = readFileSync(new URL('self-signed.pem', import.meta.url));
  return https.createServer({key: pem, cert: pem}, (_, response) => response.end('secret'));
};

test('only the caller’s own signal makes it reject', async () => {
  let closed = 0;
  const port = await serve((request) => request.on('close', () => closed++));
  const controller = new AbortController();
  const waiting = send(port, {signal: controller.signal});
  setTimeout(() => controller.abort(), 50);
  await expect(waiting).rejects.toMatchObject({code: 'INTERRUPTED'});
  await expect.poll(() => closed).toBe(1);
  await expect(send(port, {signal: controller.signal})).rejects.toMatchObject({code: 'INTERRUPTED'});
});

test.each([
  ['ENOTFOUND', 'dns'],
  ['EAI_AGAIN', 'dns'],
  ['ECONNREFUSED', 'refused'],
  ['EPIPE', 'reset'],
  ['ETIMEDOUT', 'timeout'],
  ['CERT_HAS_EXPIRED', 'tls'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'tls'],
  ['EHOSTUNREACH', 'other'],
])('%s is of the kind %s', (code, kind) => {
  expect(kindOf(Object.assign(new Error(code), {code}))).toBe(kind);
});
