import {createHash} from 'node:crypto';
import type {Digest} from '../core/digest.ts';

/** Counts and digests what flows through it. */
export interface Meter {
  /** @throws whatever `onBytes` throws */
  readonly through: (content: AsyncIterable<Uint8Array>) => AsyncGenerator<Uint8Array>;
  /** What has passed so far; to be read once, at the end. */
  readonly read: () => {readonly digest: Digest; readonly bytes: number};
}

/** Makes a meter; `onBytes` is told how many bytes have passed. */
export function meter(onBytes: (bytes: number) => void = () => undefined): Meter {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async *through(content) {
      for await (const chunk of content) {
        hash.update(chunk);
        bytes += chunk.length;
        onBytes(bytes);
        yield chunk;
      }
    },
    read: () => ({digest: `sha256:${hash.digest('hex')}`, bytes}),
  };
}
