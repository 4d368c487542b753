import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
import type {Answer, Call, Engine} from './engine.ts';
import {failureBody, messageOf, RequestFailure, StartFailure, stackOf} from './failures.ts';
import {log} from './log.ts';
import {modelMetadata} from './protocol.ts';
import {routeOf, type Route} from './routes.ts';
import type {Service} from './service.ts';

/** Where to listen, and how much to take. */
export interface HttpOptions {
  readonly port: number;
  /** Null: all interfaces. */
  readonly host: string | null;
  readonly requestBytesMax: number;
  /** Absent: plain HTTP. */
  readonly dialect?: HttpDialect;
}

/** How a platform makes its requests and takes their answers. */
export interface HttpDialect {
  routeOf(method: string, url: string): Route;
  answer(
    engine: Engine,
    call: Call,
    evidence: (inferMs: number | null) => {readonly [name: string]: string},
  ): Promise<Answer>;
}

/** A way in for requests. */
export interface FrontDoor {
  readonly port: number;
  /** Takes no new request, and resolves when the last one is answered. */
  readonly drain: () => Promise<void>;
}

/**
 * Serves over HTTP.
 *
 * @throws StartFailure PORT_IN_USE, RUNTIME_UNAVAILABLE
 */
export function listenHttp(service: Service, options: HttpOptions): Promise<FrontDoor> {
  let draining = false;
  const exchange = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    serve(service, options, request, response, {awaitsContinue, draining: () => draining}).catch(
      (error: unknown) => {
        log('error', `a request failed: ${messageOf(error)}`, {stack: stackOf(error)});
        response.destroy();
      },
    );
  };
  const server = createServer((request, response) => {
    exchange(request, response, false);
  });
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    exchange(request, response, true);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  // Whoever stands in front keeps connections open for longer than Node would, and must not find them closed.
  server.keepAliveTimeout = 0;

  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'PORT_IN_USE' : 'RUNTIME_UNAVAILABLE';
      reject(new StartFailure(code, `cannot listen on port ${options.port}: ${error.message}`, error));
    });
    server.listen({port: options.port, ...(options.host === null ? {} : {host: options.host})}, () => {
      resolve({
        port: (server.address() as AddressInfo).port,
        drain: () =>
          new Promise((drained) => {
            draining = true;
            server.close(() => {
              drained();
            });
            // Node closes the connections between two requests, but not those that never had one.
            for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy();
          }),
      });
    });
  });
}

interface ExchangeState {
  /** The client sends its body only when told to. */
  readonly awaitsContinue: boolean;
  readonly draining: () => boolean;
}

async function serve(
  service: Service,
  options: HttpOptions,
  request: IncomingMessage,
  response: ServerResponse,
  state: ExchangeState,
): Promise<void> {
  const {dialect} = options;
  const {method = '', url = ''} = request;
  const route = dialect === undefined ? routeOf(method, url, service.name) : dialect.routeOf(method, url);
  if (route.kind === 'live' || route.kind === 'ready') {
    const up = route.kind === 'live' || (service.isReady && !state.draining());
    send(response, state, up ? 200 : 503, JSON.stringify({status: up ? 'ok' : 'not ready'}), {});
    return;
  }

  // CloudEvents' senders ask first whether a web hook wants what they send.
  const asking = headerOf(request, 'webhook-request-origin');
  if (method === 'OPTIONS' && asking !== undefined) {
    const consent = {'webhook-allowed-origin': asking, 'webhook-allowed-rate': '*'};
    send(response, state, 200, '{}', consent);
    return;
  }

  const arrival = service.arrive();
  const reply = (status: number, body: string, inferMs: number | null): void => {
    send(response, state, status, body, service.evidence(arrival, inferMs));
  };
  if (route.kind === 'refused') {
    reply(route.failure.status, failureBody(route.failure), null);
    return;
  }
  if (route.kind === 'metadata') {
    const {inputs, outputs} = await service.engine;
    reply(200, JSON.stringify(modelMetadata(service.name, inputs, outputs)), null);
    return;
  }

  const limit = options.requestBytesMax;
  if (Number(request.headers['content-length'] ?? 0) > limit) {
    reply(413, failureBody(tooLarge(limit)), null);
    return;
  }
  if (state.awaitsContinue) response.writeContinue();
  const body = await readBody(request, limit);
  if (body === 'gone') return;
  if (body === 'too large') {
    reply(413, failureBody(tooLarge(limit)), null);
    return;
  }
  const engine = await service.engine;
  const call: Call = {
    kind: route.kind,
    body,
    requestId: headerOf(request, 'x-request-id') ?? service.requestId(arrival),
    deadlineMs: null,
    headers: plainHeaders(request),
  };
  const answer =
    dialect === undefined
      ? await engine.answer(call)
      : await dialect.answer(engine, call, (inferMs) => service.evidence(arrival, inferMs));
  reply(answer.status, answer.body, answer.inferMs);
}

function tooLarge(bytesMax: number): RequestFailure {
  return new RequestFailure(413, 'TOO_LARGE', `the request's body is larger than ${bytesMax} bytes`);
}

/**
 * Collects the body. When it grows too large, what is still to come is left to Node, which reads and drops it once
 * the answer is out: closing the connection instead would take the answer from a client that is still sending.
 */
function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | 'too large' | 'gone'> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes <= bytesMax) {
        chunks.push(chunk);
        return;
      }
      chunks.length = 0;
      resolve('too large');
    });
    request.on('end', () => {
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));
    });
    request.on('error', () => {
      resolve('gone');
    });
    request.on('close', () => {
      resolve('gone');
    });
  });
}

function send(
  response: ServerResponse,
  state: ExchangeState,
  status: number,
  body: string,
  headers: {readonly [name: string]: string},
): void {
  // The client may have gone while the model ran.
  if (response.destroyed) return;
  if (state.draining()) response.shouldKeepAlive = false;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function plainHeaders(request: IncomingMessage): {[name: string]: string} {
  return Object.fromEntries(
    Object.keys(request.headers).map((name) => [name, headerOf(request, name) ?? '']),
  );
}
