/** The numbers of processors in ELF. */
export const X86_64 = 62;
export const AARCH64 = 183;

/**
 * Makes a library of ELF's 64-bit kind, with nothing in it but what the loader reads: one segment that is all of the
 * file, and the dynamic one.
 */
export function elfOf(
  machine: number,
  {
    needed = [],
    runpath = '',
    glibc = [],
  }: {needed?: readonly string[]; runpath?: string; glibc?: readonly string[]} = {},
): Buffer {
  const names: string[] = [
    '',
    ...needed,
    runpath,
    'libc.so.6',
    ...glibc.map((version) => `GLIBC_${version}`),
  ];
  const strings = Buffer.from(names.map((name) => `${name}\0`).join(''), 'latin1');
  const at = (name: string): number =>
    Buffer.byteLength(
      names
        .slice(0, names.indexOf(name))
        .map((each) => `${each}\0`)
        .join(''),
    );
  const versions = Buffer.alloc(16 + 16 * glibc.length);
  versions.writeUInt16LE(1, 0);
  versions.writeUInt16LE(glibc.length, 2);
  versions.writeUInt32LE(at('libc.so.6'), 4);
  versions.writeUInt32LE(16, 8);
  for (const [nth, version] of glibc.entries()) {
    versions.writeUInt32LE(at(`GLIBC_${version}`), 16 + 16 * nth + 8);
    versions.writeUInt32LE(nth + 1 < glibc.length ? 16 : 0, 16 + 16 * nth + 12);
  }
  const headers = 64 + 2 * 56;
  const [stringsAt, versionsAt] = [headers, headers + strings.length];
  const dynamicAt = versionsAt + versions.length;
  // Addresses are not offsets, as in any real one.
  const base = 0x10000;
  const tags = [
    ...needed.map((name) => [1, at(name)]),
    [5, base + stringsAt],
    ...(runpath === '' ? [] : [[29, at(runpath)]]),
    ...(glibc.length === 0
      ? []
      : [
          [0x6ffffffe, base + versionsAt],
          [0x6fffffff, 1],
        ]),
    [0, 0],
  ];
  const dynamic = Buffer.alloc(tags.length * 16);
  for (const [nth, [tag, value]] of tags.entries()) {
    dynamic.writeBigInt64LE(BigInt(tag!), nth * 16);
    dynamic.writeBigUInt64LE(BigInt(value!), nth * 16 + 8);
  }
  const head = Buffer.alloc(headers);
  head.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  head.writeUInt16LE(3, 16);
  head.writeUInt16LE(machine, 18);
  head.writeBigUInt64LE(64n, 32);
  head.writeUInt16LE(56, 54);
  head.writeUInt16LE(2, 56);
  const bytes = dynamicAt + dynamic.length;
  const segment = (nth: number, type: number, offset: number, size: number): void => {
    const from = 64 + nth * 56;
    head.writeUInt32LE(type, from);
    head.writeBigUInt64LE(BigInt(offset), from + 8);
    head.writeBigUInt64LE(BigInt(base + offset), from + 16);
    head.writeBigUInt64LE(BigInt(size), from + 32);
  };
  segment(0, 1, 0, bytes);
  segment(1, 2, dynamicAt, dynamic.length);
  return Buffer.concat([head, strings, versions, dynamic]);
}
