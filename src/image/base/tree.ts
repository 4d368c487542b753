/** A file of a tree, with what is known of its content. */
interface FileNode<F> {
  readonly kind: 'file';
  readonly layer: number;
  readonly content: F;
}

interface SymlinkNode {
  readonly kind: 'symlink';
  readonly layer: number;
  readonly target: string;
}

/** A device, a pipe: there, and of no use. */
interface OtherNode {
  readonly kind: 'other';
  readonly layer: number;
}

interface DirectoryNode<F> {
  readonly kind: 'directory';
  layer: number;
  readonly children: Map<string, TreeNode<F>>;
}

type TreeNode<F> = FileNode<F> | SymlinkNode | OtherNode | DirectoryNode<F>;

/** What one member of a layer does to the tree under it. */
export type TreeMember<F> =
  | {readonly kind: 'file'; readonly path: string; readonly content: F}
  | {readonly kind: 'directory' | 'other'; readonly path: string}
  | {readonly kind: 'symlink' | 'link'; readonly path: string; readonly target: string};

/** A member that no file system could take. The message says what is wrong with it, without its name. */
export class BadMember extends Error {}

/**
 * The files of an image, as they lie above each other in its layers. It is a value in memory: nothing of it is ever
 * a path on this machine, so links may lead wherever they like and stay inside.
 */
export interface Tree<F> {
  /**
   * Applies a member of a layer; layers are counted upwards. Folders on its way are made, links on its way followed.
   *
   * @throws BadMember
   */
  apply(member: TreeMember<F>, layer: number): void;
  /** What is known of the file that a path leads to, links followed; null if it leads to no file. */
  file(path: string): F | null;
  /** The names in the folder that a path leads to; none if it leads to no folder. */
  list(path: string): readonly string[];
}

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const HOPS_MAX = 40;
const PATH_CHARS_MAX = 4096;

/** Makes an empty tree. */
export function createTree<F>(): Tree<F> {
  const root: DirectoryNode<F> = {kind: 'directory', layer: 0, children: new Map()};

  /** Follows a path from the root. What is missing on the way is asked for from `make`. */
  const follow = (
    parts: readonly string[],
    make: (parent: DirectoryNode<F>, name: string) => TreeNode<F> | null,
  ): TreeNode<F> | null => {
    const trail: TreeNode<F>[] = [root];
    const ahead = parts.toReversed();
    let hops = 0;
    for (let part = ahead.pop(); part !== undefined; part = ahead.pop()) {
      const here = trail.at(-1);
      if (here?.kind !== 'directory') return null;
      if (part === '' || part === '.') continue;
      if (part === '..') {
        if (trail.length > 1) trail.pop();
        continue;
      }
      const next = here.children.get(part) ?? make(here, part);
      if (next === null) return null;
      if (next.kind !== 'symlink') {
        trail.push(next);
        continue;
      }
      if (++hops > HOPS_MAX) return null;
      if (next.target.startsWith('/')) trail.length = 1;
      ahead.push(...next.target.split('/').toReversed());
    }
    return trail.at(-1) ?? null;
  };
  const find = (parts: readonly string[]): TreeNode<F> | null => follow(parts, () => null);

  const enter = (parts: readonly string[], layer: number): DirectoryNode<F> => {
    const folder = follow(parts, (parent, name) => {
      const made: DirectoryNode<F> = {kind: 'directory', layer, children: new Map()};
      parent.children.set(name, made);
      return made;
    });
    if (folder?.kind !== 'directory') throw new BadMember('lies in what is no folder');
    return folder;
  };

  const linked = (target: string, layer: number): TreeNode<F> => {
    const parts = partsOf(target);
    const name = parts.pop() ?? '';
    const folder = find(parts);
    const found = folder?.kind === 'directory' ? folder.children.get(name) : undefined;
    if (found === undefined || found.kind === 'directory') {
      throw new BadMember(`links to ${JSON.stringify(target)}, which is no file`);
    }
    return {...found, layer};
  };

  const applyWhiteout = (folderParts: readonly string[], name: string, layer: number): void => {
    const folder = find(folderParts);
    if (folder?.kind !== 'directory') return;
    if (name === OPAQUE) hideBelow(folder, layer);
    // The rest of this kind is a file system's own bookkeeping.
    else if (!name.startsWith(`${WHITEOUT}${WHITEOUT}`)) hide(folder, name.slice(WHITEOUT.length), layer);
  };

  return {
    apply(member, layer) {
      const parts = partsOf(member.path);
      const name = parts.pop();
      if (name === undefined) {
        if (member.kind !== 'directory') throw new BadMember('is the root, and no folder');
        return;
      }
      if (name.startsWith(WHITEOUT)) {
        applyWhiteout(parts, name, layer);
        return;
      }
      const {children} = enter(parts, layer);
      const there = children.get(name);
      if (member.kind === 'directory') {
        if (there?.kind === 'directory') there.layer = layer;
        else children.set(name, {kind: 'directory', layer, children: new Map()});
      } else if (member.kind === 'file') children.set(name, {kind: 'file', layer, content: member.content});
      else if (member.kind === 'link') children.set(name, linked(member.target, layer));
      else if (member.kind === 'symlink') {
        if (member.target === '' || member.target.length > PATH_CHARS_MAX) {
          throw new BadMember(`links to a path of ${member.target.length} characters`);
        }
        children.set(name, {kind: 'symlink', layer, target: member.target});
      } else children.set(name, {kind: 'other', layer});
    },
    file(path) {
      const found = find(path.split('/'));
      return found?.kind === 'file' ? found.content : null;
    },
    list(path) {
      const found = find(path.split('/'));
      return found?.kind === 'directory' ? [...found.children.keys()] : [];
    },
  };
}

/** The parts of a member's path; absolute ones start at the image's root, as every engine reads them. */
function partsOf(path: string): string[] {
  if (path.length > PATH_CHARS_MAX) throw new BadMember(`has a path of ${path.length} characters`);
  if (path.includes('\0')) throw new BadMember('has a path with a zero byte');
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) throw new BadMember('has a path that leads upwards');
  return parts;
}

/** Removes what layers below put under a name; what this layer put there itself stays, wherever the whiteout stands. */
function hide<F>(folder: DirectoryNode<F>, name: string, layer: number): void {
  const child = folder.children.get(name);
  if (child === undefined) return;
  if (child.kind === 'directory') {
    hideBelow(child, layer);
    if (child.children.size > 0) return;
  }
  if (child.layer < layer) folder.children.delete(name);
}

function hideBelow<F>(folder: DirectoryNode<F>, layer: number): void {
  for (const name of folder.children.keys()) hide(folder, name, layer);
}
