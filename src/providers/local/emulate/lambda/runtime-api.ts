import type {IncomingMessage, ServerResponse} from 'node:http';
import {openDoor, readBody} from '../door.ts';

/** What Lambda takes as an event or as an answer, in bytes. */
export const PAYLOAD_BYTES_MAX = 6 * 2 ** 20;
/** What it allows beyond that where an answer is posted. */
const PAYLOAD_SLACK_BYTES = 100;
const PREFIX = '/2018-06-01/runtime/';

/** One event to be answered. */
export interface Invocation {
  readonly requestId: string;
  /** Milliseconds since the epoch. */
  readonly deadlineMs: number;
  readonly traceId: string;
  readonly functionArn: string;
  /** JSON, from who invoked. */
  readonly clientContext: string | null;
  readonly event: Buffer;
}

/** How a runtime answers an event. */
export type Reply =
  | {readonly kind: 'answer'; readonly body: Buffer}
  | {readonly kind: 'error'; readonly errorType: string; readonly body: Buffer};

/** Why a runtime says that it cannot start. */
export class InitError extends Error {
  override readonly name = 'InitError';
  readonly errorType: string;

  constructor(errorType: string, message: string) {
    super(message);
    this.errorType = errorType;
  }
}

/** An event on its way through the runtime. */
interface Pending {
  readonly invocation: Invocation;
  handed: boolean;
  replied: boolean;
  readonly onReply: (reply: Reply) => void;
  readonly onDone: () => void;
}

/** Lambda's Runtime API as one process sees it. */
export class RuntimeApi {
  /** Resolves when the process first asks for an event; rejects with InitError if it says that it cannot start. */
  readonly initialised: Promise<void>;
  #resolveInitialised: () => void = () => {};
  #rejectInitialised: (error: InitError) => void = () => {};
  #isInitialised = false;
  /** The request for an event that waits for one. */
  #waiting: ServerResponse | null = null;
  #pending: Pending | null = null;
  #door: Awaited<ReturnType<typeof openDoor>> | null = null;

  private constructor() {
    this.initialised = new Promise((resolve, reject) => {
      this.#resolveInitialised = resolve;
      this.#rejectInitialised = reject;
    });
    this.initialised.catch(() => {});
  }

  /** @param host one address of this machine that the process can reach */
  static async open(host: string): Promise<RuntimeApi> {
    const api = new RuntimeApi();
    api.#door = await openDoor((request, response) => void api.#serve(request, response), host);
    return api;
  }

  get port(): number {
    return this.#door?.port ?? 0;
  }

  /**
   * Hands an event over as soon as the process asks for one. One at a time.
   *
   * @returns `reply` resolves with the answer, `done` when the process has asked for the next event after it; both
   *   stay open if the process ends
   */
  invoke(invocation: Invocation): {readonly reply: Promise<Reply>; readonly done: Promise<void>} {
    let onReply: (reply: Reply) => void = () => {};
    let onDone: () => void = () => {};
    const reply = new Promise<Reply>((resolve) => (onReply = resolve));
    const done = new Promise<void>((resolve) => (onDone = resolve));
    this.#pending = {invocation, handed: false, replied: false, onReply, onDone};
    this.#handOver();
    return {reply, done};
  }

  async close(): Promise<void> {
    await this.#door?.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {});
    response.on('error', () => {});
    const {method, url = ''} = request;
    const [path = ''] = url.split('?');
    if (!path.startsWith(PREFIX)) return answer(response, 404, {errorType: 'NotFound', errorMessage: path});
    const route = `${method} ${path.slice(PREFIX.length)}`;
    if (route === 'GET invocation/next') return this.#next(response);
    let body: Buffer | null;
    try {
      body = await readBody(request, PAYLOAD_BYTES_MAX + PAYLOAD_SLACK_BYTES);
    } catch {
      // The process went away in the middle of it.
      return;
    }
    if (route === 'POST init/error') return this.#initError(response, errorTypeOf(request, body), body);
    const [, requestId = '', what] = /^POST invocation\/([^/]+)\/(response|error)$/.exec(route) ?? [];
    if (what === undefined) return answer(response, 404, {errorType: 'NotFound', errorMessage: route});
    const pending = this.#pending;
    if (
      pending === null ||
      !pending.handed ||
      pending.replied ||
      pending.invocation.requestId !== requestId
    ) {
      return answer(response, 400, {errorType: 'InvalidRequestID', errorMessage: 'Invalid request ID'});
    }
    if (body === null) {
      const errorMessage = `Exceeded maximum allowed payload size (${PAYLOAD_BYTES_MAX + PAYLOAD_SLACK_BYTES} bytes).`;
      return answer(response, 413, {errorType: 'RequestEntityTooLarge', errorMessage});
    }
    pending.replied = true;
    answer(response, 202, {status: 'OK'});
    pending.onReply(
      what === 'response'
        ? {kind: 'answer', body}
        : {kind: 'error', errorType: errorTypeOf(request, body), body},
    );
  }

  #next(response: ServerResponse): void {
    const pending = this.#pending;
    if (pending?.handed && !pending.replied) {
      const errorMessage = `${pending.invocation.requestId} is not answered yet`;
      return answer(response, 403, {errorType: 'InvalidStateTransition', errorMessage});
    }
    if (pending?.replied) {
      this.#pending = null;
      pending.onDone();
    }
    this.#isInitialised = true;
    this.#resolveInitialised();
    this.#waiting = response;
    response.on('close', () => {
      if (this.#waiting === response) this.#waiting = null;
    });
    this.#handOver();
  }

  #handOver(): void {
    const response = this.#waiting;
    const pending = this.#pending;
    if (response === null || pending === null || pending.handed) return;
    this.#waiting = null;
    pending.handed = true;
    const {requestId, deadlineMs, traceId, functionArn, clientContext, event} = pending.invocation;
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': event.length,
      'lambda-runtime-aws-request-id': requestId,
      'lambda-runtime-deadline-ms': String(Math.round(deadlineMs)),
      'lambda-runtime-invoked-function-arn': functionArn,
      'lambda-runtime-trace-id': traceId,
      ...(clientContext === null ? {} : {'lambda-runtime-client-context': clientContext}),
    });
    response.end(event);
  }

  #initError(response: ServerResponse, errorType: string, body: Buffer | null): void {
    if (this.#isInitialised) {
      return answer(response, 403, {errorType: 'InvalidStateTransition', errorMessage: 'it has started'});
    }
    answer(response, 202, {status: 'OK'});
    this.#rejectInitialised(new InitError(errorType, membersOf(body)['errorMessage'] ?? errorType));
  }
}

function answer(response: ServerResponse, status: number, body: {[member: string]: string}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {'content-type': 'application/json', 'content-length': Buffer.byteLength(text)});
  response.end(text);
}

function errorTypeOf(request: IncomingMessage, body: Buffer | null): string {
  const given = request.headers['lambda-runtime-function-error-type']?.toString();
  return given ?? membersOf(body)['errorType'] ?? 'Runtime.Unknown';
}

/** The texts in an error as runtimes post it; none where it is something else. */
function membersOf(body: Buffer | null): {readonly [member: string]: string | undefined} {
  try {
    const value: unknown = JSON.parse(body?.toString('utf8') ?? '');
    if (typeof value !== 'object' || value === null) return {};
    return Object.fromEntries(Object.entries(value).filter(([, text]) => typeof text === 'string'));
  } catch {
    return {};
  }
}
