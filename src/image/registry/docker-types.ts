import type {Descriptor} from '../blobs.ts';
import {renderDocument, type Document} from '../manifest.ts';
import {DOCKER_MANIFEST, type RegistryManifest} from './manifest.ts';

/** Which of the two families of media types a manifest is written in. */
export type MediaTypes = 'oci' | 'docker';

const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';
const DOCKER_LAYERS: {readonly [ociType: string]: string} = {
  'application/vnd.oci.image.layer.v1.tar': 'application/vnd.docker.image.rootfs.diff.tar',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

/**
 * Renders an image's manifest in Docker's media types, for places that know no others. All blobs stay as they are; the
 * manifest, and with it the image's digest, is another one, and always the same.
 *
 * @throws what `refuse` makes, if a layer is of a kind that Docker has no name for
 */
export function renderInDockerTypes(
  {config, layers}: RegistryManifest,
  refuse: (what: string) => Error,
): Document {
  const renamed = (layer: Descriptor): Descriptor => {
    const known = Object.values(DOCKER_LAYERS).includes(layer.mediaType);
    const mediaType = known ? layer.mediaType : DOCKER_LAYERS[layer.mediaType];
    if (mediaType === undefined)
      throw refuse(`${layer.mediaType} has no counterpart among Docker's media types`);
    return {mediaType, digest: layer.digest, size: layer.size};
  };
  return renderDocument(DOCKER_MANIFEST, {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: {mediaType: DOCKER_CONFIG, digest: config.digest, size: config.size},
    layers: layers.map(renamed),
  });
}
