import {createServer, request, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {afterAll} from 'vitest';

/** What happens to one request on its way. */
export const FAULTS = [
  'reset before the request',
  'reset while it is sent',
  'reset after it was done',
  'HTML in place of an answer',
  '401',
  '500 before the request',
  '500 in mid-upload',
  '500 after it was done',
  'a redirect to itself',
  'wrong digest',
  'short body',
  'wrong length',
] as const;
export type Fault = (typeof FAULTS)[number];

/** A proxy in front of a registry, through which each request passes as it is, or with a fault. */
export interface FaultyProxy {
  /** Host and port. */
  readonly host: string;
  /** `METHOD path` of each request since the faults were last set. */
  readonly seen: string[];
  /** Bytes of bodies that were passed on since then. */
  readonly passedBytes: () => number;
  /** Chooses the fault of each request, by its number from 0. */
  readonly set: (faultOf: (index: number, method: string) => Fault | null) => void;
}

const servers: Server[] = [];
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

export async function startFaultyProxy(registry: string): Promise<FaultyProxy> {
  let faultOf: (index: number, method: string) => Fault | null = () => null;
  let passedBytes = 0;
  const seen: string[] = [];
  const server = createServer((incoming, response) => {
    incoming.on('error', () => undefined);
    response.on('error', () => undefined);
    const {method = '', url = ''} = incoming;
    const fault = faultOf(seen.length, method);
    seen.push(`${method} ${url}`);
    if (fault !== null && answerAtOnce(fault, incoming, response)) return;
    const onBytes = (bytes: number): void => void (passedBytes += bytes);
    pass(registry, incoming, response, fault, onBytes);
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    passedBytes: () => passedBytes,
    set: (next) => {
      faultOf = next;
      passedBytes = 0;
      seen.length = 0;
    },
  };
}

/** Faults that the registry never hears of. */
function answerAtOnce(fault: Fault, incoming: IncomingMessage, response: ServerResponse): boolean {
  const answer = (status: number, headers: {[name: string]: string}, body = ''): true => {
    incoming.resume();
    response.writeHead(status, headers).end(body);
    return true;
  };
  switch (fault) {
    case 'reset before the request':
      incoming.socket.resetAndDestroy();
      return true;
    case 'HTML in place of an answer':
      return answer(200, {'content-type': 'text/html'}, '<html><title>Sign in to Wi-Fi</title></html>');
    case '401':
      return answer(401, {'www-authenticate': 'Basic realm="proxy"'});
    case '500 before the request':
      return answer(500, {});
    case 'a redirect to itself':
      return answer(307, {location: incoming.url ?? ''});
    default:
      return false;
  }
}

function pass(
  registry: string,
  incoming: IncomingMessage,
  response: ServerResponse,
  fault: Fault | null,
  onBytes: (bytes: number) => void,
): void {
  const cuts = fault === 'reset while it is sent' || fault === '500 in mid-upload';
  const [host, port] = registry.split(':');
  const {method = '', url: path = '', headers} = incoming;
  const onwards = request({host, port, method, path, headers, agent: false});
  const cut = (): void => {
    onwards.destroy();
    if (fault === '500 in mid-upload') response.writeHead(500, {connection: 'close'}).end();
    else incoming.socket.resetAndDestroy();
  };
  onwards.on('error', () => {
    if (!cuts) response.destroy();
  });
  onwards.on('response', (answer) => void giveBack(answer, incoming, response, fault));
  let left = cuts ? Number(headers['content-length'] ?? 0) >> 1 : Infinity;
  if (left === 0) {
    cut();
    return;
  }
  incoming.on('data', (piece: Buffer) => {
    if (left === 0) return;
    const taken = piece.subarray(0, left);
    left -= taken.length;
    onBytes(taken.length);
    // What was cut shall have arrived until there.
    if (left === 0) onwards.write(taken, () => setImmediate(cut));
    else onwards.write(taken);
  });
  incoming.on('end', () => {
    if (!cuts) onwards.end();
  });
}

/** Hands on an answer of the registry, or a lie made of it. */
async function giveBack(
  answer: IncomingMessage,
  {method, socket}: IncomingMessage,
  response: ServerResponse,
  fault: Fault | null,
): Promise<void> {
  const pieces: Buffer[] = [];
  try {
    for await (const piece of answer as AsyncIterable<Buffer>) pieces.push(piece);
  } catch {
    response.destroy();
    return;
  }
  const body = Buffer.concat(pieces);
  const {statusCode = 502, headers} = answer;
  if (fault === 'reset after it was done') socket.resetAndDestroy();
  else if (fault === '500 after it was done') response.writeHead(500).end();
  else if (fault === 'wrong digest') {
    const lie = `sha256:${'0'.repeat(64)}`;
    response.writeHead(statusCode, {...headers, 'docker-content-digest': lie});
    response.end(Buffer.alloc(body.length, 'x'));
  } else if (fault === 'short body') {
    const length = String(body.length + 10);
    const {'transfer-encoding': _, ...rest} = headers;
    response.writeHead(statusCode, {...rest, 'content-length': length});
    if (method === 'HEAD') response.end();
    else response.write(body, () => response.destroy());
    if (body.length === 0 && method !== 'HEAD') response.flushHeaders();
  } else if (fault === 'wrong length') {
    const said = method === 'HEAD' ? Number(headers['content-length'] ?? 0) : body.length;
    const {'transfer-encoding': _, ...rest} = headers;
    response.writeHead(statusCode, {...rest, 'content-length': String(said + 7)});
    response.end(method === 'HEAD' ? '' : Buffer.concat([body, Buffer.alloc(7, 'x')]));
  } else response.writeHead(statusCode, headers).end(body);
}
