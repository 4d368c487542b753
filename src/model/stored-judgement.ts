import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {relative, resolve} from 'node:path';
import type {Digest} from '../core/digest.ts';
import type {Judgement} from './judge.ts';

/** A judgement as it is kept: what it was reached under, and its files relative to where it lies. */
interface StoredJudgement {
  readonly key: Digest;
  readonly judgement: Judgement;
}

/** Renders a judgement for a file in a folder. */
export function renderJudgement(key: Digest, judgement: Judgement, dir: string): string {
  return `${JSON.stringify({key, judgement: withFiles(judgement, (file) => relative(dir, file))}, null, 2)}\n`;
}

/**
 * A kept judgement, if it was reached under the same circumstances and its files are as it knows them; null if it
 * must be judged again.
 *
 * @param dir the folder that the text lay in
 */
export async function restoreJudgement(text: string, key: Digest, dir: string): Promise<Judgement | null> {
  try {
    const stored = JSON.parse(text) as StoredJudgement;
    if (stored.key !== key) return null;
    const judgement = withFiles(stored.judgement, (file) => resolve(dir, file));
    const {files, digest} = judgement.chosen;
    return (await digestOfFiles(files.map(({file}) => file))) === digest ? judgement : null;
  } catch {
    return null;
  }
}

function withFiles(judgement: Judgement, place: (file: string) => string): Judgement {
  const {chosen} = judgement;
  const files = chosen.files.map(({path, file}) => ({path, file: place(file)}));
  return {...judgement, chosen: {...chosen, files}};
}

/** The digest of files' bytes, one after another. */
async function digestOfFiles(files: readonly string[]): Promise<Digest> {
  const hash = createHash('sha256');
  for (const file of files) {
    for await (const chunk of createReadStream(file, {highWaterMark: 2 ** 20})) hash.update(chunk as Buffer);
  }
  return `sha256:${hash.digest('hex')}`;
}
