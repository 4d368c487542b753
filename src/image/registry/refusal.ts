import {ThawError, type ErrorCode} from '../../core/errors.ts';
import {isTransientStatus, withoutSecrets, type RegistryAnswer} from './transport.ts';

const BODY_BYTES_MAX = 1 << 16;
const WORDS_CHARS_MAX = 300;

/** What a registry says that is wrong: the specification's error codes, and words. */
interface Complaint {
  readonly codes: readonly string[];
  readonly words: string;
}

/** Who was asked, and how. */
export interface Asked {
  /** As references write it: where one would have to sign in. */
  readonly registry: string;
  readonly hasCredentials: boolean;
  /** Takes secrets out of the registry's words. */
  readonly redact: (text: string) => string;
}

/** Turns an answer that is not what was hoped for into an error: method, address, status, and the registry's words. */
export async function refusal(
  answer: RegistryAnswer,
  {registry, hasCredentials, redact}: Asked,
): Promise<ThawError> {
  const {method, url, status} = answer;
  const {codes, words} = parseComplaint(await readSome(answer), answer.headers['content-type'] ?? '');
  const where = withoutSecrets(url);
  const said = words === '' ? '' : `: ${redact(words)}`;
  return new ThawError(
    codeOf(status, hasCredentials),
    `${method} ${where} was answered with ${status}${said}`,
    {
      registry,
      url: where,
      status,
      codes,
    },
  );
}

function codeOf(status: number, hasCredentials: boolean): ErrorCode {
  if (status === 401 || status === 403) return hasCredentials ? 'PERMISSION_DENIED' : 'CREDENTIALS_MISSING';
  return isTransientStatus(status) ? 'PROVIDER_UNREACHABLE' : 'PROVIDER_REFUSED';
}

async function readSome({body}: RegistryAnswer): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of body as AsyncIterable<Uint8Array>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes > BODY_BYTES_MAX) break;
    }
  } catch {
    // What came until then is better than nothing.
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Reads the body of an error: JSON as the specification has it, or whatever stood between. */
export function parseComplaint(text: string, contentType: string): Complaint {
  try {
    const {errors} = JSON.parse(text) as {errors?: {code?: unknown; message?: unknown}[]};
    if (Array.isArray(errors) && errors.length > 0) {
      const codes = errors.map(({code}) => (typeof code === 'string' ? code : 'UNKNOWN'));
      const words = errors.map(({message}, index) =>
        [codes[index], ...(typeof message === 'string' && message !== '' ? [message] : [])].join(' '),
      );
      return {codes, words: shorten(words.join('; '))};
    }
  } catch {
    // Not JSON.
  }
  if (isHtml(contentType) || /^\s*</.test(text)) {
    const title = /<title[^>]*>([^<]*)/i.exec(text)?.[1]?.trim();
    return {
      codes: [],
      words: shorten(title ? `an HTML page titled ${JSON.stringify(title)}` : 'an HTML page'),
    };
  }
  return {codes: [], words: shorten(text)};
}

/** Whether a content type is that of a page for people. */
export function isHtml(contentType: string): boolean {
  return /^\s*(text\/html|application\/xhtml)/i.test(contentType);
}

function shorten(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  return line.length > WORDS_CHARS_MAX ? `${line.slice(0, WORDS_CHARS_MAX)}…` : line;
}

/** An answer that cannot be right: content that is not what its digest or its length says. */
export function mismatch(answer: Pick<RegistryAnswer, 'method' | 'url'>, what: string): ThawError {
  const where = withoutSecrets(answer.url);
  return new ThawError('CONTENT_MISMATCH', `${answer.method} ${where} was answered with ${what}`, {
    registry: answer.url.host,
    url: where,
  });
}
