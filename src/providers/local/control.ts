import type {Context} from '../../core/driver.ts';
import {EXIT_CODES, ThawError, type ErrorCode} from '../../core/errors.ts';
import type {Json, JsonObject} from '../../core/json.ts';
import type {FunctionPaths} from './paths.ts';

/** A question of a few milliseconds; anything that waits for instances is given longer. */
export const ASK_MS = 10_000;
/** Draining, and an instance that takes its whole start time, both fit in here. */
export const CHANGE_MS = 150_000;

/**
 * Asks the gateway over its control socket. Null if none runs.
 *
 * @throws ThawError as the gateway refused; PROVIDER_UNREACHABLE if it does not answer; INTERRUPTED
 */
export async function askGateway<T>(
  context: Context,
  paths: FunctionPaths,
  method: 'GET' | 'POST' | 'PUT' | 'DELETE',
  path: string,
  body: Json = null,
  timeoutMs: number = ASK_MS,
): Promise<T | null> {
  const answer = await context.ports.http({
    url: `http://gateway${path}`,
    method,
    socketPath: paths.socket,
    headers: {'content-type': 'application/json'},
    ...(body === null ? {} : {body: JSON.stringify(body)}),
    timeoutMs,
    signal: context.signal,
    freshConnection: true,
  });
  if (answer.error?.kind === 'refused') return null;
  if (answer.error !== null || answer.status === null) {
    const message = `the gateway did not answer ${method} ${path}: ${answer.error?.message ?? 'no answer'}`;
    throw new ThawError('PROVIDER_UNREACHABLE', message, {socket: paths.socket});
  }
  const value = JSON.parse(Buffer.from(answer.body).toString('utf8')) as Json;
  if (answer.status === 200) return value as T;
  throw refusalOf(value, `${method} ${path}`);
}

/** As `askGateway`, where a gateway has to be. @throws ThawError PROVIDER_UNREACHABLE if none runs */
export async function tellGateway<T>(
  context: Context,
  paths: FunctionPaths,
  method: 'POST' | 'PUT' | 'DELETE',
  path: string,
  body: Json = null,
): Promise<T> {
  const answer = await askGateway<T>(context, paths, method, path, body, CHANGE_MS);
  if (answer !== null) return answer;
  throw new ThawError('PROVIDER_UNREACHABLE', 'its gateway is not running', {socket: paths.socket});
}

function refusalOf(value: Json, asked: string): Error {
  const {code, message, facts} = (
    value as {error: {code: string | null; message: string; facts?: JsonObject}}
  ).error;
  if (code !== null && Object.hasOwn(EXIT_CODES, code))
    return new ThawError(code as ErrorCode, message, facts);
  return new Error(`the gateway failed at ${asked}: ${message}`);
}
