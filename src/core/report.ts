import type {Digest} from './digest.ts';
import type {JsonObject} from './json.ts';
import type {StartClass} from './sample.ts';

/** Statistics of one group of samples. */
export interface Summary {
  readonly n: number;
  readonly failures: number;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** 95 % intervals, distribution-free, by quantile (`p50`). */
  readonly intervals: {readonly [quantile: string]: readonly [lowMs: number | null, highMs: number | null]};
  /** Median of each reported phase, and `residual`: wait that no phase explains. */
  readonly phases: {readonly [phase: string]: number};
}

/** What a benchmark says of one provider. */
export interface ProviderReport {
  readonly provider: string;
  readonly url: string;
  readonly image: Digest | null;
  /** What a reader must know to judge the figures: the engine, the limits, "not the image". */
  readonly notes: readonly string[];
  readonly cold: Summary;
  readonly warm: Summary;
  /** How many samples of each class came out, and how many shots missed the class they wanted. */
  readonly classes: {readonly [C in StartClass]: number};
  readonly missed: number;
  /** The first cold start after a new image, apart from the rest. */
  readonly firstAfterDeployMs: number | null;
  /** Median of wait minus infer over warm samples. */
  readonly warmOverheadMs: number | null;
}

/** Everything a benchmark run says, with what it was made from. */
export interface Report {
  readonly schema: 'thaw.report/1';
  readonly thaw: string;
  readonly function: string;
  readonly startedAt: string;
  readonly machine: JsonObject;
  readonly request: {readonly cold: number; readonly warm: number; readonly body: Digest};
  readonly providers: readonly ProviderReport[];
  /** The NDJSON file with every sample. */
  readonly samples: string;
}
