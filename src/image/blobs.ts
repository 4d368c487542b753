import {createReadStream} from 'node:fs';
import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import type {Digest} from '../core/digest.ts';
import {meter} from './meter.ts';

/** A blob by its content, as manifests list it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: {readonly [name: string]: string};
}

/** The folder in which a cache or an image layout keeps its blobs. */
export function blobsDir(storeDir: string): string {
  return join(storeDir, 'blobs', 'sha256');
}

/** Where a blob lies. */
export function blobPath(storeDir: string, digest: Digest): string {
  return join(blobsDir(storeDir), digest.slice('sha256:'.length));
}

/** Whether a text is a sha256 digest; only then may it become part of a path. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === 'string' && /^sha256:[0-9a-f]{64}$/.test(text);
}

/** The digest and size that a file really has. */
export async function inspectBlob(file: string): Promise<{readonly digest: Digest; readonly size: number}> {
  const through = meter();
  for await (const _ of through.through(createReadStream(file, {highWaterMark: 1 << 20})));
  const {digest, bytes} = through.read();
  return {digest, size: bytes};
}

/** A file's size, or null if there is no such file. */
export async function sizeOf(file: string): Promise<number | null> {
  try {
    const found = await stat(file);
    return found.isFile() ? found.size : null;
  } catch {
    return null;
  }
}
