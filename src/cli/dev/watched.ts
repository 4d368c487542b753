import {dirname, extname, relative, sep} from 'node:path';

/** What is looked at for changes. All paths are absolute and real. */
export interface Watched {
  /** The project's folder. */
  readonly dir: string;
  /** What the function was made from, wherever it lies. */
  readonly files: ReadonlySet<string>;
  /** The folders above those files. */
  readonly folders: ReadonlySet<string>;
}

/** What a handler may import, and what says how it is bundled. */
const SOURCE_EXTENSIONS = [
  '.mjs',
  '.js',
  '.cjs',
  '.ts',
  '.mts',
  '.cts',
  '.jsx',
  '.tsx',
  '.json',
  '.txt',
  '.py',
];

/** What tools keep for themselves; packages change when `package.json` does. */
const FOREIGN_FOLDER = /^(?:\..+|node_modules|__pycache__|venv)$/;

export function watchedOf(dir: string, files: Iterable<string>): Watched {
  const all = new Set(files);
  const folders = new Set<string>();
  for (const file of all) {
    for (let folder = dirname(file); !folders.has(folder); folder = dirname(folder)) folders.add(folder);
  }
  return {dir, files: all, folders};
}

/**
 * Whether something has to be watched at all: what the function was made from, and sources of the project, which it
 * may be made from next.
 *
 * @param isFile undefined while that is not known
 */
export function mayMatter(path: string, isFile: boolean | undefined, watched: Watched): boolean {
  if (watched.files.has(path) || watched.folders.has(path) || path === watched.dir) return true;
  const inside = relative(watched.dir, path).split(sep);
  if (inside[0] === '..' || inside[0] === path) return false;
  const folders = isFile === true ? inside.slice(0, -1) : inside;
  if (folders.some((name) => FOREIGN_FOLDER.test(name))) return false;
  return isFile !== true || SOURCE_EXTENSIONS.includes(extname(path));
}

/**
 * Whether a change of a file is a reason to build again.
 *
 * @param failed whether the last build failed: then any source may be what was missing
 */
export function countsAsChange(path: string, failed: boolean, watched: Watched): boolean {
  return watched.files.has(path) || (failed && mayMatter(path, true, watched));
}
