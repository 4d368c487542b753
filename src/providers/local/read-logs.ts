import {open, stat, type FileHandle} from 'node:fs/promises';
import type {LogLine, LogQuery} from '../../core/deployment.ts';
import type {Context} from '../../core/driver.ts';
import {systemCode} from '../../core/errors.ts';
import type {FunctionPaths} from './paths.ts';

const POLL_MS = 200;
const CHUNK_BYTES = 64 * 1024;

/**
 * Reads what the instances of a function wrote: what there is, and with `follow` what comes, until the signal fires.
 * Goes on in the new file when the gateway begins one.
 */
export async function* readLogs(
  context: Pick<Context, 'ports' | 'signal'>,
  paths: FunctionPaths,
  {sinceMs, follow}: LogQuery,
): AsyncGenerator<LogLine> {
  const wanted = (line: LogLine): boolean => sinceMs === null || Date.parse(line.at) >= sinceMs;
  const old = await Tail.open(paths.logOld);
  if (old !== null) {
    for await (const line of old.lines()) if (wanted(line)) yield line;
    await old.close();
  }
  let tail: Tail | null = null;
  try {
    while (!context.signal.aborted) {
      tail ??= await Tail.open(paths.log);
      // Looked at before the last lines of the old file are read, so that none is missed.
      const replaced = tail !== null && !(await tail.isAt(paths.log));
      if (tail !== null) for await (const line of tail.lines()) if (wanted(line)) yield line;
      if (replaced) {
        await tail?.close();
        tail = null;
        continue;
      }
      if (!follow) return;
      await context.ports.clock.sleep(POLL_MS, context.signal).catch(() => {});
    }
  } finally {
    await tail?.close();
  }
}

/** An open log file, read up to where it ends now, again and again. */
class Tail {
  readonly #handle: FileHandle;
  #offset = 0;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  static async open(file: string): Promise<Tail | null> {
    try {
      return new Tail(await open(file, 'r'));
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  async *lines(): AsyncGenerator<LogLine> {
    for (;;) {
      const {bytesRead, buffer} = await this.#handle.read(
        Buffer.alloc(CHUNK_BYTES),
        0,
        CHUNK_BYTES,
        this.#offset,
      );
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      const text = Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)]);
      const end = text.lastIndexOf(0x0a) + 1;
      this.#rest = text.subarray(end);
      for (const line of text.subarray(0, end).toString('utf8').split('\n')) {
        const parsed = line === '' ? null : parseLine(line);
        if (parsed) yield parsed;
      }
    }
  }

  /** Whether this is the file at that path; one that is gone for now counts as still there. */
  async isAt(file: string): Promise<boolean> {
    const [own, there] = await Promise.all([this.#handle.stat(), stat(file).catch(() => null)]);
    return there === null || there.ino === own.ino;
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/** A line that was cut off when the disk was full is left out. */
function parseLine(line: string): LogLine | null {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return null;
  }
}
