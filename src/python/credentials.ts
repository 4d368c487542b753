import {createRedactor} from '../core/redact.ts';

/** What stands between the slashes and the host: a user, a password, or a token. */
const USER_INFO = /(?<=\/\/)[^/@\s'"]+@/g;

/** A text without the credentials in its addresses, which then still say where they lead. */
export const withoutCredentials = (text: string): string => text.replace(USER_INFO, '');

/** Settings that may hold addresses with credentials. */
const SETTING = /^(?:PIP|UV)_|_PROXY$/i;

/**
 * Makes a function that takes credentials out of whatever pip and uv print: those in addresses, and the same words by
 * themselves.
 *
 * @param secretText requirements as they are, with the user's addresses
 */
export function createCleaner(
  secretText: string,
  env: {readonly [name: string]: string | undefined},
): (text: string) => string {
  const settings = Object.entries(env).filter(([name]) => SETTING.test(name));
  const texts = [secretText, ...settings.map(([, value]) => value ?? '')];
  const found = texts.flatMap((text) => text.match(USER_INFO) ?? []).flatMap((info) => wordsOf(info, env));
  const redact = createRedactor(found);
  return (text) => redact(withoutCredentials(text));
}

/** A user alone is a token; beside a password it is only a name. */
function wordsOf(userInfo: string, env: {readonly [name: string]: string | undefined}): readonly string[] {
  const [user = '', ...rest] = userInfo.slice(0, -1).split(':');
  const secret = rest.length === 0 ? user : rest.join(':');
  // Requirements may name variables instead.
  const written = secret.replace(/\$\{(\w+)\}/g, (_, name: string) => env[name] ?? '');
  return [secret, written, decoded(written)].filter((word) => !word.startsWith('${'));
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
