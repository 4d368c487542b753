import type {IncomingMessage} from 'node:http';
import {Refusal} from './refusal.ts';

/** Bytes of all bodies together that may wait in memory for an instance. */
const WAITING_BYTES_MAX = 256 * 2 ** 20;

/** The refusal of a body that is larger than a function takes. */
export const bodyTooLarge = (bytesMax: number): Refusal =>
  new Refusal('BODY_TOO_LARGE', `the body is larger than ${bytesMax} bytes, the most that is taken`);

/** The bodies of requests for which no instance is free yet. */
export class WaitingBodies {
  #bytes = 0;

  /**
   * Reads a body to its end, so that an instance is started only for a request that has arrived whole.
   * Give its bytes back with `done` when it has been sent on.
   *
   * @throws Refusal BODY_TOO_LARGE, QUEUE_FULL; Error if the client goes away
   */
  async read(request: IncomingMessage, bytesMax: number): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request.iterator({destroyOnReturn: false}) as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        this.#bytes += chunk.length;
        if (bytes > bytesMax) throw bodyTooLarge(bytesMax);
        if (this.#bytes > WAITING_BYTES_MAX) {
          throw new Refusal('QUEUE_FULL', 'too much is waiting for an instance already', 1000);
        }
        chunks.push(chunk);
      }
    } catch (error) {
      this.#bytes -= bytes;
      throw error;
    }
    return Buffer.concat(chunks, bytes);
  }

  /** Says that a body which was read waits no longer. */
  done(body: Buffer): void {
    this.#bytes -= body.length;
  }
}
