import type {IncomingMessage} from 'node:http';
import {Refusal} from './refusal.ts';

/** Bytes of all bodies together that may wait in memory for an instance. */
const WAITING_BYTES_MAX = 256 * 2 ** 20;
const EMPTY = Buffer.alloc(0);

/** The refusal of a body that is larger than a function takes. */
export const bodyTooLarge = (bytesMax: number): Refusal =>
  new Refusal('BODY_TOO_LARGE', `the body is larger than ${bytesMax} bytes, the most that is taken`);

/** The bytes that a request says its body has; null if it does not say. */
export function bodyLength({headers}: IncomingMessage): number | null {
  if (headers['content-length'] !== undefined) return Number(headers['content-length']);
  return headers['transfer-encoding'] === undefined ? 0 : null;
}

/**
 * A body as it comes, piece by piece, read no faster than it is taken. The request survives when it is not read to
 * its end, so that it can still be answered.
 *
 * @throws Refusal BODY_TOO_LARGE; Error if the client goes away
 */
export async function* streamBody(request: IncomingMessage, bytesMax: number): AsyncGenerator<Buffer> {
  let bytes = 0;
  for await (const chunk of request.iterator({destroyOnReturn: false}) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw bodyTooLarge(bytesMax);
    yield chunk;
  }
}

/** The bodies of requests that are not with an instance yet. */
export class WaitingBodies {
  #bytes = 0;

  /**
   * Reads a body to its end, so that an instance is started only for a request that has arrived whole.
   * Give its bytes back with `done` when it has been sent on.
   *
   * @throws Refusal BODY_TOO_LARGE, QUEUE_FULL; Error if the client goes away
   */
  read(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
    const length = bodyLength(request);
    if (length === 0) return Promise.resolve(EMPTY);
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      const leave = (): void => {
        request.off('data', onData).off('end', onEnd).off('close', onClose);
      };
      const fail = (error: Error): void => {
        leave();
        this.#bytes -= bytes;
        reject(error);
      };
      const onData = (chunk: Buffer): void => {
        bytes += chunk.length;
        this.#bytes += chunk.length;
        chunks.push(chunk);
        if (bytes > bytesMax) fail(bodyTooLarge(bytesMax));
        else if (this.#bytes > WAITING_BYTES_MAX) {
          fail(new Refusal('QUEUE_FULL', 'too much is waiting for an instance already', 1000));
        } else if (bytes === length) onEnd();
      };
      const onEnd = (): void => {
        leave();
        resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, bytes));
      };
      const onClose = (): void => fail(new Error('the client went away'));
      request.on('data', onData).on('end', onEnd).on('close', onClose);
    });
  }

  /** Says that a body which was read waits no longer. */
  done(body: Buffer): void {
    this.#bytes -= body.length;
  }
}
