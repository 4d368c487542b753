import {readFile} from 'node:fs/promises';
import {digestOf, type Digest} from '../../core/digest.ts';
import {ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Clock, ProgressFn} from '../../core/ports.ts';
import {blobPath, sizeOf} from '../blobs.ts';
import {invalid} from '../layout.ts';
import {attach, bringAttachment, type Attached, type Attachment} from './attach.ts';
import {openRegistry, type RegistryClient} from './client.ts';
import type {Credentials} from './credentials.ts';
import {renderInDockerTypes, type MediaTypes} from './docker-types.ts';
import {MANIFEST_TYPES, parseManifest, type RegistryManifest} from './manifest.ts';
import {renderReference, type Reference} from './reference.ts';
import {mismatch} from './refusal.ts';
import type {Surroundings} from './surroundings.ts';
import {discard} from './transport.ts';
import {pushBlob, pushScopes, type BlobOutcome} from './upload.ts';

/** What to push, and where to. */
export interface PushInput {
  /** The OCI image layout in which the image lies. */
  readonly layoutDir: string;
  /** The digest of the image's manifest. */
  readonly digest: Digest;
  /** With neither tag nor digest it means the tag `latest`, as everywhere. */
  readonly reference: Reference;
  readonly credentials: Credentials | null;
  /** A conversation with its registry that was opened earlier; it is closed when all is done. */
  readonly client?: Promise<RegistryClient>;
  /** Another repository of the same registry that may already have some of the layers. */
  readonly mountFrom?: string | null;
  /** Whether http without TLS will do beyond this machine. */
  readonly allowHttp?: boolean;
  /** Those of this process, unless they are given. */
  readonly surroundings?: Surroundings;
  /** OCI's, unless the place that runs the image knows only Docker's: then its digest there is another one. */
  readonly mediaTypes?: MediaTypes;
  /** What is to be found from the image; null: nothing. */
  readonly attachment?: Attachment | null;
  /** Blobs on their way at a time. */
  readonly parallel?: number;
  readonly clock: Clock;
  readonly progress: ProgressFn;
  readonly signal: AbortSignal;
}

/** What a push has done. */
export interface Pushed {
  /** `registry/repository@sha256:…` */
  readonly reference: string;
  /** The tag that now leads to it; null if it was pushed by digest alone. */
  readonly tag: string | null;
  readonly digest: Digest;
  readonly uploadedBytes: number;
  readonly mountedBytes: number;
  /** Of blobs that were there before. */
  readonly skippedBytes: number;
  /** Null if there was nothing to attach. */
  readonly attached: Attached | null;
}

const PARALLEL = 6;

/**
 * Pushes an image: the layers and the configuration, a few at a time, and last the manifest, so that whoever reads
 * finds all of it or nothing. Run again after it was cut off at any point, it sends what is missing.
 *
 * @throws ThawError INPUT_INVALID if the reference has another digest, IMAGE_INVALID, CREDENTIALS_MISSING,
 * PERMISSION_DENIED, PROVIDER_REFUSED, PROVIDER_UNREACHABLE, CONTENT_MISMATCH, INTERRUPTED
 */
export async function pushImage(input: PushInput): Promise<Pushed> {
  const {reference, signal} = input;
  throwIfInterrupted(signal);
  const {bytes, manifest} = await readManifest(input);
  const digest = digestOf(bytes);
  refuseOtherDigest(reference, digest);
  const client = await (input.client ?? openRegistry({...input, registry: reference.registry}));
  try {
    const {attachment = null, clock} = input;
    const subject = {mediaType: manifest.mediaType, digest, size: bytes.length};
    const target = {client, clock, repository: reference.repository, subject, signal};
    const brought = attachment === null ? Promise.resolve() : bringAttachment(attachment, target);
    // Heard once the image itself is there.
    brought.catch(() => undefined);
    const outcomes = await pushBlobs(client, manifest, input);
    const tag = reference.digest === null ? (reference.tag ?? 'latest') : reference.tag;
    await pushManifest(client, {bytes, digest, manifest, tag}, input);
    const attached = attachment && (await attach(attachment, target, brought));
    const sum = (wanted: BlobOutcome): number =>
      outcomes.reduce((total, {size, outcome}) => total + (outcome === wanted ? size : 0), 0);
    return {
      reference: renderReference({...reference, tag: null, digest}),
      tag,
      digest,
      uploadedBytes: sum('uploaded'),
      mountedBytes: sum('mounted'),
      skippedBytes: sum('skipped'),
      attached,
    };
  } finally {
    await client.close();
  }
}

function refuseOtherDigest(reference: Reference, digest: Digest): void {
  if (reference.digest === null || reference.digest === digest) return;
  const text = renderReference(reference);
  throw new ThawError('INPUT_INVALID', `${text} has another digest than the image, which is ${digest}`, {
    reference: text,
    digest,
  });
}

/** Reads the manifest, and looks whether all that it lists is there. */
async function readManifest({
  layoutDir,
  digest,
  mediaTypes = 'oci',
}: PushInput): Promise<{readonly bytes: Uint8Array; readonly manifest: RegistryManifest}> {
  const bytes = await readFile(blobPath(layoutDir, digest)).catch(() => null);
  if (bytes === null) throw invalid(layoutDir, `blob ${digest} is missing`, digest);
  if (digestOf(bytes) !== digest) throw invalid(layoutDir, `blob ${digest} has other content`, digest);
  const refuse = (what: string): ThawError => invalid(layoutDir, what, digest);
  const manifest = parseManifest(bytes, refuse);
  for (const blob of [manifest.config, ...manifest.layers]) {
    const size = await sizeOf(blobPath(layoutDir, blob.digest));
    if (size === blob.size) continue;
    const what = size === null ? 'is missing' : `has ${size} bytes instead of ${blob.size}`;
    throw invalid(layoutDir, `blob ${blob.digest} ${what}`, blob.digest);
  }
  if (mediaTypes === 'oci') return {bytes, manifest};
  const translated = renderInDockerTypes(manifest, refuse);
  return {bytes: translated.bytes, manifest: parseManifest(translated.bytes, refuse)};
}

interface SentBlob {
  readonly size: number;
  readonly outcome: BlobOutcome;
}

/** The first blob that fails calls the others off. */
async function pushBlobs(
  client: RegistryClient,
  {config, layers}: RegistryManifest,
  input: PushInput,
): Promise<readonly SentBlob[]> {
  const {reference, layoutDir, mountFrom = null, clock, progress, signal} = input;
  const unique = [...new Map([...layers, config].map((blob) => [blob.digest, blob])).values()];
  const totalBytes = unique.reduce((total, {size}) => total + size, 0);
  const doneBytes = new Map<Digest, number>();
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);

  const push = async (blob: RegistryManifest['config']): Promise<SentBlob> => {
    const outcome = await pushBlob({
      client,
      clock,
      repository: reference.repository,
      blob,
      content: blobPath(layoutDir, blob.digest),
      mountFrom,
      onBytes: (bytes) => {
        // What is sent a second time counts once.
        doneBytes.set(blob.digest, Math.max(bytes, doneBytes.get(blob.digest) ?? 0));
        progress(
          [...doneBytes.values()].reduce((total, done) => total + done, 0),
          totalBytes,
        );
      },
      signal: either,
    });
    return {size: blob.size, outcome};
  };

  // What takes one question or two shall not wait for what takes minutes.
  const waiting = unique.toSorted((a, b) => a.size - b.size);
  const sent: SentBlob[] = [];
  let failure: unknown = null;
  const worker = async (): Promise<void> => {
    for (let blob = waiting.shift(); blob !== undefined && failure === null; blob = waiting.shift()) {
      try {
        sent.push(await push(blob));
      } catch (error) {
        failure ??= error;
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({length: input.parallel ?? PARALLEL}, worker));
  throwIfInterrupted(signal);
  if (failure !== null) throw failure;
  return sent;
}

async function pushManifest(
  client: RegistryClient,
  {
    bytes,
    digest,
    manifest,
    tag,
  }: {bytes: Uint8Array; digest: Digest; manifest: RegistryManifest; tag: string | null},
  {reference, signal}: PushInput,
): Promise<void> {
  const {repository} = reference;
  const answer = await client.send({
    method: 'PUT',
    to: `/v2/${repository}/manifests/${tag ?? digest}`,
    scopes: pushScopes(repository),
    headers: {'content-type': manifest.mediaType},
    body: {bytes: bytes.length, open: () => bytes},
    retry: true,
    signal,
  });
  if (answer.status !== 201 && answer.status !== 200) throw await client.refuse(answer);
  await discard(answer);
  const got = answer.headers['docker-content-digest'];
  if (got === digest) return;
  if (got !== undefined) throw mismatch(answer, `the digest ${String(got)} instead of ${digest}`);
  await expectManifest(client, repository, digest, signal);
}

/** A registry that does not say what it has stored is asked for it. */
async function expectManifest(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  signal: AbortSignal,
): Promise<void> {
  const answer = await client.send({
    method: 'HEAD',
    to: `/v2/${repository}/manifests/${digest}`,
    scopes: pushScopes(repository),
    headers: {accept: MANIFEST_TYPES.join(', ')},
    retry: true,
    signal,
  });
  await discard(answer);
  if (answer.status !== 200) throw mismatch(answer, `${answer.status} after the manifest was pushed`);
}
