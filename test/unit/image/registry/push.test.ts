import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, test} from 'vitest';
import {ThawError} from '../../../../src/core/errors.ts';
import type {ImageOnDisk} from '../../../../src/core/ports.ts';
import {blobPath} from '../../../../src/image/blobs.ts';
import {writeLayout} from '../../../../src/image/layout.ts';
import {pushImage, type Pushed, type PushInput} from '../../../../src/image/registry/push.ts';
import {parseReference} from '../../../../src/image/registry/reference.ts';
import {failureOf, ignore, never, scratch, smallImage} from '../fixture.ts';
import {startFakeRegistry, type FakeRegistry, type Fault} from './fake-registry.ts';
import {stillClock} from './still-clock.ts';

let image: ImageOnDisk;
beforeAll(async () => {
  image = await imageIn(await scratch());
});

/** One that takes several reads of a socket. */
async function imageIn(folder: string): Promise<ImageOnDisk> {
  const noise = Array.from({length: 60_000}, (_, i) => Math.sin(i).toString(36)).join('');
  const {image, documents} = await smallImage(join(folder, 'cache'), noise);
  return writeLayout(image, documents, join(folder, 'cache'), join(folder, 'layout'), never);
}

function push(
  registry: FakeRegistry,
  more: Partial<PushInput> & {readonly path?: string} = {},
): Promise<Pushed> {
  const {path = 'team/small:1', ...rest} = more;
  return pushImage({
    layoutDir: image.layoutDir,
    digest: image.image.digest,
    reference: parseReference(`${registry.host}/${path}`),
    credentials: null,
    clock: stillClock(),
    progress: ignore,
    signal: never,
    ...rest,
  });
}

/** What the registry has is the image, byte for byte. */
function expectWhole(registry: FakeRegistry, repository = 'team/small', tag = '1'): void {
  const manifest = registry.manifests.get(`${repository}:${tag}`);
  expect(registry.manifests.get(`${repository}@${image.image.digest}`)).toBe(manifest);
  for (const {digest, bytes} of image.image.layers) {
    expect(registry.links).toContain(`${repository}@${digest}`);
    expect(registry.blobs.get(digest)?.length).toBe(bytes);
  }
}

const blobBytes = (): number => image.image.layers.reduce((sum, {bytes}) => sum + bytes, 0);
const requests = (registry: FakeRegistry, method: string): string[] =>
  registry.seen.filter((each) => each.method === method).map(({url}) => url);

describe('a push', () => {
  test('brings all blobs and the manifest, and gives the reference by digest', async () => {
    const registry = await startFakeRegistry();
    const seen: number[] = [];
    const pushed = await push(registry, {progress: (done) => seen.push(done)});
    expectWhole(registry);
    expect(pushed.reference).toBe(`${registry.host}/team/small@${image.image.digest}`);
    expect(pushed.tag).toBe('1');
    expect(pushed.uploadedBytes).toBeGreaterThan(blobBytes());
    expect(pushed.skippedBytes).toBe(0);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(pushed.uploadedBytes);
  });

  test('of what is there already sends the manifest alone', async () => {
    const registry = await startFakeRegistry();
    const {uploadedBytes} = await push(registry);
    registry.set({});
    const again = await push(registry, {path: 'team/small:2'});
    expect(again).toMatchObject({uploadedBytes: 0, mountedBytes: 0, skippedBytes: uploadedBytes});
    expect([requests(registry, 'POST'), requests(registry, 'PATCH')]).toEqual([[], []]);
    expectWhole(registry, 'team/small', '2');
  });

  test('mounts what another repository has, and sends what it has not', async () => {
    const registry = await startFakeRegistry();
    await push(registry, {path: 'team/base:1'});
    registry.links.delete(`team/base@${image.image.layers[0]!.digest}`);
    registry.set({});
    const pushed = await push(registry, {mountFrom: 'team/base'});
    expect(pushed.uploadedBytes).toBe(image.image.layers[0]!.bytes);
    // Where nothing can be mounted the registry says where to send it instead: nobody asks twice.
    expect(requests(registry, 'POST').length).toBe(3);
    expect(requests(registry, 'PATCH').length).toBe(1);
    expect(pushed.mountedBytes).toBeGreaterThanOrEqual(image.image.layers[1]!.bytes);
    expectWhole(registry);
  });

  test('by digest needs no tag, and refuses the digest of another image before it says a word', async () => {
    const registry = await startFakeRegistry();
    const pushed = await push(registry, {path: `team/small@${image.image.digest}`});
    expect(pushed.tag).toBeNull();
    expect([...registry.manifests.keys()]).toEqual([`team/small@${image.image.digest}`]);
    registry.set({});
    const failure = await failureOf(push(registry, {path: `team/small@sha256:${'0'.repeat(64)}`}));
    expect(failure.code).toBe('INPUT_INVALID');
    expect(registry.seen).toEqual([]);
  });

  test('in Docker’s media types sends the same blobs under another digest, always the same', async () => {
    const registry = await startFakeRegistry();
    const pushed = await push(registry, {mediaTypes: 'docker'});
    expect(pushed.digest).not.toBe(image.image.digest);
    const {bytes, type} = registry.manifests.get(`team/small@${pushed.digest}`)!;
    expect(type).toBe('application/vnd.docker.distribution.manifest.v2+json');
    const manifest = JSON.parse(bytes.toString()) as {
      mediaType: string;
      config: {mediaType: string};
      layers: {mediaType: string; digest: string}[];
    };
    expect(manifest.mediaType).toBe(type);
    expect(manifest.config.mediaType).toBe('application/vnd.docker.container.image.v1+json');
    const layer = 'application/vnd.docker.image.rootfs.diff.tar.gzip';
    expect(manifest.layers.map(({mediaType, digest}) => [mediaType, digest])).toEqual(
      image.image.layers.map(({digest}) => [layer, digest]),
    );
    expect(await push(registry, {mediaTypes: 'docker'})).toMatchObject({
      digest: pushed.digest,
      uploadedBytes: 0,
    });
    const ociDigest = `team/small@${image.image.digest}`;
    const failure = await failureOf(push(registry, {mediaTypes: 'docker', path: ociDigest}));
    expect(failure.code).toBe('INPUT_INVALID');
  });

  test('without a tag means latest', async () => {
    const registry = await startFakeRegistry();
    expect((await push(registry, {path: 'team/small'})).tag).toBe('latest');
    expectWhole(registry, 'team/small', 'latest');
  });

  test('goes on where a cut upload stopped', async () => {
    const registry = await startFakeRegistry({
      fault: once((method) => (method === 'PATCH' ? 'reset half-way' : null)),
    });
    await push(registry, {parallel: 1});
    expectWhole(registry);
    const resumed = registry.seen.filter(({headers}) => headers['content-range'] !== undefined);
    expect(resumed.map(({method}) => method)).toEqual(['PATCH']);
    expect(Number(resumed[0]!.headers['content-length'])).toBeLessThan(blobBytes() / 1.9);
  });

  test('starts an upload anew that the registry has lost', async () => {
    const registry = await startFakeRegistry({
      resumes: false,
      fault: once((method) => (method === 'PATCH' ? 'reset half-way' : null)),
    });
    await push(registry, {parallel: 1});
    expectWhole(registry);
  });

  test('waits as long as the registry asks', async () => {
    const registry = await startFakeRegistry({fault: once((method) => (method === 'POST' ? '429' : null))});
    const clock = stillClock();
    await push(registry, {clock});
    expect(clock.slept).toEqual([7000]);
    expectWhole(registry);
  });

  test('of an altered layer says that the image is damaged, and pushes no manifest', async () => {
    const mine = await imageIn(await scratch());
    const [layer] = mine.image.layers;
    const file = blobPath(mine.layoutDir, layer!.digest);
    const {rm} = await import('node:fs/promises');
    await rm(file);
    await writeFile(file, Buffer.alloc(layer!.bytes, 'x'));
    const registry = await startFakeRegistry();
    const failure = await failureOf(push(registry, {layoutDir: mine.layoutDir, digest: mine.image.digest}));
    expect(failure.code).toBe('IMAGE_INVALID');
    expect(failure.message).toContain(layer!.digest);
    expect(registry.manifests.size).toBe(0);
  });

  test('that is called off ends as interrupted', async () => {
    const controller = new AbortController();
    const registry = await startFakeRegistry({
      fault: (_, {method}) => {
        if (method === 'PATCH') controller.abort();
        return null;
      },
    });
    expect((await failureOf(push(registry, {signal: controller.signal}))).code).toBe('INTERRUPTED');
    expect(registry.manifests.size).toBe(0);
  });

  test('to where nobody listens says so', async () => {
    const failure = await failureOf(
      pushImage({
        layoutDir: image.layoutDir,
        digest: image.image.digest,
        reference: parseReference('127.0.0.1:1/a/b'),
        credentials: null,
        clock: stillClock(),
        progress: ignore,
        signal: never,
      }),
    );
    expect(failure.code).toBe('PROVIDER_UNREACHABLE');
    expect(failure.message).toContain('127.0.0.1:1/v2/');
  });
});

/** A fault at the first request for which `choose` names one. */
function once(choose: (method: string) => Fault | null) {
  let done = false;
  return (_index: number, {method = ''}: {method?: string | undefined}): Fault | null => {
    const fault = done ? null : choose(method);
    if (fault) done = true;
    return fault;
  };
}

/** In which way a push may end; every other error would be a bug. */
const CLEAR = [
  'PROVIDER_UNREACHABLE',
  'PROVIDER_REFUSED',
  'CONTENT_MISMATCH',
  'PERMISSION_DENIED',
  'CREDENTIALS_MISSING',
];

const FAULTS: readonly Fault[] = [
  'reset before reading',
  'reset half-way',
  'reset after doing it',
  'HTML',
  '401',
  '429',
  '500',
  '500 half-way',
  'wrong digest',
  'short body',
  'wrong length',
  'redirect to itself',
  'refuses',
];

describe('a fault at each request in turn:', () => {
  test.each(FAULTS)('%s, once', async (fault) => {
    const ends = {whole: 0, failed: 0};
    for (let at = 0; ; at++) {
      const registry = await startFakeRegistry({fault: (index) => (index === at ? fault : null)});
      const failure = await endOf(push(registry, {parallel: 1}));
      const reached = registry.seen.length > at;
      if (failure === null) expectWhole(registry);
      else {
        expect(CLEAR, failure.message).toContain(failure.code);
        expect(failure.message).toContain(registry.host);
        registry.set({});
        await push(registry);
        expectWhole(registry);
      }
      if (!reached) break;
      ends[failure === null ? 'whole' : 'failed']++;
    }
    expect(ends.whole + ends.failed).toBeGreaterThanOrEqual(12);
    // A connection that breaks and a server that is busy are nothing to bother anybody with.
    if (/reset|429|500/.test(fault)) expect(ends.failed).toBe(0);
    // Three blobs and the manifest: each time the registry says what it has received.
    if (fault === 'wrong digest') expect(ends.failed).toBe(4);
  });

  test.each(FAULTS)('%s, from then on', async (fault) => {
    for (let at = 0; ; at++) {
      const registry = await startFakeRegistry({fault: (index) => (index >= at ? fault : null)});
      const failure = await endOf(push(registry, {parallel: 1}));
      const reached = registry.seen.length > at;
      if (failure === null) expectWhole(registry);
      else {
        expect(CLEAR, failure.message).toContain(failure.code);
        registry.set({});
        await push(registry);
        expectWhole(registry);
      }
      if (!reached) break;
    }
  });
});

async function endOf(pushed: Promise<Pushed>): Promise<ThawError | null> {
  try {
    await pushed;
    return null;
  } catch (error) {
    if (error instanceof ThawError) return error;
    throw error;
  }
}
