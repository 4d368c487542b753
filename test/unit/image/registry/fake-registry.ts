import {createHash, randomUUID} from 'node:crypto';
import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import {afterAll} from 'vitest';

/** What the registry does to one request instead of answering it. */
export type Fault =
  | 'reset before reading'
  | 'reset half-way'
  | 'reset after doing it'
  | 'HTML'
  | '401'
  | '429'
  | '500'
  | '500 half-way'
  | 'wrong digest'
  | 'short body'
  | 'wrong length'
  | 'redirect to itself'
  | 'refuses';

export interface SeenRequest {
  readonly method: string;
  /** With its query. */
  readonly url: string;
  readonly authorization: string | undefined;
  readonly headers: IncomingMessage['headers'];
  /** Of a form. */
  readonly body: string;
}

export interface FakeRegistryOptions {
  /** Decides over each request by its number, from 0. */
  readonly fault?: (index: number, request: IncomingMessage) => Fault | null;
  /** Demands a password or a token. */
  readonly demand?: (request: IncomingMessage) => string | null;
  /** Answers what is no registry's business, such as a token server. True: it has answered. */
  readonly other?: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>;
  /** Redirects the reading of blobs to this origin. */
  readonly blobsAt?: () => string;
  /** Whether an upload that was cut can say how far it came. */
  readonly resumes?: boolean;
  /** Whether it keeps lists of what refers to an image. */
  readonly lists?: boolean;
  /** Whether it takes manifests of anything but images. */
  readonly takesArtifacts?: boolean;
}

export interface FakeRegistry {
  readonly host: string;
  readonly blobs: Map<string, Buffer>;
  /** By `repository@digest` and `repository:tag`. */
  readonly manifests: Map<string, {readonly bytes: Buffer; readonly type: string}>;
  /** Which blobs each repository has. */
  readonly links: Set<string>;
  readonly seen: SeenRequest[];
  readonly set: (options: FakeRegistryOptions) => void;
}

const servers: Server[] = [];
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A registry on this machine, in memory, as the OCI distribution specification describes it; it can be made to lie. */
export async function startFakeRegistry(first: FakeRegistryOptions = {}): Promise<FakeRegistry> {
  let options = first;
  let index = 0;
  const blobs = new Map<string, Buffer>();
  const manifests: FakeRegistry['manifests'] = new Map();
  const links = new Set<string>();
  const uploads = new Map<string, Buffer>();
  const seen: SeenRequest[] = [];

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => undefined);
    const fault = options.fault?.(index++, request) ?? null;
    const {method = '', url: path = ''} = request;
    const entry = {
      method,
      url: path,
      authorization: request.headers.authorization,
      headers: request.headers,
      body: '',
    };
    seen.push(entry);
    const url = new URL(path, `http://${host}`);
    if (fault === 'reset before reading') return void request.socket.resetAndDestroy();
    const id = /\/blobs\/uploads\/(.+)$/.exec(url.pathname)?.[1];
    const half = fault === 'reset half-way' || fault === '500 half-way';
    const limit = half ? Math.floor(Number(request.headers['content-length'] ?? 0) / 2) : Infinity;
    const body = await readUpTo(request, limit);
    if (/form/.test(request.headers['content-type'] ?? '')) entry.body = body.toString();
    if (half && method === 'PATCH' && id && uploads.has(id) && options.resumes !== false)
      uploads.set(id, Buffer.concat([uploads.get(id)!, body]));
    if (half && method === 'PATCH' && id && options.resumes === false) uploads.delete(id);
    if (fault === 'reset half-way') return void request.socket.resetAndDestroy();
    if (fault === '500 half-way' || fault === '500') {
      response.writeHead(500, half ? {connection: 'close'} : {}).end();
      return;
    }
    if (fault === 'refuses') return complain(response, 400, 'UNSUPPORTED', 'not today');
    if (fault === 'HTML') {
      response
        .writeHead(200, {'content-type': 'text/html'})
        .end('<html><title>Sign in to Wi-Fi</title></html>');
      return;
    }
    if (fault === '401') {
      response.writeHead(401, {'www-authenticate': 'Basic realm="fake"'}).end();
      return;
    }
    if (fault === '429') return void response.writeHead(429, {'retry-after': '7'}).end();
    if (fault === 'redirect to itself') return void response.writeHead(307, {location: path}).end();
    if (await options.other?.(request, response)) return;
    const demand = options.demand?.(request) ?? null;
    if (demand !== null) {
      response.writeHead(401, {'www-authenticate': demand});
      response.end(JSON.stringify({errors: [{code: 'UNAUTHORIZED', message: 'authentication required'}]}));
      return;
    }
    if (fault === 'reset after doing it') {
      // Node gives no answer of its own once the socket is gone.
      const write = response.end.bind(response);
      response.end = (() => {
        request.socket.resetAndDestroy();
        return response;
      }) as typeof write;
    }
    answer(method, url, body, request, response, fault);
  }

  function answer(
    method: string,
    url: URL,
    body: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | null,
  ): void {
    if (url.pathname === '/v2/') return void response.writeHead(200).end('{}');
    const match = /^\/v2\/(.+)\/(blobs\/uploads|blobs|manifests)\/(.*)$/.exec(url.pathname);
    if (!match) return complain(response, 404, 'NAME_UNKNOWN', 'no such route');
    const [, repository = '', kind, name = ''] = match;
    if (kind === 'manifests') return manifest(method, repository, name, body, request, response, fault);
    if (kind === 'blobs') return blob(method, repository, name, response, fault);
    return upload(method, repository, name, url, body, request, response, fault);
  }

  function upload(
    method: string,
    repository: string,
    id: string,
    url: URL,
    body: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | null,
  ): void {
    const mount = url.searchParams.get('mount');
    if (method === 'POST' && mount !== null && links.has(`${url.searchParams.get('from')}@${mount}`)) {
      links.add(`${repository}@${mount}`);
      return void response.writeHead(201, {'docker-content-digest': mount}).end();
    }
    const location = (which: string): string => `/v2/${repository}/blobs/uploads/${which}?_state=a%2Fb`;
    if (method === 'POST') {
      const fresh = randomUUID();
      uploads.set(fresh, Buffer.alloc(0));
      return void response.writeHead(202, {location: location(fresh)}).end();
    }
    const so = uploads.get(id);
    if (so === undefined) return complain(response, 404, 'BLOB_UPLOAD_UNKNOWN', 'no such upload');
    if (url.searchParams.get('_state') !== 'a/b')
      return complain(response, 400, 'BLOB_UPLOAD_INVALID', 'state lost');
    const range = (bytes: Buffer): {[name: string]: string} => ({
      range: `0-${Math.max(0, bytes.length - 1)}`,
    });
    if (method === 'GET') {
      return void response.writeHead(204, {location: location(id), ...range(so)}).end();
    }
    const received = fault === 'short body' ? body.subarray(0, body.length >> 1) : body;
    if (method === 'PATCH') {
      const start = Number(/^(\d+)-/.exec(request.headers['content-range'] ?? '0-')?.[1]);
      if (start !== so.length) return complain(response, 416, 'RANGE_INVALID', `goes on at ${so.length}`);
      const all = Buffer.concat([so, received]);
      uploads.set(id, all);
      return void response.writeHead(202, {location: location(id), ...range(all)}).end();
    }
    const wanted = url.searchParams.get('digest') ?? '';
    uploads.delete(id);
    const whole = Buffer.concat([so, received]);
    if (digestOf(whole) !== wanted) return complain(response, 400, 'DIGEST_INVALID', 'other content');
    blobs.set(wanted, whole);
    links.add(`${repository}@${wanted}`);
    response
      .writeHead(201, {
        'docker-content-digest': fault === 'wrong digest' ? digestOf(Buffer.from('lie')) : wanted,
      })
      .end();
  }

  function blob(
    method: string,
    repository: string,
    digest: string,
    response: ServerResponse,
    fault: Fault | null,
  ): void {
    const bytes = links.has(`${repository}@${digest}`) ? blobs.get(digest) : undefined;
    if (bytes === undefined) return complain(response, 404, 'BLOB_UNKNOWN', 'no such blob');
    const origin = options.blobsAt?.();
    if (origin !== undefined && method === 'GET')
      return void response.writeHead(307, {location: `${origin}/blob/${digest}?sig=secret`}).end();
    send(method, bytes, {'content-type': 'application/octet-stream'}, response, fault);
  }

  function manifest(
    method: string,
    repository: string,
    name: string,
    body: Buffer,
    request: IncomingMessage,
    response: ServerResponse,
    fault: Fault | null,
  ): void {
    if (method === 'PUT') {
      const {
        config,
        layers = [],
        manifests: listed = [],
        subject,
      } = JSON.parse(body.toString()) as {
        config?: {digest: string; mediaType: string};
        layers?: {digest: string}[];
        manifests?: {digest: string}[];
        subject?: {digest: string};
      };
      if (options.takesArtifacts === false && config?.mediaType.includes('empty'))
        return complain(response, 400, 'MANIFEST_INVALID', 'unknown media type');
      const absent = [...(config ? [config] : []), ...layers].filter(
        ({digest}) => !links.has(`${repository}@${digest}`),
      );
      absent.push(...listed.filter(({digest}) => !manifests.has(`${repository}@${digest}`)));
      if (absent.length > 0) return complain(response, 400, 'MANIFEST_BLOB_UNKNOWN', 'a blob is missing');
      const digest = digestOf(body);
      const kept = {bytes: body, type: request.headers['content-type'] ?? ''};
      manifests.set(`${repository}@${digest}`, kept);
      if (!name.startsWith('sha256:')) manifests.set(`${repository}:${name}`, kept);
      const said = fault === 'wrong digest' ? digestOf(Buffer.from('lie')) : digest;
      response.writeHead(201, {
        'docker-content-digest': said,
        ...(options.lists && subject && {'oci-subject': subject.digest}),
      });
      return void response.end();
    }
    const found = manifests.get(`${repository}${name.startsWith('sha256:') ? '@' : ':'}${name}`);
    if (found === undefined) return complain(response, 404, 'MANIFEST_UNKNOWN', 'no such manifest');
    const headers = {'content-type': found.type, 'docker-content-digest': digestOf(found.bytes)};
    send(method, found.bytes, headers, response, fault);
  }

  return {
    host,
    blobs,
    manifests,
    links,
    seen,
    set: (next) => {
      options = next;
      index = 0;
      seen.length = 0;
    },
  };
}

function send(
  method: string,
  bytes: Buffer,
  headers: {[name: string]: string},
  response: ServerResponse,
  fault: Fault | null,
): void {
  const half = bytes.subarray(0, bytes.length >> 1);
  const sent =
    fault === 'wrong digest'
      ? Buffer.alloc(bytes.length, 'x')
      : fault === 'wrong length'
        ? Buffer.concat([bytes, half])
        : bytes;
  response.writeHead(200, {...headers, 'content-length': sent.length});
  if (method === 'HEAD') response.end();
  else if (fault === 'short body') response.write(half, () => response.destroy());
  else response.end(sent);
}

function complain(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, {'content-type': 'application/json'});
  response.end(JSON.stringify({errors: [{code, message}]}));
}

async function readUpTo(request: IncomingMessage, limit: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  if (limit === 0) return Buffer.alloc(0);
  for await (const piece of request as AsyncIterable<Buffer>) {
    const taken = piece.subarray(0, limit - bytes);
    pieces.push(taken);
    bytes += taken.length;
    // Leaving the loop would close the connection without an answer.
    if (bytes >= limit) return Buffer.concat(pieces);
  }
  return Buffer.concat(pieces);
}
