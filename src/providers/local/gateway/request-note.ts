import type {IncomingMessage} from 'node:http';
import type {LogWriter} from './logs.ts';

/** What becomes of one request, for whoever follows requests: a line of the log when it is over. */
export class RequestNote {
  readonly #request: IncomingMessage;
  readonly #log: LogWriter;
  readonly #startedMs = performance.now();
  #instance = '';
  #waitedMs: number | null = null;
  #problem: string | null = null;
  #evidence: {[header: string]: string} = {};

  constructor(request: IncomingMessage, log: LogWriter) {
    this.#request = request;
    this.#log = log;
  }

  /** It has been given to an instance. */
  goesTo(instance: string): void {
    this.#instance = instance;
  }

  /** The head of the answer has come. */
  answered(rawHeaders: readonly string[]): void {
    this.#waitedMs = this.#sinceMs();
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] as string).toLowerCase();
      if (isEvidence(name)) this.#evidence[name] = rawHeaders[i + 1] as string;
    }
  }

  /** The gateway itself answers. */
  refused(problem: string): void {
    this.#problem = problem;
  }

  end(status: number): void {
    const {method = '', url = ''} = this.#request;
    // A query may hold a key.
    const path = url.replace(/\?.*$/s, '');
    const totalMs = this.#sinceMs();
    const request = {
      method,
      path,
      status,
      waitedMs: this.#waitedMs,
      totalMs,
      problem: this.#problem,
      evidence: this.#evidence,
    };
    const why = this.#problem === null ? '' : `: ${this.#problem}`;
    const text = `${method} ${path} ${status} ${totalMs.toFixed(1)} ms${why}`;
    this.#log.write(this.#instance, 'request', text, request);
  }

  #sinceMs(): number {
    return performance.now() - this.#startedMs;
  }
}

const isEvidence = (name: string): boolean => name.startsWith('thaw-') || name === 'server-timing';
