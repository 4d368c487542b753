import type {Arg, Change, Step} from '../../../core/plan.ts';
import type {Have} from '../have.ts';
import {OWNER_TAG} from '../names.ts';
import type {AwsOptions} from '../options.ts';

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
