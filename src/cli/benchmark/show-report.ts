import type {BudgetVerdict} from '../../core/budget.ts';
import type {Report} from '../../core/report.ts';
import {renderBudgets} from '../../report/budgets.ts';
import {renderTerminal} from '../../report/terminal.ts';
import type {Paint, Terminal} from '../terminal.ts';

/** Puts a report on the terminal, as wide and as colourful as that is. */
export function showReport(report: Report, terminal: Terminal): void {
  terminal.result(renderTerminal(report, screenOf(terminal)).trimEnd());
  terminal.note(terminal.paint.dim(`every sample: ${report.samples}`));
}

/** Says of each budget whether it was kept. */
export function showBudgets(verdicts: readonly BudgetVerdict[], terminal: Terminal): void {
  if (verdicts.length > 0) terminal.note(renderBudgets(verdicts, screenOf(terminal)).trimEnd());
}

/** What of a terminal a renderer has to know. */
export function screenOf({width, paint}: Terminal): {width: number; unicode: boolean; paint: Paint} {
  return {width, paint, unicode: showsUnicode()};
}

function showsUnicode(): boolean {
  if (process.platform === 'win32') return Boolean(process.env['WT_SESSION'] ?? process.env['TERM_PROGRAM']);
  const locale = process.env['LC_ALL'] || process.env['LC_CTYPE'] || process.env['LANG'] || '';
  return /utf-?8/i.test(locale);
}
