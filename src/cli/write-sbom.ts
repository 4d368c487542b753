import type {Config} from '../config/config.ts';
import {writeWhole} from '../core/disk.ts';
import type {Image} from '../core/image.ts';
import {inspectBaseContents, type Base} from '../image/base/base.ts';
import {digestFile} from '../image/entries.ts';
import type {FileMemory} from '../image/file-memory.ts';
import type {ModelFile} from '../image/model-layer.ts';
import {renderSbom, type CodeContents} from '../image/sbom.ts';
import {sbomFile} from './packaged-image.ts';

/** An image, and what it was built from. */
export interface BuiltFrom {
  readonly image: Image;
  readonly thawVersion: string;
  readonly base: Base;
  readonly model: readonly ModelFile[];
  readonly code: CodeContents;
  readonly memory: FileMemory;
  readonly signal: AbortSignal;
}

/**
 * Writes what is in an image beside it, so that its digest does not depend on it, and returns the file's path.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED
 */
export async function writeSbom(config: Config, built: BuiltFrom): Promise<string> {
  const {image, thawVersion, base, model, code, memory, signal} = built;
  const digested = model.map(async ({path, file}) => ({
    path,
    digest: await digestFile(file, memory, signal),
  }));
  const sbom = renderSbom({
    image,
    thawVersion,
    base: await inspectBaseContents(base, memory),
    code,
    model: await Promise.all(digested),
  });
  const file = sbomFile(config);
  await writeWhole(file, `${JSON.stringify(sbom, null, 2)}\n`);
  return file;
}
