import {once} from 'node:events';
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

/** How an invocation came out. */
export interface Outcome {
  readonly kind: 'response' | 'error';
  readonly requestId: string;
  readonly text: string;
  readonly errorType: string | undefined;
}

/** What a test makes of the next call to a path: a status instead of the real answer, or a cut connection. */
export type Fault = {readonly status: number} | 'cut' | 'cut in the middle';

/** Lambda's Runtime API on loopback, with one event at a time and whatever goes wrong on request. */
export interface FakeRuntimeApi {
  /** For AWS_LAMBDA_RUNTIME_API. */
  readonly address: string;
  /** Every call that came, as `GET invocation/next`. */
  readonly calls: readonly string[];
  /** Connections that were opened so far. */
  readonly connections: () => number;
  readonly initError: Promise<Outcome>;
  /** Hands an event out and resolves with how it came out. A string goes out as it is. */
  invoke(event: unknown, headers?: {readonly [name: string]: string}): Promise<Outcome>;
  /** The next calls to a path get this instead, each once. */
  fault(call: string, ...faults: readonly Fault[]): void;
  /** Resolves when a call has come so many times. */
  called(call: string, times: number): Promise<void>;
  /** Lets the snapshot be restored. */
  restore(): void;
  close(): Promise<void>;
}

interface Waiting {
  readonly id: string;
  readonly body: string;
  readonly headers: {readonly [name: string]: string};
}

/** Starts it on a port of its own. */
export async function startRuntimeApi(): Promise<FakeRuntimeApi> {
  const calls: string[] = [];
  const faults = new Map<string, Fault[]>();
  const events: Waiting[] = [];
  const waiting: ServerResponse[] = [];
  const outcomes = new Map<string, (outcome: Outcome) => void>();
  const watchers = new Set<() => void>();
  let frozen: ServerResponse | null = null;
  let restored = false;
  let connections = 0;
  let ids = 0;
  let initFailed: (outcome: Outcome) => void = () => undefined;
  const initError = new Promise<Outcome>((resolve) => (initFailed = resolve));

  const deliver = (): void => {
    while (events.length > 0 && waiting.length > 0) {
      const response = waiting.shift();
      const event = events.shift();
      if (response === undefined || event === undefined) return;
      const headers = {
        'lambda-runtime-aws-request-id': event.id,
        'lambda-runtime-deadline-ms': String(Date.now() + 30_000),
        'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:123456789012:function:demo',
        'lambda-runtime-trace-id': `Root=1-${event.id}`,
        ...event.headers,
      };
      const fault = faults.get('GET invocation/next')?.shift();
      if (fault === 'cut in the middle') {
        // The event is not lost: it is handed out again.
        events.unshift(event);
        response.writeHead(200, {...headers, 'content-length': Buffer.byteLength(event.body) + 10});
        response.write(event.body, () => response.destroy());
        continue;
      }
      response.writeHead(200, headers);
      response.end(event.body);
    }
  };

  const answer = (request: IncomingMessage, response: ServerResponse, text: string): void => {
    const path = (request.url ?? '').replace('/2018-06-01/runtime/', '');
    const [, id = '', kind = ''] = /^invocation\/([^/]+)\/(response|error)$/.exec(path) ?? [];
    const call = `${request.method} ${id === '' ? path : `invocation/${kind}`}`;
    calls.push(call);
    for (const watch of watchers) watch();
    const planned = faults.get(call)?.[0];
    if (planned !== undefined && planned !== 'cut in the middle') {
      faults.get(call)?.shift();
      if (planned === 'cut') request.socket.destroy();
      else response.writeHead(planned.status).end('{}');
      return;
    }
    const outcome = (kind: Outcome['kind']): Outcome => ({
      kind,
      requestId: id,
      text,
      errorType: request.headers['lambda-runtime-function-error-type'] as string | undefined,
    });
    if (call === 'GET invocation/next') {
      waiting.push(response);
      response.on('close', () => {
        const at = waiting.indexOf(response);
        if (at >= 0) waiting.splice(at, 1);
      });
      deliver();
    } else if (kind === 'response' || kind === 'error') {
      const settle = outcomes.get(id);
      outcomes.delete(id);
      settle?.(outcome(kind));
      response.writeHead(settle === undefined ? 400 : 202).end('{}');
    } else if (call === 'POST init/error') {
      initFailed(outcome('error'));
      response.writeHead(202).end('{}');
    } else if (call === 'GET restore/next') {
      if (restored) response.end('{}');
      else frozen = response;
    } else {
      response.writeHead(404).end('{}');
    }
  };

  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      answer(request, response, Buffer.concat(chunks).toString('utf8'));
    });
  });
  server.on('connection', () => (connections += 1));
  // Slow machines leave connections idle for longer than Node would keep them.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    connections: () => connections,
    initError,
    invoke(event, headers = {}) {
      const id = `request-${(ids += 1)}`;
      events.push({id, body: typeof event === 'string' ? event : JSON.stringify(event), headers});
      const settled = new Promise<Outcome>((resolve) => outcomes.set(id, resolve));
      deliver();
      return settled;
    },
    fault(call, ...added) {
      faults.set(call, [...(faults.get(call) ?? []), ...added]);
    },
    called: (call, times) =>
      new Promise((resolve) => {
        const watch = (): void => {
          if (calls.filter((made) => made === call).length < times) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
      }),
    restore() {
      restored = true;
      frozen?.end('{}');
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  };
}
