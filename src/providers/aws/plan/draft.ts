import type {Arg, Change, Step} from '../../../core/plan.ts';
import type {FunctionFound, Have} from '../inspect/have.ts';
import {OWNER_TAG} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';

/** A plan while it is being made. */
export interface Draft {
  readonly name: string;
  readonly options: AwsOptions;
  readonly have: Have;
  readonly steps: readonly Step[];
  /** Adds a step; every one says where it is to be done. */
  readonly add: (
    id: string,
    op: string,
    args: {readonly [key: string]: Arg},
    changes: readonly Change[],
    why: string,
  ) => void;
}

export function openDraft(name: string, options: AwsOptions, have: Have): Draft {
  const steps: Step[] = [];
  const at = {region: have.account.region, profile: options.profile};
  return {
    name,
    options,
    have,
    steps,
    add: (id, op, args, changes, why) => void steps.push({id, op, args: {at, ...args}, changes, why}),
  };
}

/** Waits for an earlier change that is under way, and says which revision the next one is made to. */
export function addSettled({name, add}: Draft, found: FunctionFound): Arg {
  if (found.lastUpdate !== 'InProgress' && found.state !== 'Pending') return found.revision;
  const anything = {configuration: null, image: null, nonce: null};
  const args = {name, expected: anything, afterFailure: true};
  add('settled', 'lambda:WaitFunctionUpdated', args, [], 'an earlier change is under way');
  return {$ref: 'settled.revision'};
}

/** What everything that thaw makes is tagged with. */
export const tagsFor = ({name, options}: Draft): {[key: string]: string} => ({
  ...options.tags,
  [OWNER_TAG]: name,
});

/** Something that is made. */
export const made = (path: string, to: string): Change[] => [{path, from: null, to}];
/** Something that is deleted. */
export const gone = (path: string, from: string): Change[] => [{path, from, to: null}];

/** Where a plan happens, for who reads it. */
export const placeOf = ({account}: Have): {region: string; account: string} => ({
  region: account.region,
  account: account.id,
});
