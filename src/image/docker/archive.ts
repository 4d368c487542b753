import {mkdir, rename, rm} from 'node:fs/promises';
import {dirname} from 'node:path';
import {digestOf} from '../../core/digest.ts';
import {pipeToFile, unfinishedName, writeFailure} from '../../core/disk.ts';
import {systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import {canonicalJson} from '../../core/json.ts';
import type {ImageOnDisk, ProgressFn} from '../../core/ports.ts';
import {blobPath, type Descriptor} from '../blobs.ts';
import type {Entry, MeasuredEntry, Source} from '../entries.ts';
import {readDocuments} from '../layout.ts';
import {meter} from '../meter.ts';
import {archive} from '../tar.ts';
import {imageNames} from './names.ts';

/**
 * Streams an image as the archive that `docker load`, `podman load`, `nerdctl load` and `ctr images import` take. It
 * is two in one, as `docker save` writes it since Docker 25: `manifest.json` for those that read Docker's own format,
 * and an OCI layout for those that keep images as they were pushed, where it so keeps its digest. Every blob is in it
 * once, and layers compressed as they are. The same image gives the same bytes.
 *
 * The stream fails with IMAGE_STALE if a blob no longer has the content that its name says.
 *
 * @param progress counts bytes of the archive; its total is that of the blobs
 * @param names what the image is called in it
 * @throws ThawError IMAGE_INVALID
 */
export async function streamArchive(
  from: ImageOnDisk,
  progress: ProgressFn,
  names: readonly string[] = namesOf(from),
): Promise<AsyncIterable<Uint8Array>> {
  const members = await planArchive(from, names);
  const totalBytes = members.reduce((sum, {bytes}) => sum + bytes, 0);
  const counted = meter((bytes) => progress(Math.min(bytes, totalBytes), totalBytes));
  return counted.through(archive(members, 0));
}

/**
 * Writes that archive into a file, whole or not at all. A file that was there is replaced.
 *
 * @throws ThawError FILE_EXISTS for a folder, IMAGE_INVALID, IMAGE_STALE, DISK_FULL, PERMISSION_DENIED, INTERRUPTED
 */
export async function writeArchive(
  from: ImageOnDisk,
  file: string,
  progress: ProgressFn,
  signal: AbortSignal,
): Promise<void> {
  const unfinished = unfinishedName(file);
  try {
    throwIfInterrupted(signal);
    await mkdir(dirname(file), {recursive: true});
    await pipeToFile(unfinished, await streamArchive(from, progress), [], {signal});
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, {force: true});
    if (['EISDIR', 'ENOTEMPTY', 'EEXIST'].includes(systemCode(error) ?? '')) {
      throw new ThawError('FILE_EXISTS', `${file} is a folder, not a file to write`, {path: file});
    }
    const neededBytes = from.image.layers.reduce((sum, layer) => sum + layer.bytes, 0);
    throw await writeFailure(error, file, {neededBytes, signal});
  }
}

type Member = Extract<MeasuredEntry, {kind: 'file'}>;

function namesOf({image}: ImageOnDisk): readonly string[] {
  const {latest, pinned} = imageNames(image.function, image.digest);
  return [latest, pinned];
}

async function planArchive(from: ImageOnDisk, names: readonly string[]): Promise<readonly Member[]> {
  const {layoutDir} = from;
  const {manifest, config} = await readDocuments(from);
  const {layers} = manifest.content;
  const unique = [...new Map(layers.map((layer) => [layer.digest, layer])).values()];
  return [
    document('manifest.json', [
      {Config: pathOf(config.descriptor), RepoTags: names, Layers: layers.map(pathOf)},
    ]),
    document('oci-layout', {imageLayoutVersion: '1.0.0'}),
    document('index.json', {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: names.map((name) => ({...manifest.descriptor, annotations: nameAnnotations(name)})),
    }),
    blob(manifest.descriptor, {bytes: manifest.bytes}),
    blob(config.descriptor, {bytes: config.bytes}),
    ...unique.map((layer) => blob(layer, {file: blobPath(layoutDir, layer.digest)})),
  ];
}

/** How engines that read layouts call what they find; the shorter one is what podman asks for. */
function nameAnnotations(name: string): {readonly [annotation: string]: string} {
  return {
    'io.containerd.image.name': `docker.io/${name.includes('/') ? '' : 'library/'}${name}`,
    'org.opencontainers.image.ref.name': name.slice(name.indexOf(':') + 1),
  };
}

const pathOf = ({digest}: Descriptor): string => `blobs/${digest.replace(':', '/')}`;

function document(path: string, content: unknown): Member {
  const bytes = Buffer.from(canonicalJson(content));
  return {...file(path, {bytes}), bytes: bytes.length, digest: digestOf(bytes)};
}

function blob(descriptor: Descriptor, source: Source): Member {
  return {...file(pathOf(descriptor), source), bytes: descriptor.size, digest: descriptor.digest};
}

const file = (path: string, source: Source): Extract<Entry, {kind: 'file'}> => ({
  kind: 'file',
  path,
  mode: 0o644,
  source,
});
