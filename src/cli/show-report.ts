import type {Report} from '../core/report.ts';
import {renderTerminal} from '../report/terminal.ts';
import type {Terminal} from './terminal.ts';

/** Puts a report on the terminal, as wide and as colourful as that is. */
export function showReport(report: Report, terminal: Terminal): void {
  const {paint, width} = terminal;
  terminal.result(renderTerminal(report, {width, unicode: showsUnicode(), paint}).trimEnd());
  terminal.note(paint.dim(`every sample: ${report.samples}`));
}

function showsUnicode(): boolean {
  if (process.platform === 'win32') return Boolean(process.env['WT_SESSION'] ?? process.env['TERM_PROGRAM']);
  const locale = process.env['LC_ALL'] || process.env['LC_CTYPE'] || process.env['LANG'] || '';
  return /utf-?8/i.test(locale);
}
