import {request as httpRequest, type IncomingMessage, type ServerResponse} from 'node:http';
import {openDoor, type Door} from '../../../../src/providers/local/emulate/door.ts';

/** Where a process that a snapshot is made of waits until it is restored. */
const RESTORE_NEXT = '/2018-06-01/runtime/restore/next';

/** Stands between a process and its Runtime API, and holds the process at the point where snapshots are taken. */
export class RestoreGate {
  /** Resolves when the process is where its snapshot is taken. */
  readonly held: Promise<void>;
  #onHeld: () => void = () => {};
  #waiting: ServerResponse | null = null;
  #releasedMs: number | null = null;
  #restoreMs: number | null = null;
  #runtimeApi = '';
  #door: Door | null = null;

  private constructor() {
    this.held = new Promise((resolve) => (this.#onHeld = resolve));
  }

  static async open(): Promise<RestoreGate> {
    const gate = new RestoreGate();
    gate.#door = await openDoor((request, response) => gate.#serve(request, response));
    return gate;
  }

  /**
   * Stands before a Runtime API.
   *
   * @param runtimeApi host and port
   * @returns host and port of the gate itself
   */
  before(runtimeApi: string): string {
    this.#runtimeApi = runtimeApi;
    return `127.0.0.1:${this.#door?.port}`;
  }

  /** Lets the process go on, as in a machine that was made from the snapshot. */
  release(): void {
    this.#releasedMs = performance.now();
    this.#waiting?.writeHead(200).end();
  }

  get isReleased(): boolean {
    return this.#releasedMs !== null;
  }

  /** Called when the process takes its first event. */
  restored(): void {
    this.#restoreMs = performance.now() - (this.#releasedMs ?? 0);
  }

  async close(): Promise<void> {
    await this.#door?.close();
  }

  /** Says in the first REPORT what the restore took, where the start would stand of a sandbox that has none. */
  render(line: string): string {
    if (this.#restoreMs === null || !line.startsWith('REPORT ') || !line.includes('Init Duration: '))
      return line;
    const durationMs = Number(/\tDuration: ([\d.]+) ms/.exec(line)?.[1]);
    const restore = this.#restoreMs.toFixed(2);
    const billedRestoreMs = Math.ceil(this.#restoreMs);
    return line
      .replace(/Billed Duration: \d+ ms/, `Billed Duration: ${Math.ceil(durationMs)} ms`)
      .replace(
        /Init Duration: [\d.]+ ms/,
        `Restore Duration: ${restore} ms\tBilled Restore Duration: ${billedRestoreMs} ms`,
      );
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => {});
    if (request.method === 'GET' && request.url === RESTORE_NEXT) {
      this.#onHeld();
      if (this.isReleased) response.writeHead(200).end();
      else this.#waiting = response;
      return;
    }
    const [host, port] = this.#runtimeApi.split(':');
    const {method, url, headers} = request;
    const onward = httpRequest({host, port, method, path: url, headers, agent: false}, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  }
}
