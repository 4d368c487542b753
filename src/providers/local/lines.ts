import type {Readable} from 'node:stream';
import {StringDecoder} from 'node:string_decoder';

/** A line that is longer is cut into pieces of this size, so that no program can fill the reader's memory. */
const LINE_CHARS_MAX = 64 * 1024;

/** Calls back with every line of a stream, without its end; resolves when the stream has been read to its end. */
export function splitLines(stream: Readable, onLine: (text: string) => void): Promise<void> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const take = (text: string): void => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line.endsWith('\r') ? line.slice(0, -1) : line);
    while (rest.length >= LINE_CHARS_MAX) {
      onLine(rest.slice(0, LINE_CHARS_MAX));
      rest = rest.slice(LINE_CHARS_MAX);
    }
  };
  return new Promise((resolve) => {
    stream.on('data', (chunk: Buffer) => take(decoder.write(chunk)));
    stream.on('error', () => {});
    stream.once('close', () => {
      take(decoder.end());
      if (rest !== '') onLine(rest);
      resolve();
    });
  });
}
