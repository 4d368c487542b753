import {readFile} from 'node:fs/promises';
import {compare} from '../../benchmark/compare.ts';
import type {Comparison} from '../../core/comparison.ts';
import {messageOf, systemCode, ThawError} from '../../core/errors.ts';
import type {Report} from '../../core/report.ts';
import {renderComparison, renderComparisonMarkdown} from '../../report/comparison.ts';
import {parseReport} from '../../report/schema.ts';
import type {Terminal} from '../terminal.ts';
import {readExports, writeExport} from './exports.ts';
import {screenOf} from './show-report.ts';

export interface CompareRequest {
  readonly before: string;
  readonly after: string;
  /** The smallest difference that matters: `5%`. */
  readonly matters: string;
  readonly exports: readonly string[];
  readonly terminal: Terminal;
}

/** Compares two reports, shows what came of it, and writes it where it was asked for. */
export async function compareReports(request: CompareRequest): Promise<Comparison> {
  const {before, after, terminal} = request;
  const smallest = readShare(request.matters);
  const exports = readExports(request.exports, ['json', 'md']);
  const comparison = compare(await readReport(before), await readReport(after), {smallest});
  terminal.result(renderComparison(comparison, screenOf(terminal)).trimEnd());
  for (const {format, file} of exports) {
    const json = (): string => `${JSON.stringify(comparison, null, 2)}\n`;
    await writeExport(file, format === 'json' ? json() : renderComparisonMarkdown(comparison));
  }
  return comparison;
}

/** Reads a report that `--export json=FILE` wrote. @throws ThawError INPUT_INVALID */
async function readReport(file: string): Promise<Report> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    const why = systemCode(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new ThawError('INPUT_INVALID', `${file} is no report: ${why}`, {file}, {cause: error});
  }
  return parseReport(value, file);
}

function readShare(text: string): number {
  const [, digits] = /^(\d+(?:\.\d+)?)\s*%$/.exec(text) ?? [];
  const share = Number(digits) / 100;
  if (share > 0 && share < 1) return share;
  throw new ThawError('USAGE', `--matters takes a share such as 5%, not "${text}"`);
}
