import {writeFile} from 'node:fs/promises';
import {resolve} from 'node:path';
import {messageOf, ThawError} from '../core/errors.ts';
import type {Report} from '../core/report.ts';
import {renderJson} from '../report/json.ts';
import {renderMarkdown} from '../report/markdown.ts';

const RENDERERS = {json: renderJson, md: renderMarkdown} as const;

/** A file that a report is written to, and how. */
export interface Export {
  readonly format: keyof typeof RENDERERS;
  readonly file: string;
}

/** Reads `FORMAT=FILE` flags, several of them separated by commas or given apart. @throws ThawError USAGE */
export function readExports(flags: readonly string[]): readonly Export[] {
  return flags
    .flatMap((flag) => flag.split(','))
    .map((text) => {
      const [format, file] = [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
      if (!Object.hasOwn(RENDERERS, format) || file === '') {
        const known = Object.keys(RENDERERS).join(' or ');
        throw new ThawError('USAGE', `--export takes FORMAT=FILE with the format ${known}, not "${text}"`);
      }
      return {format: format as Export['format'], file: resolve(file)};
    });
}

/** Writes a report to each file. @throws ThawError PERMISSION_DENIED */
export async function writeExports(report: Report, exports: readonly Export[]): Promise<void> {
  for (const {format, file} of exports) {
    try {
      await writeFile(file, RENDERERS[format](report));
    } catch (error) {
      throw new ThawError(
        'PERMISSION_DENIED',
        `${file} cannot be written: ${messageOf(error)}`,
        {file},
        {cause: error},
      );
    }
  }
}
