import type {FunctionRef} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {makePlan, type Plan} from '../../../core/plan.ts';
import {liveVersion, twinsOf} from '../inspect/findings.ts';
import type {Have, VersionFound} from '../inspect/have.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {openDraft, placeOf} from './draft.ts';
import {addGoingLive} from './live.ts';
import {deployed} from './refuse.ts';
import {warmthOf} from './warmth.ts';

/**
 * Moves the alias to an earlier version.
 *
 * @throws ThawError NOT_DEPLOYED, also if there is no such version
 */
export function planRollback(fn: FunctionRef, options: AwsOptions, have: Have, to: string | null): Plan {
  const found = deployed(fn, options, have);
  const twins = twinsOf(found);
  const versions = found.versions.filter((version) => !twins.includes(version));
  const earlier = versions.filter(({version}) => Number(version) < Number(found.live));
  const target: VersionFound | undefined =
    to === null ? earlier.at(-1) : versions.find(({version}) => version === to);
  if (target === undefined) {
    const known = versions.map(({version}) => version);
    const wanted = to === null ? `version before ${found.live}` : `version ${to}`;
    const message = `${fn.name} has no ${wanted} on aws; it has ${known.join(', ')}`;
    throw new ThawError('NOT_DEPLOYED', message, {
      provider: 'aws',
      function: fn.name,
      versions: known,
      live: found.live,
    });
  }
  if (target.version === found.live) return makePlan('aws', fn.name, [], placeOf(have));
  const draft = openDraft(fn.name, options, have);
  const live = liveVersion(found);
  addGoingLive(draft, {
    version: target.version,
    found,
    warm: warmthOf(found),
    warmChanges: [],
    changes: [
      {path: 'version', from: found.live, to: target.version},
      ...(live?.image === target.image ? [] : [{path: 'image', from: live?.image ?? null, to: target.image}]),
    ],
    why: `version ${target.version} shall be live again`,
    reserved: found.reserved,
  });
  return makePlan('aws', fn.name, draft.steps, placeOf(have));
}
