import {mkdir, readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeEach, describe, expect, test} from 'vitest';
import {digestOf, type Digest} from '../../../../src/core/digest.ts';
import {blobPath, blobsDir, inspectBlob} from '../../../../src/image/blobs.ts';
import {pullImage, type Pulled, type PullInput} from '../../../../src/image/registry/pull.ts';
import {parseReference} from '../../../../src/image/registry/reference.ts';
import {failureOf, ignore, never, scratch} from '../fixture.ts';
import {startFakeRegistry, type FakeRegistry, type Fault} from './fake-registry.ts';
import {stillClock} from './still-clock.ts';

const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const REPOSITORY = 'team/base';
/** A blob that nobody has. */
const blob = {mediaType: 'application/x', digest: `sha256:${'0'.repeat(64)}`, size: 1};

let registry: FakeRegistry;
let cacheDir: string;
let digest: Digest;
beforeEach(async () => {
  registry = await startFakeRegistry();
  cacheDir = await scratch();
  digest = putImage('linux', 'amd64');
});

function putBlob(bytes: Buffer, mediaType: string) {
  const name = digestOf(bytes);
  registry.blobs.set(name, bytes);
  registry.links.add(`${REPOSITORY}@${name}`);
  return {mediaType, digest: name, size: bytes.length};
}

function putManifest(document: object, mediaType: string, tag = '1'): Digest {
  const bytes = Buffer.from(JSON.stringify(document));
  const name = digestOf(bytes);
  for (const key of [`${REPOSITORY}@${name}`, `${REPOSITORY}:${tag}`])
    registry.manifests.set(key, {bytes, type: mediaType});
  return name;
}

function putImage(os: string, architecture: string): Digest {
  const config = putBlob(
    Buffer.from(JSON.stringify({os, architecture})),
    'application/vnd.oci.image.config.v1+json',
  );
  const layers = ['first', 'second'].map((name) =>
    putBlob(Buffer.alloc(100_000, name), 'application/vnd.oci.image.layer.v1.tar+gzip'),
  );
  return putManifest({schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers}, OCI_MANIFEST);
}

const pull = (more: Partial<PullInput> & {readonly path?: string} = {}): Promise<Pulled> => {
  const {path = `${REPOSITORY}:1`, ...rest} = more;
  return pullImage({
    reference: parseReference(`${registry.host}/${path}`),
    platform: 'linux/amd64',
    cacheDir,
    credentials: null,
    clock: stillClock(),
    progress: ignore,
    signal: never,
    ...rest,
  });
};

/** Nothing in the cache has another name than its content. */
async function expectHonestCache(): Promise<number> {
  const names = await readdir(blobsDir(cacheDir)).catch(() => []);
  for (const name of names) {
    expect((await inspectBlob(join(blobsDir(cacheDir), name))).digest).toBe(`sha256:${name}`);
  }
  return names.length;
}

describe('a pull', () => {
  test('brings manifest, configuration and layers, and gives the reference by digest', async () => {
    const seen: [number, number | null][] = [];
    const pulled = await pull({progress: (...bytes) => seen.push(bytes)});
    expect(pulled.reference).toBe(`${registry.host}/${REPOSITORY}@${digest}`);
    expect(pulled.manifest.layers.length).toBe(2);
    expect(await expectHonestCache()).toBe(4);
    expect(seen.at(-1)?.[0]).toBe(seen.at(-1)?.[1]);
  });

  test('a second time fetches no blob, but one that was cut or altered', async () => {
    const {manifest} = await pull();
    registry.set({});
    await pull();
    expect(registry.seen.filter(({url}) => url.includes('/blobs/'))).toEqual([]);
    const [cut, altered] = manifest.layers.map((layer) => layer.digest);
    await writeFile(blobPath(cacheDir, cut!), 'first');
    await writeFile(blobPath(cacheDir, altered!), Buffer.alloc(100_000, 'evil'));
    await pull();
    expect(
      registry.seen.filter(({url}) => url.includes('/blobs/')).map(({url}) => url.split('/').at(-1)),
    ).toEqual(expect.arrayContaining([cut, altered]));
    expect(await expectHonestCache()).toBe(4);
  });

  test('follows redirects to another host, and does not send the password there', async () => {
    const basic = `Basic ${Buffer.from('ann:hush-hush').toString('base64')}`;
    const store = await startFakeRegistry();
    store.set({
      other: (request, response) => {
        const name = /\/blob\/(sha256:[0-9a-f]+)/.exec(request.url ?? '')?.[1] ?? '';
        response.end(registry.blobs.get(name));
        return true;
      },
    });
    registry.set({
      demand: ({headers}) => (headers.authorization === basic ? null : 'Basic realm="fake"'),
      blobsAt: () => `http://${store.host}`,
    });
    await pull({credentials: {kind: 'password', username: 'ann', password: 'hush-hush'}});
    expect(store.seen.length).toBe(3);
    expect(store.seen.map(({authorization}) => authorization)).toEqual([undefined, undefined, undefined]);
    expect(await expectHonestCache()).toBe(4);
  });

  test('takes the image for the platform out of an index, and passes over attestations', async () => {
    const entry = (name: Digest, os: string, architecture: string, more: object = {}) => ({
      mediaType: OCI_MANIFEST,
      digest: name,
      size: registry.manifests.get(`${REPOSITORY}@${name}`)!.bytes.length,
      platform: {os, architecture},
      ...more,
    });
    const arm = putImage('linux', 'arm64');
    const attestation = {annotations: {'vnd.docker.reference.type': 'attestation-manifest'}};
    const manifests = [
      entry(arm, 'linux', 'amd64', attestation),
      entry(arm, 'linux', 'arm64', {platform: {os: 'linux', architecture: 'arm64', variant: 'v8'}}),
      entry(digest, 'linux', 'amd64'),
    ];
    putManifest({schemaVersion: 2, mediaType: OCI_INDEX, manifests}, OCI_INDEX);
    expect((await pull()).digest).toBe(digest);
    expect((await pull({platform: 'linux/arm64'})).digest).toBe(arm);
    putManifest({schemaVersion: 2, mediaType: OCI_INDEX, manifests: manifests.slice(0, 2)}, OCI_INDEX);
    const failure = await failureOf(pull());
    expect(failure).toMatchObject({code: 'PLATFORM_UNSUPPORTED', facts: {there: ['linux/arm64/v8']}});
  });

  test('of an image for another platform says for which it is', async () => {
    putImage('windows', 'amd64');
    expect((await failureOf(pull())).message).toContain('windows/amd64');
  });

  test.each([
    ['no JSON', 'sorry', 'not JSON'],
    ['schema version 1', JSON.stringify({schemaVersion: 1}), 'schema version 1'],
    [
      'a path for a digest',
      JSON.stringify({schemaVersion: 2, config: {digest: '../../etc', size: 1}, layers: []}),
      'no sha256',
    ],
    [
      'sizes below nothing',
      JSON.stringify({schemaVersion: 2, config: {...blob, size: -1}, layers: []}),
      'no size',
    ],
    [
      'a thousand and one layers',
      JSON.stringify({schemaVersion: 2, config: blob, layers: Array.from({length: 1001}, () => blob)}),
      'layers',
    ],
    [
      'layers that are no list',
      JSON.stringify({schemaVersion: 2, config: blob, layers: {length: 1}}),
      'layers',
    ],
    ['null', 'null', 'not an object'],
    [
      'an index of nothing',
      JSON.stringify({schemaVersion: 2, mediaType: OCI_INDEX}),
      'manifests are not a list',
    ],
    ['an artifact', JSON.stringify({schemaVersion: 2, mediaType: 'application/x'}), 'application/x'],
  ])('of %s says that it cannot be used', async (_, text, words) => {
    registry.manifests.set(`${REPOSITORY}:1`, {bytes: Buffer.from(text), type: OCI_MANIFEST});
    const failure = await failureOf(pull());
    expect(failure.code).toBe('IMAGE_INVALID');
    expect(failure.message).toContain(words);
  });

  test('reads no manifest without end, and none of another size than its index says', async () => {
    const huge = Buffer.alloc((4 << 20) + 1, ' ');
    registry.manifests.set(`${REPOSITORY}:1`, {bytes: huge, type: OCI_MANIFEST});
    expect(await failureOf(pull())).toMatchObject({code: 'CONTENT_MISMATCH'});
    const platform = {os: 'linux', architecture: 'amd64'};
    const entry = {mediaType: OCI_MANIFEST, digest, size: 7, platform};
    putManifest({schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry]}, OCI_INDEX);
    expect((await failureOf(pull())).message).toContain('7 bytes of a manifest');
    expect(await readdir(cacheDir)).toEqual([]);
  });

  test('of an index that leads to an index, even itself, ends', async () => {
    const platform = {os: 'linux', architecture: 'amd64'};
    const inner = putManifest({schemaVersion: 2, mediaType: OCI_INDEX, manifests: []}, OCI_INDEX);
    const {length: size} = registry.manifests.get(`${REPOSITORY}@${inner}`)!.bytes;
    const entry = {mediaType: OCI_INDEX, digest: inner, size, platform};
    putManifest({schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry]}, OCI_INDEX);
    expect(await failureOf(pull())).toMatchObject({code: 'IMAGE_INVALID'});
  });

  test('of answers with giant headers ends with a clear error', async () => {
    registry.set({
      other: (request, response) => {
        if (!request.url?.includes('manifests')) return false;
        response.writeHead(200, {'content-type': OCI_MANIFEST, 'x-giant': 'x'.repeat(200_000)}).end('{}');
        return true;
      },
    });
    const failure = await failureOf(pull());
    expect(failure.code).toBe('PROVIDER_UNREACHABLE');
    expect(failure.message.length).toBeLessThan(400);
  });

  test('of what is not there says so in the registry’s words', async () => {
    const failure = await failureOf(pull({path: `${REPOSITORY}:none`}));
    expect(failure).toMatchObject({
      code: 'PROVIDER_REFUSED',
      facts: {status: 404, codes: ['MANIFEST_UNKNOWN']},
    });
  });

  test('that is called off leaves nothing unfinished', async () => {
    const controller = new AbortController();
    await mkdir(cacheDir, {recursive: true});
    const failure = await failureOf(pull({signal: controller.signal, progress: () => controller.abort()}));
    expect(failure.code).toBe('INTERRUPTED');
    await expectHonestCache();
  });
});

const FAULTS: readonly Fault[] = [
  'reset before reading',
  'HTML',
  '401',
  '429',
  '500',
  'wrong digest',
  'short body',
  'wrong length',
  'redirect to itself',
];

test.each(FAULTS)(
  '%s at each request in turn: whole, or a clear error and an honest cache',
  async (fault) => {
    for (const lasting of [false, true]) {
      for (let at = 0; at < 6; at++) {
        cacheDir = await scratch();
        registry.set({fault: (index) => (index === at || (lasting && index > at) ? fault : null)});
        const end = await pull().then(
          () => null,
          (error: unknown) => error,
        );
        const files = await expectHonestCache();
        if (end === null) expect(files).toBe(4);
        else {
          expect(end).toMatchObject({name: 'ThawError'});
          registry.set({});
          await pull();
          expect(await expectHonestCache()).toBe(4);
        }
      }
    }
  },
);
