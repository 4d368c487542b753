import {chmod, mkdir, readdir, readFile, rename, rm, stat, utimes} from 'node:fs/promises';
import {join} from 'node:path';
import {digestOfJson, type Digest} from '../core/digest.ts';
import {pipeToFile, UNFINISHED_PREFIX, unfinishedName, writeFailure, writeWhole} from '../core/disk.ts';
import {throwIfInterrupted} from '../core/errors.ts';
import type {Layer, LayerRole} from '../core/image.ts';
import type {ProgressFn} from '../core/ports.ts';
import {blobPath, blobsDir} from './blobs.ts';
import {ownThread, type Deflater} from './deflater.ts';
import {measureEntries, planEntries, type Entry, type MeasuredEntry} from './entries.ts';
import {noMemory, type FileMemory} from './file-memory.ts';
import {gzip, type Compression} from './gzip.ts';
import {meter} from './meter.ts';
import {archive} from './tar.ts';

/** What one layer shall hold. */
export interface LayerPlan {
  readonly role: LayerRole;
  readonly entries: readonly Entry[];
  readonly compression: Compression;
}

const GZIP_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** What makes building a layer quicker and nothing else of it. */
export interface Shortcuts {
  readonly memory?: FileMemory;
  readonly deflater?: Deflater;
}

/** Under so many bytes there is nothing for threads to do. */
const SMALL_BYTES = 2 << 20;

/** Part of every cache key: raise it when the same entries shall give other bytes. */
const FORMAT = 3;

/** What the cache remembers of a layer beside its blob. */
interface CacheRecord {
  readonly digest: Digest;
  readonly bytes: number;
  readonly diffId: Digest;
  readonly unpackedBytes: number;
  /** When the blob was last written, so that one which was altered later is made anew. */
  readonly modifiedMs: number;
}

/**
 * Builds a layer into the cache, or finds it there. Layers are remembered under the digest of what goes into them,
 * so an unchanged one is not compressed again, and where memory knows its large files, not read either. A blob appears under its name only when it is
 * whole, and its record only after it, so being killed at any point leaves nothing but a file to sweep up.
 *
 * @param epochSeconds the time that every file in the layer bears
 * @param progress counts bytes of files
 * @throws ThawError INPUT_INVALID, IMAGE_STALE, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function buildLayer(
  plan: LayerPlan,
  cacheDir: string,
  epochSeconds: number,
  progress: ProgressFn,
  signal: AbortSignal,
  {memory = noMemory, deflater = ownThread}: Shortcuts = {},
): Promise<Layer> {
  const entries = await measureEntries(planEntries(plan.entries), signal, memory);
  const contentBytes = entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.bytes : 0), 0);
  const recordFile = join(recordsDir(cacheDir), `${layerKey(entries, plan.compression, epochSeconds)}.json`);

  await markUsed(recordFile);
  let record = await readRecord(recordFile, cacheDir);
  if (record === null) {
    record = await writeBlob(
      entries,
      plan.compression,
      epochSeconds,
      cacheDir,
      contentBytes,
      progress,
      signal,
      contentBytes < SMALL_BYTES ? ownThread : deflater,
    );
    await writeWhole(recordFile, JSON.stringify({role: plan.role, ...record}));
  }
  progress(contentBytes, contentBytes);
  const {digest, bytes, diffId, unpackedBytes} = record;
  return {role: plan.role, mediaType: GZIP_LAYER, digest, bytes, diffId, unpackedBytes};
}

/** Where a cache keeps its records. */
export const recordsDir = (cacheDir: string): string => join(cacheDir, 'layers');

/** A record, if there is one, bears the time of its last use; the blob's own time says when it was written. */
async function markUsed(recordFile: string): Promise<void> {
  const now = new Date();
  await utimes(recordFile, now, now).catch(() => undefined);
}

/** Names a layer by everything that decides its bytes. */
function layerKey(entries: readonly MeasuredEntry[], compression: Compression, epochSeconds: number): string {
  const content = entries.map((entry) =>
    entry.kind === 'file'
      ? {kind: entry.kind, path: entry.path, mode: entry.mode, bytes: entry.bytes, digest: entry.digest}
      : entry,
  );
  return digestOfJson({format: FORMAT, compression, epochSeconds, content}).slice('sha256:'.length);
}

async function readRecord(file: string, cacheDir: string): Promise<CacheRecord | null> {
  try {
    const record = JSON.parse(await readFile(file, 'utf8')) as CacheRecord;
    const blob = await stat(blobPath(cacheDir, record.digest));
    return blob.size === record.bytes && blob.mtimeMs === record.modifiedMs ? record : null;
  } catch {
    return null;
  }
}

async function writeBlob(
  entries: readonly MeasuredEntry[],
  compression: Compression,
  epochSeconds: number,
  cacheDir: string,
  contentBytes: number,
  progress: ProgressFn,
  signal: AbortSignal,
  deflater: Deflater,
): Promise<CacheRecord> {
  const unfinished = unfinishedName(join(blobsDir(cacheDir), 'layer'));
  const tar = meter((bytes) => progress(Math.min(bytes, contentBytes), contentBytes));
  const blob = meter();
  try {
    throwIfInterrupted(signal);
    await mkdir(blobsDir(cacheDir), {recursive: true});
    const steps = [
      tar.through,
      (content: AsyncIterable<Uint8Array>) => gzip(content, compression, deflater),
      blob.through,
    ];
    await pipeToFile(unfinished, archive(entries, epochSeconds), steps, {signal});
    const {digest, bytes} = blob.read();
    const file = blobPath(cacheDir, digest);
    // Layouts may share the file by hard link, so nobody shall write into it. Windows would then not delete it.
    if (process.platform !== 'win32') await chmod(unfinished, 0o444);
    await rename(unfinished, file);
    const {digest: diffId, bytes: unpackedBytes} = tar.read();
    return {digest, bytes, diffId, unpackedBytes, modifiedMs: (await stat(file)).mtimeMs};
  } catch (error) {
    await rm(unfinished, {force: true});
    throw await writeFailure(error, cacheDir, {neededBytes: contentBytes, signal});
  }
}

/** How old an unfinished file must be before it is certain that nobody is writing it. */
const ABANDONED_MS = 60 * 60 * 1000;

/** Removes what builds that were killed left in a cache. */
export async function sweepCache(cacheDir: string, nowMs: number): Promise<void> {
  for (const folder of [blobsDir(cacheDir), recordsDir(cacheDir)]) {
    for (const name of await readdir(folder).catch(() => [])) {
      if (!name.startsWith(UNFINISHED_PREFIX)) continue;
      const file = join(folder, name);
      const modifiedMs = (await stat(file).catch(() => null))?.mtimeMs ?? nowMs;
      if (nowMs - modifiedMs > ABANDONED_MS) await rm(file, {force: true});
    }
  }
}
