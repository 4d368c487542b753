import {relative} from 'node:path';
import type {PlacedProblem, Problem} from '../config/document.ts';
import {EXIT_CODES, ThawError} from '../core/errors.ts';
import type {Json, JsonObject} from '../core/json.ts';
import {hintsFor} from './hints.ts';

/** An error as the command line shows it. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly facts: JsonObject;
  readonly hints: readonly string[];
  readonly exitCode: number;
  /** For bugs only: what a report of it needs. */
  readonly stack: string | null;
}

/** Turns anything thrown into what is shown: thaw's own errors, wrong usage as oclif reports it, or a bug. */
export function describeFailure(error: unknown): Failure {
  if (error instanceof ThawError) {
    const {code, message, facts} = error;
    return {code, message, facts, hints: hintsFor(code, facts), exitCode: EXIT_CODES[code], stack: null};
  }
  const usage = usageMessage(error);
  if (usage !== null) {
    const hints = hintsFor('USAGE', {});
    return {code: 'USAGE', message: usage, facts: {}, hints, exitCode: EXIT_CODES.USAGE, stack: null};
  }
  return {
    code: 'BUG',
    message: `a bug in thaw: ${error instanceof Error ? error.message : String(error)}`,
    facts: {},
    hints: ['Please report it with the lines above and the command you ran.'],
    exitCode: 1,
    stack: error instanceof Error ? (error.stack ?? null) : null,
  };
}

/** The failure as text for a terminal. */
export function renderFailure(failure: Failure, paint: {readonly bad: (text: string) => string}): string {
  const lines = [`${paint.bad('✗')} ${failure.message}`];
  for (const problem of problemsIn(failure.facts)) lines.push(`  ${problem}`);
  if (failure.stack) lines.push(failure.stack);
  for (const hint of failure.hints) lines.push(`  ${hint}`);
  return `${lines.join('\n')}\n`;
}

/** The failure as the one JSON document that `--json` prints. */
export function failureDocument({code, message, facts, hints}: Failure): JsonObject {
  return {error: {code, message, facts, hints: [...hints]}};
}

/** The mistakes of a configuration, a line each, as compilers print them. A provider knows no lines, but names keys. */
function problemsIn(facts: JsonObject): string[] {
  if (!Array.isArray(facts['problems'])) return [];
  return (facts['problems'] as readonly Json[]).map((entry) => {
    const {path: keys, ...placed} = entry as unknown as Partial<Omit<PlacedProblem, 'path'>> &
      (Pick<PlacedProblem, 'path'> | Pick<Problem, 'path'>);
    const path = typeof keys === 'string' ? keys : (keys?.join('.') ?? '');
    const {file, line, column, message, nearest} = placed;
    const place = file === undefined ? '' : `${relative(process.cwd(), file)}:${line}:${column}  `;
    const meant = nearest ? `, did you mean "${nearest}"?` : '';
    return `${place}${path ? `${path}: ` : ''}${message}${meant}`;
  });
}

/** What oclif says of wrong flags and arguments, without its "See more help" tail. */
function usageMessage(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  const {oclif} = error as {oclif?: {exit?: number}};
  if (oclif?.exit !== 2 && oclif?.exit !== 127) return null;
  return error.message.replace(/\n?See more help with --help/, '').trim();
}
