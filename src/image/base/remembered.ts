import {readFile, stat, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {digestOfJson, type Digest} from '../../core/digest.ts';
import {writeWhole} from '../../core/disk.ts';
import type {Platform} from '../../core/image.ts';
import {blobPath} from '../blobs.ts';
import {recordsDir} from '../layer.ts';
import type {Inspection} from './inspect.ts';

/** What a base was found to be, so that it need not be pulled and read again. */
export interface KnownBase extends Inspection {
  /** Of the manifest for the one platform. */
  readonly digest: Digest;
  readonly env: {readonly [name: string]: string};
}

/** As it lies in the cache: `role` and `digest` are what the list of the cache goes by. */
interface BaseRecord extends KnownBase {
  readonly role: 'base';
  /** When each layer's blob was last written, so that one which was altered later is not used. */
  readonly modifiedMs: {readonly [digest: string]: number};
}

/** Part of every record's name: raise it when inspections find something else, or are written otherwise. */
const FORMAT = 2;

const recordFile = (cacheDir: string, asked: Digest, platform: Platform): string =>
  join(recordsDir(cacheDir), `${hexOf({kind: 'base', format: FORMAT, asked, platform})}.json`);

/** Gives each blob of a base its role in the list of the cache. */
const blobRecordFile = (cacheDir: string, blob: Digest): string =>
  join(recordsDir(cacheDir), `${hexOf({kind: 'base blob', blob})}.json`);

const hexOf = (value: object): string => digestOfJson(value).slice('sha256:'.length);

/**
 * Recalls a base by the digest it is asked for, which may be an index's; null if it is not known, or a layer of it is
 * gone or was altered.
 */
export async function recallBase(
  asked: Digest,
  platform: Platform,
  cacheDir: string,
): Promise<KnownBase | null> {
  const file = recordFile(cacheDir, asked, platform);
  try {
    const {modifiedMs, role: _role, ...known} = JSON.parse(await readFile(file, 'utf8')) as BaseRecord;
    for (const layer of known.layers) {
      const blob = await stat(blobPath(cacheDir, layer.digest));
      if (blob.size !== layer.bytes || blob.mtimeMs !== modifiedMs[layer.digest]) return null;
    }
    const now = new Date();
    const used = [file, ...known.layers.map((layer) => blobRecordFile(cacheDir, layer.digest))];
    for (const record of used) await utimes(record, now, now).catch(() => undefined);
    return known;
  } catch {
    return null;
  }
}

/**
 * Remembers a base.
 *
 * @param asked every digest that leads to it: its manifest's, and the index's that was asked for
 * @param blobs all that was pulled for it
 * @throws ThawError DISK_FULL, PERMISSION_DENIED
 */
export async function rememberBase(
  known: KnownBase,
  asked: readonly Digest[],
  blobs: readonly Digest[],
  platform: Platform,
  cacheDir: string,
): Promise<void> {
  const modified = known.layers.map(async ({digest}) => {
    return [digest, (await stat(blobPath(cacheDir, digest))).mtimeMs] as const;
  });
  for (const blob of new Set([...blobs, ...known.layers.map(({digest}) => digest)])) {
    await writeWhole(blobRecordFile(cacheDir, blob), JSON.stringify({role: 'base', digest: blob}));
  }
  const record: BaseRecord = {
    role: 'base',
    ...known,
    modifiedMs: Object.fromEntries(await Promise.all(modified)),
  };
  for (const digest of new Set(asked)) {
    await writeWhole(recordFile(cacheDir, digest, platform), JSON.stringify(record));
  }
}
