import type {FunctionRef} from '../../../core/driver.ts';
import type {FunctionSpec, Warmth} from '../../../core/function.ts';
import type {FunctionFound, Have} from '../inspect/have.ts';
import {refuse, type Refused} from './refuse.ts';

/** So many instances have to be left to functions that reserve none, at least: accounts differ, and Lambda knows. */
const UNRESERVED_MIN = 10;

/**
 * How many instances are reserved: as many as there may be. None, where the account has no more anyway; where its quota
 * may not be seen, Lambda has the last word.
 */
export const reservedFor = ({scaling}: FunctionSpec, {concurrency}: Have): number | null =>
  concurrency === null || scaling.maxInstances < concurrency.max ? scaling.maxInstances : null;

/** @throws ThawError CONFIG_INVALID for what the account's quota cannot give, before anything is written */
export function refuseBeyondQuota(fn: FunctionSpec, found: FunctionFound | null, have: Have): void {
  const reserved = reservedFor(fn, have);
  refuse(
    fn.name,
    reserved === null
      ? warmthProblems(fn.warm, found, have)
      : tooMany('scaling.max', reserved, 'reserved', found, have),
  );
}

/** The same of warmth alone. */
export function refuseWarmthBeyondQuota(
  {name}: FunctionRef,
  warm: Warmth,
  found: FunctionFound,
  have: Have,
): void {
  if (found.reserved === null) refuse(name, warmthProblems(warm, found, have));
}

const warmthProblems = ({min, schedule}: Warmth, found: FunctionFound | null, have: Have): Refused[] => [
  ...tooMany('warm.min', min, 'kept ready', found, have),
  ...schedule.flatMap((window, index) =>
    tooMany(`warm.schedule.${index}.min`, window.min, 'kept ready', found, have),
  ),
];

/** What the function has it may keep, and have in another way. */
function tooMany(
  path: string,
  wanted: number,
  what: string,
  found: FunctionFound | null,
  {concurrency}: Have,
): Refused[] {
  const provisioned = (found?.provisioned ?? []).reduce((sum, {requested}) => sum + requested, 0);
  const own = Math.max(found?.reserved ?? 0, provisioned);
  if (concurrency === null || wanted <= own) return [];
  const {max, unreserved} = concurrency;
  const free = Math.min(max, unreserved + own);
  const most = Math.max(0, free - UNRESERVED_MIN);
  if (wanted <= most) return [];
  const others = max - free === 0 ? '' : `${max - free} of them are reserved for others, `;
  const message = `${wanted} cannot be ${what}, ${most} at most: the account may have ${max} instances at once, ${others}and at least ${UNRESERVED_MIN} have to stay unreserved`;
  return [{path, message}];
}
