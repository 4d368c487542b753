import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gzipSync} from 'node:zlib';
import {pack} from 'tar-stream';
import {buffer} from 'node:stream/consumers';
import {digestOf, type Digest} from '../../../../src/core/digest.ts';
import type {Image, Layer, LayerRole} from '../../../../src/core/image.ts';
import type {ServeManifest} from '../../../../src/core/model.ts';
import type {ImageOnDisk} from '../../../../src/core/ports.ts';
import {fixture} from '../../../instance.ts';
import {hostOrt} from '../../../onnxruntime.ts';
import type {FakeRegistry} from '../../../unit/image/registry/fake-registry.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';
const INDEX = 'application/vnd.oci.image.index.v1+json';

export interface SmallImageParts {
  readonly name?: string;
  /** Source of `handler.mjs`. */
  readonly handler?: string;
  /** Further files beside the model, by their paths in the image. */
  readonly files?: {readonly [path: string]: Buffer};
  /** Makes another image of the same parts. */
  readonly label?: string;
  /** Labels of the image's configuration. */
  readonly labels?: {readonly [name: string]: string};
}

/**
 * A real image of a few kilobytes, in an OCI layout: model, handler and configuration, without what every image has.
 * The fake runs it with thaw's server as it was built and this machine's ONNX Runtime.
 */
export async function makeSmallImage(
  layoutDir: string,
  {name = 'credit-scoring', handler, files = {}, label = 'first', labels = {}}: SmallImageParts = {},
): Promise<ImageOnDisk> {
  const model = await readFile(fixture('linear.onnx'));
  const manifest: ServeManifest = {
    schema: 'thaw.serve/1',
    name,
    file: 'linear.onnx',
    model: digestOf(model),
    onnxruntime: (await hostOrt()).version,
    session: {},
    inputs: [],
    outputs: [],
  };
  const layers: [LayerRole, {[path: string]: Buffer | string}][] = [
    ['model', {'opt/thaw/model/linear.onnx': model, ...files}],
    ...(handler === undefined
      ? []
      : [['handler', {'opt/thaw/handler/handler.mjs': handler}] as [LayerRole, {[path: string]: string}]]),
    ['config', {'opt/thaw/config/serve.json': JSON.stringify(manifest), 'opt/thaw/config/label': label}],
  ];
  const blobsDir = join(layoutDir, 'blobs', 'sha256');
  await mkdir(blobsDir, {recursive: true});
  const put = async (bytes: Buffer): Promise<Digest> => {
    const digest = digestOf(bytes);
    await writeFile(join(blobsDir, digest.slice('sha256:'.length)), bytes);
    return digest;
  };

  const packed: Layer[] = [];
  for (const [role, files] of layers) {
    const tar = await tarOf(files);
    const bytes = gzipSync(tar);
    const digest = await put(bytes);
    packed.push({
      role,
      mediaType: LAYER,
      digest,
      bytes: bytes.length,
      diffId: digestOf(tar),
      unpackedBytes: tar.length,
    });
  }
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {Entrypoint: ['/opt/thaw/bin/node', '/opt/thaw/runtime/server.cjs'], Labels: labels},
      rootfs: {type: 'layers', diff_ids: packed.map(({diffId}) => diffId)},
      history: packed.map(({role}) => ({created_by: role})),
    }),
  );
  const document = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: {mediaType: CONFIG, digest: await put(config), size: config.length},
      layers: packed.map(({mediaType, digest, bytes}) => ({mediaType, digest, size: bytes})),
    }),
  );
  const digest = await put(document);
  const listed = {
    mediaType: MANIFEST,
    digest,
    size: document.length,
    platform: {os: 'linux', architecture: 'amd64'},
  };
  await writeFile(join(layoutDir, 'oci-layout'), JSON.stringify({imageLayoutVersion: '1.0.0'}));
  await writeFile(
    join(layoutDir, 'index.json'),
    JSON.stringify({schemaVersion: 2, mediaType: INDEX, manifests: [listed]}),
  );
  const image: Image = {
    schema: 'thaw.image/1',
    function: name,
    platform: 'linux/amd64',
    base: {kind: 'host', glibc: '2.36'},
    runtime: {kind: 'node'},
    digest,
    model: digestOf(model),
    sources: [],
    recipe: digestOf(label),
    layers: packed,
  };
  return {image, layoutDir};
}

/** Puts an image into the registry as a push would. */
export async function plantImage(
  {blobs, links, manifests}: FakeRegistry,
  repository: string,
  {image, layoutDir}: ImageOnDisk,
  tag: string | null = null,
): Promise<void> {
  const read = (digest: string): Promise<Buffer> =>
    readFile(join(layoutDir, 'blobs', 'sha256', digest.slice('sha256:'.length)));
  const bytes = await read(image.digest);
  const {config, layers} = JSON.parse(bytes.toString()) as {
    config: {digest: string};
    layers: {digest: string}[];
  };
  for (const {digest} of [config, ...layers]) {
    blobs.set(digest, await read(digest));
    links.add(`${repository}@${digest}`);
  }
  const kept = {bytes, type: MANIFEST};
  manifests.set(`${repository}@${image.digest}`, kept);
  if (tag !== null) manifests.set(`${repository}:${tag}`, kept);
}

async function tarOf(files: {readonly [path: string]: Buffer | string}): Promise<Buffer> {
  const archive = pack();
  for (const [name, content] of Object.entries(files)) archive.entry({name, mtime: new Date(0)}, content);
  archive.finalize();
  return buffer(archive);
}
