import type {ProviderReport} from '../core/report.ts';
import {formatBytes} from '../core/units.ts';

/** What takes its time to be brought and loaded, as what it is; empty where that is not known. */
export function describeSize({
  imageBytes = null,
  archive,
}: Pick<ProviderReport, 'imageBytes' | 'archive'>): string {
  if (archive !== undefined) {
    return `zip ${formatBytes(archive.bytes)}, ${formatBytes(archive.unpackedBytes)} unpacked`;
  }
  return imageBytes === null ? '' : `image ${formatBytes(imageBytes)}`;
}
