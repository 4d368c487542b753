import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import type {Clock} from '../../core/ports.ts';
import type {Invocation} from '../../core/sample.ts';
import {runLoad} from './run.ts';

const REHEARSAL = {kind: 'rate', perSecond: 1000, durationMs: 600} as const;

/**
 * Plays a short load against a server of its own in this process, and forgets what came out. A program's first
 * requests are slow because its code is not compiled yet; in a load, whose requests are due whether it is ready or
 * not, that would be blamed on the endpoint. The endpoint sees nothing of this.
 *
 * @param send sends a GET to a URL, as the load will send its requests
 */
export async function rehearse(
  send: (url: string) => Promise<Invocation>,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const server = createServer((_, response) => response.end('{}'));
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await runLoad({
      provider: 'rehearsal',
      shape: REHEARSAL,
      fire: () => send(url),
      inFlightMax: 100,
      clock,
      signal,
      keep: async (samples) => void samples.map((sample) => JSON.stringify(sample)),
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
