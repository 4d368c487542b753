import type {ArchiveOnDisk} from '../../../src/core/archive.ts';
import type {Context, Driver, InvokeRequest} from '../../../src/core/driver.ts';
import type {FunctionSpec} from '../../../src/core/function.ts';
import type {Json, JsonObject} from '../../../src/core/json.ts';
import type {ImageOnDisk} from '../../../src/core/ports.ts';

/** What a driver's own tests bring to the suite: a place that is empty at first, and things to deploy there. */
export interface Harness {
  readonly driver: Driver;
  /** Its `signal` never fires: the suite puts its own in where it interrupts. */
  readonly context: Context;
  /** Two images that serve the same model under two digests. */
  readonly images: readonly [ImageOnDisk, ImageOnDisk];
  /** What is deployed in an image's place, where the options ask for an archive. */
  readonly archiveOf?: (image: ImageOnDisk) => Promise<ArchiveOnDisk>;
  /** The section of `thaw.yaml` that the suite starts from. */
  readonly options: JsonObject;
  /** A function to start from; image, environment and warmth are the suite's to set. */
  readonly spec: FunctionSpec;
  /** A request that the images answer with status 200. */
  readonly request: InvokeRequest;
  /** Options under which an instance ends after little idling, and a time after which it has ended for sure. */
  readonly shortIdle: {readonly options: JsonObject; readonly waitMs: number};
  /** Everything that exists at the provider, by names that are the same whenever the same things exist. */
  inventory(): Promise<readonly string[]>;
  /** Makes things at the provider that are not thaw's, with names as close as can be. */
  plant(): Promise<void>;
  /** Makes the provider refuse its next write once, in a way that passes; null where there is no such thing. */
  readonly refuseOnce: (() => void) | null;
  close(): Promise<void>;
}

/** What the suite must know of a driver before a harness is open, to say which checks there are. */
export interface Traits {
  readonly driver: Pick<Driver, 'limits' | 'optionsSchema'>;
  /** A source of secrets that this provider resolves itself; null if it has none. */
  readonly secretSource: string | null;
  /** Values to try for options whose schema does not say what is possible here: a port that is free. */
  readonly optionValues?: {readonly [name: string]: Json};
  /** Options that say where the function is or how thaw asks it, which no step of a plan changes. */
  readonly placeOptions?: readonly string[];
}

/** One thing that every driver must hold, as data: so that broken drivers can be held to it as well. */
export interface ConformanceCheck {
  readonly name: string;
  /** Rejects if the driver does not hold it. */
  run(harness: Harness): Promise<void>;
}
