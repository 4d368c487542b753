import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import {planWithoutSymbols} from '../../../src/image/elf.ts';
import {fileEntry, measureEntries, type FileSource} from '../../../src/image/entries.ts';
import {openNodeRuntime} from '../../../src/image/node-runtime.ts';
import {archive} from '../../../src/image/tar.ts';
import {failureOf, never, scratch, writeTree, nodeRuntimeIn} from './fixture.ts';

const MACHINES = {x86_64: 62, aarch64: 183} as const;

/** A program of two segments, with symbols and the headers of its sections behind them. */
function program({machine = 62, contentBytes = 1000, symbols = 'symbols'} = {}) {
  const segments = [
    {offset: 0, fileBytes: 64 + 2 * 56 + contentBytes},
    {offset: 64 + 2 * 56 + contentBytes + 24, fileBytes: 40},
  ] as const;
  const end = segments[1].offset + segments[1].fileBytes;
  const file = Buffer.alloc(end + symbols.length, 'x');
  file.fill(0, 0, 64 + 2 * 56);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(machine, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeBigUInt64LE(BigInt(end + 3), 40);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(segments.length, 56);
  file.writeUInt16LE(64, 58);
  file.writeUInt16LE(30, 60);
  file.writeUInt16LE(29, 62);
  for (const [nth, {offset, fileBytes}] of segments.entries()) {
    file.writeUInt32LE(1, 64 + nth * 56);
    file.writeBigUInt64LE(BigInt(offset), 64 + nth * 56 + 8);
    file.writeBigUInt64LE(BigInt(fileBytes), 64 + nth * 56 + 32);
  }
  file.write(symbols, end);
  return {file, end};
}

describe('a program without its symbols', () => {
  test.each(Object.entries(MACHINES))('ends with its last segment, on %s', (_, machine) => {
    const {file, end} = program({machine});
    const cut = planWithoutSymbols(file, file.length);
    expect(cut?.bytes).toBe(end);
    const head = Buffer.from(cut?.head ?? []);
    expect(head.readBigUInt64LE(40)).toBe(0n);
    expect([head.readUInt16LE(60), head.readUInt16LE(62)]).toEqual([0, 0]);
    const changed = [...head].flatMap((byte, at) => (byte === file[at] ? [] : [at]));
    expect(changed.every((at) => (at >= 40 && at < 48) || (at >= 60 && at < 64))).toBe(true);
  });

  test('is not made of what is no such program', () => {
    const {file} = program();
    const change = (at: number, value: number): Buffer => {
      const other = Buffer.from(file);
      other[at] = value;
      return other;
    };
    for (const [what, content] of [
      ['a script', Buffer.from('#!/bin/sh\n'.padEnd(200))],
      ['nothing', Buffer.alloc(0)],
      ['half a header', file.subarray(0, 40)],
      ['half a table of segments', file.subarray(0, 150)],
      ['32 bits', change(4, 1)],
      ['big-endian', change(5, 2)],
      ['segments of another size', change(54, 32)],
      ['no segments', change(56, 0)],
      ['a table of segments inside the header', change(32, 8)],
      ['segments that end behind the file', change(64 + 56 + 34, 0xff)],
    ] as const) {
      expect(planWithoutSymbols(content, file.length), what).toBeNull();
    }
  });

  test('is none if nothing lies behind its last segment', () => {
    const {file} = program({symbols: ''});
    expect(planWithoutSymbols(file, file.length)).toBeNull();
  });
});

describe('a file that is cut', () => {
  // Small files are held in memory, large ones are read again.
  test.each([1000, 3_000_000])(
    'is measured and archived as it will be, with %d bytes',
    async (contentBytes) => {
      const folder = await scratch();
      const {file, end} = program({contentBytes});
      const cut = planWithoutSymbols(file, file.length) ?? expect.fail('it was not cut');
      const expected = Buffer.concat([cut.head, file.subarray(64, end)]);
      await writeFile(join(folder, 'whole'), file);
      await writeFile(join(folder, 'expected'), expected);

      const measure = (source: FileSource) => measureEntries([fileEntry('opt/program', source)], never);
      const measured = await measure({file: join(folder, 'whole'), cut});
      const asFile = await measure({file: join(folder, 'expected')});
      expect((await collect(archive(measured, 0))).equals(await collect(archive(asFile, 0)))).toBe(true);
    },
  );

  test('is refused if what is left of it changes', async () => {
    const folder = await scratch();
    const {file} = program({contentBytes: 3_000_000});
    const cut = planWithoutSymbols(file, file.length) ?? expect.fail('it was not cut');
    const whole = join(folder, 'whole');
    await writeFile(whole, file);
    const measured = await measureEntries([fileEntry('opt/program', {file: whole, cut})], never);
    file[2_000_000] = 0;
    await writeFile(whole, file);
    expect(await failureOf(collect(archive(measured, 0)))).toMatchObject({code: 'IMAGE_STALE'});
  });
});

describe('the runtime layer', () => {
  const files = {
    'package/dist/runtime/server.cjs': 'server()',
    'onnxruntime/onnxruntime_binding.node': 'binding',
  };
  const nodeOf = async (content: Uint8Array) => {
    const folder = await scratch();
    await writeTree(folder, files);
    await mkdir(join(folder, 'bin'));
    await writeFile(join(folder, 'bin/node'), content);
    const fetchPackage = () => Promise.resolve(folder);
    const {layers} = await openNodeRuntime({...nodeRuntimeIn(folder), fetchPackage});
    const entries = layers.flatMap((layer) => layer.entries);
    const [entry] = await measureEntries(
      entries.filter(({path}) => path === 'opt/thaw/bin/node'),
      never,
    );
    return entry?.kind === 'file' ? {mode: entry.mode, bytes: entry.bytes} : null;
  };

  test('holds Node without its symbols', async () => {
    const {file, end} = program();
    expect(await nodeOf(file)).toEqual({mode: 0o755, bytes: end});
  });

  test('holds what is no program as it is', async () => {
    const script = await readFile(new URL(import.meta.url));
    expect(await nodeOf(script)).toEqual({mode: 0o755, bytes: script.length});
  });
});

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
