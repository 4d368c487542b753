import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import type {Digest} from '../core/digest.ts';
import {systemCode} from '../core/errors.ts';

/** Whether an earlier run, whose samples lie in the folder, has reached this image at this provider. */
export async function hasSampleOf(folder: string, provider: string, image: Digest): Promise<boolean> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  });
  for (const name of names.filter((name) => name.endsWith('.ndjson'))) {
    const lines = (await readFile(join(folder, name), 'utf8')).split('\n');
    if (
      lines.some((line) => line.includes(`"provider":"${provider}"`) && line.includes(`"image":"${image}"`))
    ) {
      return true;
    }
  }
  return false;
}
