import type {FunctionSpec, Trigger} from '../../../core/function.ts';
import {sameJson, type Json} from '../../../core/json.ts';
import type {Change} from '../../../core/plan.ts';
import type {Account} from '../clients.ts';
import {toAwsCron} from '../cron.ts';
import type {FunctionFound, Have} from '../have.ts';
import {liveArn} from '../inspect-triggers.ts';
import {callerSid, ruleName} from '../names.ts';
import {accessBetween, addAccess} from './access.ts';
import {tagsFor, type Draft} from './draft.ts';

/** A queue or a stream, by its ARN. */
const STREAMS = ['kinesis', 'dynamodb'];

/** The ARN of what a trigger names: an ARN is taken as it is, a name is of the same account and region. */
function sourceArn({source, name}: Extract<Trigger, {kind: 'event'}>, account: Account): string | null {
  const {partition, region, id} = account;
  if (name.startsWith('arn:')) return name;
  if (source === 'sqs') return `arn:${partition}:sqs:${region}:${id}:${name}`;
  if (source === 'kinesis') return `arn:${partition}:kinesis:${region}:${id}:stream/${name}`;
  // A table's stream has a name of its own, which only the table knows.
  return null;
}

type Wanted = {
  readonly http: readonly Json[];
  readonly rules: readonly {readonly name: string; readonly schedule: string}[];
  readonly sources: readonly {readonly source: string; readonly arn: string}[];
  readonly buckets: readonly {readonly bucket: string; readonly prefix: string}[];
};

function wantedTriggers(fn: FunctionSpec, account: Account): Wanted {
  const events = fn.triggers.filter((trigger) => trigger.kind === 'event');
  return {
    http: fn.triggers.filter(({kind}) => kind === 'http'),
    rules: fn.triggers
      .flatMap((trigger) => (trigger.kind === 'schedule' ? [toAwsCron(trigger.cron) ?? trigger.cron] : []))
      .map((schedule) => ({name: ruleName(fn.name, schedule), schedule}))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
    sources: events
      .filter(({source}) => source !== 's3')
      .map((trigger) => ({source: trigger.source, arn: sourceArn(trigger, account) ?? trigger.name}))
      .sort((a, b) => (a.arn < b.arn ? -1 : 1)),
    buckets: events
      .filter(({source}) => source === 's3')
      .map(({name}) => {
        const [bucket = '', ...prefix] = name.split('/');
        return {bucket, prefix: prefix.join('/')};
      })
      .sort((a, b) => (a.bucket < b.bucket ? -1 : 1)),
  };
}

const nullIfEmpty = (list: readonly Json[]): Json => (list.length === 0 ? null : list);

/** Everything that calls the function, as a reader of a plan sees it. */
const listed = (
  http: readonly Json[],
  rules: Wanted['rules'],
  arns: readonly string[],
  buckets: Wanted['buckets'],
): readonly Json[] => [
  ...http,
  ...rules.map(({schedule}) => ({kind: 'schedule', schedule})),
  ...arns.map((arn) => ({kind: 'event', source: arn.split(':')[2] ?? '', arn})),
  ...buckets.map(({bucket, prefix}) => ({kind: 'event', source: 's3', bucket, prefix})),
];

/**
 * Adds what lets the function be called: its URL, rules, event source mappings, notifications of buckets. All of it is
 * one change to a reader, which the first step names.
 */
export function addTriggers(draft: Draft, fn: FunctionSpec, found: FunctionFound | null): void {
  const {name, have, add} = draft;
  const {account, triggers} = have;
  const wanted = wantedTriggers(fn, account);
  const rules = triggers.rules.filter(({targeted}) => targeted);
  const buckets = triggers.buckets.filter(({notifies}) => notifies);
  // A source that somebody else has mapped is theirs, and is there already where thaw would map it.
  const mappings = triggers.mappings.filter(({state}) => state !== 'Deleting');
  const mapped = mappings.filter(({ours, source}) => ours || wanted.sources.some(({arn}) => arn === source));
  const url = found?.url ?? null;
  const from = listed(
    url === null ? [] : [{kind: 'http', auth: url.auth}],
    rules,
    mapped.map(({source}) => source),
    buckets,
  );
  const to = listed(
    wanted.http,
    wanted.rules,
    wanted.sources.map(({arn}) => arn),
    wanted.buckets,
  );
  let unnamed: readonly Change[] = sameJson(from, to)
    ? accessBetween(fn, found)
    : [{path: 'triggers', from: nullIfEmpty(from), to: nullIfEmpty(to)}];
  const named = (): readonly Change[] => {
    const now = unnamed;
    unnamed = [];
    return now;
  };
  const arn = liveArn(account, name);
  addAccess(draft, fn, found, named);

  for (const {name: rule} of triggers.rules.filter(
    (each) => !wanted.rules.some((w) => w.name === each.name),
  )) {
    add(`unschedule-${rule}`, 'events:DeleteRule', {rule}, named(), 'nothing calls it by that clock');
  }
  for (const {name: rule, schedule} of wanted.rules) {
    if (triggers.rules.some((each) => each.name === rule && each.targeted)) continue;
    const sid = callerSid('rule', rule);
    const source = `arn:${account.partition}:events:${account.region}:${account.id}:rule/${rule}`;
    const permission = {
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
      SourceArn: source,
    };
    const tags = tagsFor(draft);
    add(`rule-${rule}`, 'events:PutRule', {rule, schedule, tags}, named(), 'it is called by the clock');
    add(`permit-${rule}`, 'lambda:AddPermission', {name, sid, permission}, [], 'the rule may call it');
    add(`target-${rule}`, 'events:PutTargets', {rule, arn}, [], 'the rule calls the live version');
  }
  for (const {sid} of staleRuleStatements(found, wanted.rules)) {
    add(`forbid-${sid}`, 'lambda:RemovePermission', {name, sid}, named(), 'no such rule is to call it');
  }

  for (const {uuid, source} of mapped.filter((each) => !wanted.sources.some((w) => w.arn === each.source))) {
    const why = `${source} is to call it no more`;
    add(`unmap-${uuid}`, 'lambda:DeleteEventSourceMapping', {uuid}, named(), why);
    add(`unmapped-${uuid}`, 'lambda:WaitEventSourceMappingDeleted', {uuid}, [], 'it is being deleted');
  }
  for (const [index, {source, arn: from}] of wanted.sources.entries()) {
    if (mappings.some((each) => each.source === from)) continue;
    const id = `map-${index}`;
    const args = {function: arn, source: from, stream: STREAMS.includes(source), tags: tagsFor(draft)};
    add(id, 'lambda:CreateEventSourceMapping', args, named(), `it is given what ${from} has`);
    add(
      `${id}-enabled`,
      'lambda:WaitEventSourceMapping',
      {uuid: {$ref: `${id}.uuid`}},
      [],
      'it is being made',
    );
  }

  for (const {bucket, sid} of triggers.buckets.filter(
    (each) => !wanted.buckets.some((w) => w.bucket === each.bucket),
  )) {
    const args = {name, bucket, function: null, prefix: ''};
    add(`unnotify-${bucket}`, 's3:PutBucketNotification', args, named(), `${bucket} is to call it no more`);
    add(`forbid-${bucket}`, 'lambda:RemovePermission', {name, sid}, [], `${bucket} may call it no more`);
  }
  for (const {bucket, prefix} of wanted.buckets) {
    const there = triggers.buckets.find((each) => each.bucket === bucket);
    if (there?.notifies === true && there.prefix === prefix) continue;
    const sid = callerSid('s3', bucket);
    const permission = {
      Action: 'lambda:InvokeFunction',
      Principal: 's3.amazonaws.com',
      SourceArn: `arn:${account.partition}:s3:::${bucket}`,
      SourceAccount: account.id,
    };
    if (there === undefined) {
      add(
        `permit-${bucket}`,
        'lambda:AddPermission',
        {name, sid, permission},
        named(),
        `${bucket} may call it`,
      );
    }
    const args = {name, bucket, function: arn, prefix};
    add(`notify-${bucket}`, 's3:PutBucketNotification', args, named(), `${bucket} calls it for new objects`);
  }
}

/** Statements for rules that are wanted no more. */
function staleRuleStatements(
  found: FunctionFound | null,
  rules: Wanted['rules'],
): readonly {readonly sid: string}[] {
  const wanted = rules.map(({name}) => callerSid('rule', name));
  return (found?.statements ?? []).filter(({sid}) => sid.startsWith('thaw-rule-') && !wanted.includes(sid));
}

/** Adds the deletion of what calls the function; it would outlive it. */
export function addTriggerTeardown(draft: Draft, {triggers}: Have): void {
  const {name, add} = draft;
  for (const {name: rule, schedule} of triggers.rules) {
    const changes = [{path: 'triggers.schedule', from: schedule, to: null}];
    add(`unschedule-${rule}`, 'events:DeleteRule', {rule}, changes, 'it outlives the function otherwise');
  }
  for (const {uuid, source} of triggers.mappings.filter(({ours}) => ours)) {
    const changes = [{path: 'triggers.event', from: source, to: null}];
    add(
      `unmap-${uuid}`,
      'lambda:DeleteEventSourceMapping',
      {uuid},
      changes,
      'it outlives the function otherwise',
    );
    add(`unmapped-${uuid}`, 'lambda:WaitEventSourceMappingDeleted', {uuid}, [], 'it is being deleted');
  }
  for (const {bucket} of triggers.buckets.filter(({notifies}) => notifies)) {
    const changes = [{path: 'triggers.s3', from: bucket, to: null}];
    const args = {name, bucket, function: null, prefix: ''};
    add(
      `unnotify-${bucket}`,
      's3:PutBucketNotification',
      args,
      changes,
      'it outlives the function otherwise',
    );
  }
}
