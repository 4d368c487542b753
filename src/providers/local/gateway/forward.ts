import type {IncomingMessage, ServerResponse} from 'node:http';
import type {Readable} from 'node:stream';
import {setTimeout as sleep} from 'node:timers/promises';
import type {Client, Dispatcher} from 'undici';
import {messageOf, systemCode} from '../../../core/errors.ts';
import {streamBody} from './body.ts';
import type {Connections} from './connections.ts';
import {endToEnd} from './headers.ts';
import type {Pool, Slot} from './pool.ts';
import {Refusal} from './refusal.ts';
import type {RequestNote} from './request-note.ts';

/** One request on its way through an instance. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
  readonly slot: Slot;
  /** What has been read already: all of it; null: it is still to be read. */
  readonly body: Buffer | null;
  readonly pool: Pool;
  readonly timeoutMs: number;
  readonly bytesMax: number;
  /** Is told of the answer's head. */
  readonly note: RequestNote | null;
}

/** A connection broke; whether because its instance died is known within this time, also from a container engine. */
const EXIT_NEWS_MS = 5000;

/**
 * Hands a request to an instance and its answer back, each as it comes. The place is given back exactly once: when
 * the instance has done its part, not when the client has lost interest.
 *
 * @throws Refusal if no answer has begun; if one has, the client's connection is cut instead
 */
export function forward(exchange: Exchange): Promise<void> {
  return new Promise((resolve, reject) => {
    new Forwarding(exchange, resolve, reject).begin();
  });
}

/** The state of one exchange, and what happens to it from either side. */
class Forwarding implements Dispatcher.DispatchHandler {
  readonly #exchange: Exchange;
  readonly #resolve: () => void;
  readonly #reject: (refusal: Refusal) => void;
  readonly #connections: Connections;
  readonly #connection: Client;
  readonly #timer: NodeJS.Timeout;
  #controller: Dispatcher.DispatchController | null = null;
  /** What of the answer is still to come; null if the instance does not say. */
  #bytesLeft: number | null = null;
  #done = false;

  constructor(exchange: Exchange, resolve: () => void, reject: (refusal: Refusal) => void) {
    this.#exchange = exchange;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#connections = exchange.slot.connections as Connections;
    this.#connection = this.#connections.take();
    this.#timer = setTimeout(this.#onTimeout, exchange.timeoutMs);
  }

  begin(): void {
    const {request, response, requestId, body, bytesMax} = this.#exchange;
    response.on('close', this.#onClientGone);
    const headers = endToEnd(request.rawHeaders, 'x-request-id', body === null ? '' : 'content-length');
    headers.push('x-request-id', requestId);
    this.#connection.dispatch(
      {
        method: request.method ?? 'POST',
        path: request.url ?? '/',
        headers,
        // undici takes anything that can be iterated, which its types do not say.
        body: body ?? (streamBody(request, bytesMax) as AsyncIterable<Buffer> as unknown as Readable),
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#done) controller.abort(new Error('over before it began'));
  }

  /** Everything that the instance says of itself goes out as it came. */
  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: object,
    statusMessage?: string,
  ): void {
    const {response, requestId, pool} = this.#exchange;
    if (status < 200 || this.#done || response.destroyed) return;
    const raw = (controller.rawHeaders as Buffer[]).map((part) => part.toString('latin1'));
    const headers = endToEnd(raw);
    this.#exchange.note?.answered(raw);
    const length = valueOf(raw, 'content-length');
    if (valueOf(raw, 'x-request-id') === undefined) headers.push('x-request-id', requestId);
    if (pool.stopping) headers.push('connection', 'close');
    if (statusMessage) response.statusMessage = statusMessage;
    try {
      response.writeHead(status, headers);
    } catch {
      // Headers that may not be passed on.
      void this.#break();
      return;
    }
    // A body of known length follows at once; of another kind the head may be all there is for a while.
    if (length === undefined) response.flushHeaders();
    else this.#bytesLeft = Number(length);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const {response} = this.#exchange;
    if (this.#done || response.destroyed) return;
    if (this.#bytesLeft !== null) {
      this.#bytesLeft -= chunk.length;
      if (this.#bytesLeft === 0) {
        response.end(chunk);
        return;
      }
    }
    if (response.write(chunk)) return;
    controller.pause();
    response.once('drain', () => controller.resume());
  }

  onResponseEnd(): void {
    const {pool, slot, response} = this.#exchange;
    if (this.#done) return;
    if (!response.writableEnded) response.end();
    this.#finish(() => pool.release(slot, true), null);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const {pool, slot} = this.#exchange;
    if (this.#done) return;
    if (error instanceof Refusal) this.#finish(() => pool.release(slot, false), error);
    else if (systemCode(error) === 'UND_ERR_INVALID_ARG') {
      const message = `the request cannot be passed on: ${messageOf(error)}`;
      this.#finish(() => pool.release(slot, false), new Refusal('BAD_REQUEST', message));
    } else void this.#break();
  }

  readonly #onTimeout = (): void => {
    const {pool, slot, timeoutMs} = this.#exchange;
    const message = `no whole answer within ${timeoutMs} ms; the instance was ended`;
    this.#finish(() => pool.expire(slot), new Refusal('TIMED_OUT', message));
  };

  /** An instance that has the whole request computes on: its place is not free before it is done. */
  readonly #onClientGone = (): void => {
    const {request, response, body, pool, slot} = this.#exchange;
    if (response.writableFinished || (!response.headersSent && (body !== null || request.complete))) return;
    this.#finish(() => pool.release(slot, false), null);
    this.#controller?.abort(new Error('the client went away'));
  };

  async #break(): Promise<void> {
    const {pool, slot} = this.#exchange;
    const refusal = await explainBreak(slot);
    this.#finish(() => pool.release(slot, false), refusal);
  }

  #finish(giveBack: () => void, refusal: Refusal | null): void {
    if (this.#done) return;
    this.#done = true;
    const {response} = this.#exchange;
    clearTimeout(this.#timer);
    response.off('close', this.#onClientGone);
    this.#connections.giveBack(this.#connection);
    giveBack();
    if (refusal !== null) {
      this.#controller?.abort(refusal);
      if (!response.headersSent) return this.#reject(refusal);
      response.destroy();
    }
    this.#resolve();
  }
}

/** The value of a header among raw ones, by its name in lower case. */
function valueOf(rawHeaders: readonly string[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const raw = rawHeaders[i] as string;
    if (raw.length === name.length && raw.toLowerCase() === name) return rawHeaders[i + 1];
  }
  return undefined;
}

async function explainBreak(slot: Slot): Promise<Refusal> {
  const exit = await Promise.race([slot.run.exited, sleep(EXIT_NEWS_MS, null, {ref: false})]);
  const message =
    exit === null
      ? `instance ${slot.id} cut the connection before it had answered`
      : `instance ${slot.id} ${exit.how} before it had answered`;
  return new Refusal(exit?.reason === 'out-of-memory' ? 'OUT_OF_MEMORY' : 'INSTANCE_DIED', message);
}
