import {lstat, writeFile} from 'node:fs/promises';
import {resolve} from 'node:path';
import {writeFailure, writeWhole} from '../../core/disk.ts';
import {messageOf, ThawError} from '../../core/errors.ts';
import type {BudgetVerdict} from '../../core/budget.ts';
import type {Report} from '../../core/report.ts';

/** How a report is written to a file, by format; what a format needs is loaded when it is asked for. */
const RENDERERS: {
  readonly [format: string]: () => Promise<(report: Report, budgets: readonly BudgetVerdict[]) => string>;
} = {
  html: async () => (await import('../../report/html/render.ts')).renderHtml,
  json: async () => (await import('../../report/json.ts')).renderJson,
  md: async () => {
    const {renderMarkdown} = await import('../../report/markdown.ts');
    const {renderBudgetsMarkdown} = await import('../../report/budgets.ts');
    return (report, budgets) =>
      `${renderMarkdown(report)}${budgets.length > 0 ? '\n' : ''}${renderBudgetsMarkdown(budgets)}`;
  },
  hdr: async () => (await import('../../report/hdr.ts')).renderHdr,
};

/** A file that a report is written to, and how. */
export interface Export {
  readonly format: string;
  readonly file: string;
}

/** Reads `FORMAT=FILE` flags, several of them separated by commas or given apart. @throws ThawError USAGE */
export function readExports(
  flags: readonly string[],
  formats: readonly string[] = Object.keys(RENDERERS),
): readonly Export[] {
  return flags
    .flatMap((flag) => flag.split(','))
    .map((text) => {
      const [format, file] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
      if (!formats.includes(format) || file === '') {
        const known = formats.join(', ');
        throw new ThawError(
          'USAGE',
          `--export takes FORMAT=FILE with one of the formats ${known}, not "${text}"`,
        );
      }
      return {format, file: resolve(file)};
    });
}

/** Writes a report to each file. @throws ThawError PERMISSION_DENIED, DISK_FULL */
export async function writeExports(
  report: Report,
  budgets: readonly BudgetVerdict[],
  exports: readonly Export[],
): Promise<void> {
  for (const {format, file} of exports) {
    const render = await RENDERERS[format]?.();
    if (render) await writeExport(file, render(report, budgets));
  }
}

/**
 * Writes one file that the user asked for: whole or not at all, unless it is a link, a pipe or a device, as
 * `/dev/stdout` is, which is written into.
 *
 * @throws ThawError PERMISSION_DENIED, DISK_FULL
 */
export async function writeExport(file: string, text: string): Promise<void> {
  try {
    const there = await lstat(file).catch(() => null);
    if (there === null || there.isFile()) await writeWhole(file, text);
    else await writeFile(file, text);
  } catch (error) {
    const failure = await writeFailure(error, file, {neededBytes: Buffer.byteLength(text)});
    if (failure instanceof ThawError) throw failure;
    const message = `${file} cannot be written: ${messageOf(error)}`;
    throw new ThawError('PERMISSION_DENIED', message, {path: file}, {cause: error});
  }
}
