import {isUtf8} from 'node:buffer';
import type {IncomingMessage} from 'node:http';

/** An HTTP request, whole. */
export interface WholeRequest {
  readonly request: IncomingMessage;
  readonly body: Buffer;
  readonly requestId: string;
  readonly now: Date;
}

/** An answer as it goes to the client. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/** Content that an event holds as it is; everything else is in base64. */
const TEXT =
  /^(?:text\/|application\/(?:json|javascript|xml|x-www-form-urlencoded|[^;]+\+(?:json|xml))\s*(?:;|$))/i;

/** Renders a request as the event that a function URL makes of it: payload format 2.0. */
export function renderHttpEvent({request, body, requestId, now}: WholeRequest): object {
  const {method = 'POST', url = '/', headers, socket} = request;
  const [path = '/', ...rest] = url.split('?');
  const query = rest.join('?');
  const {cookie, ...others} = headers;
  const domain = headers.host ?? 'localhost';
  const asText = TEXT.test(headers['content-type'] ?? '') && isUtf8(body);
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    ...(cookie === undefined ? {} : {cookies: cookie.split(/;\s*/)}),
    headers: Object.fromEntries(
      Object.entries(others).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : value]),
    ),
    ...(query === '' ? {} : {queryStringParameters: parametersOf(query)}),
    requestContext: {
      accountId: 'anonymous',
      apiId: 'local',
      domainName: domain,
      domainPrefix: domain.split(/[.:]/)[0],
      http: {
        method,
        path: decoded(path),
        protocol: `HTTP/${request.httpVersion}`,
        sourceIp: socket.remoteAddress ?? '127.0.0.1',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId,
      routeKey: '$default',
      stage: '$default',
      time: renderTime(now),
      timeEpoch: now.getTime(),
    },
    ...(body.length === 0 ? {} : {body: body.toString(asText ? 'utf8' : 'base64')}),
    isBase64Encoded: body.length > 0 && !asText,
  };
}

/**
 * Makes an HTTP answer of what a function returned: one with a `statusCode` says what it is, everything else is the
 * body of a 200.
 *
 * @returns null for an answer that a function URL cannot make sense of
 */
export function parseHttpAnswer(payload: Buffer): HttpAnswer | null {
  let value: unknown;
  try {
    value = JSON.parse(payload.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('statusCode' in value)) {
    return {status: 200, headers: [['content-type', 'application/json']], body: payload};
  }
  const {statusCode, headers, cookies, body, isBase64Encoded} = value as {[member: string]: unknown};
  const status = Number(statusCode);
  if (!Number.isInteger(status) || status < 200 || status > 599) return null;
  if (body !== undefined && body !== null && typeof body !== 'string') return null;
  const given = typeof headers === 'object' && headers !== null ? Object.entries(headers) : [];
  const all = given.map(([name, each]) => [name.toLowerCase(), String(each)] as const);
  const typed = all.some(([name]) => name === 'content-type');
  const set = Array.isArray(cookies) ? cookies.map((each) => ['set-cookie', String(each)] as const) : [];
  return {
    status,
    headers: [...(typed ? [] : [['content-type', 'application/json'] as const]), ...all, ...set],
    body: Buffer.from(body ?? '', isBase64Encoded === true ? 'base64' : 'utf8'),
  };
}

function parametersOf(query: string): {[name: string]: string} {
  const all: {[name: string]: string} = {};
  for (const [name, value] of new URLSearchParams(query)) {
    all[name] = name in all ? `${all[name]},${value}` : value;
  }
  return all;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** As web servers log it: 12/Mar/2020:19:03:58 +0000. */
function renderTime(now: Date): string {
  const [date = '', time = ''] = now.toISOString().split('T');
  const [year, month, day] = date.split('-');
  return `${day}/${MONTHS[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`;
}
