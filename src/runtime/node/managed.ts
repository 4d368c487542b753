// The module that Lambda's own Node calls where a function is a zip archive: it lies at the archive's root.
import {markStart} from './phases.ts';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {openHandler} from './lambda/managed.ts';
import {printAtOnce} from './printing.ts';

printAtOnce();
/** Lambda's start lasts until this is there. */
export const handler = await openHandler(
  join(dirname(fileURLToPath(import.meta.url)), 'runtime'),
  markStart(),
);
