import {digestOf, type Digest} from '../../core/digest.ts';
import {ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {JsonObject} from '../../core/json.ts';
import type {Clock} from '../../core/ports.ts';
import type {Descriptor} from '../blobs.ts';
import {renderDocument, type Document} from '../manifest.ts';
import {readBody} from './body.ts';
import type {RegistryClient} from './client.ts';
import {MANIFEST_BYTES_MAX, OCI_INDEX, OCI_MANIFEST} from './manifest.ts';
import {discard, type RegistryAnswer} from './transport.ts';
import {pushBlob, pushScopes} from './upload.ts';

/** A document that tells of an image without being part of it, such as its bill of materials. */
export interface Attachment {
  readonly mediaType: string;
  /** The file name that tools give it. */
  readonly title: string;
  readonly bytes: Uint8Array;
}

/** How a document came to be found from its image; `why` not, where the registry would not have it. */
export type Attached =
  | {readonly digest: Digest; readonly foundBy: 'referrers' | 'tag'}
  | {readonly digest: null; readonly why: string};

/** Where a document is to be attached. */
export interface AttachTarget {
  readonly client: RegistryClient;
  readonly clock: Clock;
  readonly repository: string;
  readonly subject: Descriptor;
  readonly signal: AbortSignal;
}

const EMPTY = renderDocument('application/vnd.oci.empty.v1+json', {});

/** The manifest of an artifact that names its image as its subject. It follows from the two alone. */
export function renderArtifact({mediaType, title, bytes}: Attachment, subject: Descriptor): Document {
  const content = {
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
    annotations: {'org.opencontainers.image.title': title},
  };
  return renderDocument(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: mediaType,
    config: EMPTY.descriptor,
    layers: [content],
    subject,
  });
}

/** Brings what a document consists of, which may be done before its image is there. */
export async function bringAttachment(attachment: Attachment, target: AttachTarget): Promise<void> {
  await Promise.all([EMPTY.bytes, attachment.bytes].map((bytes) => pushBytes(bytes, target)));
}

/**
 * Attaches a document to an image that the registry has. Registries that do not keep lists of referrers get the tag
 * that stands in for one. A registry that wants none of it is no reason to fail: the image itself is there.
 *
 * @param brought what `bringAttachment` gave
 * @throws ThawError INTERRUPTED
 */
export async function attach(
  attachment: Attachment,
  target: AttachTarget,
  brought: Promise<void>,
): Promise<Attached> {
  const {subject, signal} = target;
  const artifact = renderArtifact(attachment, subject);
  const {digest} = artifact.descriptor;
  try {
    await brought;
    const isListed = await putManifest(artifact, digest, target);
    if (!isListed) await listUnderTag({...artifact.descriptor, artifactType: attachment.mediaType}, target);
    return {digest, foundBy: isListed ? 'referrers' : 'tag'};
  } catch (error) {
    throwIfInterrupted(signal);
    if (!(error instanceof ThawError)) throw error;
    return {digest: null, why: error.message};
  }
}

async function pushBytes(bytes: Uint8Array, target: AttachTarget): Promise<void> {
  await pushBlob({
    ...target,
    blob: {digest: digestOf(bytes), size: bytes.length},
    content: bytes,
    mountFrom: null,
    onBytes: () => undefined,
  });
}

/** Returns whether the registry says that it lists the manifest by its subject. */
async function putManifest(document: Document, name: string, target: AttachTarget): Promise<boolean> {
  const {client, repository, subject, signal} = target;
  const {bytes, descriptor} = document;
  const answer = await client.send({
    method: 'PUT',
    to: `/v2/${repository}/manifests/${name}`,
    scopes: pushScopes(repository),
    headers: {'content-type': descriptor.mediaType},
    body: {bytes: bytes.length, open: () => bytes},
    retry: true,
    signal,
  });
  if (answer.status !== 201 && answer.status !== 200) throw await client.refuse(answer);
  await discard(answer);
  return answer.headers['oci-subject'] === subject.digest;
}

type Listed = Descriptor & {readonly artifactType: string};

/** Adds a manifest to the index under the tag of its subject, beside what others have put there. */
async function listUnderTag(entry: Listed, target: AttachTarget): Promise<void> {
  const tag = target.subject.digest.replace(':', '-');
  const before = await readIndexAt(tag, target);
  const manifests = (before?.['manifests'] ?? []) as readonly {readonly digest?: unknown}[];
  if (manifests.some(({digest}) => digest === entry.digest)) return;
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    ...before,
    manifests: [...manifests, entry],
  };
  await putManifest(renderDocument(OCI_INDEX, index), tag, target);
}

async function readIndexAt(tag: string, target: AttachTarget): Promise<JsonObject | null> {
  const {client, repository, signal} = target;
  const answer = await client.send({
    method: 'GET',
    to: `/v2/${repository}/manifests/${tag}`,
    scopes: pushScopes(repository),
    headers: {accept: OCI_INDEX},
    retry: true,
    signal,
  });
  if (answer.status === 404) {
    await discard(answer);
    return null;
  }
  if (answer.status !== 200) throw await client.refuse(answer);
  const index = parseIndexDocument(await readBody(answer, MANIFEST_BYTES_MAX, signal));
  // Whoever keeps something else there does not want to find it replaced.
  if (index === null) throw foreign(answer, tag);
  return index;
}

function parseIndexDocument(bytes: Buffer): JsonObject | null {
  try {
    const found = JSON.parse(bytes.toString('utf8')) as JsonObject | null;
    return found?.['mediaType'] === OCI_INDEX && Array.isArray(found['manifests']) ? found : null;
  } catch {
    return null;
  }
}

function foreign({url}: RegistryAnswer, tag: string): ThawError {
  return new ThawError(
    'PROVIDER_CONFLICT',
    `the tag ${tag} leads to something else than a list of documents`,
    {
      registry: url.host,
      tag,
    },
  );
}
