import {createServer, type IncomingMessage, type Server, type ServerResponse} from 'node:http';
import {messageOf, ThawError} from '../../../core/errors.ts';
import type {Json} from '../../../core/json.ts';
import type {
  ConfigureRequest,
  CreateRequest,
  FollowRequest,
  InspectRequest,
  StartupRequest,
  VersionRef,
  WarmRequest,
} from '../protocol.ts';
import type {Gateway} from './gateway.ts';

/** What the gateway is asked over its control socket: by thaw of the same version, so bodies are trusted. */
type Route = (gateway: Gateway, body: unknown, gone: AbortSignal) => object | Promise<object>;

const ROUTES: {readonly [request: string]: Route} = {
  'GET /hello': (gateway) => gateway.hello(),
  'POST /inspect': (gateway, body) => gateway.inspect(body as InspectRequest),
  'POST /startup': (gateway, body) => gateway.startup(body as StartupRequest),
  'POST /log/flush': (gateway) => gateway.flushLog(),
  'POST /log/follow': (gateway, body) => gateway.followRequests(body as FollowRequest),
  'PUT /function': (gateway, body, gone) => gateway.create(body as CreateRequest, gone),
  'PUT /function/configuration': (gateway, body) => gateway.configure(body as ConfigureRequest),
  'PUT /function/live': (gateway, body) => gateway.setLive(body as VersionRef),
  'PUT /function/warm': (gateway, body) => gateway.setWarm(body as WarmRequest),
  'DELETE /function/instances': (gateway) => gateway.endInstances(),
  'DELETE /function': (gateway) => gateway.delete(),
};

const BODY_BYTES_MAX = 16 * 2 ** 20;

/** Makes the server of the control socket. `onStop` ends the gateway; its answer goes out first. */
export function createControlServer(gateway: Gateway, onStop: () => Promise<void>): Server {
  return createServer((request, response) => void answer(request, response, gateway, onStop));
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  gateway: Gateway,
  onStop: () => Promise<void>,
): Promise<void> {
  response.on('error', () => {});
  // A connection that is kept would keep the gateway from ending.
  response.setHeader('connection', 'close');
  const asked = `${request.method} ${request.url}`;
  try {
    if (asked === 'POST /stop') {
      await onStop();
      return send(response, 200, {stopped: true});
    }
    const route = Object.hasOwn(ROUTES, asked) ? ROUTES[asked] : undefined;
    if (route === undefined) return send(response, 404, {error: {code: null, message: `no ${asked} here`}});
    send(response, 200, await route(gateway, await readJson(request), goneSignal(response)));
  } catch (error) {
    const known = error instanceof ThawError;
    send(response, known ? 409 : 500, {
      error: {code: known ? error.code : null, message: messageOf(error), facts: known ? error.facts : {}},
    });
  }
}

/** Fires when whoever asked does not wait for the answer any more. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  return gone.signal;
}

async function readJson(request: IncomingMessage): Promise<Json> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error(`a control message is larger than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return bytes === 0 ? null : (JSON.parse(Buffer.concat(chunks).toString('utf8')) as Json);
}

function send(response: ServerResponse, status: number, body: object): void {
  if (response.destroyed) return;
  response.writeHead(status, {'content-type': 'application/json'});
  response.end(JSON.stringify(body));
}
