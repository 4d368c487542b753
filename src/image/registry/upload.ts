import {createReadStream} from 'node:fs';
import {Readable} from 'node:stream';
import {ThawError, throwIfInterrupted} from '../../core/errors.ts';
import type {Clock} from '../../core/ports.ts';
import {inspectBlob, type Descriptor} from '../blobs.ts';
import type {Scopes} from './authorize.ts';
import type {RegistryClient} from './client.ts';
import {mismatch} from './refusal.ts';
import {
  discard,
  isTransientStatus,
  resolveLocation,
  scheduleRetry,
  type RegistryAnswer,
  type RequestBody,
} from './transport.ts';

/** One blob on its way into a repository. */
export interface BlobUpload {
  readonly client: RegistryClient;
  readonly clock: Clock;
  readonly repository: string;
  readonly blob: Pick<Descriptor, 'digest' | 'size'>;
  /** The file in which its bytes lie, or the bytes themselves. */
  readonly content: string | Uint8Array;
  /** Another repository of the same registry that may have the blob. */
  readonly mountFrom: string | null;
  /** Told how many of its bytes are sent. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** How a blob came to be in a repository. */
export type BlobOutcome = 'skipped' | 'mounted' | 'uploaded';

const ATTEMPTS_MAX = 5;

/** So little is sent with the request that ends the upload: there is hardly anything to resume. */
const AT_ONCE_BYTES = 1 << 16;

/** What may be done to a repository by someone who pushes. */
export function pushScopes(repository: string): Scopes {
  return [`repository:${repository}:pull,push`];
}

/**
 * Brings a blob into a repository: looks whether it is there, mounts it from a neighbour, or sends it. What is cut
 * goes on where the registry says that it stopped; where it cannot say, from the start.
 *
 * @throws ThawError PROVIDER_UNREACHABLE, PROVIDER_REFUSED, PERMISSION_DENIED, CONTENT_MISMATCH if the registry
 * received other bytes, IMAGE_INVALID if the file holds other bytes, INTERRUPTED
 */
export async function pushBlob(upload: BlobUpload): Promise<BlobOutcome> {
  const {clock, signal, onBytes, blob} = upload;
  if (await hasBlob(upload)) {
    onBytes(blob.size);
    return 'skipped';
  }
  let started = upload.mountFrom === null ? null : await mountBlob(upload, upload.mountFrom);
  if (started === 'mounted') {
    onBytes(blob.size);
    return 'mounted';
  }
  for (let attempt = 1; ; attempt++) {
    try {
      const location = started ?? (await startUpload(upload));
      if (blob.size <= AT_ONCE_BYTES) await finishUpload(upload, location, contentFrom(upload, 0));
      else await finishUpload(upload, await sendContent(upload, location), NOTHING);
      onBytes(blob.size);
      return 'uploaded';
    } catch (error) {
      throwIfInterrupted(signal);
      const mayPass = error instanceof ThawError && error.code === 'PROVIDER_UNREACHABLE';
      if (!mayPass || attempt === ATTEMPTS_MAX) throw error;
      started = null;
      await clock.sleep(scheduleRetry(attempt, Math.random()), signal);
      // The last answer may have been cut when all was done.
      if (await hasBlob(upload)) return 'uploaded';
    }
  }
}

async function hasBlob({client, repository, blob, signal}: BlobUpload): Promise<boolean> {
  const answer = await client.send({
    method: 'HEAD',
    to: `/v2/${repository}/blobs/${blob.digest}`,
    scopes: pushScopes(repository),
    retry: true,
    signal,
  });
  await discard(answer);
  if (answer.status === 404) return false;
  if (answer.status !== 200) throw await client.refuse(answer);
  const bytes = answer.headers['content-length'];
  // One of another length is not the blob, whatever the registry calls it.
  return bytes === undefined || Number(bytes) === blob.size;
}

/**
 * Asks for a blob that another repository has. Whatever speaks against it, the blob can still be sent: a registry that
 * cannot mount it mostly says where to.
 */
async function mountBlob(
  {client, repository, blob, signal}: BlobUpload,
  from: string,
): Promise<'mounted' | URL | null> {
  const query = new URLSearchParams({mount: blob.digest, from});
  try {
    const answer = await client.send({
      method: 'POST',
      to: `/v2/${repository}/blobs/uploads/?${query.toString()}`,
      scopes: [...pushScopes(repository), `repository:${from}:pull`],
      body: NOTHING,
      retry: true,
      signal,
    });
    await discard(answer);
    if (answer.status === 201) return 'mounted';
    const leads = answer.status === 202 && answer.headers.location !== undefined;
    return leads ? nextLocation(client, answer) : null;
  } catch (error) {
    throwIfInterrupted(signal);
    if (error instanceof ThawError && error.code === 'PERMISSION_DENIED') return null;
    throw error;
  }
}

const NOTHING: RequestBody = {bytes: 0, open: () => new Uint8Array(0)};

async function startUpload({client, repository, signal}: BlobUpload): Promise<URL> {
  const answer = await client.send({
    method: 'POST',
    to: `/v2/${repository}/blobs/uploads/`,
    scopes: pushScopes(repository),
    body: NOTHING,
    retry: true,
    signal,
  });
  if (answer.status !== 202) throw await client.refuse(answer);
  await discard(answer);
  return nextLocation(client, answer);
}

function nextLocation(client: RegistryClient, answer: RegistryAnswer, otherwise?: URL): URL {
  const {location} = answer.headers;
  if (location !== undefined) return resolveLocation(answer, location, client.allowHttp);
  if (otherwise) return otherwise;
  throw mismatch(answer, 'no Location');
}

/**
 * Sends a large blob's bytes as one stream: that is what every registry takes. After a cut it asks how many of them arrived
 * and sends the rest.
 *
 * @returns where the upload is to be finished
 */
async function sendContent(upload: BlobUpload, started: URL): Promise<URL> {
  const {client, clock, blob, repository, signal} = upload;
  let location = started;
  let offset = 0;
  for (let attempt = 1; offset < blob.size; attempt++) {
    let failure: unknown;
    try {
      const answer = await client.send({
        method: 'PATCH',
        to: location,
        scopes: pushScopes(repository),
        headers: {
          'content-type': 'application/octet-stream',
          // Some registries refuse the header on a whole blob.
          ...(offset > 0 && {'content-range': `${offset}-${blob.size - 1}`}),
        },
        body: contentFrom(upload, offset),
        retry: false,
        signal,
      });
      if (answer.status === 202 || answer.status === 201 || answer.status === 204) {
        await discard(answer);
        const received = parseReceived(answer.headers['range']) ?? blob.size;
        location = nextLocation(client, answer, location);
        if (received > blob.size) throw mismatch(answer, `a range of ${received} bytes of ${blob.size}`);
        if (received === blob.size) return location;
        if (received > offset) attempt = 0;
        offset = received;
        if (attempt < ATTEMPTS_MAX) continue;
        throw mismatch(answer, `a range of ${received} bytes of ${blob.size}`);
      }
      const refused = await client.refuse(answer);
      const isLost = isLostUpload(answer.status);
      if (!isTransientStatus(answer.status) && !isLost) throw refused;
      failure = isLost ? toBeginAgain(refused) : refused;
    } catch (error) {
      throwIfInterrupted(signal);
      if (!(error instanceof ThawError) || error.code !== 'PROVIDER_UNREACHABLE') throw error;
      failure = error;
    }
    if (attempt >= ATTEMPTS_MAX) throw failure;
    await clock.sleep(scheduleRetry(attempt, Math.random()), signal);
    const resumed = await askProgress(upload, location);
    // Not even where to go on can be told: the caller starts again.
    if (resumed === null || resumed.offset > blob.size) throw failure;
    if (resumed.offset > offset) attempt = 0;
    ({location, offset} = resumed);
  }
  return location;
}

function contentFrom({content, blob, onBytes}: BlobUpload, offset: number): RequestBody {
  async function* read(): AsyncGenerator<Uint8Array> {
    let sent = offset;
    const source =
      typeof content === 'string'
        ? createReadStream(content, {start: offset, end: blob.size - 1, highWaterMark: 1 << 18})
        : [content.subarray(offset)];
    for await (const piece of source as AsyncIterable<Uint8Array>) {
      yield piece;
      sent += piece.length;
      onBytes(sent);
    }
  }
  return {
    bytes: blob.size - offset,
    open: () => {
      const stream = Readable.from(read(), {objectMode: false, highWaterMark: 1 << 18});
      // The request reports it; without a listener it would end the process.
      stream.on('error', () => undefined);
      return stream;
    },
  };
}

async function askProgress(
  {client, repository, signal}: BlobUpload,
  location: URL,
): Promise<{readonly location: URL; readonly offset: number} | null> {
  const answer = await client.send({
    method: 'GET',
    to: location,
    scopes: pushScopes(repository),
    retry: true,
    signal,
  });
  await discard(answer);
  if (answer.status !== 204) return null;
  const offset = parseReceived(answer.headers['range']);
  return offset === null ? null : {location: nextLocation(client, answer, location), offset};
}

/**
 * How many bytes a Range header of an upload says have arrived. `0-0` is what registries say of none, and would say of
 * one.
 */
export function parseReceived(header: string | string[] | undefined): number | null {
  const match = typeof header === 'string' ? /^(?:bytes=)?0-(\d{1,15})$/.exec(header.trim()) : null;
  if (!match) return null;
  const last = Number(match[1]);
  return last === 0 ? 0 : last + 1;
}

async function finishUpload(upload: BlobUpload, location: URL, body: RequestBody): Promise<void> {
  const {client, repository, blob, content, signal} = upload;
  const url = new URL(location);
  // The query that is there may be a signature: it stays as it is, byte for byte.
  url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(blob.digest)}`;
  const answer = await client.send({
    method: 'PUT',
    to: url,
    scopes: pushScopes(repository),
    headers: {'content-type': 'application/octet-stream'},
    body,
    retry: false,
    signal,
  });
  if (answer.status === 201 || answer.status === 204) {
    await discard(answer);
    const digest = answer.headers['docker-content-digest'];
    if (digest === undefined || digest === blob.digest) return;
    throw mismatch(answer, `the digest ${String(digest)} instead of ${blob.digest}`);
  }
  const refused = await client.refuse(answer);
  if (answer.status === 400 && typeof content === 'string') await refuseAlteredFile(content, blob);
  const mayPass = isLostUpload(answer.status) || (body.bytes > 0 && isTransientStatus(answer.status));
  throw mayPass ? toBeginAgain(refused) : refused;
}

/**
 * Whether the registry has lost an upload, or has other bytes of it than were thought: what arrived of a cut request
 * may still be on its way to the disk when it is asked how much that was.
 */
function isLostUpload(status: number): boolean {
  return status === 404 || status === 416;
}

/** The caller tries again after this error. */
function toBeginAgain(refused: ThawError): ThawError {
  return new ThawError('PROVIDER_UNREACHABLE', refused.message, refused.facts);
}

/** Says that it is not the registry's fault. */
async function refuseAlteredFile(file: string, blob: BlobUpload['blob']): Promise<void> {
  const {digest} = await inspectBlob(file);
  if (digest === blob.digest) return;
  throw new ThawError('IMAGE_INVALID', `the image is damaged: blob ${blob.digest} has other content`, {
    path: file,
    digest: blob.digest,
  });
}
