import {ThawError} from '../../core/errors.ts';
import type {Clock} from '../../core/ports.ts';
import {createRedactor} from '../../core/redact.ts';
import {readBody} from './body.ts';
import {parseChallenges, type Challenge} from './challenge.ts';
import type {Credentials} from './credentials.ts';
import {refusal} from './refusal.ts';
import {isAllowedUrl, withoutSecrets, type RegistryAnswer, type Transport} from './transport.ts';

/** What a request wants to do: `repository:NAME:pull,push`, or several. */
export type Scopes = readonly string[];

/** Proves to one registry who one is. */
export interface Authorizer {
  /** What to send along, as far as it is known how; null: nothing. */
  readonly header: (scopes: Scopes, signal: AbortSignal) => Promise<string | null>;
  /**
   * Learns from a 401 how this registry wants it, and forgets the token that was refused.
   *
   * @throws ThawError CREDENTIALS_MISSING, PERMISSION_DENIED, PROVIDER_REFUSED if it cannot be done
   */
  readonly learn: (answer: RegistryAnswer, scopes: Scopes, refused: string | null) => void;
  /** Takes every secret that this authorizer has sent or received out of a text. */
  readonly redact: (text: string) => string;
}

export interface AuthorizerOptions {
  readonly registry: string;
  readonly credentials: Credentials | null;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly allowHttp: boolean;
}

/** What the Docker token specification says of a token that does not say it itself. */
const TOKEN_SECONDS_DEFAULT = 60;
/** So much before its end a token is not used any more. */
const TOKEN_MARGIN_MS = 10_000;
const TOKEN_BYTES_MAX = 1 << 18;

/** A token that is there or on its way. */
interface HeldToken {
  readonly promise: Promise<{readonly token: string; readonly usableUntilMs: number}>;
}

/** Makes an authorizer. Tokens are kept for each set of scopes, and several requests wait for the same one. */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const {registry, credentials, clock} = options;
  const secrets = new Set(secretsOf(credentials));
  const tokens = new Map<string, HeldToken>();
  let challenge: Challenge | null = null;

  const bearerToken = async (bearer: Challenge, scopes: Scopes, signal: AbortSignal): Promise<string> => {
    const key = scopes.join(' ');
    const held = tokens.get(key);
    if (held) {
      const {token, usableUntilMs} = await held.promise;
      if (usableUntilMs > clock.now()) return token;
      if (tokens.get(key) === held) tokens.delete(key);
    }
    const already = tokens.get(key);
    const fresh = already ?? {promise: fetchToken(bearer, scopes, options, signal)};
    if (!already) {
      tokens.set(key, fresh);
      fresh.promise.then(
        ({token}) => secrets.add(token),
        () => tokens.get(key) === fresh && tokens.delete(key),
      );
    }
    return (await fresh.promise).token;
  };

  return {
    async header(scopes, signal) {
      if (credentials?.kind === 'bearer') return `Bearer ${credentials.token}`;
      if (challenge?.scheme === 'basic') return basic(credentials);
      if (challenge?.scheme === 'bearer') return `Bearer ${await bearerToken(challenge, scopes, signal)}`;
      return null;
    },
    learn(answer, scopes, refused) {
      if (refused?.startsWith('Bearer ')) tokens.delete(scopes.join(' '));
      const offered = parseChallenges(answer.headers['www-authenticate']);
      const bearer = offered.find(({scheme, parameters}) => scheme === 'bearer' && parameters['realm']);
      const basicOne = offered.find(({scheme}) => scheme === 'basic');
      const chosen = bearer ?? basicOne;
      if (!chosen) {
        const known = offered.map(({scheme}) => scheme).join(', ') || 'nothing';
        throw new ThawError(
          'PROVIDER_REFUSED',
          `${registry} wants to know who asks, and offers ${known}, not Basic or Bearer`,
          {registry, offered: known},
        );
      }
      if (chosen.scheme === 'basic' && credentials?.kind !== 'password') throw missing(registry);
      challenge = chosen;
    },
    redact: (text) => createRedactor(secrets)(text),
  };
}

function missing(registry: string): ThawError {
  return new ThawError('CREDENTIALS_MISSING', `${registry} wants a password, and none was found for it`, {
    registry,
  });
}

function secretsOf(credentials: Credentials | null): string[] {
  if (credentials === null) return [];
  return credentials.kind === 'password' ? [credentials.password] : [credentials.token];
}

function basic(credentials: Credentials | null): string | null {
  if (credentials?.kind !== 'password') return null;
  const {username, password} = credentials;
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Asks the token server that a challenge names. */
async function fetchToken(
  bearer: Challenge,
  scopes: Scopes,
  {registry, credentials, transport, clock, allowHttp}: AuthorizerOptions,
  signal: AbortSignal,
): Promise<{readonly token: string; readonly usableUntilMs: number}> {
  const realm = parseRealm(bearer, registry, allowHttp);
  const wanted: [string, string][] = [
    ...(bearer.parameters['service'] ? [['service', bearer.parameters['service']] as [string, string]] : []),
    ...scopes.map((scope): [string, string] => ['scope', scope]),
  ];
  const answer =
    credentials?.kind === 'identity'
      ? await transport.send(postRefreshToken(realm, wanted, scopes, credentials.token, signal))
      : await transport.send({
          method: 'GET',
          url: withQuery(realm, wanted),
          authorization: basic(credentials),
          retry: true,
          signal,
        });
  if (answer.status !== 200)
    throw await refusal(answer, {
      registry,
      hasCredentials: credentials !== null,
      redact: createRedactor(secretsOf(credentials)),
    });
  const {token, expiresSeconds} = parseTokenAnswer(
    (await readBody(answer, TOKEN_BYTES_MAX, signal)).toString('utf8'),
  );
  if (token === null) {
    const where = withoutSecrets(realm);
    throw new ThawError('PROVIDER_REFUSED', `${answer.method} ${where} was answered with no token`, {
      registry,
      url: where,
    });
  }
  return {token, usableUntilMs: clock.now() + Math.max(expiresSeconds * 1000 - TOKEN_MARGIN_MS, 1000)};
}

/** The form of OAuth 2 that registries speak. Scopes are one parameter here. */
function postRefreshToken(
  realm: URL,
  wanted: readonly [string, string][],
  scopes: Scopes,
  identityToken: string,
  signal: AbortSignal,
): Parameters<Transport['send']>[0] {
  const form = Buffer.from(
    new URLSearchParams([
      ['grant_type', 'refresh_token'],
      ['client_id', 'thaw'],
      ...wanted.filter(([name]) => name !== 'scope'),
      ['scope', scopes.join(' ')],
      ['refresh_token', identityToken],
    ]).toString(),
  );
  return {
    method: 'POST',
    url: realm,
    headers: {'content-type': 'application/x-www-form-urlencoded'},
    body: {bytes: form.length, open: () => form},
    retry: true,
    signal,
  };
}

function parseRealm({parameters}: Challenge, registry: string, allowHttp: boolean): URL {
  const text = parameters['realm'] ?? '';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url && isAllowedUrl(url, allowHttp) && !url.username && !url.password) return url;
  const problem = url === null ? 'no address' : `${withoutSecrets(url)}, which is not https`;
  throw new ThawError('PROVIDER_REFUSED', `${registry} sends one for a token to ${problem}`, {registry});
}

function withQuery(url: URL, parameters: readonly [string, string][]): URL {
  const full = new URL(url);
  for (const [name, value] of parameters) full.searchParams.append(name, value);
  return full;
}

/** Reads a token server's answer. A token that could not stand in a header is none. */
function parseTokenAnswer(text: string): {
  readonly token: string | null;
  readonly expiresSeconds: number;
} {
  try {
    const {token, access_token, expires_in} = JSON.parse(text) as {readonly [name: string]: unknown};
    const found = [token, access_token].find(
      (each) => typeof each === 'string' && /^[\x21-\x7e]+$/.test(each),
    );
    const seconds = typeof expires_in === 'number' && expires_in > 0 ? expires_in : TOKEN_SECONDS_DEFAULT;
    return {token: (found as string | undefined) ?? null, expiresSeconds: seconds};
  } catch {
    return {token: null, expiresSeconds: 0};
  }
}
