import type {Digest} from './digest.ts';
import type {JsonObject} from './json.ts';

/** A function at a provider, as far as a caller needs it. */
export interface Deployment {
  readonly schema: 'thaw.deployment/1';
  readonly provider: string;
  readonly function: string;
  readonly url: string;
  readonly image: Digest;
  /** The provider's own name for what is live: a version, a revision. */
  readonly version: string;
  /** What the driver itself needs to invoke it; opaque to the rest of thaw. */
  readonly handle: JsonObject;
}

/** One running container or process of a deployment. */
export interface Instance {
  readonly id: string;
  readonly bootId: string | null;
  readonly state: 'starting' | 'idle' | 'busy' | 'stopping';
  /** ISO 8601. */
  readonly startedAt: string;
  /** Requests answered so far. */
  readonly requests: number;
}

/** A version that a rollback can go back to. */
export interface Version {
  readonly version: string;
  readonly image: Digest;
  /** ISO 8601. */
  readonly at: string;
  readonly live: boolean;
}

/** What a provider says of a function now. */
export interface Status {
  readonly schema: 'thaw.status/1';
  readonly provider: string;
  readonly function: string;
  readonly state: 'absent' | 'pending' | 'ready' | 'failed';
  /** Why it is not ready, in the provider's words. */
  readonly problem: string | null;
  readonly deployment: Deployment | null;
  /** Null where the provider does not tell. */
  readonly instances: readonly Instance[] | null;
  readonly warmMin: number;
  readonly versions: readonly Version[];
  /** What else a reader should know: the engine, a region. */
  readonly facts: JsonObject;
  /** What must be known to judge figures of it; left out where the provider's limits say all there is. */
  readonly notes?: readonly string[];
}

/** One request as the platform saw it. */
export interface RequestRecord {
  readonly method: string;
  readonly path: string;
  /** 499 if the client went away before there was an answer. */
  readonly status: number;
  /** From its arrival to the first byte of the answer; null if the platform itself answered. */
  readonly waitedMs: number | null;
  /** From its arrival to the end of the answer. */
  readonly totalMs: number;
  /** Why the platform itself answered; null if an instance did. */
  readonly problem: string | null;
  /** What the instance says of itself in the answer's headers, by their names. */
  readonly evidence: {readonly [header: string]: string};
}

/** One line that an instance wrote, or that is about it. */
export interface LogLine {
  /** ISO 8601. */
  readonly at: string;
  readonly instance: string;
  readonly stream: 'stdout' | 'stderr' | 'platform' | 'request';
  readonly text: string;
  /** Of the stream `request` only. */
  readonly request?: RequestRecord;
}

/** Which log lines are wanted. */
export interface LogQuery {
  /** Milliseconds since the epoch; null means from the beginning. */
  readonly sinceMs: number | null;
  /** Go on with new lines until the signal fires. */
  readonly follow: boolean;
  /** With `follow`: have each request noted as well, where the provider can. */
  readonly requests?: boolean;
  /** Called once everything that happens from now on will be given. */
  readonly onFollowing?: () => void;
}

/** What a provider itself recorded of one start of an instance, in milliseconds. */
export interface StartupRecord {
  readonly bootId: string;
  /** Named as the provider names them: `create`, `listen`, `Init Duration`. */
  readonly phases: {readonly [name: string]: number};
  /** Whether the instance was made because a request waited. */
  readonly onDemand: boolean;
}
