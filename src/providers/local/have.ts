import type {ContainersFound} from './containers.ts';
import type {GatewayState} from './protocol.ts';
import type {VersionOnDisk} from './versions.ts';

/** What was found of a function on this machine. */
export type Have = {
  /** This thaw's version, which its gateway must be of. */
  readonly thawVersion: string;
  /** Whether anything of the function lies on disk: without a gateway it is only what one left behind. */
  readonly folder: boolean;
  readonly versions: readonly VersionOnDisk[];
  readonly gateway: GatewayState | null;
  /** What container engines have to do with it. */
  readonly containers: ContainersFound;
};
