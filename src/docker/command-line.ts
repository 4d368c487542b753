import type {Readable, Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {systemCode, throwIfInterrupted} from '../core/errors.ts';

/** How a command is run. */
export interface CommandOptions {
  readonly signal: AbortSignal;
  /** What it reads; nothing by default. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** It is ended after so long; never by default. */
  readonly timeoutMs?: number;
  /** Beside this process's own environment, which has the contexts and hosts that it honours. */
  readonly env?: {readonly [name: string]: string};
  /** The folder that it runs in; this process's own by default. */
  readonly cwd?: string;
  /** Told each line that it writes, on either stream. */
  readonly onLine?: (line: string) => void;
}

/** How a command ended. */
export interface CommandEnd {
  /** Null if it was ended by a signal, or never ran. */
  readonly exitCode: number | null;
  /** Why it did not run (`ENOENT`); null if it ran. */
  readonly systemCode: string | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, with whatever exit code. Its input is streamed as fast as it reads, so that little of it
 * is in memory. A program that ends before it has read all is no error here: it says itself why.
 *
 * @throws ThawError INTERRUPTED, and whatever the input throws, after the program was ended
 */
export async function runCommand(
  program: string,
  args: readonly string[],
  {signal, input, timeoutMs = 0, env = {}, cwd, onLine}: CommandOptions,
): Promise<CommandEnd> {
  throwIfInterrupted(signal);
  const {execa} = await import('execa');
  const child = execa(program, args, {
    env,
    ...(cwd === undefined ? {} : {cwd}),
    stdin: input === undefined ? 'ignore' : 'pipe',
    reject: false,
    timeout: timeoutMs,
    cancelSignal: signal,
    forceKillAfterDelay: 2000,
    maxBuffer: 4 << 20,
  });
  if (onLine !== undefined) {
    for (const stream of [child.stdout, child.stderr]) tellLines(stream, onLine);
  }
  const inputFailure = input === undefined ? null : await feed(input, child.stdin as unknown as Writable);
  if (inputFailure !== null) child.kill();
  const result = await child;
  throwIfInterrupted(signal);
  if (inputFailure !== null) throw inputFailure as Error;
  return {
    exitCode: result.exitCode ?? null,
    systemCode: result.exitCode === undefined ? (result.code ?? null) : null,
    timedOut: result.timedOut,
    stdout: result.stdout,
    stderr: result.stderr,
  };
}

/** Pipes into a program until it has all or has ended, and returns what the source failed with, or null. */
async function feed(input: AsyncIterable<Uint8Array>, stdin: Writable): Promise<unknown> {
  try {
    await pipeline(input, stdin);
    return null;
  } catch (error) {
    const ended = ['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EOF', 'ABORT_ERR'];
    return ended.includes(systemCode(error) ?? '') ? null : error;
  }
}

function tellLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = '';
  stream.on('data', (chunk: Uint8Array | string) => {
    const lines = (rest + chunk.toString()).split(/\r?\n/);
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') onLine(line.trim());
  });
}
