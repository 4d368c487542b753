import {mkdtemp, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {ArchiveForm} from '../../../src/core/archive.ts';
import {digestOf} from '../../../src/core/digest.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {ImageOnDisk} from '../../../src/core/ports.ts';
import {writeArchive, type ArchiveInput} from '../../../src/image/archive.ts';
import {makeSmallImage} from '../../fakes/aws/sandboxes/small-image.ts';
import {readZip} from '../../fakes/aws/sandboxes/zip-files.ts';

const FORM: ArchiveForm = {
  bytesMax: 1 << 20,
  largerBy: 'bucket',
  unpackedBytesMax: 1 << 20,
  entry: {node: {file: 'entry.mjs', name: 'index.mjs'}, python: {file: 'entry.py', name: 'entry.py'}},
};

async function refusalOf(work: Promise<unknown>): Promise<ThawError> {
  const error: unknown = await work.catch((reason: unknown) => reason);
  if (error instanceof ThawError) return error;
  throw new Error('nothing was refused', {cause: error});
}

describe('an archive of what an image holds', () => {
  let dir: string;
  let image: ImageOnDisk;
  const write = (folder: string, change: Partial<ArchiveInput> = {}) =>
    writeArchive({
      image,
      form: FORM,
      provider: 'somewhere',
      programsDir: dir,
      dir: join(dir, folder),
      signal: new AbortController().signal,
      ...change,
    });

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'thaw-archive-'));
    await writeFile(join(dir, 'entry.mjs'), 'export const handler = 1;');
    image = await makeSmallImage(join(dir, 'image'), {handler: 'export const predict = () => 1;'});
  });
  afterAll(() => rm(dir, {recursive: true, force: true}));

  it('has the parts where they lie in the image, and at its root what is called', async () => {
    const {archive, file} = await write('first');
    const bytes = await readFile(file);
    expect(archive).toMatchObject({
      digest: digestOf(bytes),
      bytes: bytes.length,
      runtime: {kind: 'node'},
    });
    const members = readZip(bytes);
    expect(members.map(({name}) => name)).toEqual([
      'index.mjs',
      'config/label',
      'config/serve.json',
      'handler/handler.mjs',
      'model/linear.onnx',
    ]);
    expect(members.reduce((sum, {content}) => sum + content.length, 0)).toBe(archive.unpackedBytes);
    expect(members.map(({mode}) => mode & 0o777)).toEqual(members.map(() => 0o644));
    expect(members[0]?.content.toString()).toBe('export const handler = 1;');
  });

  it('has the same bytes in another folder, at another time, in another time zone', async () => {
    const {TZ} = process.env;
    const digests = [];
    for (const zone of ['UTC', 'Pacific/Kiritimati', 'America/Anchorage']) {
      process.env['TZ'] = zone;
      digests.push((await write(`zone ${zone}`)).archive.digest);
    }
    if (TZ === undefined) delete process.env['TZ'];
    else process.env['TZ'] = TZ;
    expect(new Set(digests).size).toBe(1);
  });

  it('is made once, and anew when it was altered or its program is another', async () => {
    const {archive, file} = await write('kept');
    const before = (await stat(file)).mtimeMs;
    expect((await write('kept')).archive).toEqual(archive);
    expect((await stat(file)).mtimeMs).toBe(before);

    await writeFile(file, 'something else');
    expect((await write('kept')).archive).toEqual(archive);
    expect(digestOf(await readFile(file))).toBe(archive.digest);

    await writeFile(join(dir, 'other.mjs'), 'export const handler = 2;');
    const entry = {...FORM.entry, node: {file: 'other.mjs', name: 'index.mjs'}};
    expect((await write('kept', {form: {...FORM, entry}})).archive.digest).not.toBe(archive.digest);
  });

  it.each([
    ['unpacked', {unpackedBytesMax: 300}],
    ['compressed', {bytesMax: 300}],
  ])('is refused where it is too large %s, with both sizes', async (measure, change) => {
    await write('made before');
    for (const folder of [`too large ${measure}`, 'made before']) {
      const error = await refusalOf(write(folder, {form: {...FORM, ...change}}));
      expect(error.code).toBe('IMAGE_TOO_LARGE');
      expect(error.message).toContain(measure);
      expect(error.message).toContain('somewhere takes 300');
      expect(error.facts).toMatchObject({measure, bytesMax: 300, largest: 'archive'});
      expect(error.facts['option']).toBe(measure === 'compressed' ? 'bucket' : undefined);
    }
  });

  it('is not made of a damaged image', async () => {
    const damaged = await makeSmallImage(join(dir, 'damaged'));
    const layer = damaged.image.layers[0]!;
    const blob = join(dir, 'damaged', 'blobs', 'sha256', layer.digest.slice(7));
    const other = damaged.image.layers[1]!.digest.slice(7);
    await writeFile(blob, await readFile(join(dir, 'damaged', 'blobs', 'sha256', other)));
    const error = await refusalOf(write('never', {image: damaged}));
    expect(error.code).toBe('IMAGE_INVALID');
    expect(error.message).toContain('the model layer unpacks to other content');
  });
});
