import {
  request as httpRequest,
  type ClientRequest,
  type IncomingMessage,
  type RequestListener,
} from 'node:http';
import {pipeline} from 'node:stream';
import type {Ready} from '../engine.ts';

/** How a cloud's front end treats requests before an instance gets to see them. */
export interface FrontEnd {
  /** What it adds to a request's headers, by their names in lower case. */
  headers(request: IncomingMessage): {readonly [name: string]: string};
  /** It waits so long for a whole answer, and then says so itself; the instance is left alone. */
  readonly timeoutMs: number;
  readonly timeoutBody: string;
}

/** Passes requests on to an instance, and its answers back, as they come. */
export function passThrough({host, port}: Ready, frontEnd: FrontEnd): RequestListener {
  return (request, response) => {
    let toInstance: ClientRequest | null = null;
    const timer = setTimeout(() => {
      if (response.headersSent) response.destroy();
      else {
        response.writeHead(504, {'content-type': 'text/plain', 'x-request-id': idOf(request)});
        response.end(frontEnd.timeoutBody);
      }
      toInstance?.destroy();
    }, frontEnd.timeoutMs);
    response.on('close', () => {
      clearTimeout(timer);
      toInstance?.destroy();
    });
    const {method, url, headers} = request;
    toInstance = httpRequest({
      host,
      port,
      method,
      path: url,
      headers: {...headers, ...frontEnd.headers(request)},
      // A connection that rests may be closed just when it is taken up again.
      agent: false,
    });
    // The gateway finds out why, and answers.
    toInstance.on('error', () => {
      if (!response.writableEnded) response.destroy();
    });
    toInstance.on('response', (answer) => {
      const {statusCode = 502, statusMessage, rawHeaders} = answer;
      if (response.destroyed || response.writableEnded) return;
      response.writeHead(statusCode, statusMessage, withoutConnection(rawHeaders));
      pipeline(answer, response, () => {});
    });
    pipeline(request, toInstance, () => {});
  };
}

const idOf = (request: IncomingMessage): string => request.headers['x-request-id']?.toString() ?? '';

/** That a connection ends here is nothing to who is at the other end of another one. */
function withoutConnection(rawHeaders: readonly string[]): string[] {
  return rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && !['connection', 'keep-alive', 'transfer-encoding'].includes(name.toLowerCase())
      ? [name, rawHeaders[i + 1] as string]
      : [],
  );
}
