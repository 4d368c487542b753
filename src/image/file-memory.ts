import {readFile, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {writeWhole} from '../core/disk.ts';

/** What was found out from files, kept for as long as nobody has touched them. */
export interface FileMemory {
  /**
   * The answer to a question about files: the one that was found before, if none of the files has been written,
   * replaced or renamed since; otherwise what `find` finds.
   *
   * @param question all that the answer depends on beside the files
   * @param files absolute paths
   * @param find gives plain JSON
   */
  readonly recall: <Answer>(
    question: string,
    files: readonly string[],
    find: () => Promise<Answer>,
  ) => Promise<Answer>;
  /** Writes down what is new. Where that cannot be, it will be found again. */
  readonly save: () => Promise<void>;
}

/** Remembers nothing. */
export const noMemory: FileMemory = {
  recall: async (_question, _files, find) => find(),
  save: async () => undefined,
};

interface Known {
  /** What the files were when the answer was found. */
  readonly stamp: string;
  readonly answer: unknown;
}

/** Part of the file's name: raise it when an answer means something else. */
const FORMAT = 1;

/** What is known of more files is forgotten, the oldest first. */
const KNOWN_MAX = 256;

/** Opens what is remembered in a cache; nothing, if that is damaged. */
export async function openFileMemory(cacheDir: string): Promise<FileMemory> {
  const file = join(cacheDir, `files-${FORMAT}.json`);
  const known = await readKnown(file);
  let isNew = false;
  return {
    async recall<Answer>(
      question: string,
      files: readonly string[],
      find: () => Promise<Answer>,
    ): Promise<Answer> {
      const before = await stampOf(files);
      const found = known.get(question);
      if (before !== null && found?.stamp === before.text) return found.answer as Answer;
      const answer = await find();
      if (before?.settled === true && (await stampOf(files))?.text === before.text) {
        known.delete(question);
        known.set(question, {stamp: before.text, answer});
        isNew = true;
      }
      return answer;
    },
    async save() {
      if (!isNew) return;
      isNew = false;
      const kept = [...known].slice(-KNOWN_MAX);
      await writeWhole(file, JSON.stringify(Object.fromEntries(kept))).catch(() => undefined);
    },
  };
}

async function readKnown(file: string): Promise<Map<string, Known>> {
  try {
    const read = JSON.parse(await readFile(file, 'utf8')) as {readonly [question: string]: Known};
    return new Map(Object.entries(read).filter(([, known]) => typeof known.stamp === 'string'));
  } catch {
    return new Map();
  }
}

/** Within this time a file system may give two writes one time. */
const SETTLED_MS = 2_000;

/**
 * What a file is without being read: where it lies on which disk, its size, and when it was last written and changed.
 * Whoever writes into it can set back the former time but not the latter. A file that was touched only just now may be
 * touched again without any of that telling: it is not settled.
 */
async function stampOf(files: readonly string[]): Promise<{text: string; settled: boolean} | null> {
  try {
    const nowMs = Date.now();
    const found = await Promise.all(files.map((file) => stat(file, {bigint: true})));
    const texts = found.map(({dev, ino, size, mtimeNs, ctimeNs}, nth) =>
      [files[nth], dev, ino, size, mtimeNs, ctimeNs].join(':'),
    );
    const touchedMs = Math.max(
      ...found.map(({mtimeMs, ctimeMs}) => Number(mtimeMs > ctimeMs ? mtimeMs : ctimeMs)),
    );
    return {text: texts.join('\n'), settled: nowMs - touchedMs > SETTLED_MS};
  } catch {
    return null;
  }
}
