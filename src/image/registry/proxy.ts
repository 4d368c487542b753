import {ThawError} from '../../core/errors.ts';

/** Through whom requests go; an empty text means through nobody. */
export interface Proxies {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  /** Hosts that are reached directly: names, their ends, or `*`, separated by commas. */
  readonly noProxy: string;
}

/**
 * Reads HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in small letters first, as curl does. A host without a scheme is one of
 * http.
 *
 * @throws ThawError INPUT_INVALID naming the variable, never its value, which may hold a password
 */
export function readProxies(env: NodeJS.ProcessEnv): Proxies {
  return {
    httpProxy: readProxy(env, 'http_proxy'),
    httpsProxy: readProxy(env, 'https_proxy'),
    noProxy: env['no_proxy'] ?? env['NO_PROXY'] ?? '',
  };
}

function readProxy(env: NodeJS.ProcessEnv, lowerName: string): string {
  const name = env[lowerName] === undefined ? lowerName.toUpperCase() : lowerName;
  const text = env[name]?.trim() ?? '';
  if (text === '') return '';
  const refuse = (problem: string): ThawError =>
    new ThawError('INPUT_INVALID', `the variable ${name} ${problem}`, {variable: name});
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : null;
  if (url === null) throw refuse('is not the address of a proxy');
  if (!['http:', 'https:'].includes(url.protocol)) {
    throw refuse(`names a proxy of the kind ${url.protocol.slice(0, -1)}, not http or https`);
  }
  try {
    decodeURIComponent(`${url.username}${url.password}`);
  } catch {
    throw refuse('has a name or password in which % stands for itself');
  }
  return url.href;
}
