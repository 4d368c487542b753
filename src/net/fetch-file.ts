import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {rename, rm} from 'node:fs/promises';
import {fileURLToPath} from 'node:url';
import {pipeToFile, unfinishedName, writeFailure} from '../core/disk.ts';
import {messageOf, systemCode, ThawError, throwIfInterrupted} from '../core/errors.ts';
import type {FetchFile, ProgressFn} from '../core/ports.ts';

/** So long nothing may come: a server that cannot be reached shall not be waited for. */
const CONNECT_MS = 5_000;
const ANSWER_MS = 15_000;
const SILENCE_MS = 20_000;

type Env = {readonly [name: string]: string | undefined};

interface Content {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly totalBytes: number | null;
  close(): Promise<void>;
}

/** Makes what fetches files, through the proxies that the environment names. It tries once. */
export function createFetchFile(env: Env = process.env): FetchFile {
  return async ({url, digest}, file, progress, signal) => {
    throwIfInterrupted(signal);
    const shown = withoutCredentials(url);
    const unfinished = unfinishedName(file);
    let content: Content | null = null;
    try {
      content = await openContent(new URL(url), env, signal);
      const {chunks, totalBytes} = content;
      const hash = createHash('sha256');
      const metered = (pieces: AsyncIterable<Uint8Array>) => meter(pieces, hash, totalBytes, progress);
      await pipeToFile(unfinished, chunks, [metered], {signal});
      const found = `sha256:${hash.digest('hex')}`;
      if (found !== digest) {
        const message = `${shown} came with other content than expected: ${found}, expected ${digest}`;
        throw new ThawError('CONTENT_MISMATCH', message, {url: shown, found, expected: digest});
      }
      await rename(unfinished, file);
    } catch (error) {
      throwIfInterrupted(signal);
      throw await asThawError(error, shown, file);
    } finally {
      await content?.close();
      await rm(unfinished, {force: true});
    }
  };
}

/** Counts and digests what passes. */
async function* meter(
  pieces: AsyncIterable<Uint8Array>,
  hash: {update(chunk: Uint8Array): unknown},
  totalBytes: number | null,
  progress: ProgressFn,
): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const piece of pieces) {
    hash.update(piece);
    doneBytes += piece.length;
    progress(doneBytes, totalBytes);
    yield piece;
  }
}

async function openContent(url: URL, env: Env, signal: AbortSignal): Promise<Content> {
  if (url.protocol === 'file:') {
    return {chunks: createReadStream(fileURLToPath(url)), totalBytes: null, close: async () => undefined};
  }
  // Bundled, its names are members of the default export alone.
  const {default: undici} = await import('undici');
  const {EnvHttpProxyAgent, fetch} = undici;
  const agent = new EnvHttpProxyAgent({
    connect: {timeout: CONNECT_MS},
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
    ...proxiesOf(env),
  });
  const close = (): Promise<void> => agent.destroy();
  // A proxy may take a connection and say nothing.
  const answered = new AbortController();
  const timer = setTimeout(
    () => answered.abort(new Error(`nobody answers within ${ANSWER_MS / 1000} s`)),
    ANSWER_MS,
  );
  try {
    const {username, password} = url;
    const bare = new URL(url);
    bare.username = '';
    bare.password = '';
    const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const headers: {[name: string]: string} =
      username === '' && password === ''
        ? {}
        : {authorization: `Basic ${Buffer.from(user).toString('base64')}`};
    const answer = await fetch(bare, {
      dispatcher: agent,
      headers,
      signal: AbortSignal.any([signal, answered.signal]),
    });
    if (!answer.ok || answer.body === null) throw new Error(`the server answers ${answer.status}`);
    const length = Number(answer.headers.get('content-length') ?? Number.NaN);
    return {chunks: answer.body, totalBytes: Number.isFinite(length) ? length : null, close};
  } catch (error) {
    await close();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function proxiesOf(env: Env): {httpProxy?: string; httpsProxy?: string; noProxy?: string} {
  const named = (name: string): string | undefined => env[name.toLowerCase()] || env[name];
  const [httpProxy, httpsProxy, noProxy] = ['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'].map(named);
  return {
    ...(httpProxy && {httpProxy}),
    ...(httpsProxy && {httpsProxy}),
    ...(noProxy && {noProxy}),
  };
}

async function asThawError(error: unknown, shown: string, file: string): Promise<ThawError> {
  const failure = await writeFailure(error, file);
  if (failure instanceof ThawError) return failure;
  // What fetching failed of is said by the cause alone.
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const reason = messageOf(cause) || systemCode(cause) || 'it says nothing';
  return new ThawError(
    'FETCH_FAILED',
    `${shown} cannot be fetched: ${reason}`,
    {url: shown, reason},
    {cause: error},
  );
}

const withoutCredentials = (url: string): string => url.replace(/(?<=\/\/)[^/@\s]+@/, '');
