import type {ColdStart, FunctionRef} from '../../../core/driver.ts';
import {ThawError} from '../../../core/errors.ts';
import {makePlan, type Arg, type Plan} from '../../../core/plan.ts';
import {deploymentOf, invokeUrl} from '../live/deployment.ts';
import {handleOf} from '../live/handle.ts';
import {liveVersion} from '../inspect/findings.ts';
import type {FunctionFound, Have, VersionFound} from '../inspect/have.ts';
import {coldAlias, nonceFor} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {CODE} from '../wanted/settings.ts';
import {PUBLIC} from './access.ts';
import {addSending, addUploadsTidying, type ArchiveToSend} from './archive-bucket.ts';
import type {Code} from './code.ts';
import {addSettled, openDraft, placeOf, type Draft} from './draft.ts';
import {deployed, notDeployed} from './refuse.ts';
import {addTidying} from './twins.ts';
import {warmOf} from './warmth.ts';

type Live = FunctionFound & {readonly live: string};

/**
 * Makes a twin of the live version, of which no instance can be there yet, and gives it a door like the live version's:
 * an alias with a URL of its own, or, where it is asked directly, its number. Nobody else asks it. Twins of before are
 * deleted first.
 *
 * @throws ThawError NOT_DEPLOYED; PROVIDER_CONFLICT if thaw did not make the function; CONFIG_INVALID if every instance that
 *   there may be is kept ready for the live version
 */
export function planChill(fn: FunctionRef, options: AwsOptions, have: Have): ColdStart {
  const found = deployed(fn, options, have);
  const deployment = deploymentOf(fn, options, have, found);
  if (deployment === null) throw notDeployed(fn, have);
  refuseToMark(fn, found);
  refuseWithoutRoom(fn, found);
  const {name} = fn;
  const draft = openDraft(name, options, have);
  addTidying(draft, found);
  const nonce = nonceFor(found);
  const version = addTwin(draft, found, nonce);
  const handle = handleOf(deployment);
  const alias = coldAlias(nonce);
  const byUrl = handle.via === 'url';
  const url = byUrl
    ? addDoor(draft, alias, version, handle.auth)
    : {$join: [invokeUrl(have.account, name, ''), version]};
  return {
    plan: makePlan('aws', name, draft.steps, placeOf(have)),
    deployment: {...deployment, url, version, handle: {...handle, qualifier: byUrl ? alias : version}},
  };
}

/**
 * A twin is published from what the function's owner edits and may ask: its settings and code would be those of the live
 * version, with the mark, and what the owner has not published yet would be lost.
 */
function refuseToMark({name}: FunctionRef, {ours}: FunctionFound): void {
  if (ours) return;
  const message = `no start of ${name} can be forced to be cold: thaw did not make it, and changes no settings of it`;
  throw new ThawError('PROVIDER_CONFLICT', message, {provider: 'aws', reason: 'adopt', function: name});
}

/** A twin needs an instance beside those that are kept ready. */
function refuseWithoutRoom({name}: FunctionRef, found: Live): void {
  const {requested} = warmOf(found, found.live);
  if (found.reserved === null || requested < found.reserved) return;
  const path = ['scaling', 'maxInstances'];
  const message = `all ${found.reserved} instances that there may be are kept ready for the live version: none is left to start cold`;
  throw new ThawError('CONFIG_INVALID', `${name}: ${message}`, {
    problems: [{path, message}],
    provider: 'aws',
  });
}

/** Publishes what the live version is, but for a variable that no version had before. */
function addTwin(draft: Draft, found: Live, nonce: string): {readonly $ref: string} {
  const {name, add} = draft;
  const live = liveVersion(found);
  let revision = addSettled(draft, found);
  const code = codeOfLive(found, live);
  if (code.args !== null) {
    const sending = code.archive === null ? null : addSending(draft, code.archive);
    const args = {name, ...code.args, ...sending?.args, expected: null, revision};
    add('code', 'lambda:UpdateFunctionCode', args, [], 'the newest code is not the live one');
    const expected = {configuration: null, ...code.expected, nonce: null};
    const wait = {name, expected, after: revision};
    add('coded', 'lambda:WaitFunctionUpdated', wait, [], 'nothing else can be written before');
    sending?.taken();
    revision = {$ref: 'coded.revision'};
  }
  const why = 'a version that never ran has no instance that could be warm';
  add('nonce', 'lambda:UpdateFunctionConfiguration', {name, like: found.live, nonce, revision}, [], why);
  const expected = {configuration: null, ...code.expected, nonce};
  const wait = {name, expected, after: revision};
  add('settled-nonce', 'lambda:WaitFunctionUpdated', wait, [], 'it cannot be published before');
  add('publish', 'lambda:PublishVersion', {name, expected}, [], 'only versions stay as they are');
  const version = {$ref: 'publish.version'};
  add('published', 'lambda:WaitVersionActive', {name, version}, [], 'it answers no request before');
  return version;
}

interface LiveCode extends Pick<Code, 'expected'> {
  readonly args: {readonly [key: string]: Arg} | null;
  readonly archive: ArchiveToSend | null;
}

/** What the live version runs: how it is told from other code, and what writes it where the newest is another. */
function codeOfLive(
  {live, latest, packageType, imageUri}: Live,
  version: VersionFound | undefined,
): LiveCode {
  const {settings, image = null, codeBytes = 0} = version ?? {};
  const architecture = settings?.['platform'] ?? 'x86_64';
  const isOther = (path: string): boolean => settings?.[path] !== latest[path];
  if (packageType === 'Zip') {
    const codeSha256 = settings?.[CODE];
    if (typeof codeSha256 !== 'string') return {expected: {image: null}, args: null, archive: null};
    const differs = isOther(CODE) || isOther('platform');
    // Nobody but Lambda has an archive that was deployed long ago.
    const archive = {codeSha256, bytes: codeBytes, source: {from: live}};
    const args = differs ? {image, codeSha256, architecture} : null;
    return {expected: {image: null, codeSha256}, args, archive};
  }
  const repository = imageUri?.split('@')[0] ?? null;
  const differs = image !== null && repository !== null && (isOther('image') || isOther('platform'));
  const args = differs ? {image, imageUri: `${repository}@${image}`, architecture} : null;
  return {expected: {image}, args, archive: null};
}

/** Gives a version an alias with a URL, open to whom the live one's is: numbers have no URLs. */
function addDoor(draft: Draft, alias: string, version: Arg, auth: 'iam' | 'none'): {readonly $ref: string} {
  const {name, add} = draft;
  const authType = auth === 'none' ? 'NONE' : 'AWS_IAM';
  add('alias', 'lambda:CreateAlias', {name, alias, version}, [], 'a URL belongs to an alias');
  const why = 'it is asked as the live version is';
  add('url', 'lambda:CreateFunctionUrlConfig', {name, alias, authType}, [], why);
  for (const {sid, permission} of auth === 'none' ? PUBLIC : []) {
    add(`permit-${sid}`, 'lambda:AddPermission', {name, alias, sid, permission}, [], why);
  }
  add('known', 'lambda:WaitUrlKnown', {name, alias}, [], 'requests find a new URL a little later');
  return {$ref: 'url.url'};
}

/** Deletes every twin, and takes its mark from what is published next. */
export function planTidy(fn: FunctionRef, options: AwsOptions, have: Have): Plan {
  const found = have.fn?.ours === true && have.fn.state !== 'Deleting' ? have.fn : null;
  const draft = openDraft(fn.name, options, have);
  if (found !== null) {
    addTidying(draft, found);
    addUnmarking(draft, found);
  }
  addUploadsTidying(draft);
  return makePlan('aws', fn.name, draft.steps, placeOf(have));
}

function addUnmarking(draft: Draft, found: FunctionFound): void {
  if (found.declared.nonce === null || found.live === null) return;
  const {name, add} = draft;
  const revision = addSettled(draft, found);
  const args = {name, like: found.live, nonce: null, revision};
  add('unmark', 'lambda:UpdateFunctionConfiguration', args, [], 'a cold start marked it');
  const expected = {configuration: null, image: null, nonce: null};
  const wait = {name, expected, after: revision};
  add('unmarked', 'lambda:WaitFunctionUpdated', wait, [], 'nothing else can be written before');
}
