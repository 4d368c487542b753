import {join} from 'node:path';
import {digestOf} from '../../src/core/digest.ts';
import type {Image, Layer} from '../../src/core/image.ts';
import type {Entry} from '../../src/image/entries.ts';
import {buildLayer} from '../../src/image/layer.ts';
import {writeLayout} from '../../src/image/layout.ts';
import {renderConfig, renderManifest} from '../../src/image/manifest.ts';
import {pushImage, type Pushed} from '../../src/image/registry/push.ts';
import {parseReference} from '../../src/image/registry/reference.ts';
import {systemClock} from '../../src/net/clock.ts';
import {ignore, never, scratch} from '../unit/image/fixture.ts';

/** Puts an image of some layers into a registry. */
export async function pushBase(
  reference: string,
  platform: Image['platform'],
  plans: readonly (readonly Entry[])[],
): Promise<Pushed> {
  const folder = await scratch();
  const layers: Layer[] = [];
  for (const entries of plans) {
    layers.push(await buildLayer({role: 'base', entries, compression: 6}, folder, 0, ignore, never));
  }
  const labels = {};
  const env = {PATH: '/usr/sbin:/usr/bin', THE_BASE: 'was here'};
  const how = {entrypoint: ['/none'], env, user: '0:0', workingDir: '/', labels, epochSeconds: 0};
  const config = renderConfig({platform, ...how}, layers);
  const manifest = renderManifest(config.descriptor, layers);
  const {digest} = manifest.descriptor;
  const named = {function: 'base', model: digestOf(''), sources: [], recipe: digestOf('')};
  const origin = {kind: 'host', glibc: '2.28'} as const;
  const runtime = {kind: 'node'} as const;
  const image: Image = {schema: 'thaw.image/1', ...named, platform, base: origin, runtime, digest, layers};
  const {layoutDir} = await writeLayout(image, [manifest, config], folder, join(folder, 'layout'), never);
  return pushImage({
    layoutDir,
    digest,
    reference: parseReference(reference),
    credentials: null,
    clock: systemClock,
    progress: ignore,
    signal: never,
  });
}
