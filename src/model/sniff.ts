/** How many bytes of a file's beginning and end are looked at. */
export const SNIFF_BYTES = 64 * 1024;

interface Signature {
  readonly what: string;
  readonly matches: (head: Buffer, tail: Buffer) => boolean;
}

const startsWith =
  (...bytes: readonly number[]) =>
  (head: Buffer): boolean =>
    bytes.every((byte, index) => head[index] === byte);
const startsWithText =
  (text: string, offset = 0) =>
  (head: Buffer): boolean =>
    head.toString('latin1', offset, offset + text.length) === text;
const isZip = startsWithText('PK\u0003\u0004');
const zipWith =
  (member: string) =>
  (head: Buffer, tail: Buffer): boolean =>
    isZip(head) && (head.includes(member) || tail.includes(member));

/** What people hand over in place of an ONNX file; the first match tells. */
const SIGNATURES: readonly Signature[] = [
  {what: 'a TorchScript archive', matches: zipWith('/constants.pkl')},
  {what: 'a PyTorch checkpoint', matches: zipWith('/data.pkl')},
  {what: 'a Keras archive', matches: zipWith('model.weights.h5')},
  {what: 'a NumPy archive', matches: zipWith('.npy')},
  {what: 'a zip archive', matches: isZip},
  // The legacy torch.save format: protocol 2, then its magic number.
  {what: 'a PyTorch checkpoint', matches: startsWith(0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc)},
  {what: 'a Python pickle', matches: (head) => head[0] === 0x80 && head[1]! >= 2 && head[1]! <= 5},
  {what: 'an HDF5 file (Keras)', matches: startsWithText('\x89HDF\r\n')},
  {what: 'a TensorFlow Lite model', matches: startsWithText('TFL3', 4)},
  {what: 'an ONNX Runtime model (.ort)', matches: startsWithText('ORTM', 4)},
  {what: 'a GGUF model', matches: startsWithText('GGUF')},
  {what: 'a NumPy array', matches: startsWithText('\x93NUMPY')},
  {what: 'a safetensors file', matches: isSafetensors},
  {what: 'a Git LFS pointer, not the file itself', matches: startsWithText('version https://git-lfs')},
  {what: 'a gzip archive', matches: startsWith(0x1f, 0x8b)},
  {what: 'a LightGBM text model', matches: startsWithText('tree\nversion=')},
  {
    what: 'an HTML page',
    matches: (head) => /^\s*<(!doctype html|html)/i.test(head.toString('latin1', 0, 256)),
  },
  {what: 'an XML file', matches: startsWithText('<?xml')},
  {what: 'a JSON file', matches: (head) => /^\s*[[{]\s*["{[\]}]/.test(head.toString('latin1', 0, 256))},
  {what: 'a text file', matches: isText},
];

function isSafetensors(head: Buffer): boolean {
  if (head.length < 9 || head[8] !== 0x7b) return false;
  const headerBytes = head.readBigUInt64LE(0);
  return headerBytes > 1n && headerBytes < 100_000_000n;
}

function isText(head: Buffer): boolean {
  return head.length > 0 && head.every((byte) => byte >= 0x20 || (byte >= 0x09 && byte <= 0x0d));
}

/** What a file that is no ONNX model looks like, by its first and last bytes; null if nothing known. */
export function describeContent(head: Uint8Array, tail: Uint8Array): string | null {
  const [first, last] = [head, tail].map((part) => Buffer.from(part.buffer, part.byteOffset, part.length));
  return SIGNATURES.find(({matches}) => matches(first!, last!))?.what ?? null;
}
