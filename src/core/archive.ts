import type {Digest} from './digest.ts';
import type {ImageRuntime} from './image.ts';

/** How a provider takes what an image holds, if it runs it on an interpreter of its own: as a zip archive. */
export interface ArchiveForm {
  /** What it takes, in bytes. */
  readonly bytesMax: number;
  readonly unpackedBytesMax: number;
  /** The provider's option by which it takes more bytes; null: it does not. */
  readonly largerBy: string | null;
  /** What it calls, at the archive's root: a file of `dist/runtime`, and its name in the archive. */
  readonly entry: {
    readonly [K in ImageRuntime['kind']]: {readonly file: string; readonly name: string};
  };
}

/** What an image holds, as an archive. The same image and the same thaw give the same bytes. */
export type Archive = {
  readonly digest: Digest;
  readonly bytes: number;
  readonly unpackedBytes: number;
  /** What its code runs on. */
  readonly runtime: ImageRuntime;
};

/** An archive and the file it lies in. */
export interface ArchiveOnDisk {
  readonly archive: Archive;
  readonly file: string;
}
