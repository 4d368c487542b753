import type {Invocation} from '../core/sample.ts';

/** A JSON text above this is not read through: that would hold up the requests after it. */
const PARSED_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Judges whether what came is an answer to what was asked, beyond its status: a redirect is none, nor is a web page
 * where JSON was expected, nor JSON that breaks off. It then comes back with an error; whatever was measured stays.
 *
 * @param url what was requested, against which a redirect is read
 * @param expectsJson JSON was sent, and nothing else asked for
 */
export function judgeAnswer(invocation: Invocation, url: URL, expectsJson: boolean): Invocation {
  const {status, error} = invocation;
  if (error !== null || status === null) return invocation;
  const why =
    status >= 300 && status < 400
      ? redirected(status, invocation.headers['location'], url)
      : status < 300 && expectsJson
        ? notJson(invocation)
        : null;
  return why === null ? invocation : {...invocation, error: {kind: 'answer', message: why}};
}

/** Names the host alone: what else stands in a location may be a key. */
function redirected(status: number, location: string | undefined, url: URL): string {
  if (location === undefined) return `HTTP ${status}`;
  if (!URL.canParse(location, url.href)) return `HTTP ${status} to a place that is no URL`;
  const to = new URL(location, url);
  const where = to.host === url.host && to.protocol === url.protocol ? 'the same host' : to.origin;
  return `HTTP ${status}, a redirect to ${where}, not followed`;
}

function notJson({status, headers, body}: Invocation): string | null {
  const type = (headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  if (type === 'text/html' || type === 'application/xhtml+xml') {
    return `HTTP ${status} with a web page where JSON was expected`;
  }
  const saysJson = type === 'application/json' || type.endsWith('+json');
  if (!saysJson || body.length === 0 || body.length > PARSED_BYTES_MAX) return null;
  try {
    JSON.parse(Buffer.from(body).toString('utf8'));
    return null;
  } catch {
    return `HTTP ${status} with JSON that is broken or not whole`;
  }
}
