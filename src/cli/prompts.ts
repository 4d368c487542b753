import {ThawError} from '../core/errors.ts';
import type {Terminal} from './terminal.ts';

/**
 * Asks a yes-or-no question.
 *
 * @param flag the flag that answers it without a terminal
 * @throws ThawError ANSWER_MISSING without a terminal, INTERRUPTED on no and on Ctrl-C
 */
export async function askConfirmation(terminal: Terminal, question: string, flag: string): Promise<void> {
  requireTerminal(terminal, question, flag);
  const {confirm} = await import('@inquirer/prompts');
  const yes = await answered(confirm({message: question}, {output: process.stderr}));
  if (!yes) throw new ThawError('INTERRUPTED', 'stopped: nothing was changed');
}

/** Asks for a line of text that passes a check. @throws as askConfirmation */
export async function askText(
  terminal: Terminal,
  question: string,
  flag: string,
  options: {readonly initial: string; readonly check: (text: string) => string | true},
): Promise<string> {
  requireTerminal(terminal, question, flag);
  const {input} = await import('@inquirer/prompts');
  const {initial, check} = options;
  return answered(input({message: question, default: initial, validate: check}, {output: process.stderr}));
}

/** Asks for one of several. @throws as askConfirmation */
export async function askChoice<T extends string>(
  terminal: Terminal,
  question: string,
  flag: string,
  choices: readonly {readonly value: T; readonly name: string; readonly description: string}[],
): Promise<T> {
  requireTerminal(terminal, question, flag);
  const {select} = await import('@inquirer/prompts');
  return answered(select({message: question, choices: [...choices]}, {output: process.stderr}));
}

function requireTerminal(terminal: Terminal, question: string, flag: string): void {
  if (terminal.interactive) return;
  throw new ThawError('ANSWER_MISSING', `nobody is there to answer "${question}"`, {flag});
}

/** An answer; Ctrl-C at a prompt is an interruption like any other. */
async function answered<T>(prompt: Promise<T>): Promise<T> {
  try {
    return await prompt;
  } catch (error) {
    if (error instanceof Error && ['ExitPromptError', 'AbortPromptError'].includes(error.name)) {
      throw new ThawError('INTERRUPTED', 'stopped: nothing was changed', {}, {cause: error});
    }
    throw error;
  }
}
