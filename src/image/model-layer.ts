import {open} from 'node:fs/promises';
import {deflateBlock} from './deflate-block.ts';
import {fileEntry, unreadable, type Entry} from './entries.ts';
import type {Compression} from './gzip.ts';

/** A file that the model consists of. */
export interface ModelFile {
  /** Relative to the model folder of the image, with forward slashes. */
  readonly path: string;
  readonly file: string;
}

/** Lays out the model layer: the model file and its external data. */
export function planModel(files: readonly ModelFile[]): readonly Entry[] {
  return files.map(({path, file}) => fileEntry(`opt/thaw/model/${path}`, {file}));
}

/** Under this size compressing costs no time that anyone would notice. */
const SMALL_BYTES = 4_000_000;
const SAMPLES = 8;
const SAMPLE_BYTES = 128 * 1024;

/** Compressing at level 1 must save at least this share: weights are close to noise and often save less. */
const SAVING_MIN = 0.1;

/**
 * Chooses how hard the model layer is compressed, by trying level 1 on samples spread over the largest file. It
 * depends on the content alone, so that equal models give equal layers.
 *
 * @throws ThawError INPUT_INVALID if a file cannot be read
 */
export async function chooseModelCompression(files: readonly string[]): Promise<Compression> {
  let largest = {file: '', bytes: 0};
  let totalBytes = 0;
  for (const file of files) {
    const bytes = await usingFile(file, async (handle) => (await handle.stat()).size);
    totalBytes += bytes;
    if (bytes > largest.bytes) largest = {file, bytes};
  }
  if (totalBytes < SMALL_BYTES) return 6;
  return (await savingOf(largest.file, largest.bytes)) >= SAVING_MIN ? 1 : 'stored';
}

async function savingOf(file: string, bytes: number): Promise<number> {
  return usingFile(file, async (handle) => {
    let before = 0;
    let after = 0;
    for (let sample = 0; sample < SAMPLES; sample++) {
      const position = Math.floor((Math.max(0, bytes - SAMPLE_BYTES) * sample) / (SAMPLES - 1));
      const {buffer, bytesRead} = await handle.read(Buffer.alloc(SAMPLE_BYTES), 0, SAMPLE_BYTES, position);
      before += bytesRead;
      const content = buffer.subarray(0, bytesRead);
      after += deflateBlock({content, before: new Uint8Array()}, 1).length;
    }
    return 1 - after / before;
  });
}

async function usingFile<T>(
  file: string,
  use: (handle: Awaited<ReturnType<typeof open>>) => Promise<T>,
): Promise<T> {
  const handle = await open(file).catch((error: unknown) => {
    throw unreadable(file, error);
  });
  try {
    return await use(handle);
  } finally {
    await handle.close();
  }
}
