import type {IncomingHttpHeaders} from 'node:http';
import type {Readable} from 'node:stream';
import type {Dispatcher} from 'undici';
import {messageOf, systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Clock} from '../../core/ports.ts';
import {readProxies} from './proxy.ts';
import {isLoopback} from './reference.ts';
import type {Surroundings} from './surroundings.ts';
import {readTrust, secureContext} from './trust.ts';

/** What a request carries; opened anew for each attempt. */
export interface RequestBody {
  readonly bytes: number;
  readonly open: () => Uint8Array | Readable;
}

/** One request, which may take several attempts and lead through redirects. */
export interface RegistryRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH';
  readonly url: URL;
  readonly headers?: {readonly [name: string]: string};
  /** Sent to the URL's own origin only, whichever redirects follow. */
  readonly authorization?: string | null;
  readonly body?: RequestBody;
  /** Whether sending it twice does no harm. */
  readonly retry: boolean;
  readonly signal: AbortSignal;
}

/** An answer whose body is still to be read or discarded. */
export interface RegistryAnswer {
  readonly method: string;
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Dispatcher.ResponseData['body'];
}

export interface Transport {
  /** Whatever the status, an answer is an answer. @throws ThawError PROVIDER_UNREACHABLE, PROVIDER_REFUSED, INTERRUPTED */
  readonly send: (request: RegistryRequest) => Promise<RegistryAnswer>;
  readonly close: () => Promise<void>;
}

export interface TransportOptions {
  /** Host and, where it is not the usual one, port whose certificates count. */
  readonly host: string;
  readonly surroundings: Surroundings;
  readonly clock: Clock;
  /** Whether http without TLS is allowed beyond this machine. */
  readonly allowHttp: boolean;
  /** How long to wait for a connection. */
  readonly connectTimeoutMs?: number;
  /** How long neither side may say anything. */
  readonly idleTimeoutMs?: number;
}

const ATTEMPTS_MAX = 5;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 8_000;
const RETRY_AFTER_MAX_MS = 60_000;
const REDIRECTS_MAX = 10;
const LONG_BODY_BYTES = 1 << 20;

/**
 * Opens connections as the machine's variables and certificates say; never through a proxy to this machine itself.
 *
 * @throws ThawError INPUT_INVALID, CREDENTIALS_MISSING if what the machine says makes no sense
 */
export async function openTransport(options: TransportOptions): Promise<Transport> {
  const {host, surroundings, connectTimeoutMs = 20_000, idleTimeoutMs = 120_000} = options;
  // A bundled CommonJS module has its default export alone.
  const {default: undici} = await import('undici');
  const {Agent, EnvHttpProxyAgent, request} = undici;
  const context = secureContext(await readTrust(host, surroundings), host);
  const connect = {timeout: connectTimeoutMs, ...(context && {secureContext: context})};
  const settings = {connect, headersTimeout: idleTimeoutMs, bodyTimeout: idleTimeoutMs};
  const direct = new Agent(settings);
  let proxied: Dispatcher | null = null;
  const dispatcherFor = (url: URL): Dispatcher => {
    if (isLoopback(url.host)) return direct;
    proxied ??= new EnvHttpProxyAgent({
      ...settings,
      ...readProxies(surroundings.env),
      requestTls: connect,
      proxyTls: connect,
      proxyTunnel: false,
    });
    return proxied;
  };

  /** Origins that have answered once: of them more patience is due. */
  const reached = new Set<string>();

  const sendOnce = async (asked: RegistryRequest, url: URL): Promise<RegistryAnswer> => {
    const {method, headers, body, authorization, signal} = asked;
    const isHome = url.origin === asked.url.origin;
    const stalled = new AbortController();
    // A proxy that drops the tunnel says nothing at all; a long body has its own clock.
    const isLong = body !== undefined && body.bytes > LONG_BODY_BYTES;
    const patienceMs = connectTimeoutMs + (reached.has(url.origin) ? idleTimeoutMs : connectTimeoutMs);
    const timer = isLong ? undefined : setTimeout(() => stalled.abort(noAnswer()), patienceMs);
    const either = AbortSignal.any([signal, stalled.signal]);
    const sent = request(url, {
      method,
      headers: {
        'user-agent': 'thaw',
        'accept-encoding': 'identity',
        ...headers,
        ...(body && {'content-length': String(body.bytes)}),
        ...(authorization && isHome && {authorization}),
      },
      body: body?.open() ?? null,
      dispatcher: dispatcherFor(url),
      signal: either,
    });
    const answer = await orAborted(sent, either).finally(() => clearTimeout(timer));
    reached.add(url.origin);
    return {method, url, status: answer.statusCode, headers: answer.headers, body: answer.body};
  };

  /** Follows redirects. What may only be read is followed anywhere; a write only where its method is kept. */
  const follow = async (asked: RegistryRequest): Promise<RegistryAnswer> => {
    let url = asked.url;
    for (let hops = 0; hops <= REDIRECTS_MAX; hops++) {
      const answer = await sendOnce(asked, url);
      const reads = ['GET', 'HEAD'].includes(asked.method);
      const redirects = reads ? [301, 302, 303, 307, 308] : [307, 308];
      const {location} = answer.headers;
      if (!redirects.includes(answer.status) || location === undefined) return answer;
      await discard(answer);
      url = resolveLocation(answer, location, options.allowHttp);
    }
    throw new ThawError(
      'PROVIDER_REFUSED',
      `${asked.method} ${withoutSecrets(asked.url)} was redirected more than ${REDIRECTS_MAX} times`,
      {url: withoutSecrets(asked.url)},
    );
  };

  const send = async (asked: RegistryRequest): Promise<RegistryAnswer> => {
    for (let attempt = 1; ; attempt++) {
      const isLast = !asked.retry || attempt === ATTEMPTS_MAX;
      throwIfInterrupted(asked.signal);
      let waitMs = scheduleRetry(attempt, Math.random());
      try {
        const answer = await follow(asked);
        if (isLast || !isTransientStatus(answer.status)) return answer;
        const wishMs = parseRetryAfter(answer.headers['retry-after'], options.clock.now());
        if (wishMs > RETRY_AFTER_MAX_MS) return answer;
        await discard(answer);
        waitMs = Math.max(waitMs, wishMs);
      } catch (error) {
        throwIfInterrupted(asked.signal);
        if (error instanceof ThawError) throw error;
        if (isLast || !isTransientFailure(error)) throw unreachable(asked, error);
      }
      await options.clock.sleep(waitMs, asked.signal);
    }
  };
  return {
    send,
    close: async () => {
      await Promise.all([direct.destroy(), proxied?.destroy()]);
    },
  };
}

/** What a promise gives, or the reason of the signal: undici hears a signal only once it is connected. */
async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    stop = () => signal.removeEventListener('abort', onAbort);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    stop();
    promise.catch(() => undefined);
  }
}

/** Without a code: that long is not waited twice. */
function noAnswer(): Error {
  return new Error('nothing came in time');
}

/** How long to wait before the next attempt: up to twice as long each time, the more so the higher the random number. */
export function scheduleRetry(attempt: number, random: number): number {
  const ceilingMs = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (attempt - 1));
  return Math.round(ceilingMs * (0.5 + random / 2));
}

/** Reads a Retry-After header, seconds or a date, as milliseconds from now; 0 if there is none. */
export function parseRetryAfter(value: string | string[] | undefined, nowMs: number): number {
  if (typeof value !== 'string') return 0;
  if (/^\d+$/.test(value)) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? 0 : Math.max(0, at - nowMs);
}

/** Whether the same request may well succeed a little later. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

const TRANSIENT_FAILURES = [
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
];

/** Whether a connection broke, which another one may not. */
function isTransientFailure(error: unknown): boolean {
  return TRANSIENT_FAILURES.includes(systemCode(error) ?? '');
}

/** What it means that a request got no answer, or not all of one. */
export function unreachable({method, url}: {method: string; url: URL}, error: unknown): ThawError {
  const code = systemCode(error) ?? null;
  const where = withoutSecrets(url);
  const distrust = findDistrust(error);
  if (distrust !== null) {
    return new ThawError(
      'PROVIDER_UNREACHABLE',
      `the certificate of ${url.host} is not trusted: ${messageOf(distrust)}`,
      {registry: url.host, url: where, code: systemCode(distrust) ?? null, certificate: true},
      {cause: error},
    );
  }
  const tunnel = /^Proxy response \((\d+)\)/.exec(messageOf(error))?.[1];
  const said = tunnel === undefined ? messageOf(error) : `the proxy answered ${tunnel}`;
  const reason = said || code || 'the connection failed';
  return new ThawError(
    'PROVIDER_UNREACHABLE',
    `${method} ${where} got no answer: ${reason}`,
    {registry: url.host, url: where, code},
    {cause: error},
  );
}

const DISTRUST =
  /^(CERT_|ERR_TLS_CERT_|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH)/;

/** What is wrong with a certificate, if that is why a connection failed. */
function findDistrust(error: unknown): unknown {
  for (let at = error, depth = 0; at instanceof Error && depth < 3; at = at.cause, depth++) {
    if (DISTRUST.test(systemCode(at) ?? '')) return at;
  }
  return null;
}

/**
 * Where an answer sends one, relative or absolute.
 *
 * @throws ThawError PROVIDER_REFUSED if it is no address, or leads from https to http
 */
export function resolveLocation(from: RegistryAnswer, location: string | string[], allowHttp: boolean): URL {
  const text = String(location);
  let url: URL | null;
  try {
    url = new URL(text, from.url);
  } catch {
    url = null;
  }
  const stays = url?.origin === from.url.origin;
  if (url && (stays || isAllowedUrl(url, allowHttp)) && !url.username && !url.password) return url;
  const where = withoutSecrets(from.url);
  const problem = url === null ? 'to what is no address' : `to ${withoutSecrets(url)}, which is not https`;
  throw new ThawError('PROVIDER_REFUSED', `${from.method} ${where} leads ${problem}`, {url: where});
}

/** Whether requests, which may carry secrets, may go to an address. */
export function isAllowedUrl(url: URL, allowHttp: boolean): boolean {
  return url.protocol === 'https:' || (url.protocol === 'http:' && (allowHttp || isLoopback(url.host)));
}

/** An address without its query, which may be a signature, and without a password. */
export function withoutSecrets(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

const DISCARDED_BYTES_MAX = 1 << 16;

/** Reads away what nobody wants, so that the connection can be used again; of a long body it gives up. */
export async function discard({body}: RegistryAnswer): Promise<void> {
  await body.dump({limit: DISCARDED_BYTES_MAX}).catch(() => undefined);
}
