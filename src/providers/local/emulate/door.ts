import {createServer, type IncomingMessage, type RequestListener} from 'node:http';
import type {AddressInfo} from 'node:net';
import type {Ready, Running} from '../engine.ts';

/** A server on this machine that stands before one instance. */
export interface Door {
  readonly port: number;
  /** Cuts every connection and gives the port back. */
  close(): Promise<void>;
}

/** @param host one address of this machine, never all of them */
export async function openDoor(listener: RequestListener, host = '127.0.0.1'): Promise<Door> {
  const server = createServer(listener);
  // Whoever comes keeps his connection for as long as he likes, and may wait for an answer as long.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({host, port: 0, exclusive: true}, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/**
 * Puts a door before an instance that takes requests itself.
 *
 * @param stopGraceMs what the cloud gives an instance to end, whatever the gateway would
 */
export function behindDoor(
  run: Running,
  stopGraceMs: number,
  listenerFor: (ready: Ready) => RequestListener,
): Running {
  const opened = run.ready.then(async (inner) => ({inner, door: await openDoor(listenerFor(inner))}));
  const ready = opened.then(({inner, door}): Ready => ({...inner, host: '127.0.0.1', port: door.port}));
  ready.catch(() => {});
  const exited = (async () => {
    const exit = await run.exited;
    const door = await opened.then(
      (both) => both.door,
      () => null,
    );
    await door?.close();
    return exit;
  })();
  return {
    ...run,
    ready,
    exited,
    stop: async () => {
      await run.stop(stopGraceMs);
      return exited;
    },
  };
}

/** Reads a body to its end; null if it has more bytes than that, of which the rest is let go. */
export async function readBody(request: IncomingMessage, bytesMax: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
  }
  return bytes <= bytesMax ? Buffer.concat(chunks) : null;
}
