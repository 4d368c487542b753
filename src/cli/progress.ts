import {formatBytes} from '../core/units.ts';
import type {ProgressFn} from '../core/ports.ts';
import type {Terminal} from './terminal.ts';

/** One piece of work that a person waits for. */
export interface Task {
  /** Text behind the title: what it is at just now. */
  update(text: string): void;
  /** The same for bytes. */
  readonly bytes: ProgressFn;
}

/**
 * Runs a piece of work under a title on standard error: a spinner on a terminal, one line when it is done
 * otherwise, nothing when the terminal is to be quiet.
 *
 * @param done what the line says in the end, from the work's result
 */
export async function withTask<T>(
  terminal: Terminal,
  title: string,
  work: (task: Task) => Promise<T>,
  done: (result: T) => string = () => title,
): Promise<T> {
  const {good, bad} = terminal.paint;
  const spinner = terminal.interactive && !terminal.options.quiet ? await startSpinner(title) : null;
  const update = (text: string): void => spinner?.say(`${title} ${terminal.paint.dim(text)}`);
  const task: Task = {
    update,
    bytes: (doneBytes, totalBytes) =>
      update(formatBytes(doneBytes) + (totalBytes === null ? '' : ` of ${formatBytes(totalBytes)}`)),
  };
  try {
    const result = await work(task);
    spinner?.stop();
    terminal.note(`${good('✓')} ${done(result)}`);
    return result;
  } catch (error) {
    spinner?.stop();
    terminal.note(`${bad('✗')} ${title}`);
    throw error;
  }
}

async function startSpinner(title: string): Promise<{say(text: string): void; stop(): void}> {
  const {default: ora} = await import('ora');
  const spinner = ora({text: title, stream: process.stderr, discardStdin: false}).start();
  return {
    say: (text) => {
      spinner.text = text;
    },
    stop: () => {
      spinner.stop();
    },
  };
}
