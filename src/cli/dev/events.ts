import type {LogLine, RequestRecord} from '../../core/deployment.ts';
import type {Digest} from '../../core/digest.ts';
import type {LayerRole} from '../../core/image.ts';
import type {PhaseTimes, StartClass} from '../../core/sample.ts';
import type {Failure} from '../failure.ts';

/** What `thaw dev` tells, as it happens. With `--json` each is a line, with `schema` and `at`. */
export type DevEvent =
  | {
      readonly event: 'changed';
      /** Relative to the project. */
      readonly files: readonly string[];
    }
  | {
      readonly event: 'deployed';
      readonly provider: string;
      readonly function: string;
      readonly url: string;
      readonly version: string;
      readonly image: Digest;
      /** Whether nothing had been deployed of it before, by this command. */
      readonly first: boolean;
      /** The layers that are others than before. */
      readonly layers: readonly LayerRole[];
      /** The settings that are others than before, by their paths. */
      readonly settings: readonly string[];
      /** From the last change of a file to when requests get the new version. */
      readonly totalMs: number;
    }
  | {
      readonly event: 'failed';
      readonly failure: Failure;
      /** The URL that still answers. */ readonly serving: string | null;
    }
  | {
      readonly event: 'request';
      readonly instance: string;
      readonly request: RequestRecord;
      /** Null where no instance answered. */
      readonly class: StartClass | null;
      readonly phases: PhaseTimes;
    }
  | {readonly event: 'log'; readonly line: LogLine}
  | {readonly event: 'stopped'; readonly destroyed: readonly string[]; readonly left: readonly string[]};
