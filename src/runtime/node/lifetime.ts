// How this process ends: on a signal, with its lifeline, or because the handler left nothing to go on with.
import {messageOf, stackOf} from './failures.ts';
import {log, printLine} from './log.ts';

/** What is known of the end while the process lives. */
export interface Lifetime {
  /** From now on an end first waits until this resolves: until every request that has come is answered. */
  drainWith(drain: () => Promise<void>): void;
  end(exitCode: number): void;
  /** Where a process that cannot start says so beside its log. */
  reportWith(report: (code: string, message: string) => Promise<void>): void;
  /** Says why this process cannot start, and ends it. */
  fail(code: string, message: string): void;
}

const DRAIN_MS_MAX = 10_000;
const REPORT_MS_MAX = 2_000;

/** Makes every way to end go through one gate. */
export function beginLifetime(): Lifetime {
  let drain: (() => Promise<void>) | null = null;
  let report: ((code: string, message: string) => Promise<void>) | null = null;
  let failed = false;
  let ending = false;

  const exit = (exitCode: number): never => {
    ending = true;
    process.exit(exitCode);
  };
  const end = (exitCode: number): void => {
    if (ending) return;
    ending = true;
    if (drain === null) exit(exitCode);
    setTimeout(() => exit(exitCode), DRAIN_MS_MAX).unref();
    void drain?.().then(() => exit(exitCode));
  };
  const fail = (code: string, message: string): void => {
    if (failed) return;
    failed = true;
    printLine({event: 'failed', code, message});
    if (report === null) exit(1);
    setTimeout(() => exit(1), REPORT_MS_MAX);
    void report?.(code, message)
      .catch((error: unknown) => {
        log('error', `nobody could be told: ${messageOf(error)}`);
      })
      .finally(() => exit(1));
  };

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      end(0);
    });
  }
  // A forgotten promise is no reason to end.
  process.on('unhandledRejection', (reason) => {
    log('error', `unhandled rejection: ${messageOf(reason)}`, {stack: stackOf(reason)});
  });
  // An exception outside of any request leaves no state to trust.
  process.on('uncaughtException', (error) => {
    if (drain === null) return fail('HANDLER_INVALID', `uncaught exception: ${messageOf(error)}`);
    log('error', `uncaught exception: ${messageOf(error)}`, {stack: stackOf(error)});
    exit(1);
  });
  process.on('exit', (code) => {
    if (ending || failed) return;
    const message = `the handler ended the process with code ${code}`;
    if (drain !== null) return log('error', message);
    printLine({event: 'failed', code: 'HANDLER_INVALID', message});
    process.exitCode = 1;
  });

  return {
    drainWith(wait) {
      drain = wait;
    },
    end,
    reportWith(told) {
      report = told;
    },
    fail,
  };
}

/** Stdin is a pipe from whoever started this process: when it ends, nobody is left to serve. */
export function endWithStdin(lifetime: Lifetime): void {
  const over = (): void => {
    lifetime.end(0);
  };
  process.stdin.on('end', over).on('close', over).on('error', over).resume();
}
