import {randomUUID} from 'node:crypto';
import {
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import {setTimeout as sleep} from 'node:timers/promises';
import {messageOf} from '../../../core/errors.ts';
import type {Ready} from '../engine.ts';
import {bodyTooLarge, type WaitingBodies} from './body.ts';
import {endToEnd} from './headers.ts';
import type {Pool, Slot} from './pool.ts';
import {Refusal} from './refusal.ts';

/** What a request may take. */
export interface RequestLimits {
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

/** A connection broke; whether because its instance died is known within this time. */
const EXIT_NEWS_MS = 500;
/** What a client still sends after it was refused is read for so long, so that it gets to read the refusal. */
const LINGER_MS = 5000;

/** Answers one request: finds it an instance and passes both messages through, or says why there is no answer. */
export async function serveRequest(
  request: IncomingMessage,
  response: ServerResponse,
  pool: Pool,
  waiting: WaitingBodies,
  limits: RequestLimits,
): Promise<void> {
  const requestId = request.headers['x-request-id']?.toString() ?? randomUUID();
  // A client that goes away is noticed by its response's 'close'.
  request.on('error', () => {});
  response.on('error', () => {});
  try {
    if (Number(request.headers['content-length'] ?? 0) > limits.bytesMax) throw bodyTooLarge(limits.bytesMax);
    if (request.headers.expect !== undefined) response.writeContinue();
    const free = pool.take();
    if (free !== null) {
      await forward({request, response, requestId, slot: free, body: null, pool, limits});
      return;
    }
    const full = pool.full();
    if (full !== null) throw full;
    const body = await waiting.read(request, limits.bytesMax);
    try {
      const slot = await pool.wait(goneSignal(response));
      await forward({request, response, requestId, slot, body, pool, limits});
    } finally {
      waiting.done(body);
    }
  } catch (error) {
    if (error instanceof Refusal) refuse(request, response, requestId, error);
    // Else the client went away, and there is nobody to tell.
    else response.destroy();
  }
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly slot: Slot;
  /** What was read while it waited; null: it is still to be read. */
  readonly body: Buffer | null;
  readonly pool: Pool;
  readonly limits: RequestLimits;
}

/**
 * Hands a request to an instance and its answer back, each as it comes. The place is given back exactly once: when
 * the instance has done its part, not when the client has lost interest.
 *
 * @throws Refusal if no answer has begun; if one has, the client's connection is cut instead
 */
function forward(exchange: Exchange): Promise<void> {
  const {request, response, slot, body, pool, limits} = exchange;
  return new Promise((resolve, reject) => {
    let done = false;
    const finish = (giveBack: () => void, refusal: Refusal | null): void => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      response.off('close', onClientGone);
      giveBack();
      if (refusal === null) return resolve();
      upstream?.destroy();
      if (!response.headersSent) return reject(refusal);
      response.destroy();
      resolve();
    };
    const release = (): void => pool.release(slot, false);
    const broken = async (): Promise<void> => {
      if (!done) finish(release, await explainBreak(slot));
    };
    const timer = setTimeout(() => {
      const message = `no whole answer within ${limits.timeoutMs} ms; the instance was ended`;
      finish(() => pool.expire(slot), new Refusal('TIMED_OUT', message));
    }, limits.timeoutMs);
    /** An instance that has the whole request computes on: its place is not free before it is done. */
    const onClientGone = (): void => {
      if (response.writableFinished || (!response.headersSent && (body !== null || request.complete))) return;
      finish(release, null);
      upstream?.destroy();
    };
    response.on('close', onClientGone);

    let upstream: ClientRequest | null = null;
    try {
      upstream = openUpstream(exchange);
    } catch (error) {
      return finish(
        release,
        new Refusal('BAD_REQUEST', `the request cannot be passed on: ${messageOf(error)}`),
      );
    }
    let answered = false;
    upstream.on('error', () => void broken());
    upstream.on('close', () => {
      if (!answered) void broken();
    });
    upstream.on('response', (answer) => {
      answered = true;
      answer.on('error', () => {});
      answer.on('end', () => finish(() => pool.release(slot, true), null));
      answer.on('close', () => void broken());
      try {
        passAnswer(exchange, answer);
      } catch {
        // Headers that may not be passed on.
        void broken();
      }
    });
    sendBody(exchange, upstream, () => finish(release, bodyTooLarge(limits.bytesMax)));
  });
}

function openUpstream({request, requestId, slot, body}: Exchange): ClientRequest {
  const {host, port} = slot.ready as Ready;
  const headers = endToEnd(request.rawHeaders, [
    'x-request-id',
    ...(body === null ? [] : ['content-length']),
  ]);
  headers.push('x-request-id', requestId);
  if (body === null) {
    if (request.headers['transfer-encoding'] !== undefined) headers.push('transfer-encoding', 'chunked');
  } else if (body.length > 0 || request.headers['content-length'] !== undefined) {
    headers.push('content-length', String(body.length));
  }
  const {method = 'POST', url: path = '/'} = request;
  return httpRequest({host, port, agent: slot.agent, method, path, headers});
}

function sendBody({request, body, limits}: Exchange, upstream: ClientRequest, onTooLarge: () => void): void {
  if (body !== null) {
    upstream.end(body);
    return;
  }
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= limits.bytesMax) return;
    request.unpipe(upstream);
    onTooLarge();
  });
  request.pipe(upstream);
}

/** Everything that the instance says of itself goes out as it came. */
function passAnswer({response, requestId, pool}: Exchange, answer: IncomingMessage): void {
  if (response.destroyed) {
    answer.resume();
    return;
  }
  const headers = endToEnd(answer.rawHeaders);
  if (answer.headers['x-request-id'] === undefined) headers.push('x-request-id', requestId);
  if (pool.stopping) headers.push('connection', 'close');
  if (answer.statusMessage) response.statusMessage = answer.statusMessage;
  response.writeHead(answer.statusCode ?? 502, headers);
  // A body of known length follows at once; of another kind the head may be all there is for a while.
  if (answer.headers['content-length'] === undefined) response.flushHeaders();
  answer.pipe(response);
}

async function explainBreak(slot: Slot): Promise<Refusal> {
  const exit = await Promise.race([slot.run.exited, sleep(EXIT_NEWS_MS, null, {ref: false})]);
  const message =
    exit === null
      ? `instance ${slot.id} cut the connection before it had answered`
      : `instance ${slot.id} ${exit.how} before it had answered`;
  return new Refusal('INSTANCE_DIED', message);
}

function refuse(
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  refusal: Refusal,
): void {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const body = JSON.stringify({error: {code: refusal.code, message: refusal.message}});
  if (refusal.retryAfterMs !== null) {
    response.setHeader('retry-after', Math.ceil(refusal.retryAfterMs / 1000));
  }
  response.writeHead(refusal.status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'x-request-id': requestId,
  });
  if (request.complete) {
    response.end(body);
    return;
  }
  // Ending now would close the connection under a client that still writes, and take the refusal with it.
  response.write(body);
  const end = setTimeout(() => response.end(), LINGER_MS);
  request.once('end', () => {
    clearTimeout(end);
    response.end();
  });
  response.once('close', () => clearTimeout(end));
  request.resume();
}

function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the client went away')));
  return gone.signal;
}
