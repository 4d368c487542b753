import {mkdir, open, readFile} from 'node:fs/promises';
import {dirname} from 'node:path';
import {messageOf, systemCode, ThawError} from '../core/errors.ts';
import type {Sample} from '../core/sample.ts';

/** A file of samples that is being written. */
export interface SamplesFile {
  /** Resolves when the operating system has the line: a kill after that does not lose it. */
  append(sample: Sample): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens an NDJSON file, with its folder, to append samples to. A last line that an earlier run left unfinished is
 * closed off first, so that it spoils no other.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED
 */
export async function openSamplesFile(file: string): Promise<SamplesFile> {
  const handle = await orRefuse(file, async () => {
    await mkdir(dirname(file), {recursive: true});
    const opened = await open(file, 'a+');
    const {size} = await opened.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await opened.read(last, 0, 1, size - 1);
    if (size > 0 && last.toString() !== '\n') await opened.appendFile('\n');
    return opened;
  });
  return {
    append: (sample) => orRefuse(file, () => handle.appendFile(`${JSON.stringify(sample)}\n`)),
    close: () => handle.close(),
  };
}

/**
 * Reads the samples of a file. Lines that a crash cut off are passed over and counted.
 *
 * @throws ThawError INPUT_INVALID if there is no such file
 */
export async function readSamples(file: string): Promise<{samples: Sample[]; damagedLines: number}> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new ThawError(
      'INPUT_INVALID',
      `${file}: cannot be read: ${messageOf(error)}`,
      {file},
      {cause: error},
    );
  });
  const lines = text.split('\n').filter((line) => line !== '');
  const samples = lines.map(parseSample).filter((sample) => sample !== null);
  return {samples, damagedLines: lines.length - samples.length};
}

function parseSample(line: string): Sample | null {
  try {
    const value = JSON.parse(line) as Partial<Sample> | null;
    return value?.schema === 'thaw.sample/1' ? (value as Sample) : null;
  } catch {
    return null;
  }
}

async function orRefuse<T>(file: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const code = systemCode(error);
    const facts = {file};
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new ThawError('DISK_FULL', `${file}: no space left for samples`, facts, {cause: error});
    }
    if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
      throw new ThawError('PERMISSION_DENIED', `${file}: cannot be written: ${messageOf(error)}`, facts, {
        cause: error,
      });
    }
    throw error;
  }
}
