import {appendFile, rename, stat} from 'node:fs/promises';
import type {LogLine, RequestRecord} from '../../../core/deployment.ts';

/** Two files of this size are kept at most. */
const FILE_BYTES_MAX = 8 * 2 ** 20;
/** Lines that come faster than the disk takes them are counted instead of kept, so that nothing has to wait. */
const PENDING_BYTES_MAX = 2 * 2 ** 20;

/** Writes what instances say into a file of JSON lines, and begins a new file when it is full. */
export class LogWriter {
  readonly #file: string;
  readonly #oldFile: string;
  readonly #fileBytesMax: number;
  #fileBytes: number | null = null;
  #pending: string[] = [];
  #pendingBytes = 0;
  #dropped = 0;
  #writing: Promise<void> | null = null;
  #closed = false;

  constructor(file: string, oldFile: string, fileBytesMax: number = FILE_BYTES_MAX) {
    this.#file = file;
    this.#oldFile = oldFile;
    this.#fileBytesMax = fileBytesMax;
  }

  /** Never fails and never waits: a log that cannot be written must not stop what is logged. */
  write(instance: string, stream: LogLine['stream'], text: string, request?: RequestRecord): void {
    if (this.#closed) return;
    if (this.#pendingBytes > PENDING_BYTES_MAX) {
      this.#dropped++;
      return;
    }
    const at = new Date().toISOString();
    this.#push({at, instance, stream, text, ...(request && {request})});
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when what has come until now has been written. */
  async flush(): Promise<void> {
    await this.#writing;
  }

  /** Resolves when everything has been written; what comes later is not. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
  }

  #push(line: LogLine): void {
    const text = `${JSON.stringify(line)}\n`;
    this.#pending.push(text);
    this.#pendingBytes += text.length;
  }

  async #writeAll(): Promise<void> {
    while (this.#pending.length > 0) {
      try {
        await this.#append(this.#takeFitting());
      } catch {
        // No space, or the folder is gone.
        this.#fileBytes = null;
      }
      if (this.#dropped > 0 && this.#pending.length === 0) {
        const note = `${this.#dropped} lines were not kept: they came faster than they could be written`;
        this.#push({at: new Date().toISOString(), instance: '', stream: 'platform', text: note});
        this.#dropped = 0;
      }
    }
    this.#writing = null;
  }

  /** Takes lines that together fit into one file, and at least one. */
  #takeFitting(): string {
    let count = 0;
    let length = 0;
    do length += this.#pending[count++]?.length ?? 0;
    while (length + (this.#pending[count]?.length ?? Infinity) <= this.#fileBytesMax);
    this.#pendingBytes -= length;
    return this.#pending.splice(0, count).join('');
  }

  async #append(text: string): Promise<void> {
    this.#fileBytes ??= await sizeOf(this.#file);
    if (this.#fileBytes > 0 && this.#fileBytes + text.length > this.#fileBytesMax) {
      await rename(this.#file, this.#oldFile);
      this.#fileBytes = 0;
    }
    await appendFile(this.#file, text, {mode: 0o600});
    this.#fileBytes += Buffer.byteLength(text);
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch {
    return 0;
  }
}
