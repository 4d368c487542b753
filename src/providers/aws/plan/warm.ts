import type {FunctionRef} from '../../../core/driver.ts';
import type {Warmth} from '../../../core/function.ts';
import {makePlan, type Plan} from '../../../core/plan.ts';
import type {Have} from '../inspect/have.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {monthlyWarmUsd} from '../prices.ts';
import {openDraft, placeOf} from './draft.ts';
import {refuseWarmthBeyondQuota} from './quota.ts';
import {deployed, refuseWarmth} from './refuse.ts';
import {addWarmth, warmChanges, warmOf} from './warmth.ts';

/**
 * Keeps instances of the live version ready. The plan says what that costs.
 *
 * @throws ThawError NOT_DEPLOYED; CONFIG_INVALID for more than there may be, by scaling.max or by the account's quota, or a
 *   schedule that AWS cannot have
 */
export function planWarm(fn: FunctionRef, options: AwsOptions, have: Have, wish: Warmth): Plan {
  const found = deployed(fn, options, have);
  refuseWarmth(fn, wish, found);
  refuseWarmthBeyondQuota(fn, wish, found, have);
  const draft = openDraft(fn.name, options, have);
  const before = warmOf(found, found.live);
  addWarmth(draft, found.live, before, wish, warmChanges(before, wish));
  const memoryMb = Number(found.latest['resources.memoryMb'] ?? 0);
  const usd = monthlyWarmUsd(memoryMb, wish.min, found.latest['platform'] === 'arm64');
  return makePlan('aws', fn.name, draft.steps, {
    ...placeOf(have),
    ...(wish.min > 0 ? {warmUsdPerMonth: Math.round(usd * 100) / 100} : {}),
  });
}
