import type {Context} from '../../core/driver.ts';
import {EXIT_CODES, ThawError, type ErrorCode} from '../../core/errors.ts';
import type {Json, JsonObject} from '../../core/json.ts';
import type {Invocation} from '../../core/sample.ts';
import type {FunctionPaths} from './paths.ts';
import type {Hello} from './protocol.ts';

/** A question of a few milliseconds; anything that waits for instances is given longer. */
const ASK_MS = 10_000;
const ASK_AGAIN_MS = 25;
const ASKED_MOST = 40;
/** Draining, and an instance that takes its whole start time, both fit in here. */
const CHANGE_MS = 150_000;

/**
 * Asks the gateway something that changes nothing. Null if none runs. One that is just being killed may still take a
 * connection and then drop it, so a dropped question is asked again.
 *
 * @throws ThawError PROVIDER_UNREACHABLE if it does not answer; INTERRUPTED
 */
export async function askGateway<T>(
  context: Context,
  paths: FunctionPaths,
  method: 'GET' | 'POST',
  path: string,
  body: Json = null,
): Promise<T | null> {
  for (let attempt = 1; ; attempt++) {
    const answer = await send(context, paths, method, path, body, ASK_MS);
    if (answer.error?.kind === 'refused') return null;
    if (answer.error?.kind !== 'reset' || attempt === ASKED_MOST)
      return readAnswer(answer, method, path) as T;
    await context.ports.clock.sleep(ASK_AGAIN_MS, context.signal);
  }
}

/** Asks whether a gateway runs, and which. */
export const findGateway = (context: Context, paths: FunctionPaths): Promise<Hello | null> =>
  askGateway<Hello>(context, paths, 'GET', '/hello');

/**
 * Tells the gateway to change something, once.
 *
 * @throws ThawError as the gateway refused; PROVIDER_UNREACHABLE if none runs or it does not answer; INTERRUPTED
 */
export async function tellGateway<T>(
  context: Context,
  paths: FunctionPaths,
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  body: Json = null,
): Promise<T> {
  const answer = await send(context, paths, method, path, body, CHANGE_MS);
  if (answer.error?.kind === 'refused') {
    throw new ThawError('PROVIDER_UNREACHABLE', 'its gateway is not running', {socket: paths.socket});
  }
  return readAnswer(answer, method, path) as T;
}

function send(
  context: Context,
  paths: FunctionPaths,
  method: string,
  path: string,
  body: Json,
  timeoutMs: number,
): Promise<Invocation> {
  return context.ports.http({
    url: `http://gateway${path}`,
    method,
    socketPath: paths.socket,
    headers: {'content-type': 'application/json'},
    ...(body === null ? {} : {body: JSON.stringify(body)}),
    timeoutMs,
    signal: context.signal,
    freshConnection: true,
  });
}

function readAnswer({status, error, body}: Invocation, method: string, path: string): Json {
  if (error !== null || status === null) {
    const message = `the gateway did not answer ${method} ${path}: ${error?.message ?? 'nothing came'}`;
    throw new ThawError('PROVIDER_UNREACHABLE', message);
  }
  const value = JSON.parse(Buffer.from(body).toString('utf8')) as Json;
  if (status === 200) return value;
  throw refusalOf(value, `${method} ${path}`);
}

function refusalOf(value: Json, asked: string): Error {
  const {code, message, facts} = (
    value as {error: {code: string | null; message: string; facts?: JsonObject}}
  ).error;
  if (code !== null && Object.hasOwn(EXIT_CODES, code))
    return new ThawError(code as ErrorCode, message, facts);
  return new Error(`the gateway failed at ${asked}: ${message}`);
}
