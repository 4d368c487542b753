import type {FunctionSpec} from '../../../core/function.ts';
import {changesBetween, type Arg} from '../../../core/plan.ts';
import {foundOf, isStillborn, liveVersion} from '../inspect/findings.ts';
import type {FunctionFound} from '../inspect/have.ts';
import {configurationArg, isOfCode, wantedSettings} from '../wanted/settings.ts';
import type {Code} from './code.ts';
import {addConcurrencyBefore} from './concurrency.ts';
import {addSettled, tagsFor, type Draft} from './draft.ts';
import {addGoingLive} from './live.ts';
import {namedOnce, type Named} from './named.ts';
import {roleArn} from './role.ts';
import {addTidying} from './twins.ts';
import {addWarmth, warmChanges, warmOf} from './warmth.ts';

/** @returns whether a version is published */
export function addFunction(draft: Draft, fn: FunctionSpec, code: Code): boolean {
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
  const live = (found && liveVersion(found)) ?? null;
  const changes = changesBetween('', live?.settings ?? {}, wanted);
  const named = namedOnce(changes);
  const publishes = live === null || changes.length > 0;

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
  readonly named: Named;
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
