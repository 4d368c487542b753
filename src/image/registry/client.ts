import {messageOf, systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Clock} from '../../core/ports.ts';
import {createAuthorizer, type Scopes} from './authorize.ts';
import type {Credentials} from './credentials.ts';
import {apiHost, isLoopback} from './reference.ts';
import {isHtml, refusal} from './refusal.ts';
import {ownSurroundings, type Surroundings} from './surroundings.ts';
import {
  discard,
  isAllowedUrl,
  openTransport,
  withoutSecrets,
  type RegistryAnswer,
  type RegistryRequest,
  type TransportOptions,
} from './transport.ts';

/** Which registry to talk to, and as whom. */
export interface RegistryOptions extends Omit<TransportOptions, 'allowHttp' | 'host' | 'surroundings'> {
  /** As references write it. */
  readonly registry: string;
  /** Null: nobody in particular. */
  readonly credentials: Credentials | null;
  readonly clock: Clock;
  /** Whether http without TLS will do beyond this machine. */
  readonly allowHttp?: boolean;
  /** Ask once whether it answers, and not for long. */
  readonly hasty?: boolean;
  /** Those of this process, unless they are given. */
  readonly surroundings?: Surroundings;
  readonly signal: AbortSignal;
}

/** A request to the registry itself; where it needs to, it proves who asks. */
export interface ClientRequest extends Omit<RegistryRequest, 'url' | 'authorization' | 'signal'> {
  /** A path under `/v2/`, or an address that the registry has given. */
  readonly to: string | URL;
  readonly scopes: Scopes;
  readonly signal: AbortSignal;
}

/** Where a registry was found, and what it said first. */
interface Greeting {
  readonly base: URL;
  readonly answer: RegistryAnswer;
}

const HASTY = {connectTimeoutMs: 4_000, idleTimeoutMs: 15_000} as const;

/** A conversation with one registry. */
export interface RegistryClient {
  readonly registry: string;
  /** Whether http without TLS is spoken, so that the registry may lead to more of it. */
  readonly allowHttp: boolean;
  /** @throws ThawError PROVIDER_UNREACHABLE, PROVIDER_REFUSED, PERMISSION_DENIED, CREDENTIALS_MISSING, INTERRUPTED */
  readonly send: (request: ClientRequest) => Promise<RegistryAnswer>;
  /** Makes an error of an answer that is not what was hoped for. */
  readonly refuse: (answer: RegistryAnswer) => Promise<ThawError>;
  readonly close: () => Promise<void>;
}

/**
 * Finds out whether a registry answers, over https or, on this machine or where it is allowed, over http, and how it
 * wants to be told who asks.
 *
 * @throws ThawError PROVIDER_UNREACHABLE, PROVIDER_REFUSED, CREDENTIALS_MISSING, INTERRUPTED
 */
export async function openRegistry(options: RegistryOptions): Promise<RegistryClient> {
  const {registry, credentials, clock, hasty = false, signal} = options;
  const host = apiHost(registry);
  const allowHttp = options.allowHttp === true || isLoopback(host);
  const {surroundings = ownSurroundings()} = options;
  const transport = await openTransport({
    ...(hasty && HASTY),
    ...options,
    host: registry,
    surroundings,
    allowHttp,
  });
  const authorizer = createAuthorizer({registry, credentials, transport, clock, allowHttp});
  const refuse = (answer: RegistryAnswer): Promise<ThawError> =>
    refusal(answer, {registry, hasCredentials: credentials !== null, redact: authorizer.redact});

  const askAt = async (scheme: 'http' | 'https', retry: boolean): Promise<Greeting> => {
    const base = new URL(`${scheme}://${host}/v2/`);
    return {base, answer: await transport.send({method: 'GET', url: base, retry, signal})};
  };

  /** On this machine most registries speak plain http; one that wants TLS says 400, leads away, or says nothing. */
  const askHere = async (): Promise<Greeting | null> => {
    try {
      const greeting = await askAt('http', false);
      if (!wantsTls(greeting.answer)) return greeting;
      await discard(greeting.answer);
    } catch {
      throwIfInterrupted(signal);
    }
    return null;
  };

  const greet = async (): Promise<Greeting> => {
    const here = isLoopback(host) ? await askHere() : null;
    if (here !== null) {
      const {status} = here.answer;
      if (hasty || (status !== 429 && status < 500)) return here;
      await discard(here.answer);
      return askAt('http', true);
    }
    try {
      return await askAt('https', !allowHttp && !hasty);
    } catch (error) {
      if (!allowHttp || !speaksNoTls(error)) throw error;
      return askAt('http', !hasty);
    }
  };

  const ping = async (): Promise<URL> => {
    const {base, answer} = await greet();
    if (answer.status === 401) {
      await discard(answer);
      authorizer.learn(answer, [], null);
    } else if (answer.status === 200 || answer.status === 404) {
      await refuseHtml(answer);
      await discard(answer);
    } else throw await refuse(answer);
    return base;
  };

  /** A page for people in place of an answer comes from a proxy or a portal that stands before the registry. */
  const refuseHtml = async (answer: RegistryAnswer): Promise<void> => {
    if (answer.status < 300 && isHtml(answer.headers['content-type'] ?? '')) throw await refuse(answer);
  };

  const send = async (base: URL, request: ClientRequest): Promise<RegistryAnswer> => {
    const {to, scopes, ...rest} = request;
    const url = typeof to === 'string' ? new URL(to, base) : to;
    if (!isAllowedUrl(url, allowHttp)) {
      throw new ThawError(
        'PROVIDER_REFUSED',
        `${registry} leads to ${withoutSecrets(url)}, which is not https`,
        {
          registry,
        },
      );
    }
    // An address elsewhere carries its own proof, in its query.
    const isHome = url.origin === base.origin;
    const authorize = async (): Promise<string | null> =>
      isHome ? authorizer.header(scopes, request.signal) : null;
    let authorization = await authorize();
    let answer = await transport.send({...rest, url, authorization});
    if (answer.status === 401 && isHome) {
      authorizer.learn(answer, scopes, authorization);
      const before = authorization;
      authorization = await authorize();
      // The same password again would be refused again.
      if (authorization !== before) {
        await discard(answer);
        answer = await transport.send({...rest, url, authorization});
      }
    }
    if (answer.status === 401 || answer.status === 403) throw await refuse(answer);
    await refuseHtml(answer);
    return answer;
  };

  try {
    const base = await ping();
    return {
      registry,
      allowHttp,
      send: (request) => send(base, request),
      refuse,
      close: transport.close,
    };
  } catch (error) {
    await transport.close();
    throw error;
  }
}

/** Whether an answer to plain http is that of a server for https. */
function wantsTls({status}: RegistryAnswer): boolean {
  return status === 400 || (status >= 300 && status < 400);
}

/** Whether a failed attempt at https may mean that the other side speaks http. */
function speaksNoTls(error: unknown): boolean {
  if (!(error instanceof ThawError) || error.code !== 'PROVIDER_UNREACHABLE') return false;
  const code = systemCode(error.cause) ?? '';
  return (
    /^(ERR_SSL_|EPROTO|ECONNRESET|ECONNREFUSED|UND_ERR_SOCKET)/.test(code) ||
    // Proxies mostly open no tunnel to the ports of plain http.
    /wrong version number|packet length too long|ssl3_get_record|^Proxy response/i.test(
      messageOf(error.cause),
    )
  );
}
