import {join} from 'node:path';
import {runCommand} from '../docker/command-line.ts';
import type {Tools} from '../python/tools.ts';
import type {Installation} from './compose.ts';

/** What work with the user's Python takes, told to nobody yet; `named` is the Python that the user has named. */
export function pythonToolsOf(
  {root, cacheDir}: Pick<Installation, 'root' | 'cacheDir'>,
  signal: AbortSignal,
): Omit<Tools, 'python'> & {readonly named: string | null} {
  return {
    named: process.env['THAW_PYTHON'] || null,
    run: runCommand,
    signal,
    programsDir: join(root, 'dist', 'python'),
    env: process.env,
    cacheDir,
    onStep: () => undefined,
    onNote: () => undefined,
    onOutput: () => undefined,
  };
}
