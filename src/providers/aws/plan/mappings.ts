import {ThawError} from '../../../core/errors.ts';
import {canonicalJson, sameJson, type Json, type JsonObject} from '../../../core/json.ts';
import {changesBetween, type Change} from '../../../core/plan.ts';
import type {Account} from '../calls/clients.ts';
import type {Have, MappingFound} from '../inspect/have.ts';
import {liveArn} from '../inspect/triggers.ts';
import {
  defaultSettings,
  serviceOf,
  sourceArn,
  STREAMS,
  type MappingSettings,
  type WantedMapping,
} from '../wanted/triggers.ts';
import {tagsFor, type Draft} from './draft.ts';
import {OUTLIVES, saidOf, type Between} from './callers.ts';
import type {Named} from './named.ts';

/** Queues and streams: event source mappings. One that somebody else made is theirs, and is there already. */
export function mappingsBetween(wanted: readonly WantedMapping[], {account, triggers}: Have): Between {
  const found = mapped(wanted, triggers.mappings);
  const named = (arn: string, settings: MappingSettings, position: string | null): [string, Json] => {
    const isKept = found.some(({source}) => source === arn) && wanted.some((each) => each.arn === arn);
    const isLatest = position === null || position === LATEST;
    const options = {...unusual(arn, settings), ...(isLatest ? {} : {startingPosition: position})};
    // Of what stays, each setting that differs is a change of its own.
    return [nameOf(arn, account), saidOf(isKept ? {} : options)];
  };
  return {
    from: Object.fromEntries(
      found.map(({source, settings, startingPosition}) => named(source, settings, startingPosition)),
    ),
    to: Object.fromEntries(
      wanted.map(({arn, settings, startingPosition}) => named(arn, settings, startingPosition)),
    ),
  };
}

/** A source as a reader knows it: `sqs.orders`, or by its ARN where it is somebody else's. */
function nameOf(arn: string, account: Account): string {
  const source = serviceOf(arn);
  const name = arn.split(/[:/]/).at(-1) ?? '';
  return `${source}.${sourceArn(source, name, account) === arn ? name : arn}`;
}

const LATEST = 'LATEST';

/** The settings that are not what they would be by themselves. */
function unusual(arn: string, settings: MappingSettings): JsonObject {
  const usual: JsonObject = defaultSettings(serviceOf(arn));
  return Object.fromEntries(
    Object.entries(settings).filter(([setting, value]) => !sameJson(value, usual[setting])),
  );
}

/** What is mapped to the function by thaw, or by somebody else where thaw would map it. */
const mapped = (wanted: readonly WantedMapping[], found: readonly MappingFound[]): MappingFound[] =>
  found.filter(
    ({ours, source, state}) => state !== 'Deleting' && (ours || wanted.some(({arn}) => arn === source)),
  );

/** @throws ThawError PROVIDER_CONFLICT if somebody else's mapping is set otherwise than thaw.yaml says */
export function addMappings(draft: Draft, wanted: readonly WantedMapping[], named: Named): void {
  const {have} = draft;
  const found = mapped(wanted, have.triggers.mappings);
  for (const {uuid, source} of found.filter((each) => !wanted.some((w) => w.arn === each.source))) {
    addUnmapping(draft, uuid, named(), `${source} is to call it no more`);
  }
  for (const each of wanted) {
    const there = found.find(({source}) => source === each.arn);
    if (there === undefined) {
      const leaving = have.triggers.mappings.find(({source}) => source === each.arn);
      if (leaving !== undefined) addUnmapped(draft, leaving.uuid);
      addMapping(draft, each, named(), `it is given what ${each.arn} has`);
    } else if (!there.ours) {
      refuseDifferent(draft, each, there);
    } else if (isElsewhere(each, there)) {
      addReplacement(draft, each, there);
    } else {
      addUpdate(draft, each, there);
    }
  }
}

/** Whether a stream shall be read from another position than it was, which cannot be changed. */
const isElsewhere = ({startingPosition}: WantedMapping, found: MappingFound): boolean =>
  startingPosition !== null && startingPosition !== found.startingPosition;

/** Maps a stream anew, to begin at another position. */
function addReplacement(draft: Draft, wanted: WantedMapping, found: MappingFound): void {
  const {startingPosition: to, name} = wanted;
  const path = pathOf(draft, wanted);
  const changes = [
    {path: `${path}.startingPosition`, from: found.startingPosition, to},
    ...changesBetween(path, found.settings, wanted.settings),
  ];
  const meanwhile =
    to === LATEST
      ? 'what comes before it is mapped again is lost'
      : 'everything that the stream still has is handed over, also what has been before';
  const why = `where ${name} is begun to be read cannot be changed, so it is mapped anew: ${meanwhile}`;
  addUnmapping(draft, found.uuid, changes, why);
  addMapping(draft, wanted, [], 'it is mapped anew');
}

function addMapping(draft: Draft, wanted: WantedMapping, changes: readonly Change[], why: string): void {
  const {name, add, have} = draft;
  const id = `map-${wanted.index}`;
  const args = {
    function: liveArn(have.account, name),
    source: wanted.arn,
    settings: settingsArg(wanted.settings),
    startingPosition: STREAMS.includes(wanted.source) ? (wanted.startingPosition ?? LATEST) : null,
    tags: tagsFor(draft),
  };
  add(id, 'lambda:CreateEventSourceMapping', args, changes, why);
  const made = {uuid: {$ref: `${id}.uuid`}, settings: null};
  add(`${id}-enabled`, 'lambda:WaitEventSourceMapping', made, [], 'it is being made');
}

/** Settings as an argument: patterns are text, since members of theirs could look like references. */
const settingsArg = (settings: MappingSettings) => ({
  ...settings,
  filter: settings.filter.map((pattern) => canonicalJson(pattern)),
});

const pathOf = ({have}: Draft, {arn}: WantedMapping): string => `triggers.${nameOf(arn, have.account)}`;

function addUpdate(draft: Draft, wanted: WantedMapping, {uuid, settings, state}: MappingFound): void {
  const {add} = draft;
  const changes = changesBetween(pathOf(draft, wanted), settings, wanted.settings);
  if (changes.length === 0) return;
  const settled = ['Enabled', 'Disabled'].includes(state);
  if (!settled) {
    const why = 'an earlier change is under way';
    add(`settle-${uuid}`, 'lambda:WaitEventSourceMapping', {uuid, settings: null}, [], why);
  }
  const args = {uuid, source: wanted.arn, settings: settingsArg(wanted.settings)};
  const why = settings.enabled ? 'its settings differ' : `somebody has disabled what ${wanted.name} calls by`;
  add(`remap-${uuid}`, 'lambda:UpdateEventSourceMapping', args, changes, why);
  add(
    `remapped-${uuid}`,
    'lambda:WaitEventSourceMapping',
    {uuid, settings: args.settings},
    [],
    'it is being changed',
  );
}

function refuseDifferent({name}: Draft, wanted: WantedMapping, {uuid, settings}: MappingFound): void {
  const found: JsonObject = settings;
  const different = Object.entries(wanted.stated).filter(
    ([setting, value]) => !sameJson(value, found[setting]),
  );
  if (different.length === 0) return;
  const what = different.map(([setting]) => `${setting} ${canonicalJson(found[setting])}`).join(', ');
  const message = `${wanted.arn} calls ${name} already by the event source mapping ${uuid} of somebody else, with ${what}`;
  throw new ThawError('PROVIDER_CONFLICT', message, {
    provider: 'aws',
    reason: 'mapped',
    resource: uuid,
    function: name,
  });
}

function addUnmapping(draft: Draft, uuid: string, changes: readonly Change[], why: string): void {
  draft.add(`unmap-${uuid}`, 'lambda:DeleteEventSourceMapping', {uuid}, changes, why);
  addUnmapped(draft, uuid);
}

const addUnmapped = ({add}: Draft, uuid: string): void =>
  add(`unmapped-${uuid}`, 'lambda:WaitEventSourceMappingDeleted', {uuid}, [], 'it is being deleted');

export function addMappingTeardown(draft: Draft, {triggers}: Have): void {
  for (const {uuid, source} of triggers.mappings.filter(({ours}) => ours)) {
    addUnmapping(draft, uuid, [{path: 'triggers.event', from: source, to: null}], OUTLIVES);
  }
}
