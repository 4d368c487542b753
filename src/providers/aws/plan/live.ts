import type {Warmth} from '../../../core/function.ts';
import type {Arg, Change} from '../../../core/plan.ts';
import type {FunctionFound} from '../inspect/have.ts';
import type {Draft} from './draft.ts';
import {addCooling, addWarmth, warmOf, type WarmFound} from './warmth.ts';

const COLD: WarmFound = {min: 0, requested: 0, actions: [], ready: true};

/** What goes live, and what it takes over from. */
export interface GoingLive {
  readonly version: Arg;
  readonly found: FunctionFound | null;
  readonly warm: Warmth;
  readonly warmChanges: readonly Change[];
  /** Said by the step that moves the alias. */
  readonly changes: readonly Change[];
  readonly why: string;
  /** Instances that there may be of all versions together; null: as many as the account may have. */
  readonly reserved: number | null;
}

/**
 * Adds the steps that let requests go to another version. What is kept ready is ready there before the alias moves, so
 * that nobody notices; unless both versions together would have more instances than there may be.
 */
export function addGoingLive(draft: Draft, going: GoingLive): void {
  const {version, found, warm, warmChanges, changes, why, reserved} = going;
  const {name, add} = draft;
  const from = found?.live ?? null;
  const before = warmOf(found, from);
  const most = Math.max(warm.min, ...warm.schedule.map(({min}) => min));
  const inWindow = before.actions.length > 0 && warm.schedule.length > 0;
  const now = inWindow ? Math.min(most, Math.max(warm.min, before.requested)) : warm.min;
  const fits = reserved === null || before.requested + now <= reserved;
  const moving = (): void => {
    if (from === null) add('alias', 'lambda:CreateAlias', {name, version}, changes, why);
    else add('alias', 'lambda:UpdateAlias', {name, version, from}, changes, why);
  };
  const already = typeof version === 'string' ? warmOf(found, version) : COLD;
  if (fits) {
    addWarmth(draft, version, already, warm, warmChanges, now);
    moving();
    if (from !== null) addCooling(draft, from, before);
  } else {
    // The old version keeps answering, but what it kept ready has to go first.
    if (from !== null) addCooling(draft, from, before);
    moving();
    addWarmth(draft, version, already, warm, warmChanges, now);
  }
}
