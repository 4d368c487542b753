import type {FunctionSpec} from '../../../core/function.ts';
import {changesBetween, makePlan, type Arg, type Change, type Plan} from '../../../core/plan.ts';
import {formatDuration} from '../../../core/units.ts';
import type {FunctionFound, Have, Tags} from '../inspect/have.ts';
import {
  BASIC_EXECUTION,
  logGroupName,
  managedPolicyArn,
  OWNER_TAG,
  roleName,
  SOURCE_EXECUTION,
  VPC_EXECUTION,
} from '../names.ts';
import type {AwsOptions} from '../wanted/options.ts';
import {monthlySnapshotUsd, monthlyWarmUsd} from '../prices.ts';
import {architectureOf, configurationArg, isOfCode, wantedSettings} from '../wanted/settings.ts';
import {wantedTriggers} from '../wanted/triggers.ts';
import {authOf} from './access.ts';
import {planAdoption} from './adopt.ts';
import {addUploadsTidying} from './archive-bucket.ts';
import {addCode, type Code} from './code.ts';
import {addSettled, made, openDraft, placeOf, tagsFor, type Draft} from './draft.ts';
import {addGoingLive} from './live.ts';
import {addPruning} from './prune.ts';
import {refuseBeyondQuota, reservedFor} from './quota.ts';
import {isToAdopt, refuseSettings, refuseSources, refuseTaken} from './refuse.ts';
import {addTriggers} from './triggers.ts';
import {addTidying} from './twins.ts';
import {addWarmth, warmChanges, warmOf} from './warmth.ts';

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

/** A function that is being deleted is there no more, nor is one that could not be made. */
const foundOf = ({fn}: Have): FunctionFound | null =>
  fn?.state === 'Deleting' || isStillborn(fn) ? null : fn;

/** Lambda says Failed of it, and it never had a version. */
const isStillborn = (fn: FunctionFound | null): boolean =>
  fn?.state === 'Failed' && fn.ours && fn.versions.length === 0;

/** The role's ARN, which is known before the role is there. */
const roleArn = ({name, options, have: {account}}: Draft): string =>
  options.role ?? `arn:${account.partition}:iam::${account.id}:role/${roleName(name, account.region)}`;

/** One that is there and not thaw's is used as it is. */
function addLogGroup(draft: Draft): void {
  const {name: fn, options, have, add} = draft;
  const name = logGroupName(fn);
  const days = options.logRetentionDays;
  if (have.logs === null) {
    add(
      'logs',
      'logs:CreateLogGroup',
      {name, tags: tagsFor(draft)},
      made('logs', name),
      'its log goes there',
    );
    if (days === null) return;
  } else if (have.logs.tags[OWNER_TAG] !== fn || have.logs.retentionDays === days) return;
  const from = have.logs?.retentionDays ?? null;
  const change = [{path: 'options.logRetentionDays', from, to: days}];
  if (days === null) {
    add('retention', 'logs:DeleteRetentionPolicy', {name}, change, 'logs are kept for ever');
  } else {
    add(
      'retention',
      'logs:PutRetentionPolicy',
      {name, retentionDays: days},
      change,
      `logs are kept ${days} days`,
    );
  }
}

/** Policies that the role is given, by what the function has to do. */
function policiesFor({options, have: {account}}: Draft, fn: FunctionSpec): string[] {
  const sources = fn.triggers.flatMap((trigger) => (trigger.kind === 'event' ? [trigger.source] : []));
  const names = [
    BASIC_EXECUTION,
    ...(options.vpc === null ? [] : [VPC_EXECUTION]),
    ...new Set(sources.flatMap((source) => SOURCE_EXECUTION[source] ?? [])),
  ];
  return names.map((name) => managedPolicyArn(account.partition, name));
}

/** Takes away what the role was given for something that the function does no more. */
function addUnneededPolicies(draft: Draft, fn: FunctionSpec): void {
  const {name, options, have, add} = draft;
  if (options.role !== null || have.role === null) return;
  const wanted = policiesFor(draft, fn);
  const given = [VPC_EXECUTION, ...Object.values(SOURCE_EXECUTION)].map((policy) =>
    managedPolicyArn(have.account.partition, policy),
  );
  for (const policyArn of have.role.policies) {
    if (!given.includes(policyArn) || wanted.includes(policyArn)) continue;
    const args = {name: roleName(name, have.account.region), policyArn};
    const id = `detach-${policyArn.slice(policyArn.lastIndexOf('/') + 1)}`;
    add(id, 'iam:DetachRolePolicy', args, [], 'the function needs it no more');
  }
}

function addRole(draft: Draft, fn: FunctionSpec): void {
  const {options, have, add} = draft;
  if (options.role !== null) return;
  const {account, role} = have;
  const name = roleName(draft.name, account.region);
  const boundary = options.permissionsBoundary;
  if (role === null) {
    const args = {name, function: draft.name, permissionsBoundary: boundary, tags: tagsFor(draft)};
    add('role', 'iam:CreateRole', args, made('role', name), 'a function runs as a role');
  } else if (role.boundary !== boundary) {
    const changes = [{path: 'options.permissionsBoundary', from: role.boundary, to: boundary}];
    if (boundary === null) {
      add('boundary', 'iam:DeleteRolePermissionsBoundary', {name}, changes, 'the role is bounded no more');
    } else {
      const args = {name, permissionsBoundary: boundary};
      add('boundary', 'iam:PutRolePermissionsBoundary', args, changes, 'the role is bounded');
    }
  }
  const basic = managedPolicyArn(account.partition, BASIC_EXECUTION);
  for (const policyArn of policiesFor(draft, fn)) {
    if (role?.policies.includes(policyArn)) continue;
    const id = `role-${policyArn.slice(policyArn.lastIndexOf('/') + 1)}`;
    // What a VPC or a trigger needs belongs to the change that brings it.
    const changes = policyArn === basic ? made('role.policies', policyArn) : [];
    const why = policyArn === basic ? 'it writes its log' : 'the function needs it';
    add(id, 'iam:AttachRolePolicy', {name, policyArn}, changes, why);
  }
}

/** What tags have to become, from what they are; those of AWS and thaw's own stay. */
function tagsBetween(have: Tags, wanted: Tags): {set: {[key: string]: string}; remove: string[]} {
  const isOther = (key: string): boolean => !key.startsWith('aws:') && key !== OWNER_TAG;
  return {
    set: Object.fromEntries(Object.entries(wanted).filter(([key, value]) => have[key] !== value)),
    remove: Object.keys(have).filter((key) => isOther(key) && wanted[key] === undefined),
  };
}

/** A change of the user's tags is one change, however many things carry them: the first step names it. */
function addTags(draft: Draft): void {
  const {name: fn, options, have, add} = draft;
  const found = foundOf(have);
  const seen = new Set<string>();
  const tag = (id: string, op: string, what: {[key: string]: Arg}, tags: Tags): void => {
    const {set, remove} = tagsBetween(tags, options.tags);
    const keys = [...Object.keys(set), ...remove].sort();
    if (keys.length === 0) return;
    const changes: Change[] = keys
      .filter((key) => !seen.has(key))
      .map((key) => ({path: `options.tags.${key}`, from: tags[key] ?? null, to: set[key] ?? null}));
    for (const key of keys) seen.add(key);
    add(id, op, {...what, tags: set, remove}, changes, 'its tags differ');
  };
  if (found !== null) tag('tags', 'lambda:TagResource', {name: fn, arn: found.arn}, found.tags);
  if (have.role !== null && options.role === null) {
    tag('role-tags', 'iam:TagRole', {name: roleName(fn, have.account.region)}, have.role.tags);
  }
  if (have.repository !== null && options.repository === null) {
    tag('repository-tags', 'ecr:TagResource', {name: have.repository.name}, have.repository.tags);
  }
  if (have.logs?.tags[OWNER_TAG] === fn) {
    const what = {name: logGroupName(fn), arn: have.logs.arn};
    tag('logs-tags', 'logs:TagResource', what, have.logs.tags);
  }
}

/** @returns whether a version is published */
function addFunction(draft: Draft, fn: FunctionSpec, code: Code): boolean {
  const {name, options, have, add} = draft;
  if (isStillborn(have.fn)) {
    const why = `it could not be made: ${have.fn?.stateReason ?? 'Lambda says Failed'}`;
    add('stillborn', 'lambda:DeleteFunction', {name, version: null}, [], why);
    add('gone', 'lambda:WaitFunctionDeleted', {name}, [], 'it is made anew');
  }
  if (have.fn?.state === 'Deleting') {
    add('gone', 'lambda:WaitFunctionDeleted', {name}, [], 'an earlier one is being deleted');
  }
  const found = foundOf(have);
  const role = roleArn(draft);
  const wanted = wantedSettings(fn, options, role);
  const live = found?.versions.find(({version}) => version === found.live) ?? null;
  let unnamed = changesBetween('', live?.settings ?? {}, wanted);
  const named = (isMine: (path: string) => boolean = () => true): Change[] => {
    const mine = unnamed.filter(({path}) => isMine(path));
    unnamed = unnamed.filter(({path}) => !isMine(path));
    return mine;
  };
  const publishes = live === null || unnamed.length > 0;

  const configuration: Arg = configurationArg(fn, options, role);
  const expected = {configuration, ...code.expected, nonce: null};
  const reserved = addConcurrencyBefore(draft, fn, found);
  if (found === null) {
    const sending = code.send();
    const args = {...code.args, ...sending.args, configuration, tags: tagsFor(draft)};
    add('create', 'lambda:CreateFunction', args, named(), 'the function is not there');
    add('created', 'lambda:WaitFunctionUpdated', {name, expected}, [], 'it cannot be published before');
    sending.taken();
  } else {
    addUpdates({draft, fn, found, wanted, code, configuration, expected, named, publishes});
  }
  const warmed = warmOf(found, found?.live ?? null);
  if (publishes) {
    add('publish', 'lambda:PublishVersion', {name, expected}, named(), 'only a version can be live');
    const version = {$ref: 'publish.version'};
    add('published', 'lambda:WaitVersionActive', {name, version}, [], 'it answers no request before');
    addGoingLive(draft, {
      version,
      found,
      warm: fn.warm,
      warmChanges: warmChanges(warmed, fn.warm),
      changes: [],
      why: 'requests go where the alias points',
      reserved: reserved.most,
    });
  } else {
    addWarmth(draft, found?.live ?? '', warmed, fn.warm, warmChanges(warmed, fn.warm));
  }
  reserved.after();
  if (found !== null) addTidying(draft, found);
  return publishes;
}

interface Updating {
  readonly draft: Draft;
  readonly fn: FunctionSpec;
  readonly found: FunctionFound;
  readonly wanted: ReturnType<typeof wantedSettings>;
  readonly code: Code;
  readonly configuration: Arg;
  readonly expected: {readonly [key: string]: Arg};
  readonly named: (isMine?: (path: string) => boolean) => Change[];
  readonly publishes: boolean;
}

/** Brings `$LATEST` to what is wanted, as far as an earlier deploy that was cut off has not done so. */
function addUpdates({
  draft,
  fn,
  found,
  wanted,
  code,
  configuration,
  expected,
  named,
  publishes,
}: Updating): void {
  const {name, add} = draft;
  const {uri} = code;
  const isCode = (path: string): boolean => isOfCode(path, uri === null);
  const failed = found.lastUpdate === 'Failed' || found.state === 'Failed';
  const unwritten = changesBetween('', found.latest, wanted);
  const {image, nonce} = found.declared;
  const configures =
    publishes &&
    (failed || image !== fn.image || nonce !== null || unwritten.some(({path}) => !isCode(path)));
  const movesRepository =
    uri !== null &&
    (typeof uri !== 'string' || found.imageUri?.slice(0, found.imageUri.indexOf('@')) !== uri);
  const updatesCode =
    (publishes && (failed || unwritten.some(({path}) => isCode(path)))) ||
    (movesRepository && found.latest['image'] === fn.image);
  if (!configures && !updatesCode) return;

  let revision = addSettled(draft, found);
  if (configures) {
    // Of other code the step that writes it says whose it is.
    const mine = named((path) => !isCode(path) && !(updatesCode && path === 'image'));
    const why = mine.length > 0 ? 'its settings differ' : 'it shall say which image it is of';
    add('configure', 'lambda:UpdateFunctionConfiguration', {name, configuration, revision}, mine, why);
    const written = {configuration, image: null, nonce: null};
    // Other code may be what mends it.
    const afterFailure = found.state === 'Failed' && updatesCode;
    const args = {name, expected: written, after: revision, ...(afterFailure ? {afterFailure} : {})};
    add('configured', 'lambda:WaitFunctionUpdated', args, [], 'nothing else can be written before');
    revision = {$ref: 'configured.revision'};
  }
  if (!updatesCode) return;
  const from = found.imageUri?.split('@')[0] ?? null;
  const moves = movesRepository && found.latest['image'] === fn.image;
  const to = typeof uri === 'string' ? uri : 'one that thaw makes';
  const changes = [
    ...named((path) => isCode(path) || path === 'image'),
    ...(moves ? [{path: 'options.repository', from, to}] : []),
  ];
  const before = configures ? {configuration, image: null, nonce: null} : null;
  const sending = code.send();
  const args = {...code.args, ...sending.args, expected: before, revision};
  add('code', 'lambda:UpdateFunctionCode', args, changes, code.differs);
  const imageUri = code.args['imageUri'] ?? null;
  const written = publishes ? expected : {configuration: null, ...code.expected, imageUri, nonce: null};
  const wait = {name, expected: written, after: revision};
  add('updated', 'lambda:WaitFunctionUpdated', wait, [], 'it cannot be published before');
  sending.taken();
}

/** Reserves as many instances as there may be. What is kept ready must fit: more room comes before it, less after it. */
function addConcurrencyBefore(
  draft: Draft,
  fn: FunctionSpec,
  found: FunctionFound | null,
): {readonly most: number | null; readonly after: () => void} {
  const {name, have, add} = draft;
  const from = found?.reserved ?? null;
  const to = reservedFor(fn, have);
  const nothing = {most: to, after: () => {}};
  if (from === to) return nothing;
  const changes = [{path: 'scaling.maxInstances', from, to: fn.scaling.maxInstances}];
  const put = (): void => {
    if (to === null) {
      const why = `the account itself has no more than ${have.concurrency?.max ?? 'that'}`;
      add('concurrency', 'lambda:DeleteFunctionConcurrency', {name}, changes, why);
    } else {
      const why = `at most ${to} instances`;
      add('concurrency', 'lambda:PutFunctionConcurrency', {name, reserved: to}, changes, why);
    }
  };
  const isMore = from !== null && (to === null || to > from);
  if (isMore) {
    put();
    return nothing;
  }
  const most = to === null ? null : to;
  return {most, after: put};
}
