import type {IncomingMessage, ServerResponse} from 'node:http';
import {METRICS_TYPE} from './metrics.ts';

/** Whether a path is the gateway's own: these never reach the function. */
export const isOwnPath = (url: string | undefined): boolean =>
  url !== undefined && url.startsWith('/_thaw') && /^\/_thaw(?:[/?#]|$)/.test(url);

/** Answers what is asked of the gateway itself. */
export function answerOwnPath(
  request: IncomingMessage,
  response: ServerResponse,
  renderMetrics: () => string,
): void {
  const {method = '', url = ''} = request;
  const path = url.replace(/[?#].*$/s, '');
  if (path !== '/_thaw/metrics') {
    return send(response, 404, ...failure('UNKNOWN_ROUTE', `the gateway has nothing at ${path}`));
  }
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return send(response, 405, ...failure('WRONG_METHOD', `${path} takes GET or HEAD, not ${method}`));
  }
  send(response, 200, METRICS_TYPE, renderMetrics());
}

const failure = (code: string, message: string): [type: string, body: string] => [
  'application/json',
  JSON.stringify({error: {code, message}}),
];

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {'content-type': type, 'content-length': Buffer.byteLength(body)});
  response.end(body);
}
