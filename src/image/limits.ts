import type {Limits} from '../core/driver.ts';
import {ThawError} from '../core/errors.ts';
import type {Image} from '../core/image.ts';
import {formatBytes} from '../core/units.ts';
import type {BundledPackage} from './bundled-packages.ts';

/** How many layers and packages an error names: the largest. */
const NAMED_MAX = 3;

/**
 * Holds an image against what a provider takes, before anything is sent.
 *
 * @param packages those in the handler, to say what made it large
 * @throws ThawError PLATFORM_UNSUPPORTED with the facts `{provider, platform, platforms}`; IMAGE_TOO_LARGE with
 *   `{provider, measure, bytes, bytesMax, largest, layers, packages}`, where `layers` and `packages` are the largest
 */
export function refuseBeyondLimits(
  image: Image,
  {imageBytes, platforms}: Pick<Limits, 'imageBytes' | 'platforms'>,
  provider: string,
  packages: readonly Pick<BundledPackage, 'name' | 'version' | 'bytes'>[],
): void {
  if (!platforms.includes(image.platform)) {
    throw new ThawError(
      'PLATFORM_UNSUPPORTED',
      `${provider} runs ${platforms.join(' and ')}, and the image is for ${image.platform}`,
      {provider, platform: image.platform, platforms: [...platforms]},
    );
  }
  refuseTooLarge(image, 'compressed', imageBytes.compressed, provider, packages);
  refuseTooLarge(image, 'unpacked', imageBytes.unpacked, provider, packages);
}

function refuseTooLarge(
  image: Image,
  measure: keyof Limits['imageBytes'],
  bytesMax: number | null,
  provider: string,
  packages: readonly Pick<BundledPackage, 'name' | 'version' | 'bytes'>[],
): void {
  const layers = image.layers
    .map(({role, bytes, unpackedBytes}) => ({role, bytes: measure === 'compressed' ? bytes : unpackedBytes}))
    .sort((a, b) => b.bytes - a.bytes);
  const bytes = layers.reduce((sum, layer) => sum + layer.bytes, 0);
  if (bytesMax === null || bytes <= bytesMax) return;

  const largestLayers = layers.slice(0, NAMED_MAX);
  const largestPackages = [...packages].sort((a, b) => b.bytes - a.bytes).slice(0, NAMED_MAX);
  const parts = largestLayers.map((layer) => {
    const inside = layer.role === 'handler' ? largestPackages.map(renderPackage).join(', ') : '';
    return `${layer.role} ${formatBytes(layer.bytes)}${inside === '' ? '' : ` (of it ${inside})`}`;
  });
  throw new ThawError(
    'IMAGE_TOO_LARGE',
    `the image has ${formatBytes(bytes)} ${measure}, and ${provider} takes ${formatBytes(bytesMax)}: ${parts.join(', ')}`,
    {
      provider,
      measure,
      bytes,
      bytesMax,
      largest: largestLayers[0]?.role ?? null,
      layers: largestLayers,
      packages: largestPackages,
    },
  );
}

const renderPackage = ({name, bytes}: Pick<BundledPackage, 'name' | 'bytes'>): string =>
  `${name} ${formatBytes(bytes)}`;
