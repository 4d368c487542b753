import {writeFile} from 'node:fs/promises';
import {deflateSync} from 'node:zlib';

/** Writes a zip file of members without content; what a kind is follows from their names. */
export async function writeZip(path: string, names: readonly string[]): Promise<void> {
  const headers = names.map((name) => {
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50, 0);
    header.writeUInt16LE(Buffer.byteLength(name), 26);
    return Buffer.concat([header, Buffer.from(name)]);
  });
  let offset = 0;
  const entries = names.map((name, at) => {
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    entry.writeUInt32LE(offset, 42);
    offset += headers[at]!.length;
    return Buffer.concat([entry, Buffer.from(name)]);
  });
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(names.length, 8);
  end.writeUInt16LE(names.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  await writeFile(path, Buffer.concat([...headers, directory, end]));
}

const text = (value: string): Buffer =>
  Buffer.concat([Buffer.from([0x8c, value.length]), Buffer.from(value)]);

/** The bytes of a pickle (protocol 4) that names modules, and scikit-learn's version as its estimators write it. */
export function pickleOf(modules: readonly string[], sklearn?: string): Buffer {
  const parts = modules.map((module) => Buffer.concat([text(module), Buffer.from([0x94]), text('Thing')]));
  const version =
    sklearn === undefined
      ? []
      : [text('_sklearn_version'), Buffer.from([0x94]), text(sklearn), Buffer.from([0x94])];
  return Buffer.concat([Buffer.from([0x80, 4]), ...parts, ...version, Buffer.from('.')]);
}

/** The same as joblib compresses it. */
export const compressed = (bytes: Buffer): Buffer => deflateSync(bytes);
