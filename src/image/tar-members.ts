import type {Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {extract, type Extract, type Header} from 'tar-stream';
import {ThawError} from '../core/errors.ts';

/** A member's bytes, and the way past them. */
export type MemberContent = AsyncIterable<Uint8Array> & {resume(): unknown};

/** Reads one member, to its end. */
export type ReadMember = (header: Header, content: MemberContent) => Promise<void>;

/**
 * Reads an archive member by member, each when the one before is done with.
 *
 * @param stages what brings the archive's bytes: a source, and steps after it
 * @throws what a stage or `read` throws, or what is wrong with the archive
 */
export async function readMembers(
  stages: readonly unknown[],
  read: ReadMember,
  signal?: AbortSignal,
): Promise<void> {
  // Its types do not know the option for archives older than POSIX.
  const tar = (extract as (options: {allowUnknownFormat: boolean}) => Extract)({allowUnknownFormat: true});
  // Not iterated: tar-stream's iterator waits for ever on an archive that broke off between two members.
  let reading = Promise.resolve();
  let refusal: unknown;
  tar.on('entry', (header, member, next) => {
    // If the archive breaks off before anyone reads the member, this is what keeps its error from being uncaught.
    member.on('error', () => undefined);
    reading = read(header, member as unknown as MemberContent);
    void settle(reading, (error) => {
      refusal ??= error;
      next(error);
    });
  });
  // Its type for many stages knows streams alone; it takes iterables and functions as well.
  const all = [...stages, tar as unknown as Writable] as unknown as readonly NodeJS.ReadWriteStream[];
  try {
    await pipeline(all, signal ? {signal} : {});
  } catch (error) {
    // A member that cannot be read ends the archive, which then only says that it was ended.
    throw error instanceof ThawError ? error : (refusal ?? error);
  } finally {
    // A broken archive ends the member being read too; nobody may still be at work on it afterwards.
    await reading.catch(() => undefined);
  }
  await reading;
}

async function settle(work: Promise<void>, done: (error: Error | null) => void): Promise<void> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason as Error,
  );
  done(error);
}
