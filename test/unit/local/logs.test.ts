import {mkdtemp, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {PassThrough} from 'node:stream';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {LogLine} from '../../../src/core/deployment.ts';
import {systemClock} from '../../../src/net/clock.ts';
import {LogWriter} from '../../../src/providers/local/gateway/logs.ts';
import {splitLines} from '../../../src/providers/local/lines.ts';
import {pathsOf, type FunctionPaths} from '../../../src/providers/local/paths.ts';
import {readLogs} from '../../../src/providers/local/read-logs.ts';

let dir: string;
let paths: FunctionPaths;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-logs-'));
  paths = {...pathsOf(dir, 'probe'), log: join(dir, 'log'), logOld: join(dir, 'log.old')};
});
afterEach(() => rm(dir, {recursive: true, force: true}));

const reader = (signal: AbortSignal) => ({ports: {clock: systemClock}, signal}) as never;
async function readAll(sinceMs: number | null = null): Promise<LogLine[]> {
  const lines: LogLine[] = [];
  const {signal} = new AbortController();
  for await (const line of readLogs(reader(signal), paths, {sinceMs, follow: false})) lines.push(line);
  return lines;
}

describe('the log', () => {
  it('gives back what was written, in order', async () => {
    const log = new LogWriter(paths.log, paths.logOld);
    log.write('i1', 'stdout', 'first');
    log.write('i1', 'stderr', 'zwölf "Zeichen"\\n');
    await log.close();
    const lines = await readAll();
    expect(lines.map(({instance, stream, text}) => [instance, stream, text])).toEqual([
      ['i1', 'stdout', 'first'],
      ['i1', 'stderr', 'zwölf "Zeichen"\\n'],
    ]);
    expect(await readAll(Date.now() + 1000)).toEqual([]);
    expect((await stat(paths.log)).mode & 0o077).toBe(0);
  });

  it('is empty where nothing was written', async () => {
    expect(await readAll()).toEqual([]);
  });

  it('never grows beyond two files, and keeps the newest lines', async () => {
    const log = new LogWriter(paths.log, paths.logOld, 10_000);
    for (let i = 0; i < 1000; i++) {
      log.write('i1', 'stdout', `line ${i}`);
      if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await log.close();
    expect((await stat(paths.log)).size).toBeLessThanOrEqual(10_000);
    const lines = await readAll();
    expect(lines.at(-1)?.text).toBe('line 999');
    expect(lines.length).toBeLessThan(400);
    expect(lines.length).toBeGreaterThan(20);
  });

  it('counts what comes faster than it can be written instead of keeping it all in memory', async () => {
    const log = new LogWriter(paths.log, paths.logOld);
    const text = 'x'.repeat(60_000);
    for (let i = 0; i < 1000; i++) log.write('i1', 'stdout', text);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await log.close();
    const lines = await readAll();
    expect(lines.length).toBeLessThan(100);
    expect(lines.at(-1)?.text).toMatch(/^\d+ lines were not kept/);
  });

  it('does not fail where it cannot be written', async () => {
    const log = new LogWriter(join(dir, 'missing', 'log'), paths.logOld);
    log.write('i1', 'stdout', 'lost');
    await log.close();
  });

  it('is followed over the begin of a new file until the signal fires', async () => {
    const log = new LogWriter(paths.log, paths.logOld, 300);
    const abort = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const {text} of readLogs(reader(abort.signal), paths, {sinceMs: null, follow: true})) {
        seen.push(text);
        if (seen.length === 9) abort.abort();
      }
    })();
    for (let i = 0; i < 9; i++) {
      log.write('i1', 'stdout', `line ${i}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    await following;
    await log.close();
    expect(seen).toEqual(Array.from({length: 9}, (_, i) => `line ${i}`));
  });
});

describe('lines of a stream', () => {
  it('are put together from pieces, letters cut in two included, and the last needs no end', async () => {
    const stream = new PassThrough();
    const lines: string[] = [];
    const read = splitLines(stream, (line) => lines.push(line));
    const bytes = Buffer.from('one\r\ntwö\n\nlast');
    for (const byte of bytes) stream.write(Buffer.from([byte]));
    stream.end();
    await read;
    expect(lines).toEqual(['one', 'twö', '', 'last']);
  });

  it('are cut where they would fill the memory', async () => {
    const stream = new PassThrough();
    const lines: string[] = [];
    const read = splitLines(stream, (line) => lines.push(line));
    stream.end(Buffer.alloc(200_000, 'x'));
    await read;
    expect(lines.map(({length}) => length)).toEqual([65_536, 65_536, 65_536, 3392]);
  });
});
