import type {ChildProcess} from 'node:child_process';
import type {RunningServer} from '../instance.ts';
import type {RuntimeUnderTest} from './runtime-under-test.ts';

/** One row of `linear.onnx`, for which it answers 10.5. */
export const ROW = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 1, 1, 1]}]};

/** A runtime of which more is asked than that it starts. */
export interface ServerUnderTest extends RuntimeUnderTest {
  start(
    instanceDir: string,
    env?: {readonly [name: string]: string},
    args?: readonly string[],
    started?: (child: ChildProcess) => void,
  ): Promise<RunningServer>;
  /** Starts it where it has the sandbox, whose temporary folder this is, to itself. */
  startAlone(instanceDir: string, temporaryDir: string): Promise<RunningServer>;
}

/** Starts servers, and stops them all at the end. */
export interface ServerBench {
  readonly serve: (parts?: {
    readonly handler?: string;
    readonly env?: {readonly [name: string]: string};
    readonly args?: readonly string[];
  }) => Promise<RunningServer>;
  readonly close: () => Promise<void>;
}

/** A bench for servers of one runtime. */
export function openServerBench(runtime: ServerUnderTest): ServerBench {
  const running: RunningServer[] = [];
  return {
    async serve({handler, env, args} = {}) {
      const server = await runtime.start(await runtime.lay(handler ?? null), env, args);
      running.push(server);
      return server;
    },
    async close() {
      await Promise.all(running.splice(0).map((server) => server.stop()));
    },
  };
}

/** An answer, with its body as JSON. */
export interface JsonAnswer {
  readonly status: number;
  readonly headers: {readonly [name: string]: string};
  readonly body: {
    readonly [member: string]: unknown;
    readonly error?: {code: string; message: string; tensor?: string};
  };
}

/** Posts JSON, or a text as it is. */
export async function post(server: RunningServer, body: unknown, path = '/'): Promise<JsonAnswer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(server.url + path, {method: 'POST', body: text});
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: (await response.json()) as JsonAnswer['body'],
  };
}

/** The phases of a Server-Timing header, in ms. */
export function phasesOf(serverTiming: string | undefined): {[phase: string]: number} {
  const entries = (serverTiming ?? '').split(', ').map((entry) => entry.split(';dur='));
  return Object.fromEntries(entries.map(([name, ms]) => [name, Number(ms)]));
}

/** The first line of a server's log whose message has some words. */
export const logOf = (server: RunningServer, words: string): {[fact: string]: string} | undefined =>
  server.stdout
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as {[fact: string]: string})
    .find((line) => line['message']?.includes(words));

/** Looks again and again until something is there. */
export async function eventually<T>(look: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it never came');
}
