import {constants, crc32, createGzip} from 'node:zlib';
import {Readable} from 'node:stream';

/**
 * How hard a layer is compressed: zlib's levels, or `stored`, which is valid gzip that compresses nothing, for
 * content on which time would be spent for a few per cent. (Lambda refuses layers that are not gzip.)
 */
export type Compression = Level | 'stored';

type Level = 1 | 6 | 9;

/**
 * Compresses a stream as gzip whose bytes depend on the content alone: the header's time is 0 and its system byte
 * "unknown", where zlib would write the system it runs on.
 */
export async function* gzip(
  content: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  yield Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255);
  if (compression === 'stored') yield* storedBody(content);
  else yield* withoutHeader(deflated(content, compression));
}

function deflated(content: AsyncIterable<Uint8Array>, level: Level): AsyncIterable<Uint8Array> {
  const source = Readable.from(content, {objectMode: false, highWaterMark: 1 << 18});
  const compressor = createGzip({level, chunkSize: 1 << 17, strategy: constants.Z_DEFAULT_STRATEGY});
  source.on('error', (error) => compressor.destroy(error));
  compressor.on('close', () => source.destroy());
  return source.pipe(compressor);
}

const HEADER_BYTES = 10;

async function* withoutHeader(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let skip = HEADER_BYTES;
  for await (const chunk of stream) {
    if (skip < chunk.length) yield chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}

/** The largest block that deflate can store (RFC 1951, 3.2.4). */
const STORED_BLOCK_BYTES = 65_535;

/** Deflate's stored blocks, cut at fixed places whatever the chunks, then gzip's trailer (RFC 1952). */
async function* storedBody(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const block = Buffer.alloc(STORED_BLOCK_BYTES);
  let filled = 0;
  let checksum = 0;
  let bytes = 0;
  for await (const chunk of content) {
    checksum = crc32(chunk, checksum);
    bytes += chunk.length;
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
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(checksum, 0);
  trailer.writeUInt32LE(bytes % 2 ** 32, 4);
  yield trailer;
}

function storedBlock(content: Uint8Array, last: boolean): Uint8Array {
  const block = Buffer.alloc(5 + content.length);
  block.writeUInt8(last ? 1 : 0, 0);
  block.writeUInt16LE(content.length, 1);
  block.writeUInt16LE(~content.length & 0xffff, 3);
  block.set(content, 5);
  return block;
}
