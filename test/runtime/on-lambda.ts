// Instances that think they are on Lambda.
import {rm} from 'node:fs/promises';
import {expect} from 'vitest';
import type {RunningServer} from '../instance.ts';
import {startRuntimeApi, type FakeRuntimeApi, type Outcome} from '../lambda-runtime-api.ts';
import type {RuntimeUnderTest} from './runtime-under-test.ts';

/** An instance with the Runtime API that it asks for events. */
export interface Lambda {
  readonly api: FakeRuntimeApi;
  readonly server: RunningServer;
}

/** Where a test gets such instances, and leaves them. */
export interface LambdaBench {
  openApi(): Promise<FakeRuntimeApi>;
  /** Lays out an instance folder and forgets it at the end. */
  lay(handler: string | null): Promise<string>;
  /** An instance that is ready. `before` is called with the Runtime API before the instance starts. */
  open(
    handler: string | null,
    env?: {readonly [name: string]: string},
    before?: (api: FakeRuntimeApi) => void,
  ): Promise<Lambda>;
  start(instanceDir: string, env: {readonly [name: string]: string}): Promise<RunningServer>;
  /** Ends and removes everything. */
  close(): Promise<void>;
}

export function openLambdaBench(runtime: RuntimeUnderTest): LambdaBench {
  const stops: (() => Promise<void>)[] = [];
  const openApi = async (): Promise<FakeRuntimeApi> => {
    const api = await startRuntimeApi();
    stops.push(() => api.close());
    return api;
  };
  const lay = async (handler: string | null): Promise<string> => {
    const dir = await runtime.lay(handler);
    stops.push(() => rm(dir, {recursive: true, force: true}));
    return dir;
  };
  const start = async (dir: string, env: {readonly [name: string]: string}): Promise<RunningServer> => {
    const server = await runtime.start(dir, env);
    stops.push(() => server.stop());
    return server;
  };
  return {
    openApi,
    lay,
    start,
    async open(handler, env = {}, before = () => undefined) {
      const api = await openApi();
      before(api);
      const address = {AWS_LAMBDA_RUNTIME_API: api.address, THAW_IMAGE: 'sha256:abc'};
      return {api, server: await start(await lay(handler), {...address, ...env})};
    },
    async close() {
      for (const stop of stops.splice(0).toReversed()) await stop();
    },
  };
}

/** An answer as function URLs take it. */
export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: {readonly [name: string]: string};
  readonly multiValueHeaders?: {readonly [name: string]: readonly string[]};
  readonly body: string;
  readonly isBase64Encoded: boolean;
}

export const answerOf = ({kind, text}: Outcome): HttpAnswer => {
  expect(kind, text).toBe('response');
  return JSON.parse(text) as HttpAnswer;
};

export type Facts = {readonly [fact: string]: unknown};

/** What an instance wrote as JSON lines. */
export const linesOf = (server: RunningServer): Facts[] =>
  server.stdout.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Facts);

/** Looks until there is something, for at most half a minute. */
export async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (let attempt = 0; attempt < 1200; attempt += 1) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('it never came');
}

/** The evidence lines, once there are so many: what else an invocation logs lies before its own. */
export const evidenceOf = (server: RunningServer, count: number): Promise<Facts[]> =>
  eventually(() => {
    const lines = linesOf(server).filter((line) => line['event'] === 'evidence');
    return lines.length < count ? undefined : lines;
  });
