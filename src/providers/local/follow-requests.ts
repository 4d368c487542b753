import type {LogLine, LogQuery} from '../../core/deployment.ts';
import type {Context} from '../../core/driver.ts';
import {askGateway} from './control.ts';
import type {FunctionPaths} from './paths.ts';
import type {FollowRequest} from './protocol.ts';
import {readLogs} from './read-logs.ts';

/** A gateway notes requests for so long after it was last asked to, and is asked so often. */
const NOTED_MS = 10_000;
const ASK_EVERY_MS = 2000;

/** Reads the log as `readLogs` does, and has the gateway note requests there meanwhile; also one that comes later. */
export async function* followRequests(
  context: Context,
  paths: FunctionPaths,
  query: LogQuery,
): AsyncGenerator<LogLine> {
  const left = new AbortController();
  const signal = AbortSignal.any([context.signal, left.signal]);
  const ask = (): Promise<unknown> => {
    const body: FollowRequest = {forMs: NOTED_MS};
    return askGateway({...context, signal}, paths, 'POST', '/log/follow', body).catch(() => null);
  };
  const goOnAsking = async (): Promise<void> => {
    const {clock} = context.ports;
    while (!signal.aborted) {
      await clock.sleep(ASK_EVERY_MS, signal).catch(() => {});
      if (!signal.aborted) await ask();
    }
  };

  await ask();
  query.onFollowing?.();
  const asking = goOnAsking();
  try {
    yield* readLogs(context, paths, query);
  } finally {
    left.abort();
    await asking;
  }
}
