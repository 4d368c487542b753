import {readFile} from 'node:fs/promises';
import {parseDocument} from 'yaml';
import {writeWhole} from '../core/disk.ts';

/**
 * Writes how many instances are kept ready into thaw.yaml, where the file says it already: in the provider's section
 * or in the general part. Comments and order are kept.
 *
 * @throws ThawError DISK_FULL, PERMISSION_DENIED
 */
export async function writeWarmMin(file: string, provider: string, min: number): Promise<void> {
  const document = parseDocument(await readFile(file, 'utf8'));
  const special = ['providers', provider, 'warm'];
  document.setIn([...(document.hasIn(special) ? special : ['warm']), 'min'], min);
  await writeWhole(file, document.toString({lineWidth: 0, flowCollectionPadding: false}));
}
