import {realpath} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {mayMatter, watchedOf, type Watched} from './watched.ts';

/** A watch over a project's files, until it is closed. */
export interface FileWatch {
  readonly watched: Watched;
  /** From now on these files count as what the function is made from. */
  follow(files: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Watches a project's sources, and whichever files are followed. Editors that write a file anew and rename it are seen
 * as a change, and so are files that vanish and come back.
 *
 * @param onChange gets real, absolute paths
 */
export async function watchFiles(dir: string, onChange: (file: string) => void): Promise<FileWatch> {
  const {watch} = await import('chokidar');
  const root = await realpath(dir);
  const unfollowed = watchedOf(root, []);
  let watched = unfollowed;
  const watcher = watch(root, {
    ignoreInitial: true,
    // What a link leads to is followed where it is.
    followSymlinks: false,
    ignored: (path, stats) => !mayMatter(path, stats && !stats.isDirectory(), watched),
  });
  watcher.on('all', (event, path) => {
    if (event !== 'addDir' && event !== 'unlinkDir') onChange(path);
  });
  // A folder that cannot be read is none that the function is made from: that would have been said.
  watcher.on('error', () => {});
  await new Promise<void>((resolve) => watcher.once('ready', () => resolve()));
  return {
    get watched() {
      return watched;
    },
    follow: async (files) => {
      const now = new Set((await Promise.all(files.map(realPaths))).flat());
      const added = [...now].filter((file) => !watched.files.has(file));
      watched = watchedOf(root, now);
      // Files outside the project by their folder, too: a file that is replaced is seen there.
      const outside = added
        .map((file) => dirname(file))
        .filter((folder) => !mayMatter(folder, false, unfollowed));
      watcher.add([...new Set([...outside, ...added])]);
    },
    close: () => watcher.close(),
  };
}

/** A file as it is named and as it really lies, also while it is not there. */
async function realPaths(file: string): Promise<string[]> {
  const folder = await realpath(dirname(file)).catch(() => dirname(file));
  const named = join(folder, basename(file));
  return [...new Set([named, await realpath(named).catch(() => named)])];
}
