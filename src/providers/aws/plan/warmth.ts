import type {Warmth} from '../../../core/function.ts';
import {sameJson, type Json} from '../../../core/json.ts';
import type {Arg, Change} from '../../../core/plan.ts';
import {toAwsCron} from '../wanted/cron.ts';
import type {FunctionFound, ScheduleFound} from '../inspect/have.ts';
import type {Draft} from './draft.ts';
import {namedOnce} from './named.ts';

type Action = ScheduleFound['actions'][number];

/** How warm a version is kept: by its schedule, if it has one, which sets the number of instances itself. */
export type WarmFound = {
  /** What is kept ready always. */
  readonly min: number;
  /** What is kept ready now. */
  readonly requested: number;
  readonly actions: readonly Action[];
  readonly ready: boolean;
};

export function warmOf(fn: FunctionFound | null, version: string | null): WarmFound {
  const provisioned = fn?.provisioned.find((config) => config.version === version);
  const actions = fn?.schedules.find((schedule) => schedule.version === version)?.actions ?? [];
  const downs = actions.filter(({name}) => name.endsWith('-down')).map(({min}) => min);
  return {
    min: downs.length > 0 ? Math.min(...downs) : (provisioned?.requested ?? 0),
    requested: provisioned?.requested ?? 0,
    actions,
    ready: provisioned === undefined || provisioned.status === 'READY',
  };
}

/** What Application Auto Scaling is to do: at the beginning of each window, and at its end. */
function actionsFor({min, schedule}: Warmth): Action[] {
  return schedule
    .flatMap((window, index) => [
      {
        name: `thaw-${index}-up`,
        schedule: toAwsCron(window.up) ?? window.up,
        timezone: window.timezone,
        min: window.min,
      },
      {
        name: `thaw-${index}-down`,
        schedule: toAwsCron(window.down) ?? window.down,
        timezone: window.timezone,
        min,
      },
    ])
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** What differs between how warm a function is and shall be. */
export function warmChanges(have: WarmFound, wish: Warmth): Change[] {
  const actions = actionsFor(wish);
  return [
    ...(have.min === wish.min ? [] : [{path: 'warm.min', from: have.min, to: wish.min}]),
    ...(sameJson(have.actions.map(withoutBase(have.min)), actions.map(withoutBase(wish.min)))
      ? []
      : [{path: 'warm.schedule', from: have.actions as Json, to: actions as Json}]),
  ];
}

/** The end of a window leads back to `warm.min`, whose change is named already. */
const withoutBase =
  (base: number) =>
  (action: Action): Json =>
    action.name.endsWith('-down') && action.min === base ? {...action, min: null} : action;

/**
 * Adds what keeps a version as warm as is wished.
 *
 * @param changes what it means to a reader: said by the first step
 * @param now how many are to be kept ready at once: in the middle of a window more than always
 */
export function addWarmth(
  draft: Draft,
  version: Arg,
  have: WarmFound,
  wish: Warmth,
  changes: readonly Change[],
  now = wish.min,
): void {
  const {name, add} = draft;
  const named = namedOnce(changes);
  const which = {name, version};
  const actions = actionsFor(wish);
  const scheduled = !sameJson(have.actions, actions);
  if (have.actions.length > 0 && actions.length === 0) {
    const why = 'nothing is to be done by the clock any more';
    add('unschedule', 'application-autoscaling:DeregisterScalableTarget', which, named(), why);
  }
  // Where the clock decides, what is under way is the clock's doing.
  const unready = !have.ready && have.actions.length === 0;
  if (now > 0 && (have.min !== wish.min || have.requested < now || unready)) {
    const why = `${now} shall be kept ready`;
    add('warm', 'lambda:PutProvisionedConcurrencyConfig', {...which, min: now}, named(), why);
    add('warmed', 'lambda:WaitProvisioned', {...which, min: now}, [], 'until then requests can be cold');
  }
  if (now === 0 && (have.min > 0 || (have.actions.length > 0 && actions.length === 0))) {
    const why = 'nothing is to be kept ready';
    add('cool', 'lambda:DeleteProvisionedConcurrencyConfig', which, named(), why);
  }
  if (actions.length === 0 || !scheduled) return;
  const most = Math.max(wish.min, ...wish.schedule.map(({min}) => min));
  const target = {...which, min: wish.min, max: most};
  add(
    'schedule',
    'application-autoscaling:RegisterScalableTarget',
    target,
    named(),
    'instances are kept ready by the clock',
  );
  for (const action of actions) {
    if (have.actions.some((found) => sameJson(found, action))) continue;
    const {name: actionName, schedule, timezone, min} = action;
    const why = `${min} from then on`;
    const args = {...which, action: actionName, schedule, timezone, min};
    add(`schedule-${actionName}`, 'application-autoscaling:PutScheduledAction', args, named(), why);
  }
  for (const {name: stale} of have.actions.filter((found) => !actions.some((a) => a.name === found.name))) {
    const why = 'it is in the schedule no more';
    const args = {...which, action: stale};
    add(`schedule-${stale}`, 'application-autoscaling:DeleteScheduledAction', args, named(), why);
  }
}

/** Adds what lets go of a version that is live no more. */
export function addCooling(draft: Draft, version: string, have: WarmFound): void {
  const which = {name: draft.name, version};
  const why = `version ${version} is live no more`;
  if (have.actions.length > 0) {
    draft.add('unschedule-old', 'application-autoscaling:DeregisterScalableTarget', which, [], why);
  }
  if (have.requested > 0 || have.actions.length > 0) {
    draft.add('cool-old', 'lambda:DeleteProvisionedConcurrencyConfig', which, [], why);
  }
}

/** How warm the live version is kept, for the version that takes its place. */
export function warmthOf(found: FunctionFound): Warmth {
  const {min, actions} = warmOf(found, found.live);
  const ups = actions.filter(({name}) => name.endsWith('-up'));
  const schedule = ups.flatMap((up) => {
    const down = actions.find(({name}) => name === up.name.replace(/-up$/, '-down'));
    return down === undefined
      ? []
      : [{up: up.schedule, down: down.schedule, timezone: up.timezone, min: up.min}];
  });
  return {min, schedule};
}
