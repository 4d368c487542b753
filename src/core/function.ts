import type {Archive} from './archive.ts';
import type {Digest, Fingerprint} from './digest.ts';
import type {Platform} from './image.ts';

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

/** What may call a function. Event sources are named by the provider that has them. */
export type Trigger =
  | {readonly kind: 'http'; readonly auth: 'iam' | 'none'}
  | {readonly kind: 'schedule'; readonly cron: string}
  | {readonly kind: 'event'; readonly source: string; readonly name: string};

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
