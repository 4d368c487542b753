import {createReadStream} from 'node:fs';
import {chmod, link, lstat, mkdir, open, rename, rm, symlink} from 'node:fs/promises';
import {dirname, join, posix} from 'node:path';
import {createGunzip} from 'node:zlib';
import type {Header} from 'tar-stream';
import {unfinishedName, writeFailure} from '../core/disk.ts';
import {messageOf, systemCode, ThawError} from '../core/errors.ts';
import type {Layer} from '../core/image.ts';
import type {ImageOnDisk, UnpackImage} from '../core/ports.ts';
import {blobPath} from './blobs.ts';
import {invalid} from './layout.ts';
import {meter} from './meter.ts';
import {readMembers, type MemberContent} from './tar-members.ts';

/**
 * Unpacks some of an image's layers into a folder, which is replaced whole, and only when every byte has proven to
 * be what the image's record says. Members that would lie or lead outside the folder are refused, as are
 * whiteouts, devices and pipes. Files belong to whoever calls.
 *
 * @throws ThawError IMAGE_INVALID, DISK_FULL, PERMISSION_DENIED
 */
export const unpackImage: UnpackImage = async (from, roles, intoDir) => {
  const unfinished = unfinishedName(intoDir);
  const layers = from.image.layers.filter((layer) => roles.includes(layer.role));
  try {
    await mkdir(unfinished, {recursive: true});
    for (const layer of layers) await unpackLayer(from, layer, unfinished);
    await replaceFolder(unfinished, intoDir);
  } catch (error) {
    await rm(unfinished, {recursive: true, force: true});
    throw await asUnpackFailure(error, from, layers, intoDir);
  }
};

async function unpackLayer({layoutDir}: ImageOnDisk, layer: Layer, rootDir: string): Promise<void> {
  const blob = meter();
  const content = meter((bytes) => {
    if (bytes > layer.unpackedBytes) throw invalidLayer(layoutDir, layer, 'unpacks to more than was packed');
  });
  await readMembers(
    [createReadStream(blobPath(layoutDir, layer.digest)), blob.through, createGunzip(), content.through],
    (header, member) => writeMember(rootDir, header, member),
  );
  if (blob.read().digest !== layer.digest) throw invalidLayer(layoutDir, layer, 'has other content');
  if (content.read().digest !== layer.diffId)
    throw invalidLayer(layoutDir, layer, 'unpacks to other content');
}

async function writeMember(rootDir: string, header: Header, content: MemberContent): Promise<void> {
  const parts = partsOf(header.name);
  const name = parts.pop();
  if (name !== undefined) {
    if (name.startsWith('.wh.')) throw new RefusedMember(header.name, 'is a whiteout');
    const folder = await makeFolders(rootDir, parts, header.name);
    await writeAt(rootDir, join(folder, name), header, content);
  }
  content.resume();
}

async function writeAt(rootDir: string, path: string, header: Header, content: MemberContent): Promise<void> {
  const mode = header.mode ?? 0o644;
  switch (header.type) {
    case 'directory':
      await makeFolders(dirname(path), [posix.basename(header.name)], header.name);
      await chmod(path, (mode & 0o1777) | 0o700);
      return;
    case 'file':
      await rm(path, {force: true});
      await writeContent(path, content);
      await chmod(path, mode & 0o777);
      return;
    case 'symlink':
      await rm(path, {force: true});
      await symlink(safeTarget(header), path);
      return;
    case 'link': {
      const target = await findTarget(rootDir, header);
      await rm(path, {force: true});
      await link(target, path);
      return;
    }
    default:
      throw new RefusedMember(header.name, `is a ${header.type ?? 'member of unknown type'}`);
  }
}

async function writeContent(path: string, content: MemberContent): Promise<void> {
  const file = await open(path, 'wx');
  let failure: unknown = null;
  try {
    for await (const chunk of content) {
      // Even then read to its end: a member that is left off ends the archive, with an error that says nothing.
      if (failure !== null) continue;
      await file.writeFile(chunk).catch((error: unknown) => {
        failure = error;
      });
    }
  } finally {
    await file.close();
  }
  if (failure !== null) throw failure as Error;
}

/** The parts of a member's path. Empty for the root itself. */
function partsOf(name: string): string[] {
  const parts = name.replace(/\/$/, '').split('/');
  if (parts[0] === '.') parts.shift();
  if (/[\\\0]|^[A-Za-z]:/.test(name)) throw new RefusedMember(name, 'has no portable name');
  if (parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new RefusedMember(name, 'lies outside');
  }
  return parts;
}

/** Makes each folder of a path that is missing, and never goes through a link that an earlier member made. */
async function makeFolders(rootDir: string, parts: readonly string[], member: string): Promise<string> {
  let folder = rootDir;
  for (const part of parts) {
    folder = join(folder, part);
    try {
      await mkdir(folder);
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') throw error;
      if (!(await lstat(folder)).isDirectory()) throw new RefusedMember(member, 'lies in what is no folder');
    }
  }
  return folder;
}

/** A link's target, if following it stays inside. */
function safeTarget({name, linkname}: Header): string {
  const target = linkname ?? '';
  const reached = posix.normalize(posix.join(posix.dirname(name), target));
  if (
    posix.isAbsolute(target) ||
    /\\|^[A-Za-z]:/.test(target) ||
    reached === '..' ||
    reached.startsWith('../')
  ) {
    throw new RefusedMember(name, `links to ${target}, outside`);
  }
  return target;
}

/** The file that a hard link names; not reached through a link, or the file itself might lie outside. */
async function findTarget(rootDir: string, {name, linkname}: Header): Promise<string> {
  const refused = new RefusedMember(
    name,
    `links to ${JSON.stringify(linkname)}, which is no file of the layer`,
  );
  const parts = (linkname ?? '').replace(/^\.\//, '').split('/');
  if (parts.includes('..') || parts.includes('')) throw refused;
  let path = rootDir;
  for (const [index, part] of parts.entries()) {
    path = join(path, part);
    const found = await lstat(path).catch(() => null);
    const last = index === parts.length - 1;
    if (found === null || !(last ? found.isFile() : found.isDirectory())) throw refused;
  }
  return path;
}

/** Puts a folder in the place of another, which goes away. */
export async function replaceFolder(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(systemCode(error) ?? '')) throw error;
    const previous = unfinishedName(to);
    await rename(to, previous);
    await rename(from, to);
    await rm(previous, {recursive: true, force: true});
  }
}

/** A member that must not be written. */
class RefusedMember extends Error {
  constructor(name: string, why: string) {
    super(`${JSON.stringify(name)} ${why}`);
  }
}

function invalidLayer(layoutDir: string, layer: Layer, what: string): ThawError {
  return invalid(layoutDir, `the ${layer.role} layer ${what}`, layer.digest);
}

async function asUnpackFailure(
  error: unknown,
  {layoutDir}: ImageOnDisk,
  layers: readonly Layer[],
  intoDir: string,
): Promise<unknown> {
  if (error instanceof ThawError) return error;
  const neededBytes = layers.reduce((sum, layer) => sum + layer.unpackedBytes, 0);
  const failure = await writeFailure(error, intoDir, {neededBytes});
  // What is left are zlib's errors, tar-stream's, refused members, and a blob that is not there.
  return failure instanceof ThawError ? failure : invalid(layoutDir, messageOf(error));
}
