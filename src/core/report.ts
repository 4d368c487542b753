import type {Digest} from './digest.ts';
import type {JsonObject} from './json.ts';
import type {LoadReport, LoadShape} from './load.ts';
import type {Shot, StartClass} from './sample.ts';

/**
 * Statistics of one group of samples. A quantile is null where n cannot bound it from above with 95 % confidence:
 * p50 takes 5 samples, p90 29, p95 59, p99 299.
 */
export interface Summary {
  /** Samples that came out so, by evidence. */
  readonly n: number;
  /** Shots that wanted to come out so and got no good answer. */
  readonly failures: number;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** By quantile (`p50`): distribution-free bounds, each of which alone holds with 95 % confidence. */
  readonly intervals: {readonly [quantile: string]: readonly [lowMs: number | null, highMs: number | null]};
  /**
   * Medians on the client's timeline. `connect` (TLS included) comes before the wait that the quantiles are of,
   * `response` after it. Within it, of warm samples `infer`; of cold ones every phase that the instance reports, and
   * `residual`, what neither a phase nor the median warm overhead explains, where it can be computed.
   */
  readonly phases: {readonly [phase: string]: number};
}

/** Shots that wanted one class and, by evidence, got another. */
export interface Miss {
  readonly want: Shot['want'];
  readonly got: StartClass;
  readonly count: number;
}

/** Shots that got no good answer, for one reason. */
export interface Failure {
  readonly want: Shot['want'];
  readonly error: string;
  readonly count: number;
}

/** What an archive takes: as it is sent, and as it is run. */
export type ArchiveSize = {readonly bytes: number; readonly unpackedBytes: number};

/** What a benchmark says of one provider. */
export interface ProviderReport {
  readonly provider: string;
  readonly url: string;
  readonly image: Digest | null;
  /** What the image takes compressed, as it is pulled; null or left out where that is not known. */
  readonly imageBytes?: number | null;
  /** Where not the image runs but an archive of what is in it; left out where that is not so, or not known. */
  readonly archive?: ArchiveSize;
  /** What a reader must know to judge the figures: the engine, the limits, "not the image". */
  readonly notes: readonly string[];
  readonly cold: Summary;
  readonly warm: Summary;
  /** Good answers of instances that went on from a snapshot: what a cold start is there; left out where there are none. */
  readonly restored?: Summary;
  /** Good answers without evidence, whatever was wanted of them; left out where there are none. */
  readonly unknown?: Summary;
  /** How many good answers of each class came out, `firstAfterDeployMs` included. */
  readonly classes: {readonly [C in StartClass]: number};
  readonly missed: readonly Miss[];
  readonly failed: readonly Failure[];
  /** The first cold start after a new image: one of the class cold, but not in the group. */
  readonly firstAfterDeployMs: number | null;
  /** Median of wait minus infer over warm samples. */
  readonly warmOverheadMs: number | null;
  readonly load: LoadReport | null;
  /** What the figures were made from; reports of an older thaw do not have it. */
  readonly times?: GroupTimes;
}

/**
 * `totalMs` of every good answer, in the order in which they came: what two reports are compared by. Failures and the
 * first cold start after a new image are in no group. `unknown`: answers without evidence.
 */
export interface GroupTimes {
  readonly cold: readonly number[];
  readonly warm: readonly number[];
  /** Left out where there are none. */
  readonly restored?: readonly number[];
  readonly unknown: readonly number[];
}

/** What was asked for, so that it can be asked for again. Header values are not kept: some are secrets. */
export interface RunRequest {
  readonly cold: number;
  readonly warm: number;
  readonly load: LoadShape | null;
  readonly method: string;
  readonly headers: readonly string[];
  /** Sent in turn. */
  readonly bodies: readonly {readonly digest: Digest; readonly bytes: number; readonly source: string}[];
}

/** What a run measures, as it was before the first request: enough to go on with it after a crash. */
export interface RunTarget {
  readonly provider: string;
  readonly url: string;
  readonly image: Digest | null;
  readonly imageBytes?: number | null;
  readonly archive?: ArchiveSize;
  readonly notes: readonly string[];
  /** No earlier run has reached this image there. */
  readonly freshImage: boolean;
}

/** The first line of a run's NDJSON. */
export interface RunHeader {
  readonly schema: 'thaw.run/1';
  readonly thaw: string;
  /** Null for endpoints that thaw did not make. */
  readonly function: string | null;
  readonly startedAt: string;
  readonly machine: JsonObject;
  readonly request: RunRequest;
  readonly targets: readonly RunTarget[];
}

/** Everything a benchmark run says, with what it was made from. */
export interface Report {
  readonly schema: 'thaw.report/1';
  readonly thaw: string;
  /** Null for endpoints that thaw did not make. */
  readonly function: string | null;
  readonly startedAt: string;
  readonly machine: JsonObject;
  readonly request: RunRequest;
  /** It was ended before every shot was fired. */
  readonly interrupted: boolean;
  readonly providers: readonly ProviderReport[];
  /** The NDJSON file with every sample. */
  readonly samples: string;
}
