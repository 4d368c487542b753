import {randomUUID} from 'node:crypto';
import type {IncomingMessage, RequestListener, ServerResponse} from 'node:http';
import type {Launch} from '../../engine.ts';
import {readBody} from '../door.ts';
import {parseHttpAnswer, renderHttpEvent, type HttpAnswer} from './http-event.ts';
import {PAYLOAD_BYTES_MAX} from './runtime-api.ts';
import type {Event, InvocationUnderWay} from './sandbox.ts';

type Invoke = (event: Event) => InvocationUnderWay;

/** Where Lambda's own API takes events; its emulator knows every function by the name `function`. */
const INVOCATIONS = /^\/2015-03-31\/functions\/([^/]+)\/invocations$/;
/** Headers that are the connection's own, or follow from the body. */
const OF_CONNECTION = ['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'upgrade'];

/** Takes events as they are where Lambda's own API does; everything else is a request to a function URL. */
export function serveInvocations(launch: Launch, invoke: Invoke): RequestListener {
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [path = ''] = (request.url ?? '').split('?');
    const name = INVOCATIONS.exec(path)?.[1];
    // An event is JSON: what is not text grows by a third on its way into one.
    const body = await readBody(request, PAYLOAD_BYTES_MAX);
    if (name === undefined) return serveHttp(request, response, body, invoke);
    return serveEvent(request, response, body, {name: decoded(name), launch, invoke});
  };
  return (request, response) => {
    request.on('error', () => {});
    response.on('error', () => {});
    // The client went away.
    serve(request, response).catch(() => response.destroy());
  };
}

async function serveHttp(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer | null,
  invoke: Invoke,
): Promise<void> {
  const requestId = randomUUID();
  const payload =
    body && Buffer.from(JSON.stringify(renderHttpEvent({request, body, requestId, now: new Date()})));
  if (payload === null || payload.length > PAYLOAD_BYTES_MAX) {
    return send(response, urlFailure(413, 'Request Entity Too Large'), requestId);
  }
  const outcome = await invoke({requestId, payload, clientContext: null}).outcome;
  const answer = outcome.kind === 'answer' ? parseHttpAnswer(outcome.payload) : null;
  // What was wrong stands in the log, and is nobody's business who asks over a URL.
  send(response, answer ?? urlFailure(502, 'Internal Server Error'), requestId);
}

const urlFailure = (status: number, message: string): HttpAnswer => ({
  status,
  headers: [['content-type', 'application/json']],
  body: Buffer.from(JSON.stringify({Message: message})),
});

async function serveEvent(
  request: IncomingMessage,
  response: ServerResponse,
  body: Buffer | null,
  {name, launch, invoke}: {name: string; launch: Launch; invoke: Invoke},
): Promise<void> {
  const requestId = randomUUID();
  const refuse = (status: number, type: string, message: string): void => {
    const headers = [['content-type', 'application/json'] as const, ['x-amzn-errortype', type] as const];
    const text = JSON.stringify({Type: 'User', Message: message});
    send(response, {status, headers, body: Buffer.from(text)}, requestId);
  };
  const own = launch.emulation?.function;
  if (request.method !== 'POST') {
    return refuse(405, 'MethodNotAllowedException', `${request.method} is not for invocations`);
  }
  if (name !== 'function' && name !== own) {
    return refuse(404, 'ResourceNotFoundException', `Function not found: ${name}; this is ${own}`);
  }
  if (body === null) {
    const message = `Request must be smaller than ${PAYLOAD_BYTES_MAX} bytes for the InvokeFunction operation`;
    return refuse(413, 'RequestTooLargeException', message);
  }
  const payload = body.length === 0 ? Buffer.from('{}') : body;
  const problem = jsonProblem(payload);
  if (problem !== null) {
    return refuse(
      400,
      'InvalidRequestContentException',
      `Could not parse request body into json: ${problem}`,
    );
  }
  const {headers} = request;
  const type = headers['x-amz-invocation-type'];
  if (type === 'DryRun') return send(response, {status: 204, headers: [], body: Buffer.alloc(0)}, requestId);
  const context = headers['x-amz-client-context']?.toString();
  const clientContext = context === undefined ? null : Buffer.from(context, 'base64').toString('utf8');
  const {outcome, logTail} = invoke({requestId, payload, clientContext});
  if (type === 'Event') return send(response, {status: 202, headers: [], body: Buffer.alloc(0)}, requestId);
  const ended = await outcome;
  const tail = headers['x-amz-log-type'] === 'Tail' ? await logTail : null;
  const answer: HttpAnswer = {
    status: 200,
    headers: [
      ['content-type', 'application/json'],
      ['x-amz-executed-version', launch.emulation?.version ?? '$LATEST'],
      ...(ended.kind === 'failure' ? [['x-amz-function-error', 'Unhandled'] as const] : []),
      ...(tail === null ? [] : [['x-amz-log-result', Buffer.from(tail).toString('base64')] as const]),
    ],
    body: ended.payload,
  };
  send(response, answer, requestId);
}

function send(response: ServerResponse, {status, headers, body}: HttpAnswer, requestId: string): void {
  if (response.destroyed) return;
  try {
    for (const [name, value] of headers) {
      if (!OF_CONNECTION.includes(name)) response.appendHeader(name, value);
    }
  } catch {
    // A function may return what is no header.
    for (const name of response.getHeaderNames()) response.removeHeader(name);
    return send(response, urlFailure(502, 'Internal Server Error'), requestId);
  }
  response.setHeader('x-amzn-requestid', requestId);
  const bodiless = status === 204 || status === 304;
  if (!bodiless) response.setHeader('content-length', body.length);
  response.writeHead(status);
  response.end(bodiless ? undefined : body);
}

function jsonProblem(payload: Buffer): string | null {
  try {
    JSON.parse(payload.toString('utf8'));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
