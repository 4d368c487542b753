import type {JsonObject} from '../../../core/json.ts';

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

/** What a cloud allows a function to ask for, and what it is called. */
export const CLOUD_LIMITS: {
  readonly [cloud in Cloud]: {
    readonly name: string;
    readonly timeoutMs: number;
    readonly concurrency: number;
  };
} = {
  lambda: {name: 'AWS Lambda', timeoutMs: 900_000, concurrency: 1},
  run: {name: 'Cloud Run', timeoutMs: 3_600_000, concurrency: 1000},
  azure: {name: 'Azure Functions', timeoutMs: 3_600_000, concurrency: 1000},
};

/** How long a cloud waits for an instance to take requests; null: a limit of its own begins the start anew. */
export const START_MS_MAX: {readonly [cloud in Cloud]: number | null} = {
  lambda: null,
  run: 240_000,
  azure: 60_000,
};

/** Whether the emulation itself sees to requests that take too long, and is waited for; else the gateway does. */
export const ENDS_LATE_REQUESTS: {readonly [cloud in Cloud]: boolean} = {
  lambda: true,
  run: true,
  azure: false,
};

const CONTRACTS: {readonly [cloud in Cloud]: string} = {
  lambda: 'AWS Lambda: events from a Runtime API, one at a time',
  run: 'Cloud Run: its variables, its headers, ten seconds to end',
  azure: 'Azure Functions: a custom handler that gets requests as they are',
};

/** What a reader must know of an emulation. */
export function emulationFacts(cloud: Cloud | null): JsonObject {
  return cloud === null ? {} : {emulates: CONTRACTS[cloud]};
}
