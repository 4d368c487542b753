import {execFile, type ExecFileException} from 'node:child_process';
import type {CommandFailure} from '../../core/ports.ts';

/** A command line that does not come back is given up after so long. */
const COMMAND_MS = 60_000;

/** Runs a short command of an engine to its end, with whatever exit code. Never rejects. */
export function runCommand(
  command: string,
  args: readonly string[],
  env: {readonly [name: string]: string},
): Promise<CommandFailure> {
  return new Promise((resolve) => {
    const options = {env, timeout: COMMAND_MS, windowsHide: true, maxBuffer: 4 << 20};
    const done = (error: ExecFileException | null, stdout: string, stderr: string): void => {
      const {code} = error ?? {code: 0};
      resolve({
        exitCode: typeof code === 'number' ? code : null,
        systemCode: typeof code === 'string' ? code : null,
        timedOut: error?.killed === true,
        stdout,
        stderr,
      });
    };
    execFile(command, [...args], options, done);
  });
}
