import {mkdtemp, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, relative, sep} from 'node:path';
import {onTestFinished} from 'vitest';

/** A new folder that is gone when the test is. */
export async function temporaryFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-scaffold-'));
  onTestFinished(() => rm(dir, {recursive: true, force: true}));
  return dir;
}

/** Everything in a folder, files and folders, by relative path with `/`. */
export async function contentsOf(dir: string): Promise<string[]> {
  const entries = await readdir(dir, {withFileTypes: true, recursive: true});
  return entries
    .map((entry) => relative(dir, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}
