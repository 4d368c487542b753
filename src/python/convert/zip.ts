import type {FileHandle} from 'node:fs/promises';

/** The end of a zip file's directory: its signature, and how far from the end it may begin. */
const END_SIGNATURE = 0x06054b50;
const END_BYTES_MAX = 22 + 65_535;
const ENTRY_SIGNATURE = 0x02014b50;
const DIRECTORY_BYTES_MAX = 64 << 20;

/** The names of a zip file's members; null if its directory is not there or not whole, as in one that was cut off. */
export async function listZip(file: FileHandle, bytes: number): Promise<readonly string[] | null> {
  const tailBytes = Math.min(bytes, END_BYTES_MAX);
  const tail = await readAt(file, bytes - tailBytes, tailBytes);
  const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 0x05, 0x06]));
  if (at < 0 || at + 22 > tail.length || tail.readUInt32LE(at) !== END_SIGNATURE) return null;
  let [directoryBytes, directoryAt] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16)];
  // A file over 4 GB keeps the real numbers in a record of 56 bytes before it, behind which a locator of 20 lies.
  if (directoryAt === 0xffff_ffff && at >= 76) {
    directoryBytes = Number(tail.readBigUInt64LE(at - 76 + 40));
    directoryAt = Number(tail.readBigUInt64LE(at - 76 + 48));
  }
  if (directoryBytes > DIRECTORY_BYTES_MAX || directoryAt + directoryBytes > bytes) return null;
  return namesIn(await readAt(file, directoryAt, directoryBytes));
}

function namesIn(directory: Buffer): string[] | null {
  const names = [];
  let at = 0;
  while (at + 46 <= directory.length) {
    if (directory.readUInt32LE(at) !== ENTRY_SIGNATURE) return null;
    const [name, extra, comment] = [28, 30, 32].map((offset) => directory.readUInt16LE(at + offset));
    names.push(directory.toString('utf8', at + 46, at + 46 + name!));
    at += 46 + name! + extra! + comment!;
  }
  return names;
}

/** So many bytes of a file, or those that are there. */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const {bytesRead} = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
