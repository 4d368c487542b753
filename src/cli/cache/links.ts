import {readdir, realpath} from 'node:fs/promises';
import {join, sep} from 'node:path';

/** Where the links in a folder lead: what runs on this machine may be made of the cache's files by links to them. */
export async function readLinks(folder: string): Promise<readonly string[]> {
  const members = await readdir(folder, {recursive: true, withFileTypes: true}).catch(() => []);
  const targets: string[] = [];
  for (const member of members) {
    if (!member.isSymbolicLink()) continue;
    const target = await realpath(join(member.parentPath, member.name)).catch(() => null);
    if (target !== null) targets.push(target);
  }
  return targets;
}

/** Whether a path is a folder or lies in it. */
export function liesIn(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
