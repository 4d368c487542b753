import type {StartClass} from './sample.ts';

/** When requests are due: by the clock, however the earlier ones fare (an open loop). */
export type LoadShape =
  | {readonly kind: 'rate'; readonly perSecond: number; readonly durationMs: number}
  /** One rate after the other, each for the duration. */
  | {readonly kind: 'steps'; readonly perSecond: readonly number[]; readonly durationMs: number}
  /** All at once. */
  | {readonly kind: 'burst'; readonly requests: number}
  /** A rate that grows evenly, until the end or until the endpoint no longer keeps up. */
  | {
      readonly kind: 'ramp';
      readonly fromPerSecond: number;
      readonly toPerSecond: number;
      readonly durationMs: number;
    };

/** Times in milliseconds. Null where n cannot bound the quantile from above with 95 % confidence. */
export interface Latency {
  readonly n: number;
  readonly minMs: number | null;
  readonly maxMs: number | null;
  readonly meanMs: number | null;
  readonly p50Ms: number | null;
  readonly p90Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  readonly p999Ms: number | null;
}

/** A stretch of a load during which requests were due at one rate. */
export interface LoadStage {
  /** Null for a burst; of a ramp, its middle. */
  readonly perSecond: number | null;
  readonly durationMs: number;
  readonly due: number;
  /** Due but never sent: as many as may be were under way. They are in no latency. */
  readonly dropped: number;
  readonly answered: number;
  readonly failed: number;
  /** From when a request was due to its answer's first byte: a stall is suffered by all who arrive in it. */
  readonly latency: Latency;
  /** The same from when it was really sent: what a closed loop would have called latency. */
  readonly service: Latency;
  /** How late the generator itself was in sending, 99th percentile: what of `latency` is not the endpoint's. */
  readonly lateP99Ms: number | null;
  readonly inFlightMax: number;
  readonly classes: {readonly [C in StartClass]: number};
  /** Distinct boot ids that answered; null where answers carry no evidence. */
  readonly instances: number | null;
}

/** One bucket of a load's course. */
export interface LoadBucket {
  /** Since the load began; a request belongs to when it was due. */
  readonly fromMs: number;
  readonly due: number;
  readonly dropped: number;
  readonly answered: number;
  readonly failed: number;
  readonly cold: number;
  /** Distinct boot ids that answered; null where answers carry no evidence. */
  readonly instances: number | null;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

/** What a load says. */
export interface LoadReport {
  readonly shape: LoadShape;
  readonly stages: readonly LoadStage[];
  readonly bucketMs: number;
  readonly timeline: readonly LoadBucket[];
  /** The highest rate of a ramp or of steps that the endpoint kept up with; null if it kept up, or never did. */
  readonly kneePerSecond: number | null;
  /** All latencies of the load: HdrHistogram V2, compressed, base64, in microseconds. */
  readonly histogram: string;
}
