import type {Digest} from '../../core/digest.ts';
import type {Platform} from '../../core/image.ts';
import {isDigest, type Descriptor} from '../blobs.ts';

/** The manifest of one image, as a registry keeps it. */
export interface RegistryManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

/** One of the images that an index lists. */
export interface IndexEntry {
  readonly descriptor: Descriptor;
  /** `linux/arm64`, with a variant where one is named: `linux/arm/v7`. */
  readonly platform: string;
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const INDEXES = [OCI_INDEX, 'application/vnd.docker.distribution.manifest.list.v2+json'];
/** What thaw can read, for the Accept header. */
export const MANIFEST_TYPES: readonly string[] = [OCI_MANIFEST, DOCKER_MANIFEST, ...INDEXES];

/** What registries allow at most. */
export const MANIFEST_BYTES_MAX = 4 << 20;
const LAYERS_MAX = 1000;
const ATTESTATION = 'vnd.docker.reference.type';

/** Makes the error for a document that is not what it should be. */
type Refuse = (what: string) => Error;

/** Reads the manifest of one image. @throws what `refuse` makes */
export function parseManifest(bytes: Uint8Array, refuse: Refuse): RegistryManifest {
  const document = parseDocument(bytes, refuse);
  const mediaType = document['mediaType'] ?? OCI_MANIFEST;
  if (mediaType !== OCI_MANIFEST && mediaType !== DOCKER_MANIFEST) {
    throw refuse(`its media type is ${JSON.stringify(mediaType)}, not that of an image`);
  }
  const {config, layers} = document;
  if (!Array.isArray(layers) || layers.length > LAYERS_MAX) throw refuse('its layers are not a list');
  return {
    mediaType,
    config: parseDescriptor(config, 'its config', refuse),
    layers: layers.map((layer, index) => parseDescriptor(layer, `layer ${index + 1}`, refuse)),
  };
}

/** Reads an index; null if the document is not one. Attestations, which only speak of images, are left out. */
export function parseIndex(
  bytes: Uint8Array,
  contentType: string,
  refuse: Refuse,
): readonly IndexEntry[] | null {
  const document = parseDocument(bytes, refuse);
  const mediaType = document['mediaType'] ?? contentType.split(';')[0]?.trim();
  if (typeof mediaType !== 'string' || !INDEXES.includes(mediaType)) return null;
  const {manifests} = document;
  if (!Array.isArray(manifests)) throw refuse('its manifests are not a list');
  return (manifests as readonly unknown[]).flatMap((entry, index) => {
    const descriptor = parseDescriptor(entry, `manifest ${index + 1}`, refuse);
    const {platform, annotations} = entry as {
      platform?: {[name: string]: unknown};
      annotations?: object | null;
    };
    if (annotations && ATTESTATION in annotations) return [];
    const parts = [platform?.['os'], platform?.['architecture'], platform?.['variant']];
    return [
      {descriptor, platform: parts.filter((part) => typeof part === 'string' && part !== '').join('/')},
    ];
  });
}

/** The image for a platform; a variant matters only where there is a choice. */
export function chooseImage(entries: readonly IndexEntry[], platform: Platform): IndexEntry | null {
  const usual = platform === 'linux/arm64' ? `${platform}/v8` : platform;
  const wanted = [platform, usual];
  return entries.find((entry) => wanted.includes(entry.platform)) ?? null;
}

function parseDocument(bytes: Uint8Array, refuse: Refuse): {readonly [name: string]: unknown} {
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    throw refuse('its manifest is not JSON');
  }
  if (typeof document !== 'object' || document === null) throw refuse('its manifest is not an object');
  const {schemaVersion} = document as {schemaVersion?: unknown};
  if (schemaVersion !== 2) {
    throw refuse(`its manifest has the schema version ${JSON.stringify(schemaVersion) ?? 'none'}, not 2`);
  }
  return document as {readonly [name: string]: unknown};
}

function parseDescriptor(value: unknown, what: string, refuse: Refuse): Descriptor {
  const {mediaType, digest, size} = (value ?? {}) as {readonly [name: string]: unknown};
  if (!isDigest(digest)) throw refuse(`${what} has no sha256 digest`);
  if (!Number.isSafeInteger(size) || (size as number) < 0) throw refuse(`${what} has no size`);
  if (typeof mediaType !== 'string') throw refuse(`${what} has no media type`);
  return {mediaType, digest: digest satisfies Digest, size: size as number};
}
