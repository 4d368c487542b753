import {join} from 'node:path';
import {beforeAll, describe, expect, test} from 'vitest';
import {digestOf} from '../../../../src/core/digest.ts';
import type {ImageOnDisk} from '../../../../src/core/ports.ts';
import {writeLayout} from '../../../../src/image/layout.ts';
import {renderArtifact, type Attachment} from '../../../../src/image/registry/attach.ts';
import {pushImage, type Pushed} from '../../../../src/image/registry/push.ts';
import {parseReference} from '../../../../src/image/registry/reference.ts';
import {ignore, never, scratch, smallImage} from '../fixture.ts';
import {startFakeRegistry, type FakeRegistry} from './fake-registry.ts';
import {stillClock} from './still-clock.ts';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const attachment: Attachment = {
  mediaType: 'application/vnd.cyclonedx+json',
  title: 'sbom.cdx.json',
  bytes: Buffer.from('{"bomFormat":"CycloneDX"}'),
};

let image: ImageOnDisk;
let listTag: string;
beforeAll(async () => {
  const folder = await scratch();
  const {image: built, documents} = await smallImage(join(folder, 'cache'), 'weights');
  image = await writeLayout(built, documents, join(folder, 'cache'), join(folder, 'layout'), never);
  listTag = `team/small:${image.image.digest.replace(':', '-')}`;
});

const push = (registry: FakeRegistry, what: Attachment | null = attachment): Promise<Pushed> =>
  pushImage({
    layoutDir: image.layoutDir,
    digest: image.image.digest,
    reference: parseReference(`${registry.host}/team/small:1`),
    credentials: null,
    attachment: what,
    clock: stillClock(),
    progress: ignore,
    signal: never,
  });

interface Stored {
  readonly [name: string]: unknown;
  readonly manifests?: readonly {readonly digest: string; readonly artifactType: string}[];
}

function stored(registry: FakeRegistry, name: string): Stored {
  return JSON.parse(registry.manifests.get(name)!.bytes.toString()) as Stored;
}

/** What the registry has is the document, and it names the image. */
function expectAttached(registry: FakeRegistry, pushed: Pushed): void {
  const {digest} = pushed.attached as {digest: string};
  const content = {
    mediaType: attachment.mediaType,
    digest: digestOf(attachment.bytes),
    size: attachment.bytes.length,
    annotations: {'org.opencontainers.image.title': 'sbom.cdx.json'},
  };
  expect(stored(registry, `team/small@${digest}`)).toEqual({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: attachment.mediaType,
    config: {
      mediaType: 'application/vnd.oci.empty.v1+json',
      digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
      size: 2,
    },
    layers: [content],
    subject: {
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: image.image.digest,
      size: registry.manifests.get('team/small:1')!.bytes.length,
    },
  });
  expect(registry.blobs.get(content.digest)).toEqual(attachment.bytes);
  expect(pushed.digest).toBe(image.image.digest);
}

describe('a document attached to an image', () => {
  test('is found by its subject where the registry keeps lists, and under no tag', async () => {
    const registry = await startFakeRegistry({lists: true});
    const pushed = await push(registry);
    expect(pushed.attached).toMatchObject({foundBy: 'referrers'});
    expectAttached(registry, pushed);
    expect([...registry.manifests.keys()].filter((name) => name.includes(':sha256-'))).toEqual([]);
  });

  test('is listed under a tag where it does not, once, however often it is pushed', async () => {
    const registry = await startFakeRegistry();
    const pushed = await push(registry);
    expect(pushed.attached).toMatchObject({foundBy: 'tag'});
    expectAttached(registry, pushed);
    const before = registry.manifests.get(listTag);
    expect(stored(registry, listTag)).toMatchObject({
      mediaType: OCI_INDEX,
      manifests: [{digest: (pushed.attached as {digest: string}).digest, artifactType: attachment.mediaType}],
    });
    expect(await push(registry)).toMatchObject({attached: pushed.attached});
    expect(registry.manifests.get(listTag)).toBe(before);
  });

  test('stands beside what others have put there', async () => {
    const registry = await startFakeRegistry();
    await push(registry, {
      ...attachment,
      mediaType: 'application/vnd.other',
      bytes: Buffer.from('signature'),
    });
    await push(registry);
    const types = stored(registry, listTag).manifests!.map(({artifactType}) => artifactType);
    expect(types).toEqual(['application/vnd.other', attachment.mediaType]);
  });

  test('replaces nothing that is no list, and says so', async () => {
    const registry = await startFakeRegistry();
    await push(registry, null);
    const other = registry.manifests.get('team/small:1')!;
    registry.manifests.set(listTag, other);
    const {attached} = await push(registry);
    expect(attached).toMatchObject({digest: null, why: expect.stringContaining('something else') as string});
    expect(registry.manifests.get(listTag)).toBe(other);
  });

  test('that the registry does not take does not fail the push', async () => {
    const registry = await startFakeRegistry({takesArtifacts: false});
    const pushed = await push(registry);
    expect(pushed.attached).toMatchObject({
      digest: null,
      why: expect.stringContaining('MANIFEST_INVALID unknown media type') as string,
    });
    expect(registry.manifests.has('team/small:1')).toBe(true);
  });

  test('follows from itself and its image alone', () => {
    const subject = {mediaType: 'x', digest: digestOf('a'), size: 1};
    expect(renderArtifact(attachment, subject)).toEqual(renderArtifact(attachment, {...subject}));
  });
});
