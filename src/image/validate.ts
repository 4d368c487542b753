import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {readFile} from 'node:fs/promises';
import {createGunzip} from 'node:zlib';
import {messageOf} from '../core/errors.ts';
import type {Layer} from '../core/image.ts';
import type {ImageOnDisk} from '../core/ports.ts';
import {blobPath, inspectBlob} from './blobs.ts';
import type {Manifest} from './manifest.ts';

interface Config {
  readonly rootfs: {readonly diff_ids: readonly string[]};
  readonly history: readonly unknown[];
}

/**
 * Reads every byte of an image and compares it with what its manifest, its configuration and thaw's record say.
 *
 * @returns what is wrong, one sentence each; nothing if all is well
 */
export async function findImageProblems({image, layoutDir}: ImageOnDisk): Promise<readonly string[]> {
  const problems: string[] = [];
  const manifest = (await readJson(blobPath(layoutDir, image.digest))) as Manifest;
  const config = (await readJson(blobPath(layoutDir, manifest.config.digest))) as Config;

  for (const expected of [{digest: image.digest, size: null}, manifest.config, ...manifest.layers]) {
    const found = await inspectBlob(blobPath(layoutDir, expected.digest));
    if (found.digest !== expected.digest)
      problems.push(`blob ${expected.digest} has the digest ${found.digest}`);
    if (expected.size !== null && found.size !== expected.size) {
      problems.push(`blob ${expected.digest} has ${found.size} bytes instead of ${expected.size}`);
    }
  }
  for (const layer of image.layers) problems.push(...(await findLayerProblems(layer, layoutDir)));
  if (config.rootfs.diff_ids.join() !== image.layers.map((layer) => layer.diffId).join()) {
    problems.push('the configuration lists other layers than the record');
  }
  if (config.history.length !== image.layers.length) {
    problems.push(`${config.history.length} history entries for ${image.layers.length} layers`);
  }
  return problems;
}

async function findLayerProblems(layer: Layer, layoutDir: string): Promise<readonly string[]> {
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const file = createReadStream(blobPath(layoutDir, layer.digest));
    const tar = file.pipe(createGunzip());
    file.on('error', (error) => tar.destroy(error));
    for await (const chunk of tar) {
      hash.update(chunk as Buffer);
      bytes += (chunk as Buffer).length;
    }
  } catch (error) {
    return [`the ${layer.role} layer cannot be unpacked: ${messageOf(error)}`];
  }
  const diffId = `sha256:${hash.digest('hex')}`;
  return diffId === layer.diffId && bytes === layer.unpackedBytes
    ? []
    : [`the ${layer.role} layer unpacks to ${diffId} of ${bytes} bytes`];
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8')) as unknown;
}
