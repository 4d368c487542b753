import {createReadStream} from 'node:fs';
import {chmod, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {PassThrough, type Transform} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import * as zlib from 'node:zlib';
import {pipeToFile, unfinishedName, writeFailure} from '../../core/disk.ts';
import {messageOf, ThawError} from '../../core/errors.ts';
import {blobPath, blobsDir, type Descriptor} from '../blobs.ts';
import {gzip} from '../gzip.ts';
import {meter} from '../meter.ts';

/** How a layer in a registry may be packed. */
type Packing = 'gzip' | 'zstd' | 'none';

export const GZIP_LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** Docker's names stand beside OCI's: they mean the same bytes. */
const PACKINGS: {readonly [mediaType: string]: Packing} = {
  [GZIP_LAYER]: 'gzip',
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'gzip',
  'application/vnd.oci.image.layer.v1.tar+zstd': 'zstd',
  'application/vnd.oci.image.layer.v1.tar': 'none',
  'application/vnd.docker.image.rootfs.diff.tar': 'none',
};

const MAGIC: {readonly [P in Exclude<Packing, 'none'>]: readonly number[]} = {
  gzip: [0x1f, 0x8b],
  zstd: [0x28, 0xb5, 0x2f, 0xfd],
};

/** Makes the error for a base that cannot be used. */
export type Refuse = (what: string) => ThawError;

/** Where the layers of a base lie, and how to refuse them. */
export interface LayerStore {
  readonly cacheDir: string;
  readonly refuse: Refuse;
  readonly signal: AbortSignal;
}

/** How errors call a layer. */
export const nameOfLayer = (nth: number): string => `layer ${nth + 1}`;

/**
 * Says how a layer is packed.
 *
 * @throws what `refuse` makes, for a kind that thaw does not read
 */
function packingOf({mediaType}: Descriptor, name: string, refuse: Refuse): Packing {
  const packing = PACKINGS[mediaType];
  if (packing !== undefined) return packing;
  throw refuse(
    `${name} is of the media type ${JSON.stringify(mediaType)}, which is no layer that thaw reads`,
  );
}

/** The most that the layers of a base may hold, unpacked: the largest image that any provider takes has so much. */
export const UNPACKED_BYTES_MAX = 10 * 2 ** 30;

/**
 * Brings a layer into the form that every provider takes, which is gzip: one that is, stays as it is. The bytes that
 * come of it depend on the content alone.
 *
 * @param nth counted from 0, upwards
 * @returns the blob, in the same cache
 * @throws ThawError IMAGE_INVALID, PLATFORM_UNSUPPORTED for zstd where this Node has none, DISK_FULL, INTERRUPTED
 */
export async function asGzip(
  layer: Descriptor,
  nth: number,
  {cacheDir, refuse, signal}: LayerStore,
): Promise<Descriptor> {
  const name = nameOfLayer(nth);
  const packing = packingOf(layer, name, refuse);
  if (packing === 'gzip') return {...layer, mediaType: GZIP_LAYER};
  const unfinished = unfinishedName(join(blobsDir(cacheDir), 'layer'));
  const source = meter();
  const blob = meter();
  const bounded = meter((bytes) => {
    if (bytes > UNPACKED_BYTES_MAX) throw refuse(`${name} unpacks to more than any provider takes`);
  });
  const steps = [
    source.through,
    (packed: AsyncIterable<Uint8Array>) => unpacked(packed, packing),
    bounded.through,
    (content: AsyncIterable<Uint8Array>) => gzip(content, 6),
    blob.through,
  ];
  try {
    await pipeToFile(unfinished, createReadStream(blobPath(cacheDir, layer.digest)), steps, {signal});
    if (source.read().digest !== layer.digest) throw refuse(`${name} has other content in the cache`);
    const {digest, bytes} = blob.read();
    if (process.platform !== 'win32') await chmod(unfinished, 0o444);
    await rename(unfinished, blobPath(cacheDir, digest));
    return {mediaType: GZIP_LAYER, digest, size: bytes};
  } catch (error) {
    await rm(unfinished, {force: true});
    if (error instanceof ThawError) throw error;
    if (isPackingError(error)) throw refuse(`${name} cannot be unpacked: ${messageOf(error)}`);
    throw await writeFailure(error, cacheDir, {signal});
  }
}

/** Unpacks a stream; what is wrong in it comes out as an error of the iteration. */
export async function* unpacked(
  packed: AsyncIterable<Uint8Array>,
  packing: Packing,
): AsyncGenerator<Uint8Array> {
  const unpacker = unpackerFor(packing);
  const feeding = pipeline(packed, expectMagic(packing), unpacker);
  feeding.catch(() => undefined);
  yield* unpacker as AsyncIterable<Uint8Array>;
  await feeding;
}

function unpackerFor(packing: Packing): Transform {
  if (packing === 'gzip') return zlib.createGunzip();
  if (packing === 'none') return new PassThrough();
  // Newer than the oldest Node that thaw runs on.
  const {createZstdDecompress} = zlib as {createZstdDecompress?: () => Transform};
  if (createZstdDecompress !== undefined) return createZstdDecompress();
  throw new ThawError(
    'PLATFORM_UNSUPPORTED',
    `a layer of the base is packed with zstd, which Node ${process.versions.node} cannot read; Node 22.15 can`,
    {packing, node: process.versions.node, wanted: 'base'},
  );
}

/** An empty stream, or one of another kind than its media type says, is an error rather than nothing. */
function expectMagic(packing: Packing) {
  return async function* (packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const magic = packing === 'none' ? [] : MAGIC[packing];
    let head = Buffer.alloc(0);
    for await (const chunk of packed) {
      if (head.length < magic.length) {
        head = Buffer.concat([head, chunk]);
        if (head.length < magic.length) continue;
        if (magic.some((byte, at) => head[at] !== byte)) throw new NotPacked(`it is not ${packing}`);
        yield head;
      } else yield chunk;
    }
    if (head.length < magic.length) throw new NotPacked(`it is not ${packing}`);
  };
}

class NotPacked extends Error {}

/** Whether a failure is about what the packed bytes are, and not about this machine. */
function isPackingError(error: unknown): boolean {
  const code = (error as {code?: unknown} | null)?.code;
  return error instanceof NotPacked || (typeof code === 'string' && /^(Z_|ZSTD_|ERR_ZLIB)/.test(code));
}
