import {createHash} from 'node:crypto';
import {Readable, type Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {pack, type Header, type Pack} from 'tar-stream';
import {ThawError} from '../core/errors.ts';
import {readSource, type MeasuredEntry} from './entries.ts';

/**
 * Archives entries as they are given. The same entries give the same bytes on every machine: owner 0:0, one time
 * for all, nothing of the source files but their content. Names that do not fit the plain header get a PAX one.
 *
 * The stream fails with IMAGE_STALE if a file no longer has the content it was measured with.
 *
 * @param epochSeconds the modification time of every member
 */
export function archive(entries: readonly MeasuredEntry[], epochSeconds: number): Readable {
  const tar = pack();
  writeMembers(tar, entries, new Date(epochSeconds * 1000)).catch((error: unknown) =>
    tar.destroy(error as Error),
  );
  // tar-stream's streams are not Node's own; iterated, they are.
  return Readable.from(tar, {objectMode: false});
}

/** What of a header is written; the rest is left at zero or empty. */
type Fields = Pick<Header, 'name' | 'type' | 'mode' | 'mtime'> & Partial<Header>;

async function writeMembers(tar: Pack, entries: readonly MeasuredEntry[], mtime: Date): Promise<void> {
  for (const entry of entries) {
    switch (entry.kind) {
      case 'directory':
        await writeMember(tar, {name: `${entry.path}/`, type: 'directory', mode: entry.mode, mtime});
        break;
      case 'symlink':
        await writeMember(tar, {
          name: entry.path,
          type: 'symlink',
          linkname: entry.target,
          mode: 0o777,
          mtime,
        });
        break;
      case 'file': {
        const header: Fields = {
          name: entry.path,
          type: 'file',
          mode: entry.mode,
          size: entry.bytes,
          mtime,
        };
        await writeMember(tar, header, contentOf(entry));
      }
    }
  }
  tar.finalize();
}

async function writeMember(tar: Pack, header: Fields, content?: AsyncIterable<Uint8Array>): Promise<void> {
  const {promise, resolve, reject} = withResolvers();
  const sink = tar.entry(header, (error) => (error ? reject(error) : resolve()));
  // The callback is told as well; unheard, the event would end the process.
  sink.on('error', () => undefined);
  // A destroyed archive destroys its open member, which ends this pipeline.
  if (content !== undefined) await pipeline(content, sink as unknown as Writable);
  await promise;
}

/** A file's content, held to what was measured: a cached layer must be what its name says. */
async function* contentOf(entry: Extract<MeasuredEntry, {kind: 'file'}>): AsyncGenerator<Uint8Array> {
  if ('bytes' in entry.source) {
    if (entry.bytes > 0) yield entry.source.bytes;
    return;
  }
  const {file} = entry.source;
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of readSource(entry.source)) {
    bytes += chunk.length;
    if (bytes > entry.bytes) break;
    hash.update(chunk);
    yield chunk;
  }
  if (bytes !== entry.bytes || `sha256:${hash.digest('hex')}` !== entry.digest) {
    throw new ThawError('IMAGE_STALE', `${file} changed while it was being packaged`, {file});
  }
}

function withResolvers(): {promise: Promise<void>; resolve: () => void; reject: (error: Error) => void} {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // The pipeline may fail first; then nobody waits for this one.
  promise.catch(() => undefined);
  return {promise, resolve, reject};
}
