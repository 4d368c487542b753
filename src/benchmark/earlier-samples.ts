import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import type {Digest} from '../core/digest.ts';
import {systemCode} from '../core/errors.ts';
import type {Sample} from '../core/sample.ts';
import {readJsonLines} from './json-lines.ts';

/** Whether an earlier run, whose samples lie in the folder, has reached this image at this provider. */
export async function hasSampleOf(folder: string, provider: string, image: Digest): Promise<boolean> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  // Names are dates: the latest run is the likeliest.
  const latestFirst = names
    .filter((name) => name.endsWith('.ndjson'))
    .sort()
    .toReversed();
  for (const name of latestFirst) {
    // A run's header names the image too, before anything has reached it.
    for await (const line of readJsonLines(join(folder, name))) {
      const sample = line as Partial<Sample> | null;
      const isSample = sample?.schema === 'thaw.sample/1';
      if (isSample && sample.provider === provider && sample.evidence?.image === image) return true;
    }
  }
  return false;
}
