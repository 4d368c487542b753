import type {FunctionSpec} from '../../../core/function.ts';
import {makePlan, type Plan} from '../../../core/plan.ts';
import {formatDuration} from '../../../core/units.ts';
import type {Have} from '../inspect/have.ts';
import {foundOf, isToAdopt} from '../inspect/findings.ts';
import {monthlySnapshotUsd, monthlyWarmUsd} from '../prices.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {architectureOf} from '../wanted/settings.ts';
import {wantedTriggers} from '../wanted/triggers.ts';
import {authOf} from './access.ts';
import {planAdoption} from './adopt.ts';
import {addUploadsTidying} from './archive-bucket.ts';
import {addCode} from './code.ts';
import {openDraft, placeOf} from './draft.ts';
import {addFunction} from './function.ts';
import {addLogGroup} from './log-group.ts';
import {addPruning} from './prune.ts';
import {refuseBeyondQuota} from './quota.ts';
import {refuseSettings, refuseSources, refuseTaken} from './refuse.ts';
import {addRole, addUnneededPolicies} from './role.ts';
import {addTags} from './tags.ts';
import {addTriggers} from './triggers.ts';

/**
 * What brings the function to what is wanted, from what there is. Each difference is named by one step: the first one
 * that writes it.
 *
 * @throws ThawError CONFIG_INVALID that names every setting Lambda does not take, and every source of events that is not
 *   there; PROVIDER_CONFLICT if something has a name that thaw needs and is not thaw's
 */
export function planDeploy(fn: FunctionSpec, options: AwsOptions, have: Have): Plan {
  refuseSettings(fn, options);
  refuseTaken(fn, options, have);
  const found = foundOf(have);
  if (found !== null && isToAdopt(found, options)) return planAdoption(fn, options, have, found);
  refuseSources(fn, have);
  refuseBeyondQuota(fn, found, have);
  const draft = openDraft(fn.name, options, have);
  addLogGroup(draft);
  const code = addCode(draft, fn);
  addRole(draft, fn);
  addTags(draft);
  const publishes = addFunction(draft, fn, code);
  addTriggers(draft, fn, found);
  addUnneededPolicies(draft, fn);
  addUploadsTidying(draft);
  if (found !== null) addPruning(draft, fn, found, publishes);
  const arm = architectureOf(fn.platform) === 'arm64';
  const {memoryMb} = fn.resources;
  return makePlan('aws', fn.name, draft.steps, {
    ...placeOf(have),
    auth:
      authOf(fn.triggers) === 'none'
        ? 'anybody may call it'
        : 'only who signs requests with AWS credentials may call it',
    ...queueAdvice(fn, have),
    ...(options.snapStart ? {snapshotUsdPerMonth: roundUsd(monthlySnapshotUsd(memoryMb))} : {}),
    ...(fn.warm.min > 0 ? {warmUsdPerMonth: roundUsd(monthlyWarmUsd(memoryMb, fn.warm.min, arm))} : {}),
  });
}

/** A message is to be hidden for longer than it takes to try it several times, as AWS advises. */
const HIDDEN_TIMEOUTS = 6;

function queueAdvice(fn: FunctionSpec, {account, triggers}: Have): {queues?: string[]} {
  const {mappings} = wantedTriggers(fn.name, fn.triggers, account);
  const advice = mappings.flatMap(({arn, name, settings: {batchWindowMs}}) => {
    const hiddenMs = triggers.queues.find((each) => each.arn === arn)?.visibilityMs ?? null;
    const advisedMs = HIDDEN_TIMEOUTS * fn.resources.timeoutMs + batchWindowMs;
    if (hiddenMs === null || hiddenMs >= advisedMs) return [];
    const [hidden, advised] = [formatDuration(hiddenMs), formatDuration(advisedMs)];
    return [`${name}: its visibility timeout is ${hidden}, and AWS advises ${advised}`];
  });
  return advice.length === 0 ? {} : {queues: advice};
}

const roundUsd = (usd: number): number => Math.round(usd * 100) / 100;
