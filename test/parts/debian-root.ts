import {execFile} from 'node:child_process';
import {mkdir, readdir, readlink} from 'node:fs/promises';
import {join, relative} from 'node:path';
import {promisify} from 'node:util';
import {fileEntry, type Entry} from '../../src/image/entries.ts';

const run = promisify(execFile);

/** A Python of Debian's with what its own modules and compiled packages need. */
export const DEBIAN_PYTHON = [
  'base-files',
  'ca-certificates',
  'libbz2-1.0',
  'libc6',
  'libexpat1',
  'libffi8',
  'libgcc-s1',
  'liblzma5',
  'libpython3.11-minimal',
  'libpython3.11-stdlib',
  'libssl3',
  'libstdc++6',
  'python3.11-minimal',
  'zlib1g',
];

/**
 * Unpacks packages of Debian for any processor into a folder, through this machine's own apt, which is left as it is.
 *
 * @returns the folder
 */
export async function unpackDebian(
  architecture: string,
  packages: readonly string[],
  folder: string,
): Promise<string> {
  const [lists, cache, debs, root] = ['lists/partial', 'cache', 'debs', 'root'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  for (const dir of [lists, join(cache, 'archives/partial'), debs, root]) await mkdir(dir, {recursive: true});
  const options = [
    ['APT::Architecture', architecture],
    ['APT::Architectures', architecture],
    ['APT::Sandbox::User', 'root'],
    ['Dir::State::lists', join(folder, 'lists')],
    ['Dir::State::status', '/dev/null'],
    ['Dir::Cache', cache],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  await run('apt-get', ['-qq', ...options, 'update']);
  await run('apt-get', ['-qq', ...options, 'download', ...packages], {cwd: debs});
  for (const deb of await readdir(debs)) await run('dpkg-deb', ['-x', join(debs, deb), root]);
  return root;
}

/** A folder's files and links, as a layer holds them. */
export async function entriesOf(root: string): Promise<readonly Entry[]> {
  const members = await readdir(root, {recursive: true, withFileTypes: true});
  const entries = members.map(async (member): Promise<readonly Entry[]> => {
    const file = join(member.parentPath, member.name);
    const path = relative(root, file);
    if (member.isSymbolicLink()) return [{kind: 'symlink', path, target: await readlink(file)}];
    return member.isFile() ? [fileEntry(path, {file}, {executable: true})] : [];
  });
  return (await Promise.all(entries)).flat();
}
