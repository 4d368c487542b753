import type {Digest} from './digest.ts';

/** The phases of an instance's life up to its first answer, on one timeline, in order. */
export const PHASES = ['boot', 'import', 'load', 'wait', 'infer'] as const;
export type Phase = (typeof PHASES)[number];

/** Milliseconds spent in each phase that was reported. */
export type PhaseTimes = {readonly [P in Phase]?: number};

/** What an instance said of itself in an answer. */
export interface Evidence {
  readonly bootId: string;
  /** Requests answered by this instance up to and with this one; health checks never count. */
  readonly ordinal: number;
  /** Since the instance's process was born, when the answer's headers were written. */
  readonly bootAgeMs: number;
  readonly image: Digest | null;
  /** The instance went on from a snapshot. */
  readonly restored: boolean;
  /** The process is younger than its sandbox. */
  readonly restarted: boolean;
  readonly phases: PhaseTimes;
}

/** When things happened to one request, in milliseconds since it was due. Null: it did not come to that. */
export interface Timings {
  /** The request went out this late. */
  readonly sentMs: number;
  /** The host's name was resolved; left out where there was nothing to resolve. */
  readonly resolvedMs?: number;
  /** The TCP connection stood; left out where a kept one was used. */
  readonly openedMs?: number;
  /** The connection was ready for the request, TLS included. */
  readonly connectedMs: number | null;
  readonly writtenMs: number | null;
  readonly firstByteMs: number | null;
  readonly endMs: number;
}

/** How one request ended. */
export interface Invocation {
  /** Wall clock when the request was due, ISO 8601. */
  readonly at: string;
  /** HTTP status; null if no answer came. */
  readonly status: number | null;
  readonly headers: {readonly [name: string]: string};
  readonly body: Uint8Array;
  readonly timings: Timings;
  readonly evidence: Evidence | null;
  /** Evidence headers that are missing or malformed beside others that came, by name. */
  readonly unreadable?: readonly string[];
  /** Why no whole answer came; `answer`: it came, and is none to what was asked. */
  readonly error: {
    readonly kind: 'timeout' | 'refused' | 'reset' | 'tls' | 'dns' | 'answer' | 'other';
    readonly message: string;
  } | null;
}

/** What a request turned out to be, by evidence. */
export const START_CLASSES = [
  'cold',
  'joined',
  'prewarmed',
  'restored',
  'restarted',
  'warm',
  'unknown',
] as const;
export type StartClass = (typeof START_CLASSES)[number];

/** One request as asked for. */
export interface Shot {
  readonly index: number;
  /** `any`: part of a load, which takes what comes. */
  readonly want: 'cold' | 'warm' | 'any';
  /** Of a load: which of its stages, from 0. */
  readonly stage?: number;
}

/** One request as it came out: a line of a run's NDJSON. */
export interface Sample {
  readonly schema: 'thaw.sample/1';
  readonly provider: string;
  readonly shot: Shot;
  readonly at: string;
  readonly class: StartClass;
  /** The first cold start after a new image. */
  readonly firstAfterDeploy: boolean;
  readonly status: number | null;
  readonly error: string | null;
  /** Start of the request on an open connection to first byte; if none came, the time that passed. */
  readonly totalMs: number;
  readonly timings: Timings;
  readonly evidence: Evidence | null;
  /** Evidence headers that are missing or malformed beside others that came, by name. */
  readonly unreadable?: readonly string[];
}
