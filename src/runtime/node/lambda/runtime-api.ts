import {Agent, request as httpRequest, type IncomingHttpHeaders} from 'node:http';
import {messageOf} from '../failures.ts';

/** One event that Lambda wants answered. */
export interface Invocation {
  readonly requestId: string;
  /** When Lambda gives up, in milliseconds since the epoch; null if it did not say. */
  readonly deadlineMs: number | null;
  readonly traceId: string | null;
  readonly body: Buffer;
}

/** An error in the words of the Runtime API. */
export interface InvocationError {
  readonly errorType: string;
  readonly errorMessage: string;
}

/** Lambda's Runtime API: where events come from and answers go to. */
export interface RuntimeApi {
  /** Waits for the next event, for as long as it takes; null once the API is closed. */
  next(): Promise<Invocation | null>;
  respond(requestId: string, body: string): Promise<'taken' | 'too large' | 'too late'>;
  fail(requestId: string, error: InvocationError): Promise<void>;
  /** Says why this process cannot start. */
  failInit(error: InvocationError): Promise<void>;
  /** Lets the machine be frozen into a snapshot, and resolves in whichever machine is made from it. */
  awaitRestore(): Promise<void>;
  /** Ends the wait for the next event; what is being answered still is. */
  close(): void;
}

/** The Runtime API does not work, so that nothing is left for this process to do. */
class RuntimeApiFailure extends Error {}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** How often a cut connection is made anew, and how long the first pause is. */
const ATTEMPTS = 6;
const PAUSE_MS = 25;

/** @param address host and port, from AWS_LAMBDA_RUNTIME_API */
export function createRuntimeApi(address: string): RuntimeApi {
  const {hostname, port} = new URL(`http://${address}`);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  const agent = new Agent({keepAlive: true, maxSockets: 1});
  let closed = false;
  let endWait: () => void = () => undefined;

  const send = (
    method: string,
    path: string,
    body: string | null,
    headers: {[name: string]: string} = {},
  ): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const bytes = body === null ? null : Buffer.from(body);
      const length = bytes === null ? {} : {'content-length': bytes.byteLength};
      const request = httpRequest({
        agent,
        host,
        port: port === '' ? 80 : Number(port),
        method,
        path: `/2018-06-01/runtime/${path}`,
        headers: {...headers, ...length},
      });
      request.on('error', reject);
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          // The connection is about to carry something else.
          endWait = () => undefined;
          const {statusCode = 0, headers: answered} = response;
          resolve({status: statusCode, headers: answered, body: Buffer.concat(chunks)});
        });
      });
      if (method === 'GET') endWait = () => request.destroy();
      request.end(bytes);
    });

  /** Sends until an answer comes: connections break, above all those that rested while the machine was frozen. */
  const reach = async (
    method: string,
    path: string,
    body: string | null = null,
    headers: {[name: string]: string} = {},
  ): Promise<Reply | null> => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await send(method, path, body, headers);
      } catch (error) {
        if (closed && method === 'GET') return null;
        if (attempt === ATTEMPTS) {
          throw new RuntimeApiFailure(`${method} ${path} reached nobody at ${address}: ${messageOf(error)}`);
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * 2 ** attempt));
      }
    }
  };

  const post = async (
    path: string,
    body: string,
    headers: {[name: string]: string} = {},
  ): Promise<'taken' | 'too large' | 'too late'> => {
    const status = (await reach('POST', path, body, headers))?.status ?? 0;
    if (status < 300) return 'taken';
    if (status === 413) return 'too large';
    if (status < 500) return 'too late';
    throw new RuntimeApiFailure(`POST ${path} was answered with ${status}`);
  };
  const postError = async (path: string, {errorType, errorMessage}: InvocationError): Promise<void> => {
    const body = JSON.stringify({errorType, errorMessage, stackTrace: []});
    await post(path, body, {
      'content-type': 'application/json',
      'lambda-runtime-function-error-type': errorType.includes('.')
        ? errorType
        : `Function.${reasonOf(errorType)}`,
    });
  };

  return {
    async next() {
      if (closed) return null;
      const reply = await reach('GET', 'invocation/next');
      return reply === null ? null : invocationOf(reply);
    },
    respond: (requestId, body) =>
      post(`invocation/${encodeURIComponent(requestId)}/response`, body, {
        'content-type': 'application/json',
      }),
    fail: (requestId, error) => postError(`invocation/${encodeURIComponent(requestId)}/error`, error),
    failInit: (error) => postError('init/error', error),
    async awaitRestore() {
      const reply = await reach('GET', 'restore/next');
      if (reply !== null && reply.status !== 200) {
        throw new RuntimeApiFailure(`GET restore/next was answered with ${reply.status}`);
      }
    },
    close() {
      closed = true;
      endWait();
    },
  };
}

/** An error's name or code as Lambda takes it for the reason: letters alone, `MissingInput` for `MISSING_INPUT`. */
export function reasonOf(errorType: string): string {
  const words = errorType.split(/[^a-zA-Z]+/).filter((word) => word !== '');
  const reason = words.map((word) => {
    const rest = word.slice(1);
    return word.charAt(0).toUpperCase() + (word === word.toUpperCase() ? rest.toLowerCase() : rest);
  });
  return reason.join('') || 'Unknown';
}

function invocationOf({status, headers, body}: Reply): Invocation {
  const requestId = headers['lambda-runtime-aws-request-id'];
  if (status !== 200 || typeof requestId !== 'string') {
    throw new RuntimeApiFailure(`GET invocation/next was answered with ${status} and no event`);
  }
  const deadlineMs = Number(headers['lambda-runtime-deadline-ms']);
  const traceId = headers['lambda-runtime-trace-id'];
  return {
    requestId,
    deadlineMs: Number.isFinite(deadlineMs) && deadlineMs > 0 ? deadlineMs : null,
    traceId: typeof traceId === 'string' && traceId !== '' ? traceId : null,
    body,
  };
}
