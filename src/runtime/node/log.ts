import {writeSync} from 'node:fs';

/** Writes one JSON line on stdout, before this returns: the process may be about to end. */
export function printLine(line: object): void {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let at = 0, attempts = 0; at < bytes.length && attempts < 1000;) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      // A pipe whose reader is slow says EAGAIN; one whose reader is gone has nobody to tell.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return;
      attempts += 1;
    }
  }
}

/** Writes one line of the log. */
export function log(level: 'info' | 'error', message: string, facts: object = {}): void {
  printLine({level, at: new Date().toISOString(), message, ...facts});
}
