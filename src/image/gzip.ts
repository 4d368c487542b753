import {crc32} from 'node:zlib';
import type {Block, Level} from './deflate-block.ts';
import {ownThread, type Deflater} from './deflater.ts';

/**
 * How hard a layer is compressed: zlib's levels, or `stored`, which is valid gzip that compresses nothing, for
 * content on which time would be spent for a few per cent. (Lambda refuses layers that are not gzip.)
 */
export type Compression = Level | 'stored';

/**
 * Compresses a stream as gzip whose bytes depend on the content alone: the header's time is 0 and its system byte
 * "unknown", where zlib would write the system it runs on.
 */
export async function* gzip(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
  deflater: Deflater = ownThread,
): AsyncGenerator<Uint8Array> {
  let checksum = 0;
  let bytes = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of content) {
      checksum = crc32(chunk, checksum);
      bytes += chunk.length;
      yield chunk;
    }
  }
  yield Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
  yield* compression === 'stored' ? stored(counted()) : deflated(counted(), compression, deflater);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(bytes % 2 ** 32, 4);
  yield trailer;
}

/** Large enough to be compressed as well as the whole is, and small enough to wait for. */
const BLOCK_BYTES = 1 << 20;
/** As far back as deflate can refer. */
const WINDOW_BYTES = 1 << 15;
/** A last block with nothing in it. */
const END = Uint8Array.of(3, 0);

/** Deflates block by block, each with the end of the one before it, in fixed places whatever the chunks and threads. */
async function* deflated(
  content: AsyncIterable<Uint8Array>,
  level: Level,
  deflater: Deflater,
): AsyncGenerator<Uint8Array> {
  const underway: Promise<Uint8Array>[] = [];
  for await (const block of blocksOf(content)) {
    const next = deflater.deflate(block, level);
    // Heard below, where its turn comes, unless one before it has failed.
    next.catch(() => undefined);
    underway.push(next);
    const due = Math.max(0, underway.length - deflater.parallel + 1);
    for (const ready of underway.splice(0, due)) yield await ready;
  }
  for (const next of underway) yield await next;
  yield END;
}

async function* blocksOf(content: AsyncIterable<Uint8Array>): AsyncGenerator<Block> {
  let block = new Uint8Array(BLOCK_BYTES);
  let filled = 0;
  let before = new Uint8Array();
  for await (const chunk of content) {
    for (let from = 0; from < chunk.length;) {
      const take = Math.min(BLOCK_BYTES - filled, chunk.length - from);
      block.set(chunk.subarray(from, from + take), filled);
      filled += take;
      from += take;
      if (filled < BLOCK_BYTES) continue;
      const end = block.slice(-WINDOW_BYTES);
      yield {content: block, before};
      before = end;
      block = new Uint8Array(BLOCK_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield {content: block.subarray(0, filled), before};
}

/** The largest block that deflate can store (RFC 1951, 3.2.4). */
const STORED_BLOCK_BYTES = 65_535;

/** Deflate's stored blocks, cut at fixed places whatever the chunks. */
async function* stored(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const block = Buffer.alloc(STORED_BLOCK_BYTES);
  let filled = 0;
  for await (const chunk of content) {
    for (let from = 0; from < chunk.length;) {
      const take = Math.min(STORED_BLOCK_BYTES - filled, chunk.length - from);
      block.set(chunk.subarray(from, from + take), filled);
      filled += take;
      from += take;
      if (filled === STORED_BLOCK_BYTES) {
        yield storedBlock(block, false);
        filled = 0;
      }
    }
  }
  yield storedBlock(block.subarray(0, filled), true);
}

function storedBlock(content: Uint8Array, last: boolean): Uint8Array {
  const block = Buffer.alloc(5 + content.length);
  block.writeUInt8(last ? 1 : 0, 0);
  block.writeUInt16LE(content.length, 1);
  block.writeUInt16LE(~content.length & 0xffff, 3);
  block.set(content, 5);
  return block;
}
