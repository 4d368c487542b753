import {execFile} from 'node:child_process';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {beforeAll, describe, expect, test} from 'vitest';
import {digestOf} from '../../src/core/digest.ts';
import {ThawError} from '../../src/core/errors.ts';
import type {ImageOnDisk} from '../../src/core/ports.ts';
import {writeLayout} from '../../src/image/layout.ts';
import {OCI_MANIFEST} from '../../src/image/registry/manifest.ts';
import {pushImage, type Pushed, type PushInput} from '../../src/image/registry/push.ts';
import {parseReference} from '../../src/image/registry/reference.ts';
import {ignore, never, scratch, smallImage} from '../unit/image/fixture.ts';
import {stillClock} from '../unit/image/registry/still-clock.ts';
import {findMissing, skippedFor, startRegistry} from './debian-registry.ts';
import {FAULTS, startFaultyProxy, type FaultyProxy} from './faulty-proxy.ts';

const run = promisify(execFile);
const missing = findMissing(['docker-registry', 'skopeo']);

/** In which way a push may end; every other error would be a bug. */
const CLEAR = [
  'PROVIDER_UNREACHABLE',
  'PROVIDER_REFUSED',
  'CONTENT_MISMATCH',
  'PERMISSION_DENIED',
  'CREDENTIALS_MISSING',
];

describe.skipIf(missing.length > 0)(`between thaw and Debian's registry${skippedFor(missing)}`, () => {
  let image: ImageOnDisk;
  let proxy: FaultyProxy;
  let registry: string;
  beforeAll(async () => {
    const folder = await scratch();
    const noise = Array.from({length: 60_000}, (_, i) => Math.sin(i).toString(36)).join('');
    const {image: built, documents} = await smallImage(join(folder, 'cache'), noise);
    image = await writeLayout(built, documents, join(folder, 'cache'), join(folder, 'layout'), never);
    registry = await startRegistry(folder);
    proxy = await startFaultyProxy(registry);
  });

  const attachment = {
    mediaType: 'application/vnd.cyclonedx+json',
    title: 'sbom.cdx.json',
    bytes: Buffer.from('{"bomFormat":"CycloneDX"}'),
  };

  const push = (repository: string, more: Partial<PushInput> = {}): Promise<Pushed> =>
    pushImage({
      layoutDir: image.layoutDir,
      digest: image.image.digest,
      reference: parseReference(`${proxy.host}/${repository}:1`),
      credentials: null,
      attachment,
      parallel: 1,
      clock: stillClock(),
      progress: ignore,
      signal: never,
      ...more,
    });

  /** What the registry gives, past the proxy. */
  async function expectWhole(repository: string): Promise<void> {
    const answer = await fetch(`http://${registry}/v2/${repository}/manifests/1`, {
      headers: {accept: OCI_MANIFEST},
    });
    expect(answer.headers.get('docker-content-digest')).toBe(image.image.digest);
    expect(digestOf(Buffer.from(await answer.arrayBuffer()))).toBe(image.image.digest);
  }

  /** What another tool makes of it. */
  async function expectReadable(repository: string): Promise<void> {
    const inspect = ['inspect', '--tls-verify=false', `docker://${registry}/${repository}:1`];
    const {Digest, Layers} = JSON.parse((await run('skopeo', inspect)).stdout) as {
      Digest: string;
      Layers: string[];
    };
    expect(Digest).toBe(image.image.digest);
    expect(Layers).toEqual(image.image.layers.map(({digest}) => digest));
  }

  let repositories = 0;
  test.each(FAULTS)(
    '%s, at each request in turn: whole, or an error and whole the next time',
    async (fault) => {
      let failed = 0;
      let at = 0;
      let last = '';
      for (; ; at++) {
        const repository = `faults/r${repositories++}`;
        proxy.set((index) => (index === at ? fault : null));
        const end = await push(repository).catch((error: unknown) => error);
        const reached = proxy.seen.length > at;
        if (end instanceof Error) {
          failed++;
          expect(end).toBeInstanceOf(ThawError);
          expect(CLEAR, end.message).toContain((end as ThawError).code);
          expect(end.message).toContain(proxy.host);
        }
        if (end instanceof Error || (end as Pushed).attached?.digest === null) {
          proxy.set(() => null);
          expect((await push(repository)).attached).toMatchObject({foundBy: 'tag'});
        }
        await expectWhole(repository);
        if (!reached) break;
        last = repository;
      }
      await expectReadable(last);
      // Three blobs of at least four requests each, the manifest, and what is attached.
      expect(at).toBeGreaterThan(20);
      // A connection that breaks and a server that is busy for a moment are nothing to bother anybody with.
      if (/reset|500/.test(fault)) expect(failed).toBe(0);
    },
  );
});
