import type {Account} from './account.ts';
import type {SkippingClock} from './clock.ts';
import {Refusal} from './refusal.ts';
import type {Protocol} from './wire/message.ts';

/** How long things take, in milliseconds of the fake's clock. */
export interface Paces {
  /** A new function is Pending. */
  readonly createMs: number;
  /** A changed function is InProgress. */
  readonly updateMs: number;
  /** What was read before a change is read for so long after it. */
  readonly staleMs: number;
  /** A new version is Pending. */
  readonly publishMs: number;
  /** A new role cannot be assumed, and what was attached to one does not count. */
  readonly roleMs: number;
  /** Invocations still follow an alias to where it pointed before. */
  readonly aliasMs: number;
  /** Provisioned concurrency is IN_PROGRESS. */
  readonly provisionMs: number;
  /** An event source mapping is Creating, Updating or Deleting. */
  readonly mappingMs: number;
  /** A function's idle sandboxes are kept. */
  readonly idleMs: number;
  /** What was logged can be read. */
  readonly logMs: number;
}

export const PACES: Paces = {
  createMs: 5000,
  updateMs: 2000,
  staleMs: 300,
  publishMs: 1500,
  roleMs: 8000,
  aliasMs: 0,
  provisionMs: 20_000,
  mappingMs: 3000,
  idleMs: 10 * 60_000,
  logMs: 1000,
};

/** For programs that keep time by a clock of their own, such as a command line in a process of its own. */
export const QUICK_PACES: Paces = {
  createMs: 200,
  updateMs: 100,
  staleMs: 20,
  publishMs: 100,
  roleMs: 300,
  aliasMs: 0,
  provisionMs: 300,
  mappingMs: 100,
  idleMs: 10 * 60_000,
  logMs: 50,
};

/** What all services of one fake share. */
export interface Cloud {
  readonly clock: SkippingClock;
  readonly account: Account;
  readonly paces: Paces;
  /** Lists are given out in pages of at most so many. */
  readonly pageSize: number;
  /** Where the fake itself is. */
  readonly origin: () => string;
}

/** One request to a service, beside its input. */
export interface Call {
  readonly requestId: string;
  readonly headers: {readonly [name: string]: string};
}

/** What does the work: an operation's name, and what makes its output of its input. */
export type Handlers = {readonly [operation: string]: (input: never, call: Call) => unknown};

/** One service as the server needs it. */
export interface Service {
  /** What requests to it are signed for. */
  readonly scope: string;
  /** What its actions begin with in policies. */
  readonly prefix: string;
  readonly loadClient: () => Promise<object>;
  readonly protocol: (client: object) => Protocol;
  /** What it says when it is asked too often. */
  readonly throttled: {readonly type: string; readonly status: number; readonly message: string};
  readonly handlers: Handlers;
  /** Where the action that is needed has not the operation's name. */
  readonly actions?: {readonly [operation: string]: string};
  /** The ARN of what an operation is about. */
  resourceOf(operation: string, input: {readonly [member: string]: unknown}): string;
  /** What exists of it, by names that are the same whenever the same exists. */
  inventory(): readonly string[];
}

/** One page of a list. */
export function pageOf<T>(
  all: readonly T[],
  marker: string | undefined,
  wanted: number | undefined,
  sizeMax: number,
): {readonly page: T[]; readonly next: string | undefined} {
  const from = marker === undefined ? 0 : Number(Buffer.from(marker, 'base64').toString());
  if (!Number.isInteger(from)) throw new Refusal('InvalidParameterValueException', 'Invalid marker');
  const to = from + Math.min(wanted ?? sizeMax, sizeMax);
  return {
    page: all.slice(from, to),
    next: to < all.length ? Buffer.from(String(to)).toString('base64') : undefined,
  };
}

export type TagList = readonly {readonly Key?: string | undefined; readonly Value?: string | undefined}[];

/** Puts tags over others. */
export function addTags(tags: Map<string, string>, added: TagList | undefined): void {
  for (const {Key = '', Value = ''} of added ?? []) tags.set(Key, Value);
}

export const listTags = (tags: ReadonlyMap<string, string>): {Key: string; Value: string}[] =>
  [...tags].map(([Key, Value]) => ({Key, Value}));
