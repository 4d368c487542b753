import {mkdir, readFile, rename, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {digestOf, type Digest} from '../../core/digest.ts';
import {pipeToFile, unfinishedName, writeFailure, writeWhole} from '../../core/disk.ts';
import {systemCode, ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import type {Clock, ProgressFn} from '../../core/ports.ts';
import {blobPath, blobsDir, inspectBlob, isDigest, sizeOf, type Descriptor} from '../blobs.ts';
import {meter} from '../meter.ts';
import {readBody} from './body.ts';
import {openRegistry, type RegistryClient} from './client.ts';
import type {Credentials} from './credentials.ts';
import {
  chooseImage,
  MANIFEST_BYTES_MAX,
  MANIFEST_TYPES,
  parseIndex,
  parseManifest,
  type RegistryManifest,
} from './manifest.ts';
import {renderReference, type Reference} from './reference.ts';
import {mismatch} from './refusal.ts';
import type {Surroundings} from './surroundings.ts';
import {scheduleRetry, unreachable, type RegistryAnswer} from './transport.ts';

/** What to pull, and where to. */
export interface PullInput {
  /** With neither tag nor digest it means the tag `latest`, as everywhere. */
  readonly reference: Reference;
  readonly platform: Platform;
  /** Manifest, configuration and layers are kept here, under the names of their content. */
  readonly cacheDir: string;
  readonly credentials: Credentials | null;
  /** Whether http without TLS will do beyond this machine. */
  readonly allowHttp?: boolean;
  /** Ask once whether the registry answers, and not for long: there is something to fall back on. */
  readonly hasty?: boolean;
  /** Those of this process, unless they are given. */
  readonly surroundings?: Surroundings;
  readonly clock: Clock;
  readonly progress: ProgressFn;
  readonly signal: AbortSignal;
}

/** An image of which every blob lies in the cache, held to its digest. */
export interface Pulled {
  /** `registry/repository@sha256:…`, of the one image, also where an index led to it. */
  readonly reference: string;
  readonly digest: Digest;
  readonly manifest: RegistryManifest;
}

const CONFIG_BYTES_MAX = 4 << 20;
const ATTEMPTS_MAX = 4;
const PARALLEL = 4;

/**
 * Pulls the image for one platform into the cache. Of what the registry sends nothing is believed: a blob gets its
 * name only when its content was seen to have it, and one that is found in the cache is read through first.
 *
 * @throws ThawError PLATFORM_UNSUPPORTED, IMAGE_INVALID, CREDENTIALS_MISSING, PERMISSION_DENIED, PROVIDER_REFUSED,
 * PROVIDER_UNREACHABLE, CONTENT_MISMATCH, DISK_FULL, INTERRUPTED
 */
export async function pullImage(input: PullInput): Promise<Pulled> {
  const {reference, cacheDir, signal} = input;
  throwIfInterrupted(signal);
  const client = await openRegistry({...input, registry: reference.registry});
  try {
    const {bytes, digest} = await pullManifest(client, input);
    const manifest = parseManifest(bytes, refuseIn(reference));
    if (manifest.config.size > CONFIG_BYTES_MAX) {
      throw refuseIn(reference)(`its configuration has ${manifest.config.size} bytes`);
    }
    await pullBlobs(client, manifest, input);
    await refuseOtherPlatform(manifest, input);
    await writeWhole(blobPath(cacheDir, digest), bytes);
    return {reference: renderReference({...reference, tag: null, digest}), digest, manifest};
  } finally {
    await client.close();
  }
}

const refuseIn =
  (reference: Reference) =>
  (what: string): ThawError => {
    const text = renderReference(reference);
    return new ThawError('IMAGE_INVALID', `${text} cannot be used: ${what}`, {reference: text, what});
  };

function pullScopes({repository}: Reference): readonly string[] {
  return [`repository:${repository}:pull`];
}

interface FetchedManifest {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly contentType: string;
}

async function pullManifest(client: RegistryClient, input: PullInput): Promise<FetchedManifest> {
  const {reference, platform} = input;
  const first = await fetchManifest(client, reference.digest ?? reference.tag ?? 'latest', input);
  const refuse = refuseIn(reference);
  const index = parseIndex(first.bytes, first.contentType, refuse);
  if (index === null) return first;
  const chosen = chooseImage(index, platform);
  if (chosen === null) {
    const there = [...new Set(index.map((entry) => entry.platform || 'unknown'))];
    throw notForPlatform(reference, platform, there);
  }
  const child = await fetchManifest(client, chosen.descriptor.digest, input);
  if (child.bytes.length === chosen.descriptor.size) return child;
  throw refuse(`its index says ${chosen.descriptor.size} bytes of a manifest of ${child.bytes.length}`);
}

function notForPlatform(reference: Reference, platform: Platform, there: readonly string[]): ThawError {
  const text = renderReference(reference);
  return new ThawError(
    'PLATFORM_UNSUPPORTED',
    `${text} has no image for ${platform}, only for ${there.join(', ') || 'none'}`,
    {reference: text, platform, there},
  );
}

async function fetchManifest(
  client: RegistryClient,
  name: string,
  {reference, signal}: PullInput,
): Promise<FetchedManifest> {
  const answer = await client.send({
    method: 'GET',
    to: `/v2/${reference.repository}/manifests/${name}`,
    scopes: pullScopes(reference),
    headers: {accept: MANIFEST_TYPES.join(', ')},
    retry: true,
    signal,
  });
  if (answer.status !== 200) throw await client.refuse(answer);
  const bytes = await readBody(answer, MANIFEST_BYTES_MAX, signal);
  const digest = digestOf(bytes);
  const said = answer.headers['docker-content-digest'];
  const wanted = isDigest(name) ? name : isDigest(said) ? said : digest;
  if (wanted !== digest) throw mismatch(answer, `content of the digest ${digest} instead of ${wanted}`);
  return {bytes, digest, contentType: answer.headers['content-type'] ?? ''};
}

/** The first blob that fails calls the others off. */
async function pullBlobs(
  client: RegistryClient,
  {config, layers}: RegistryManifest,
  input: PullInput,
): Promise<void> {
  const blobs = [...new Map([config, ...layers].map((blob) => [blob.digest, blob])).values()];
  const totalBytes = blobs.reduce((total, {size}) => total + size, 0);
  const doneBytes = new Map<Digest, number>();
  const failed = new AbortController();
  const signal = AbortSignal.any([input.signal, failed.signal]);
  let failure: unknown = null;
  const worker = async (): Promise<void> => {
    for (let blob = blobs.shift(); blob !== undefined && failure === null; blob = blobs.shift()) {
      const {digest} = blob;
      const onBytes = (bytes: number): void => {
        doneBytes.set(digest, bytes);
        input.progress(
          [...doneBytes.values()].reduce((total, done) => total + done, 0),
          totalBytes,
        );
      };
      try {
        await pullBlob(client, blob, {...input, signal}, onBytes);
      } catch (error) {
        failure ??= error;
        failed.abort();
      }
    }
  };
  await Promise.all(Array.from({length: PARALLEL}, worker));
  throwIfInterrupted(input.signal);
  if (failure !== null) throw failure;
}

async function pullBlob(
  client: RegistryClient,
  blob: Descriptor,
  input: PullInput,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const {reference, cacheDir, clock, signal} = input;
  const file = blobPath(cacheDir, blob.digest);
  if (await isWhole(file, blob)) {
    onBytes(blob.size);
    return;
  }
  for (let attempt = 1; ; attempt++) {
    const answer = await client.send({
      method: 'GET',
      to: `/v2/${reference.repository}/blobs/${blob.digest}`,
      scopes: pullScopes(reference),
      retry: true,
      signal,
    });
    if (answer.status !== 200) throw await client.refuse(answer);
    try {
      await writeBlob(answer, blob, input, onBytes);
      return;
    } catch (error) {
      throwIfInterrupted(signal);
      const mayPass = error instanceof ThawError && error.code === 'PROVIDER_UNREACHABLE';
      if (!mayPass || attempt === ATTEMPTS_MAX) throw error;
    }
    await clock.sleep(scheduleRetry(attempt, Math.random()), signal);
  }
}

async function isWhole(file: string, blob: Descriptor): Promise<boolean> {
  return (await sizeOf(file)) === blob.size && (await inspectBlob(file)).digest === blob.digest;
}

async function writeBlob(
  answer: RegistryAnswer,
  blob: Descriptor,
  {cacheDir, signal}: PullInput,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const unfinished = unfinishedName(join(blobsDir(cacheDir), 'blob'));
  const through = meter((bytes) => {
    if (bytes > blob.size) throw mismatch(answer, `more than the ${blob.size} bytes of ${blob.digest}`);
    onBytes(bytes);
  });
  try {
    await mkdir(blobsDir(cacheDir), {recursive: true});
    await pipeToFile(unfinished, answer.body, [through.through], {signal});
    const {digest, bytes} = through.read();
    if (bytes !== blob.size) throw mismatch(answer, `${bytes} of the ${blob.size} bytes of ${blob.digest}`);
    if (digest !== blob.digest)
      throw mismatch(answer, `content of the digest ${digest} instead of ${blob.digest}`);
    await rename(unfinished, blobPath(cacheDir, blob.digest));
  } catch (error) {
    await rm(unfinished, {force: true});
    if (error instanceof ThawError) throw error;
    if (!signal.aborted && (systemCode(error) ?? '').match(/^(UND_ERR|ECONN|EPIPE|ETIMEDOUT|HPE_)/)) {
      throw unreachable(answer, error);
    }
    throw await writeFailure(error, cacheDir, {neededBytes: blob.size, signal});
  }
}

/** An image that no index led to says for itself what it is for. */
async function refuseOtherPlatform({config}: RegistryManifest, input: PullInput): Promise<void> {
  let found: {os?: unknown; architecture?: unknown} | null;
  try {
    found = JSON.parse(await readFile(blobPath(input.cacheDir, config.digest), 'utf8')) as typeof found;
  } catch {
    throw refuseIn(input.reference)('its configuration is not JSON');
  }
  const platform = `${String(found?.os)}/${String(found?.architecture)}`;
  if (platform !== input.platform) throw notForPlatform(input.reference, input.platform, [platform]);
}
