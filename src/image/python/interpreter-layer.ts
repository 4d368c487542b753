import {lstat, readdir, readlink, stat} from 'node:fs/promises';
import {join, relative} from 'node:path';
import {fileEntry, type Entry} from '../entries.ts';
import type {Interpreter} from './interpreter.ts';

/** Lays out the interpreter layer; nothing if the base has the interpreter. */
export async function planInterpreter({dir}: Pick<Interpreter, 'dir'>): Promise<readonly Entry[]> {
  return dir === null ? [] : entriesOf(dir, 'opt/thaw/python');
}

/**
 * Lays out a folder that thaw has made: its files, and its links.
 *
 * @param inImage where it goes, relative to the image's root
 */
export async function entriesOf(dir: string, inImage: string): Promise<readonly Entry[]> {
  const members = await readdir(dir, {recursive: true, withFileTypes: true});
  const entries = members
    .filter((member) => !member.isDirectory())
    .map(async (member): Promise<Entry> => {
      const file = join(member.parentPath, member.name);
      const path = `${inImage}/${relative(dir, file).replaceAll('\\', '/')}`;
      if ((await lstat(file)).isSymbolicLink()) return {kind: 'symlink', path, target: await readlink(file)};
      const executable = ((await stat(file)).mode & 0o111) !== 0;
      return fileEntry(path, {file}, {executable});
    });
  return Promise.all(entries);
}
