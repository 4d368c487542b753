import type {Archive} from './archive.ts';
import type {Digest, Fingerprint} from './digest.ts';
import type {Platform} from './image.ts';
import type {Json, JsonObject} from './json.ts';

/** A cron schedule under which a deployment is kept warm with `min` instances. */
export interface WarmWindow {
  readonly up: string;
  readonly down: string;
  readonly timezone: string;
  readonly min: number;
}

/** How many instances are kept ready: always, or inside windows. */
export interface Warmth {
  readonly min: number;
  readonly schedule: readonly WarmWindow[];
}

/** What happens to a file that a function can be called for. */
export const FILE_EVENTS = ['created', 'removed'] as const;
/** Where a stream can be begun to be read, by its provider's own words. */
export const STARTING_POSITIONS = ['latest', 'trim-horizon'] as const;

/** What can be said of an event source beside its name. Left out, it is as the provider has it. */
export type EventOptions = {
  /** Records in one call at most. */
  readonly batchSize?: number;
  /** How long records are gathered for a call. */
  readonly batchWindowMs?: number;
  /** Calls at a time at most. */
  readonly maximumConcurrency?: number;
  /** Patterns in the provider's own language: a record is handed over if it fits one of them. */
  readonly filter?: readonly JsonObject[];
  /** Of a stream that nobody has read for this function yet. */
  readonly startingPosition?: (typeof STARTING_POSITIONS)[number];
  /** What the names of files end in; what they begin with belongs to the source's name. */
  readonly suffix?: string;
  readonly events?: readonly (typeof FILE_EVENTS)[number][];
};

/** A queue, a stream, a bucket: whatever a provider has whose records or files a function is called for. */
export type EventTrigger = EventOptions & {
  readonly kind: 'event';
  /** Named by the provider that has it. */
  readonly source: string;
  readonly name: string;
};

/** What may call a function. */
export type Trigger =
  | {readonly kind: 'http'; readonly auth: 'iam' | 'none'}
  /** With `input` the function is handed that. */
  | {readonly kind: 'schedule'; readonly cron: string; readonly input?: Json}
  | EventTrigger;

/** What can be said of triggers beside their names, where a provider takes it. */
export type TriggerOption = keyof EventOptions | 'input';

/** Where the value of a secret comes from; the value itself is never in a config, an image, a plan or a log. */
export type SecretSource = string;

/**
 * The user's function as every driver sees it: complete (no defaults left to fill in), plain JSON, and without
 * the value of any environment variable.
 */
export interface FunctionSpec {
  readonly schema: 'thaw.function/1';
  readonly name: string;
  /** The image manifest's digest. */
  readonly image: Digest;
  /** What the image runs on; left out where nobody has looked. */
  readonly platform?: Platform;
  /** The image's contents in the form that the provider asked for; left out where it runs the image itself. */
  readonly archive?: Archive;
  readonly resources: {
    readonly memoryMb: number;
    readonly timeoutMs: number;
    /** Virtual CPUs; null leaves it to the provider. */
    readonly cpu: number | null;
    /** Requests that one instance serves at a time. */
    readonly concurrency: number;
  };
  readonly scaling: {readonly maxInstances: number};
  readonly warm: Warmth;
  /** Declared environment and secrets taken from the environment, by fingerprint of their value. */
  readonly env: {readonly [name: string]: Fingerprint};
  /** Secrets that the provider itself resolves, by reference. */
  readonly secrets: {readonly [name: string]: SecretSource};
  readonly triggers: readonly Trigger[];
}
