import {randomUUID} from 'node:crypto';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {bodyLength, bodyTooLarge, type WaitingBodies} from './body.ts';
import {forward} from './forward.ts';
import type {Metrics} from './metrics.ts';
import type {Pool, Slot} from './pool.ts';
import {Refusal} from './refusal.ts';
import type {RequestNote} from './request-note.ts';

/** What a request may take. */
export interface RequestLimits {
  readonly timeoutMs: number;
  readonly bytesMax: number;
}

/** A body up to this size is read before an instance is looked for: most have come with their heads. */
const SMALL_BODY_BYTES = 64 * 1024;
/** The status under which a request is counted that nobody waited to see answered. */
const CLIENT_GONE = 499;
/** What a client still sends after it was refused is read for so long, so that it gets to read the refusal. */
const LINGER_MS = 5000;

/**
 * Answers one request: finds it an instance and passes both messages through, or says why there is no answer.
 *
 * @param note is told what becomes of it; null: nobody wants to know
 */
export async function serveRequest(
  request: IncomingMessage,
  response: ServerResponse,
  pool: Pool,
  waiting: WaitingBodies,
  metrics: Metrics,
  limits: RequestLimits,
  note: RequestNote | null = null,
): Promise<void> {
  const startedMs = performance.now();
  const {bytesMax, timeoutMs} = limits;
  const requestId = request.headers['x-request-id']?.toString() ?? randomUUID();
  // A client that goes away is noticed by its response's 'close'.
  request.on('error', () => {});
  response.on('error', () => {});
  let body: Buffer | null = null;
  let status = CLIENT_GONE;
  pool.arrive();
  try {
    const length = bodyLength(request);
    if (length !== null && length > bytesMax) throw bodyTooLarge(bytesMax);
    const full = pool.full();
    if (full !== null) throw full;
    if (request.headers.expect !== undefined) response.writeContinue();
    if (length !== null && length <= SMALL_BODY_BYTES) body = await waiting.read(request, bytesMax);
    let slot = pool.take();
    if (slot === null) {
      body ??= await waiting.read(request, bytesMax);
      slot = await waitFor(pool, response);
    }
    note?.goesTo(slot.id);
    await forward({request, response, requestId, slot, body, pool, timeoutMs, bytesMax, note});
    if (response.headersSent) status = response.statusCode;
  } catch (error) {
    if (error instanceof Refusal) {
      status = error.status;
      metrics.countRefusal(error.code);
      note?.refused(error.message);
      if (pool.stopping) response.shouldKeepAlive = false;
      refuse(request, response, requestId, error);
    }
    // Else the client went away, and there is nobody to tell.
    else response.destroy();
  } finally {
    if (body !== null) waiting.done(body);
    metrics.countRequest(status, performance.now() - startedMs);
    note?.end(status);
    pool.depart();
  }
}

/** Waits for an instance for as long as the client does. */
async function waitFor(pool: Pool, response: ServerResponse): Promise<Slot> {
  const place = pool.wait();
  const onGone = (): void => place.leave(new Error('the client went away'));
  if (response.destroyed) onGone();
  response.once('close', onGone);
  try {
    return await place.slot;
  } finally {
    response.off('close', onGone);
  }
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
