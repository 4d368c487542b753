import {mkdir, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {afterAll} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {Image, Layer} from '../../../src/core/image.ts';
import {inspectHostBase} from '../../../src/image/base/host.ts';
import type {BuildInput, HandlerParts} from '../../../src/image/build.ts';
import {fileEntry} from '../../../src/image/entries.ts';
import {noMemory} from '../../../src/image/file-memory.ts';
import {buildLayer} from '../../../src/image/layer.ts';
import {renderConfig, renderManifest, type Document} from '../../../src/image/manifest.ts';
import {openNodeRuntime, type NodeRuntimeInput} from '../../../src/image/node-runtime.ts';

const made: string[] = [];
afterAll(async () => {
  for (const folder of made) await rm(folder, {recursive: true, force: true});
});

/** A folder of its own that is gone when the test file ends. */
export async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'thaw-image-'));
  made.push(folder);
  return folder;
}

/** Writes files, given by their paths, into a folder. */
export async function writeTree(folder: string, files: {readonly [path: string]: string}): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), {recursive: true});
    await writeFile(join(folder, path), content);
  }
}

export const never = new AbortController().signal;
export const ignore = (): void => undefined;

/** The ThawError that a promise ends in. */
export async function failureOf(promise: Promise<unknown>): Promise<ThawError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof ThawError) return error;
  throw error;
}

/** A handler in one file. */
export const handlerOf = (code: string): HandlerParts => ({
  entries: [fileEntry('opt/thaw/handler/handler.mjs', {bytes: Buffer.from(code)})],
  data: [],
  config: [],
});

/** What Node's part of an image is made from, as `buildInputIn` writes it into a folder. */
export const nodeRuntimeIn = (folder: string): NodeRuntimeInput => ({
  platform: 'linux/amd64',
  packageDir: join(folder, 'package'),
  onnxruntimeDir: join(folder, 'onnxruntime'),
  fetchPackage: () => Promise.resolve(join(folder, 'node')),
  progress: ignore,
  signal: never,
});

/** An image of two small layers, whose blobs lie in a cache; not yet in a layout. */
export async function smallImage(
  cacheDir: string,
  model: string,
): Promise<{image: Image; documents: readonly Document[]}> {
  const layers: Layer[] = [];
  for (const [role, path, content] of [
    ['model', 'opt/thaw/model/model.onnx', model],
    ['config', 'opt/thaw/config/serve.json', '{}'],
  ] as const) {
    const entries = [fileEntry(path, {bytes: Buffer.from(content)})];
    layers.push(await buildLayer({role, entries, compression: 6}, cacheDir, 0, ignore, never));
  }
  const config = renderConfig(
    {
      platform: 'linux/amd64',
      entrypoint: ['/bin/true'],
      env: {},
      user: '65532:65532',
      workingDir: '/',
      labels: {},
      epochSeconds: 0,
    },
    layers,
  );
  const manifest = renderManifest(config.descriptor, layers);
  const image: Image = {
    schema: 'thaw.image/1',
    function: 'small',
    platform: 'linux/amd64',
    base: {kind: 'host', glibc: '2.36'},
    runtime: {kind: 'node'},
    digest: manifest.descriptor.digest,
    model: digestOf(model),
    sources: [{path: 'model.onnx', digest: digestOf(model)}],
    recipe: digestOf('recipe'),
    layers,
  };
  return {image, documents: [manifest, config]};
}

/** What a whole build needs, with small files in place of Node and ONNX Runtime. */
export async function buildInputIn(folder: string): Promise<BuildInput> {
  return {...(await buildInputWithoutBase(folder)), base: await inspectHostBase('linux/amd64')};
}

/** The same, to be stood on some other base: no part of it is from this machine. */
export async function buildInputWithoutBase(folder: string): Promise<Omit<BuildInput, 'base'>> {
  await writeTree(folder, {
    'node/bin/node': '#!/bin/sh\necho node\n',
    'onnxruntime/onnxruntime_binding.node': 'binding',
    'onnxruntime/libonnxruntime.so.1': 'library',
    'package/dist/runtime/server.cjs': 'server()',
    'package/dist/runtime/worker.cjs': 'worker()',
    'package/dist/runtime/clouds.cjs': 'clouds()',
    'package/dist/runtime/probe.cjs': 'probe()',
    'project/model.onnx': 'weights',
  });
  return {
    name: 'credit-scoring',
    platform: 'linux/amd64',
    model: [{path: 'model.onnx', file: join(folder, 'project', 'model.onnx')}],
    serve: {
      schema: 'thaw.serve/1',
      name: 'credit-scoring',
      file: 'model.onnx',
      model: digestOf('weights'),
      onnxruntime: '1.30.0',
      session: {intraOpNumThreads: 1},
      inputs: [{name: 'features', type: 'FP32', shape: ['batch', 4]}],
      outputs: [{name: 'score', type: 'FP32', shape: ['batch', 1]}],
    },
    runtime: await openNodeRuntime(nodeRuntimeIn(folder)),
    handler: handlerOf('export async function predict() {}\n'),
    sources: [{path: 'model.onnx', digest: digestOf('weights')}],
    recipe: digestOf('recipe'),
    packageDir: join(folder, 'package'),
    cacheDir: join(folder, 'cache'),
    memory: noMemory,
    layoutDir: join(folder, 'project', '.thaw', 'image'),
    epochSeconds: 0,
    progress: ignore,
    signal: never,
  };
}
