import {METHODS, validateHeaderName, validateHeaderValue} from 'node:http';
import {ThawError} from '../core/errors.ts';
import type {Clock, Http, Signature, SignRequest} from '../core/ports.ts';
import type {Invocation, Shot} from '../core/sample.ts';
import {judgeAnswer} from './answer.ts';

/** An endpoint to measure, as the user named it. */
export interface EndpointWish {
  readonly url: string;
  /** By default POST where there is a body, else GET. */
  readonly method: string | null;
  /** Lines of the form `Name: value`. */
  readonly headers: readonly string[];
  /** Sent in turn. */
  readonly bodies: readonly {readonly bytes: Uint8Array}[];
  /** The environment variable that holds a bearer token. */
  readonly bearerEnv: string | null;
  readonly sign: SignRequest | null;
  readonly env: {readonly [name: string]: string | undefined};
  readonly http: Http;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** An endpoint that can be measured. Values of headers and of the query are in none of its words. */
export interface Endpoint {
  /** Host and path: what a report calls it. */
  readonly label: string;
  /** As a report may show it: values of the query are masked, for some are keys. */
  readonly url: string;
  readonly method: string;
  /** Names of the headers that are sent, in lower case, sorted. */
  readonly headerNames: readonly string[];
  /** What must be kept out of every output. */
  readonly secrets: readonly string[];
  /** Sends one request, once. Signing it is no part of what is timed. */
  fire(shot: Shot): Promise<Invocation>;
}

/**
 * Opens any HTTP endpoint for a benchmark. Signs once, so that missing credentials show before the first request.
 *
 * Shots of a load share kept connections, as the clients of a busy service do; all others get one of their own.
 *
 * @throws ThawError USAGE, SECRET_MISSING, CREDENTIALS_MISSING
 */
export async function openEndpoint(wish: EndpointWish): Promise<Endpoint> {
  const url = parseUrl(wish.url);
  const {bodies, http, timeoutMs, signal} = wish;
  const method = parseMethod(wish.method ?? (bodies.length > 0 ? 'POST' : 'GET'));
  const given = parseHeaders(wish.headers);
  const token = readToken(wish, given);
  const headers: {readonly [name: string]: string} = {
    ...defaultHeaders(bodies),
    ...given,
    ...(token === null ? {} : {authorization: `Bearer ${token}`}),
  };
  const expectsJson = isJson(headers['content-type'] ?? '') && !/html/i.test(given['accept'] ?? '');

  const bodyOf = (shot: Pick<Shot, 'index'>): Uint8Array | null =>
    bodies[shot.index % bodies.length]?.bytes ?? null;
  const sign = keepSignatures(wish.clock, async (body) =>
    wish.sign === null ? null : wish.sign({method, url: url.href, headers, body}),
  );
  const signed = await sign(bodyOf({index: 0}));
  return {
    label: url.host + (url.pathname === '/' ? '' : url.pathname),
    url: maskQuery(url),
    method,
    headerNames: Object.keys({...headers, ...signed}).sort(),
    secrets: secretsOf(url, given, token),
    async fire(shot) {
      const body = bodyOf(shot);
      const proof = await sign(body);
      const invocation = await http({
        url: url.href,
        method,
        headers: {...headers, ...proof},
        ...(body === null ? {} : {body}),
        timeoutMs,
        signal,
        freshConnection: shot.want !== 'any',
      });
      return judgeAnswer(invocation, url, expectsJson);
    },
  };
}

// The URL

function parseUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw usage(`${withoutSecrets(text)} is no http:// or https:// URL of an endpoint`);
  }
  if (url.username !== '' || url.password !== '') {
    throw usage(`${withoutSecrets(text)} has credentials in it, which would end up in reports and logs`);
  }
  url.hash = '';
  return url;
}

/** A text that may be a URL, without what may be secret in one. */
const withoutSecrets = (text: string): string =>
  text.replace(/[?#].*$/s, '').replace(/^([a-z][a-z\d+.-]*:)?\/\/.*@/is, '$1//***@');

function maskQuery(url: URL): string {
  const masked = url.search
    .slice(1)
    .split('&')
    .filter((part) => part !== '')
    .map((part) => (part.includes('=') ? `${part.slice(0, part.indexOf('='))}=***` : '***'));
  return url.origin + url.pathname + (masked.length === 0 ? '' : `?${masked.join('&')}`);
}

// The method and the headers

function parseMethod(text: string): string {
  const method = text.toUpperCase();
  if (!METHODS.includes(method) || method === 'CONNECT') throw usage(`${text} is no method to measure with`);
  return method;
}

/** They belong to the connection, which is what is measured. */
const RESERVED = ['connection', 'content-length', 'expect', 'transfer-encoding', 'upgrade'];

/** Reads header lines; names come out in lower case. A line that is none is named by its place: it may be a secret. */
function parseHeaders(lines: readonly string[]): {[name: string]: string} {
  const headers: {[name: string]: string} = {};
  for (const [index, line] of lines.entries()) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (!accepts(() => validateHeaderName(name))) {
      throw usage(`header ${index + 1} of ${lines.length} is not of the form 'Name: value'`);
    }
    if (!accepts(() => validateHeaderValue(name, value))) {
      throw usage(`the value of the header ${name} has a character in it that no header can carry`);
    }
    if (RESERVED.includes(name)) throw usage(`the header ${name} is set by thaw itself`);
    if (Object.hasOwn(headers, name)) throw usage(`the header ${name} is given twice`);
    headers[name] = value;
  }
  return headers;
}

function accepts(validate: () => void): boolean {
  try {
    validate();
    return true;
  } catch {
    return false;
  }
}

function defaultHeaders(bodies: EndpointWish['bodies']): {[name: string]: string} {
  const type = bodies.every(({bytes}) => parsesAsJson(bytes))
    ? 'application/json'
    : 'application/octet-stream';
  return {accept: '*/*', 'user-agent': 'thaw', ...(bodies.length === 0 ? {} : {'content-type': type})};
}

function parsesAsJson(bytes: Uint8Array): boolean {
  return accepts(() => void JSON.parse(new TextDecoder('utf-8', {fatal: true}).decode(bytes)));
}

const isJson = (type: string): boolean => /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type);

// Who asks

function readToken(
  {bearerEnv, env, sign}: EndpointWish,
  given: {readonly [name: string]: string},
): string | null {
  const proofs = [
    ...(Object.hasOwn(given, 'authorization') ? ['the header authorization'] : []),
    ...(bearerEnv === null ? [] : ['a bearer token']),
    ...(sign === null ? [] : ['a signature']),
  ];
  if (proofs.length > 1) throw usage(`${proofs.join(' and ')} exclude each other: a request has one of them`);
  if (bearerEnv === null) return null;
  // Whoever gives the token itself by mistake must not see it again in a log.
  if (!/^[A-Za-z_]\w*$/.test(bearerEnv)) {
    throw usage('a bearer token is given by the name of the environment variable that holds it');
  }
  const token = env[bearerEnv]?.trim() ?? '';
  if (token === '') {
    throw new ThawError('SECRET_MISSING', `the environment has no bearer token in ${bearerEnv}`, {
      names: [bearerEnv],
    });
  }
  if (!accepts(() => validateHeaderValue('authorization', token))) {
    throw usage(`the bearer token in ${bearerEnv} has a character in it that no header can carry`);
  }
  return token;
}

/** Keeps a body's signature as long as it is valid: under load, signing anew would be noise of thaw's own. */
function keepSignatures(
  clock: Clock,
  sign: (body: Uint8Array | null) => Promise<Signature | null>,
): (body: Uint8Array | null) => Promise<Signature['headers']> {
  const kept = new Map<
    Uint8Array | null,
    {readonly headers: Signature['headers']; readonly untilMs: number}
  >();
  return async (body) => {
    const known = kept.get(body);
    if (known !== undefined && clock.monotonicMs() < known.untilMs) return known.headers;
    const signature = await sign(body);
    if (signature === null) return {};
    kept.set(body, {headers: signature.headers, untilMs: clock.monotonicMs() + signature.validMs});
    return signature.headers;
  };
}

const SECRET_NAME = /auth|code|cookie|credential|key|pass|secret|sig|token/i;
/** Shorter ones are words such as `none`: to hide them would hide half of every text. */
const SECRET_CHARS_MIN = 8;

function secretsOf(
  url: URL,
  given: {readonly [name: string]: string},
  token: string | null,
): readonly string[] {
  return [...Object.entries(given), ...url.searchParams]
    .filter(([name]) => SECRET_NAME.test(name))
    .map(([, value]) => value.replace(/^(basic|bearer) +/i, ''))
    .concat(token ?? [])
    .filter((value) => value.length >= SECRET_CHARS_MIN);
}

const usage = (message: string): ThawError => new ThawError('USAGE', message);
