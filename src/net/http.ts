import http from 'node:http';
import https from 'node:https';
import type {Socket} from 'node:net';
import {messageOf, systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {Clock, Http, HttpRequest} from '../core/ports.ts';
import type {Invocation} from '../core/sample.ts';
import {systemClock} from './clock.ts';
import {parseEvidence, unreadableEvidence} from '../core/evidence.ts';

type WireError = NonNullable<Invocation['error']>;

const CLOSED: WireError = {kind: 'reset', message: 'the connection was closed before the answer was whole'};

/** As many as a load may have had under way when it met a stall: to open them anew would add to the next one. */
const KEPT_CONNECTIONS_MAX = 10_000;

/**
 * Makes an HTTP client that sends each request exactly once (no retry, no redirect) and times it on the socket's
 * own events. Connections are kept and shared by the requests of one client, except where a request asks for a
 * connection of its own. All its requests are dated by one reading of the wall clock: if that is set meanwhile, the
 * times between them stay what they were.
 */
export function createHttp(clock: Clock = systemClock): Http {
  const agents = {
    'http:': new http.Agent({keepAlive: true, maxFreeSockets: KEPT_CONNECTIONS_MAX}),
    'https:': new https.Agent({keepAlive: true, maxFreeSockets: KEPT_CONNECTIONS_MAX}),
  };
  const onAbortOf = createAbortListeners();
  const epochMs = clock.now() - clock.monotonicMs();
  return async (request) => {
    throwIfInterrupted(request.signal);
    const url = new URL(request.url);
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new TypeError(`thaw speaks http and https, not ${url.protocol} (${request.url})`);
    }
    const agent = request.freshConnection === true ? false : agents[url.protocol];
    return await sendOnce(url, request, agent, clock, epochMs, onAbortOf);
  };
}

function sendOnce(
  url: URL,
  request: HttpRequest,
  agent: http.Agent | false,
  clock: Clock,
  epochMs: number,
  onAbortOf: OnAbort,
): Promise<Invocation> {
  return new Promise((resolve, reject) => {
    const dueMs = clock.monotonicMs();
    const at = new Date(epochMs + dueMs).toISOString();
    const sinceDue = (): number => clock.monotonicMs() - dueMs;

    let resolvedMs: number | null = null;
    let openedMs: number | null = null;
    let connectedMs: number | null = null;
    let writtenMs: number | null = null;
    let firstByteMs: number | null = null;
    let response: http.IncomingMessage | null = null;
    const chunks: Buffer[] = [];

    const sentMs = sinceDue();
    const outgoing = (url.protocol === 'https:' ? https : http).request(url, {
      method: request.method ?? (request.body === undefined ? 'GET' : 'POST'),
      headers: {...request.headers},
      agent,
      ...(request.socketPath === undefined ? {} : {socketPath: request.socketPath}),
    });

    /** The first outcome counts; whatever the wire still says after it is of no interest. */
    let settled = false;
    const settle = (outcome: () => void): void => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      forgetAbort();
      outcome();
    };
    const finish = (error: WireError | null): void =>
      settle(() => {
        const endMs = sinceDue();
        const headers = response ? headersOf(response) : {};
        const unreadable = unreadableEvidence(headers);
        resolve({
          at,
          status: response?.statusCode ?? null,
          headers,
          body: Buffer.concat(chunks),
          timings: {
            sentMs,
            ...(resolvedMs === null ? {} : {resolvedMs}),
            ...(openedMs === null ? {} : {openedMs}),
            connectedMs,
            writtenMs,
            firstByteMs,
            endMs,
          },
          evidence: parseEvidence(headers),
          ...(unreadable.length === 0 ? {} : {unreadable}),
          error,
        });
        // An answer that came before all was sent, as to a body too large: the rest need not go out.
        if (error || !outgoing.writableFinished) outgoing.destroy();
      });
    const fail = (error: unknown): void => finish({kind: kindOf(error), message: wireMessage(error)});

    const onAbort = (): void =>
      settle(() => {
        outgoing.destroy();
        reject(new ThawError('INTERRUPTED', 'interrupted', {}, {cause: request.signal.reason}));
      });
    const forgetAbort = onAbortOf(request.signal, onAbort);
    const timer = setTimeout(
      () => finish({kind: 'timeout', message: `no whole answer within ${request.timeoutMs} ms`}),
      request.timeoutMs,
    );

    const onFirstByte = (): void => {
      firstByteMs ??= sinceDue();
    };
    outgoing.on('socket', (socket: Socket) => {
      const onConnected = (): void => {
        connectedMs = sinceDue();
      };
      // The agent hands out a kept connection as it is, and a new one before it is connected.
      if (socket.connecting) {
        // Once for each address of the host: the last one counts.
        socket.on('lookup', () => {
          resolvedMs = sinceDue();
        });
        socket.once('connect', () => {
          openedMs = sinceDue();
        });
        socket.once(url.protocol === 'https:' ? 'secureConnect' : 'connect', onConnected);
      } else onConnected();
      socket.prependListener('data', onFirstByte);
    });
    // An interim answer (1xx) is not the answer.
    outgoing.on('information', () => {
      firstByteMs = null;
    });
    outgoing.on('response', (incoming) => {
      onFirstByte();
      incoming.socket.removeListener('data', onFirstByte);
      response = incoming;
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => finish(null));
      incoming.on('error', fail);
      incoming.on('close', () => finish(CLOSED));
    });
    outgoing.on('error', fail);
    // The request may close before the end of its answer has been read.
    outgoing.on('close', () => {
      if (response === null) finish(CLOSED);
    });
    outgoing.end(request.body, () => {
      writtenMs = sinceDue();
    });
  });
}

/** Calls back when the signal fires, once; returns how to be called no more. */
type OnAbort = (signal: AbortSignal, callback: () => void) => () => void;

/**
 * Listens once to each signal, however many requests wait on it. A signal looks through all its listeners for each
 * that comes or goes, which thousands of requests under way would feel, and warns of a leak.
 */
function createAbortListeners(): OnAbort {
  const waiting = new WeakMap<AbortSignal, Set<() => void>>();
  return (signal, callback) => {
    const callbacks = waiting.get(signal) ?? new Set();
    if (!waiting.has(signal)) {
      waiting.set(signal, callbacks);
      signal.addEventListener(
        'abort',
        () => {
          for (const each of callbacks) each();
        },
        {once: true},
      );
    }
    callbacks.add(callback);
    return () => void callbacks.delete(callback);
  };
}

/** Header values as one string each, as they would stand in one line. */
function headersOf(response: http.IncomingMessage): {[name: string]: string} {
  return Object.fromEntries(
    Object.entries(response.headers)
      .filter((entry): entry is [string, string | string[]] => entry[1] !== undefined)
      .map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}

/** What kind of failure an error of Node's network stack is. */
export function kindOf(error: unknown): WireError['kind'] {
  const code = systemCode(error) ?? '';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN' || code === 'EAI_FAIL' || code === 'EAI_NODATA')
    return 'dns';
  // A socket file that is not there is as good as a port nobody listens on.
  if (code === 'ECONNREFUSED' || code === 'ENOENT') return 'refused';
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED') return 'reset';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (
    /^(ERR_TLS|ERR_SSL|EPROTO|CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|INVALID_CA)/.test(
      code,
    )
  ) {
    return 'tls';
  }
  return 'other';
}

/** Trying several addresses of a host ends in one error without a message of its own. */
function wireMessage(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return messageOf(error);
}
