/** The beginning of a file, so many bytes of it, with its very first bytes replaced. */
export interface Cut {
  readonly head: Uint8Array;
  readonly bytes: number;
}

/** The file header of ELF for 64 bits (System V ABI, chapter 4), as far as it is needed here. */
const HEADER = {
  magic: 0x7f454c46,
  class64: 2,
  littleEndian: 1,
  programHeaderOffset: 32,
  sectionHeaderOffset: 40,
  programHeaderSize: 54,
  programHeaderCount: 56,
  sectionCount: 60,
  sectionNamesIndex: 62,
  bytes: 64,
} as const;

/** One segment's header: where its content lies in the file. */
const SEGMENT = {offset: 8, fileBytes: 32, bytes: 56} as const;

/**
 * Plans a program without its symbol table: what lies behind the last segment that is mapped is read by debuggers
 * alone, and the sections that tell of it go with it. Segments, and with them the dynamic symbols that addons link
 * to, stay where they are.
 *
 * @param beginning the file's first bytes: its header and the headers of its segments, at least
 * @param fileBytes the size of the whole file
 * @returns null if it is no whole ELF file for 64 bits, little-endian, or nothing can be cut off
 */
export function planWithoutSymbols(beginning: Uint8Array, fileBytes: number): Cut | null {
  const header = Buffer.from(beginning.subarray(0, HEADER.bytes));
  if (header.length < HEADER.bytes || header.readUInt32BE(0) !== HEADER.magic) return null;
  if (header[4] !== HEADER.class64 || header[5] !== HEADER.littleEndian) return null;

  const bytes = endOfSegments(header, beginning);
  if (bytes === null || bytes >= fileBytes) return null;
  header.writeBigUInt64LE(0n, HEADER.sectionHeaderOffset);
  header.writeUInt16LE(0, HEADER.sectionCount);
  header.writeUInt16LE(0, HEADER.sectionNamesIndex);
  return {head: header, bytes};
}

/** Where in the file the last segment ends; null if the segments' headers cannot be read. */
function endOfSegments(header: Buffer, beginning: Uint8Array): number | null {
  const from = Number(header.readBigUInt64LE(HEADER.programHeaderOffset));
  const count = header.readUInt16LE(HEADER.programHeaderCount);
  const tableEnd = from + count * SEGMENT.bytes;
  if (header.readUInt16LE(HEADER.programHeaderSize) !== SEGMENT.bytes || count === 0) return null;
  if (from < HEADER.bytes || tableEnd > beginning.length) return null;

  const table = Buffer.from(beginning.subarray(from, tableEnd));
  const ends = Array.from({length: count}, (_, nth) => {
    const segment = table.subarray(nth * SEGMENT.bytes);
    return (
      Number(segment.readBigUInt64LE(SEGMENT.offset)) + Number(segment.readBigUInt64LE(SEGMENT.fileBytes))
    );
  });
  return Math.max(tableEnd, ...ends);
}
