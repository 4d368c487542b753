import {cp, mkdir, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import {blobPath, blobsDir} from '../../../src/image/blobs.ts';
import {readImage, writeLayout} from '../../../src/image/layout.ts';
import {findImageProblems} from '../../../src/image/validate.ts';
import {failureOf, never, scratch, smallImage} from './fixture.ts';

async function written(model = 'weights') {
  const folder = await scratch();
  const cacheDir = join(folder, 'cache');
  const layoutDir = join(folder, 'image');
  const {image, documents} = await smallImage(cacheDir, model);
  await writeLayout(image, documents, cacheDir, layoutDir, never);
  return {image, documents, cacheDir, layoutDir};
}

/** Changes a blob where it lies, and not in the cache, whose file it may be. */
async function damage(file: string, change: (content: Buffer) => Buffer): Promise<void> {
  const content = await readFile(file);
  await rm(file);
  await writeFile(file, change(content));
}

const flipLast = (content: Buffer): Buffer =>
  Buffer.from(content.map((byte, at) => (at === content.length - 1 ? byte ^ 1 : byte)));

describe('an image layout', () => {
  test('is read back as the image that was written, and has no problems', async () => {
    const {image, layoutDir} = await written();
    const found = await readImage(layoutDir);
    expect(found).toEqual({image, layoutDir});
    expect(await findImageProblems(found)).toEqual([]);
  });

  test('names one manifest, for one platform, by the function’s name', async () => {
    const {image, layoutDir} = await written();
    const index = JSON.parse(await readFile(join(layoutDir, 'index.json'), 'utf8')) as object;
    expect(index).toMatchObject({
      schemaVersion: 2,
      manifests: [
        {
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          digest: image.digest,
          annotations: {'org.opencontainers.image.ref.name': 'small'},
        },
      ],
    });
    expect(JSON.parse(await readFile(join(layoutDir, 'oci-layout'), 'utf8'))).toEqual({
      imageLayoutVersion: '1.0.0',
    });
  });

  test('holds after a new image nothing of the one before', async () => {
    const {cacheDir, layoutDir} = await written('first');
    const {image, documents} = await smallImage(cacheDir, 'second');
    await new Promise((resolve) => setTimeout(resolve, 30));
    await writeFile(join(layoutDir, '.unfinished-0123-blob'), 'left by a crash');
    await new Promise((resolve) => setTimeout(resolve, 30));
    await writeLayout(image, documents, cacheDir, layoutDir, never);
    expect((await readImage(layoutDir)).image).toEqual(image);
    expect(await readdir(blobsDir(layoutDir))).toHaveLength(5);
    expect((await readdir(layoutDir)).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  test('still is the previous image when a build is cut off before the index is replaced', async () => {
    const {image, cacheDir, layoutDir} = await written('first');
    const index = await readFile(join(layoutDir, 'index.json'));
    const second = await smallImage(cacheDir, 'second');
    const other = join(await scratch(), 'image');
    await writeLayout(second.image, second.documents, cacheDir, other, never);
    for (const name of await readdir(blobsDir(other))) {
      await rm(join(blobsDir(layoutDir), name), {force: true});
      await cp(join(blobsDir(other), name), join(blobsDir(layoutDir), name));
    }
    await writeFile(join(layoutDir, '.unfinished-4567-index.json'), index.subarray(0, 20));
    const found = await readImage(layoutDir);
    expect(found.image).toEqual(image);
    expect(await findImageProblems(found)).toEqual([]);
  });

  test('still is the previous image when a build is interrupted', async () => {
    const {image, cacheDir, layoutDir} = await written('first');
    const second = await smallImage(cacheDir, 'second');
    const writing = writeLayout(second.image, second.documents, cacheDir, layoutDir, AbortSignal.abort());
    expect(await failureOf(writing)).toMatchObject({code: 'INTERRUPTED'});
    expect((await readImage(layoutDir)).image).toEqual(image);
  });

  test('is mended by writing the image again', async () => {
    const {image, documents, cacheDir, layoutDir} = await written();
    for (const {digest} of image.layers) await damage(blobPath(layoutDir, digest), flipLast);
    await damage(blobPath(layoutDir, image.digest), flipLast);
    const found = await writeLayout(image, documents, cacheDir, layoutDir, never);
    expect(await findImageProblems(found)).toEqual([]);
  });

  test('of another tool is left alone', async () => {
    const {image, documents, cacheDir} = await written();
    const layoutDir = await scratch();
    await writeFile(join(layoutDir, 'index.json'), '{"schemaVersion":2,"manifests":[]}');
    await mkdir(blobsDir(layoutDir), {recursive: true});
    await writeFile(join(blobsDir(layoutDir), 'theirs'), 'theirs');
    const error = await failureOf(writeLayout(image, documents, cacheDir, layoutDir, never));
    expect(error).toMatchObject({code: 'FILE_EXISTS', facts: {path: layoutDir}});
    expect(await readdir(blobsDir(layoutDir))).toEqual(['theirs']);
  });
});

describe('a damaged layout', () => {
  test('that is not there is IMAGE_MISSING', async () => {
    const layoutDir = join(await scratch(), 'image');
    expect(await failureOf(readImage(layoutDir))).toMatchObject({code: 'IMAGE_MISSING', facts: {layoutDir}});
  });

  test.each([
    ['{', 'not an OCI image index'],
    ['[]', 'not an OCI image index'],
    ['{"manifests":[]}', 'does not name one image'],
    [
      '{"manifests":[{"digest":"sha256:../../../../etc/passwd"}],"annotations":{}}',
      'does not name one image',
    ],
  ])('with the index %s is IMAGE_INVALID', async (text, what) => {
    const layoutDir = await scratch();
    await writeFile(join(layoutDir, 'index.json'), text);
    const error = await failureOf(readImage(layoutDir));
    expect(error.code).toBe('IMAGE_INVALID');
    expect(error.message).toContain(what);
  });

  test('with a blob that is missing or cut short is IMAGE_INVALID and names the blob', async () => {
    const {image, layoutDir} = await written();
    const digest = image.layers[0]?.digest ?? image.digest;
    await damage(blobPath(layoutDir, digest), (content) => content.subarray(0, 10));
    expect(await failureOf(readImage(layoutDir))).toMatchObject({code: 'IMAGE_INVALID', facts: {digest}});
    await rm(blobPath(layoutDir, digest));
    const error = await failureOf(readImage(layoutDir));
    expect(error.message).toContain(`blob ${digest} is missing`);
  });

  test('with a changed manifest is IMAGE_INVALID', async () => {
    const {image, layoutDir} = await written();
    await damage(blobPath(layoutDir, image.digest), (content) =>
      Buffer.from(content.toString().replace('"schemaVersion":2', '"schemaVersion":3')),
    );
    expect(await failureOf(readImage(layoutDir))).toMatchObject({
      code: 'IMAGE_INVALID',
      facts: {digest: image.digest},
    });
  });

  test('with one bit of a layer changed has a problem that only reading it all finds', async () => {
    const {image, layoutDir} = await written();
    const digest = image.layers[0]?.digest ?? image.digest;
    await damage(blobPath(layoutDir, digest), flipLast);
    const problems = await findImageProblems(await readImage(layoutDir));
    expect(problems[0]).toContain(`blob ${digest} has the digest`);
  });
});
