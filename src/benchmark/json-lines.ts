import {createReadStream} from 'node:fs';
import {mkdir, open, type FileHandle} from 'node:fs/promises';
import {dirname} from 'node:path';
import {writeFailure} from '../core/disk.ts';
import {messageOf, systemCode, ThawError} from '../core/errors.ts';

/** A file of JSON values, one a line, that is being written. */
export interface JsonLines {
  /**
   * Resolves when the operating system has the lines: a kill after that does not lose them. Calls may overlap; lines
   * come to lie in the order of the calls.
   *
   * @throws ThawError DISK_FULL
   */
  append(values: readonly object[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts a new file, with its folder.
 *
 * @throws ThawError FILE_EXISTS, DISK_FULL, PERMISSION_DENIED
 */
export function createJsonLines(file: string): Promise<JsonLines> {
  return orRefuse(file, async () => {
    await mkdir(dirname(file), {recursive: true});
    return writerTo(file, await open(file, 'ax'), false);
  });
}

/**
 * Opens a file to append to. A last line that was left unfinished is closed off first, so that it spoils no other.
 *
 * @throws ThawError INPUT_INVALID if there is no such file, DISK_FULL, PERMISSION_DENIED
 */
export function openJsonLines(file: string): Promise<JsonLines> {
  return orRefuse(file, async () => {
    // Without `w` and `a`, which would create it.
    const reading = await open(file, 'r');
    try {
      return writerTo(file, await open(file, 'a'), await endsTorn(reading));
    } finally {
      await reading.close();
    }
  });
}

async function endsTorn(handle: FileHandle): Promise<boolean> {
  const {size} = await handle.stat();
  const last = Buffer.alloc(1);
  if (size > 0) await handle.read(last, 0, 1, size - 1);
  return size > 0 && last.toString() !== '\n';
}

function writerTo(file: string, handle: FileHandle, tornAtFirst: boolean): JsonLines {
  let isTorn = tornAtFirst;
  let last: Promise<void> = Promise.resolve();
  const write = async (values: readonly object[]): Promise<void> => {
    const lines = values.map((value) => `${JSON.stringify(value)}\n`).join('');
    const text = isTorn ? `\n${lines}` : lines;
    // A write that fails may have come half-way.
    isTorn = true;
    await handle.appendFile(text);
    isTorn = false;
  };
  return {
    append(values) {
      const written = last.then(() => orRefuse(file, () => write(values)));
      last = written.catch(() => {});
      return written;
    },
    async close() {
      await last;
      await handle.close();
    },
  };
}

/**
 * Reads the values of a file one after the other; null for a line that is no JSON object, as a crash leaves it. Holds
 * one line in memory at a time.
 *
 * @throws ThawError INPUT_INVALID if the file cannot be read
 */
export async function* readJsonLines(file: string): AsyncGenerator<{readonly [key: string]: unknown} | null> {
  let rest = '';
  try {
    for await (const chunk of createReadStream(file, 'utf8')) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line !== '') yield parseObject(line);
    }
  } catch (error) {
    throw cannotRead(file, error);
  }
  if (rest !== '') yield parseObject(rest);
}

function parseObject(line: string): {readonly [key: string]: unknown} | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as {[key: string]: unknown})
      : null;
  } catch {
    return null;
  }
}

const cannotRead = (file: string, cause: unknown): ThawError =>
  new ThawError('INPUT_INVALID', `${file}: cannot be read: ${messageOf(cause)}`, {file}, {cause});

async function orRefuse<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = systemCode(cause);
    if (code === 'EEXIST') throw new ThawError('FILE_EXISTS', `${file}: is there already`, {file}, {cause});
    if (code === 'ENOENT' || code === 'EISDIR') throw cannotRead(file, cause);
    throw await writeFailure(cause, file);
  }
}
