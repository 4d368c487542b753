/** Clouds whose way of running functions can be imitated. */
export const CLOUDS = ['lambda', 'run', 'azure'] as const;
export type Cloud = (typeof CLOUDS)[number];

/** What instances are told of the cloud that they find themselves at. */
export type Emulation = {
  readonly cloud: Cloud;
  readonly function: string;
  readonly version: string;
  /** What the function may take for one answer. */
  readonly timeoutMs: number;
};

/** How long a cloud waits for an instance to take requests. Lambda's own limit begins the start anew. */
export const START_MS_MAX: {readonly [cloud in Cloud]: number | null} = {
  lambda: null,
  run: 240_000,
  azure: 60_000,
};

/** What a cloud's own limits are, beyond which a function cannot be deployed there. */
export const CLOUD_LIMITS: {
  readonly [cloud in Cloud]: {readonly timeoutMs: number; readonly concurrency: number};
} = {
  lambda: {timeoutMs: 900_000, concurrency: 1},
  run: {timeoutMs: 3_600_000, concurrency: 1000},
  azure: {timeoutMs: 3_600_000, concurrency: 1000},
};
