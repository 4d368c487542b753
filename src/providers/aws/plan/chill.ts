import type {FunctionRef} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {makePlan, type Arg, type Plan} from '../../../core/plan.ts';
import type {FunctionFound, Have, VersionFound} from '../have.ts';
import type {AwsOptions} from '../options.ts';
import {CODE} from '../settings.ts';
import type {Code} from './code.ts';
import {openDraft, placeOf} from './draft.ts';
import {addGoingLive, addTidying, spareTwins} from './live.ts';
import {deployed} from './refuse.ts';
import {warmthOf} from './warmth.ts';

/**
 * Makes the next request cold: a twin of the live version, of which no instance can be there yet, goes live in its
 * place. The one before is deleted by the next plan that moves the alias, when no request can be on its way to it.
 *
 * @throws ThawError NOT_DEPLOYED
 */
export function planChill(fn: FunctionRef, options: AwsOptions, have: Have): Plan {
  const found = deployed(fn, options, have);
  const {name} = fn;
  if (!found.ours) {
    const message = `no start of ${name} can be forced to be cold: thaw did not make it, and changes no settings of it`;
    throw new ThawError('PROVIDER_CONFLICT', message, {provider: 'aws', reason: 'adopt', function: name});
  }
  const draft = openDraft(name, options, have);
  const live = found.versions.find(({version}) => version === found.live);
  const nonce = found.live;
  let revision: Arg = found.revision;
  if (found.lastUpdate === 'InProgress' || found.state === 'Pending') {
    const anything = {configuration: null, image: null, nonce: null};
    const args = {name, expected: anything, afterFailure: true};
    draft.add('settled', 'lambda:WaitFunctionUpdated', args, [], 'an earlier change is under way');
    revision = {$ref: 'settled.revision'};
  }
  const code = codeOfLive(found, live);
  if (code.args !== null) {
    const args = {name, ...code.args, expected: null, revision};
    draft.add('code', 'lambda:UpdateFunctionCode', args, [], 'the newest code is not the live one');
    const expected = {configuration: null, ...code.expected, nonce: null};
    draft.add(
      'coded',
      'lambda:WaitFunctionUpdated',
      {name, expected, after: revision},
      [],
      'nothing else can be written before',
    );
    revision = {$ref: 'coded.revision'};
  }
  const why = 'a version that never ran has no instance that could be warm';
  draft.add(
    'nonce',
    'lambda:UpdateFunctionConfiguration',
    {name, like: found.live, nonce, revision},
    [],
    why,
  );
  const expected = {configuration: null, ...code.expected, nonce};
  draft.add(
    'settled-nonce',
    'lambda:WaitFunctionUpdated',
    {name, expected, after: revision},
    [],
    'it cannot be published before',
  );
  draft.add('publish', 'lambda:PublishVersion', {name, expected}, [], 'only a version can be live');
  const version = {$ref: 'publish.version'};
  draft.add('published', 'lambda:WaitVersionActive', {name, version}, [], 'it answers no request before');
  const warm = warmthOf(found);
  addGoingLive(draft, {
    version,
    found,
    warm,
    warmChanges: [],
    changes: [],
    why: 'the next request shall find no instance',
    reserved: found.reserved,
  });
  addTidying(draft, found);
  return makePlan('aws', name, draft.steps, {
    ...placeOf(have),
    ...(warm.min > 0
      ? {warmMin: warm.min, note: `${warm.min} are kept ready: the next request is prewarmed`}
      : {}),
  });
}

/** What the live version runs: how it is told from other code, and what writes it where the newest is another. */
function codeOfLive(
  {live, latest, packageType, imageUri}: FunctionFound & {readonly live: string},
  version: VersionFound | undefined,
): Pick<Code, 'expected'> & {readonly args: {readonly [key: string]: Arg} | null} {
  const {settings, image = null} = version ?? {};
  const architecture = settings?.['platform'] ?? 'x86_64';
  const isOther = (path: string): boolean => settings?.[path] !== latest[path];
  if (packageType === 'Zip') {
    const codeSha256 = settings?.[CODE];
    if (typeof codeSha256 !== 'string') return {expected: {image: null}, args: null};
    const differs = isOther(CODE) || isOther('platform');
    // Nobody but Lambda has an archive that was deployed long ago.
    const args = differs ? {image, codeSha256, from: live, architecture} : null;
    return {expected: {image: null, codeSha256}, args};
  }
  const repository = imageUri?.split('@')[0] ?? null;
  const differs = image !== null && repository !== null && (isOther('image') || isOther('platform'));
  const args = differs ? {image, imageUri: `${repository}@${image}`, architecture} : null;
  return {expected: {image}, args};
}

/**
 * Moves the alias to an earlier version.
 *
 * @throws ThawError NOT_DEPLOYED, also if there is no such version
 */
export function planRollback(fn: FunctionRef, options: AwsOptions, have: Have, to: string | null): Plan {
  const found = deployed(fn, options, have);
  const spare = spareTwins(found);
  const versions = found.versions.filter((version) => !spare.includes(version));
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
  const live = found.versions.find(({version}) => version === found.live);
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
