import type {Warmth} from '../../../core/function.ts';
import type {Arg, Change} from '../../../core/plan.ts';
import type {FunctionFound, VersionFound} from '../have.ts';
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

/**
 * Versions that are of no use: a forced cold start leaves a twin of the live version behind. Of twins the live one
 * counts, else the newest.
 */
export function spareTwins({versions, live}: FunctionFound): readonly VersionFound[] {
  const byVersion = new Map(versions.map((version) => [version.version, version]));
  const rootOf = (version: VersionFound): string => {
    const before = version.replaces === null ? undefined : byVersion.get(version.replaces);
    return before === undefined ? (version.replaces ?? version.version) : rootOf(before);
  };
  const families = new Map<string, VersionFound[]>();
  for (const version of versions) {
    const root = rootOf(version);
    families.set(root, [...(families.get(root) ?? []), version]);
  }
  return [...families.values()].flatMap((family) => {
    const kept = family.find(({version}) => version === live) ?? family.at(-1);
    return family.filter((version) => version !== kept);
  });
}

/** Adds the deletion of versions that a forced cold start has left behind, but for the one that is live until now. */
export function addTidying(draft: Draft, found: FunctionFound): void {
  for (const {version} of spareTwins(found)) {
    if (version === found.live) continue;
    const why = 'a forced cold start left it behind';
    draft.add(`tidy-${version}`, 'lambda:DeleteFunction', {name: draft.name, version}, [], why);
  }
}
