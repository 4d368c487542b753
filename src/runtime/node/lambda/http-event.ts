// Requests as function URLs, API Gateway and load balancers hand them to Lambda, and the answers they take.
import {objectOf, stringOf} from '../events/event.ts';
import {plainHeaders, type WholeRequest} from '../exchange.ts';

type Members = {readonly [member: string]: unknown};

/** A request, and what its answer has to look like. */
export interface HttpEvent {
  readonly method: string;
  readonly url: string;
  readonly headers: WholeRequest['headers'];
  readonly body: Uint8Array;
  /** A load balancer that sends several values a header takes nothing else. */
  readonly severalValues: boolean;
}

/** @returns null for an event that is no request */
export function readHttpEvent(event: unknown): HttpEvent | null {
  const members = objectOf(event);
  const context = objectOf(members?.['requestContext']);
  if (members === null || context === null) return null;
  const http = objectOf(context['http']);
  // Format 2.0 (function URLs, HTTP APIs), or 1.0 (REST APIs) and its relative of load balancers.
  const method = stringOf(http?.['method'] ?? members['httpMethod']);
  const path = stringOf(members['rawPath'] ?? http?.['path'] ?? members['path']);
  if (method === null || path === null) return null;
  const single = objectOf(members['headers']);
  const several = objectOf(members['multiValueHeaders']);
  const query = stringOf(members['rawQueryString']) ?? '';
  return {
    method,
    url: withoutStage(path, stringOf(context['stage'])) + (query === '' ? '' : `?${query}`),
    headers: headersOf({...single, ...several}, members['cookies']),
    body: bodyOf(members),
    severalValues: single === null && several !== null,
  };
}

/** HTTP APIs put the name of their stage in front of the path. */
function withoutStage(path: string, stage: string | null): string {
  if (stage === null || stage === '$default') return path;
  return path === `/${stage}` || path.startsWith(`/${stage}/`) ? path.slice(stage.length + 1) || '/' : path;
}

function headersOf(headers: Members, cookies: unknown): {readonly [name: string]: string} {
  const plain = plainHeaders(headers);
  const all = Array.isArray(cookies) ? cookies.filter((cookie) => typeof cookie === 'string') : [];
  return all.length > 0 ? {...plain, cookie: all.join('; ')} : plain;
}

function bodyOf(event: Members): Uint8Array {
  const body = stringOf(event['body']) ?? '';
  return Buffer.from(body, event['isBase64Encoded'] === true ? 'base64' : 'utf8');
}

/** Renders the answer to such a request. */
export function renderHttpAnswer(
  event: HttpEvent,
  status: number,
  body: string,
  headers: {readonly [name: string]: string},
): string {
  const all = {'content-type': 'application/json', ...headers};
  const given = event.severalValues
    ? {multiValueHeaders: Object.fromEntries(Object.entries(all).map(([name, value]) => [name, [value]]))}
    : {headers: all};
  return JSON.stringify({statusCode: status, ...given, body, isBase64Encoded: false});
}
