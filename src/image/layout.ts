import {constants} from 'node:fs';
import {copyFile, link, mkdir, readdir, readFile, rename, rm, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {digestOf, type Digest} from '../core/digest.ts';
import {UNFINISHED_PREFIX, unfinishedName, writeFailure, writeWhole} from '../core/disk.ts';
import {messageOf, systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {Image} from '../core/image.ts';
import {canonicalJson} from '../core/json.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {blobPath, blobsDir, isDigest, sizeOf, type Descriptor} from './blobs.ts';
import {renderDocument, type ConfigDocument, type Document, type Manifest} from './manifest.ts';

/** thaw's own record of an image: what an OCI manifest has no place for. */
const RECORD_TYPE = 'application/vnd.thaw.image.v1+json';
/** The annotation of `index.json` that names the record's blob. */
const RECORD_ANNOTATION = 'thaw.image';
const REF_NAME = 'org.opencontainers.image.ref.name';

interface Index {
  readonly manifests: readonly Descriptor[];
  readonly annotations: {readonly [RECORD_ANNOTATION]: Digest};
}

/**
 * Writes an image as an OCI image layout. Blobs come first, under the names of their content; then `index.json` is
 * replaced in one step, and only then what the image before it had is removed. So whoever looks, and whenever this
 * is killed, finds either the previous image or the new one, whole.
 *
 * @param documents the manifest and the configuration
 * @param cacheDir where the layers' blobs lie; they are linked from there where the file system can
 * @throws ThawError FILE_EXISTS if the folder holds a layout that thaw did not write, DISK_FULL, PERMISSION_DENIED,
 * INTERRUPTED
 */
export async function writeLayout(
  image: Image,
  documents: readonly Document[],
  cacheDir: string,
  layoutDir: string,
  signal: AbortSignal,
): Promise<ImageOnDisk> {
  const startedMs = Date.now();
  const record = renderDocument(RECORD_TYPE, image);
  const manifest = documents.find(({descriptor}) => descriptor.digest === image.digest);
  if (manifest === undefined) throw new TypeError('the manifest is not among the documents');
  const neededBytes = image.layers.reduce((sum, layer) => sum + layer.bytes, 0);

  try {
    await refuseForeignLayout(layoutDir);
    await mkdir(blobsDir(layoutDir), {recursive: true});
    for (const layer of image.layers) {
      throwIfInterrupted(signal);
      await placeBlob(blobPath(cacheDir, layer.digest), blobPath(layoutDir, layer.digest), layoutDir);
    }
    for (const document of [...documents, record]) {
      await writeWhole(blobPath(layoutDir, document.descriptor.digest), document.bytes);
    }
    await writeWhole(join(layoutDir, 'oci-layout'), canonicalJson({imageLayoutVersion: '1.0.0'}));
    throwIfInterrupted(signal);
    await writeWhole(
      join(layoutDir, 'index.json'),
      renderIndex(image, manifest.descriptor, record.descriptor.digest),
    );
  } catch (error) {
    throw await writeFailure(error, layoutDir, {neededBytes, signal});
  }
  const used = new Set(
    [...image.layers, ...[...documents, record].map((each) => each.descriptor)].map((each) => each.digest),
  );
  await sweepLayout(layoutDir, used, startedMs);
  return {image, layoutDir};
}

function renderIndex(image: Image, manifest: Descriptor, record: Digest): string {
  return canonicalJson({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [{...manifest, annotations: {[REF_NAME]: image.function}}],
    annotations: {[RECORD_ANNOTATION]: record},
  });
}

/** A layout of another tool may be all that its owner has of an image. */
async function refuseForeignLayout(layoutDir: string): Promise<void> {
  const file = join(layoutDir, 'index.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return;
    throw error;
  }
  // One that cannot be parsed was not written by this code, whole or not: index.json is replaced in one step.
  if (!text.includes(`"${RECORD_ANNOTATION}"`)) {
    throw new ThawError('FILE_EXISTS', `${layoutDir} holds an image that thaw did not write`, {
      path: layoutDir,
    });
  }
}

/** Links a blob, or copies it where links cannot be made. Always anew: what lies there may have been altered. */
async function placeBlob(from: string, to: string, layoutDir: string): Promise<void> {
  const unfinished = unfinishedName(join(layoutDir, 'blob'));
  try {
    try {
      await link(from, unfinished);
    } catch {
      await copyFile(from, unfinished, constants.COPYFILE_FICLONE);
    }
    await rename(unfinished, to);
  } finally {
    // Renaming one link of a file onto another does nothing, and leaves both.
    await rm(unfinished, {force: true});
  }
}

/** Removes what the image no longer has; not what another build may just now be putting there. */
async function sweepLayout(layoutDir: string, used: ReadonlySet<Digest>, startedMs: number): Promise<void> {
  const blobs = (await readdir(blobsDir(layoutDir)))
    .filter((name) => !used.has(`sha256:${name}`))
    .map((name) => join(blobsDir(layoutDir), name));
  const unfinished = (await readdir(layoutDir))
    .filter((name) => name.startsWith(UNFINISHED_PREFIX))
    .map((name) => join(layoutDir, name));
  for (const file of [...blobs, ...unfinished]) {
    const found = await stat(file).catch(() => null);
    if (found !== null && found.ctimeMs < startedMs) await rm(file, {force: true});
  }
}

/**
 * Reads the image that lies in a layout, and checks that all of it is there: the small documents by digest, the
 * layers by size (`findImageProblems` reads those too).
 *
 * @throws ThawError IMAGE_MISSING if no image was built there, IMAGE_INVALID if it is damaged
 */
export async function readImage(layoutDir: string): Promise<ImageOnDisk> {
  const index = await readIndex(layoutDir);
  const [descriptor] = index.manifests;
  const recordDigest = index.annotations?.[RECORD_ANNOTATION];
  if (index.manifests.length !== 1 || !isDigest(descriptor?.digest) || !isDigest(recordDigest)) {
    throw invalid(layoutDir, 'index.json does not name one image that thaw built');
  }
  const manifest = (await readDocument(layoutDir, descriptor.digest)) as Manifest;
  const image = (await readDocument(layoutDir, recordDigest)) as Image;

  const listed = image.layers.map((layer) => layer.digest).join();
  if (image.digest !== descriptor.digest || manifest.layers.map((layer) => layer.digest).join() !== listed) {
    throw invalid(layoutDir, 'the manifest and its record belong to different images');
  }
  for (const blob of [manifest.config, ...manifest.layers]) {
    const size = await sizeOf(blobPath(layoutDir, blob.digest));
    if (size === blob.size) continue;
    const what = size === null ? 'is missing' : `has ${size} bytes instead of ${blob.size}`;
    throw invalid(layoutDir, `blob ${blob.digest} ${what}`, blob.digest);
  }
  return {image, layoutDir};
}

async function readIndex(layoutDir: string): Promise<Index> {
  const file = join(layoutDir, 'index.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) throw error;
    throw new ThawError(
      'IMAGE_MISSING',
      `no image has been built in ${layoutDir}`,
      {layoutDir},
      {cause: error},
    );
  }
  try {
    const index = JSON.parse(text) as Index;
    if (Array.isArray(index.manifests)) return index;
  } catch {
    // Said below.
  }
  throw invalid(layoutDir, 'index.json is not an OCI image index');
}

/** An image's documents as they lie in a layout, and what they say. */
export interface ImageDocuments {
  readonly manifest: Document & {readonly content: Manifest};
  readonly config: Document & {readonly content: ConfigDocument};
}

/**
 * Reads the manifest and the configuration of an image that lies in a layout.
 *
 * @throws ThawError IMAGE_INVALID
 */
export async function readDocuments({image, layoutDir}: ImageOnDisk): Promise<ImageDocuments> {
  const bytes = await readBlob(layoutDir, image.digest);
  const content = parseJson(bytes) as Manifest & {mediaType: string};
  const descriptor = {mediaType: content.mediaType, digest: image.digest, size: bytes.length};
  const configBytes = await readBlob(layoutDir, content.config.digest);
  return {
    manifest: {descriptor, bytes, content},
    config: {
      descriptor: content.config,
      bytes: configBytes,
      content: parseJson(configBytes) as ConfigDocument,
    },
  };
}

async function readDocument(layoutDir: string, digest: Digest): Promise<unknown> {
  return parseJson(await readBlob(layoutDir, digest));
}

const parseJson = (bytes: Uint8Array): unknown => JSON.parse(Buffer.from(bytes).toString('utf8'));

async function readBlob(layoutDir: string, digest: Digest): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(blobPath(layoutDir, digest));
  } catch (error) {
    throw invalid(layoutDir, `blob ${digest} cannot be read: ${messageOf(error)}`, digest);
  }
  if (digestOf(bytes) !== digest) throw invalid(layoutDir, `blob ${digest} has other content`, digest);
  return bytes;
}

/** An image in a layout that cannot be what was built. */
export function invalid(layoutDir: string, what: string, digest: Digest | null = null): ThawError {
  return new ThawError('IMAGE_INVALID', `the image in ${layoutDir} is damaged: ${what}`, {
    layoutDir,
    what,
    digest,
  });
}
