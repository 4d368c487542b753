import type {StartupRecord} from '../src/core/deployment.ts';
import type {Sample} from '../src/core/sample.ts';

/** What the gateway recorded of a cold start, less what of it the instance accounts for, in milliseconds. */
export function platformMs({evidence}: Sample, record: StartupRecord | undefined): number {
  const {queue = 0, create = 0, listen = 0} = record?.phases ?? {};
  const {boot = 0, import: imported = 0, load = 0} = evidence?.phases ?? {};
  return queue + create + listen - boot - imported - load;
}
