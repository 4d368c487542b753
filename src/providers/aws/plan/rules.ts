import {canonicalJson, type Json} from '../../../core/json.ts';
import type {FunctionFound, Have, RuleFound} from '../inspect/have.ts';
import {liveArn} from '../inspect/triggers.ts';
import {callerSid} from '../names.ts';
import {scheduledEvent, type WantedRule} from '../wanted/triggers.ts';
import {tagsFor, type Draft} from './draft.ts';
import {OUTLIVES, saidOf, type Between} from './callers.ts';
import type {Named} from './named.ts';

/** Schedules: rules of EventBridge, each of which calls the function by the clock. */
export function rulesBetween(
  wanted: readonly WantedRule[],
  found: FunctionFound | null,
  {triggers}: Have,
): Between {
  const before = triggers.rules.filter(({name, targeted}) => targeted && mayCall(name, found));
  // Of several at the same time each has a name of its own.
  const isOneOf = (schedule: string): boolean =>
    [before, wanted].some((rules) => rules.filter((each) => each.schedule === schedule).length > 1);
  const named = ({name, schedule, input}: WantedRule, enabled: boolean): [string, Json] => {
    const options = {
      ...(input === null ? {} : {input: handedOver(input)}),
      ...(enabled ? {} : {enabled}),
    };
    return [`schedule.${schedule}${isOneOf(schedule) ? ` ${name}` : ''}`, saidOf(options)];
  };
  return {
    from: Object.fromEntries(before.map((rule) => named(rule, rule.enabled))),
    to: Object.fromEntries(wanted.map((rule) => named(rule, true))),
  };
}

/** What the event that thaw makes carries; of somebody else's making the whole text. */
function handedOver(input: string): Json {
  try {
    const {detail = null} = JSON.parse(input) as {readonly detail?: Json};
    return canonicalJson(scheduledEvent(detail)) === input ? detail : input;
  } catch {
    return input;
  }
}

const mayCall = (rule: string, found: FunctionFound | null): boolean =>
  found?.statements.some(({sid}) => sid === callerSid('rule', rule)) === true;

export function addRules(
  draft: Draft,
  wanted: readonly WantedRule[],
  found: FunctionFound | null,
  named: Named,
): void {
  const {name, add, have} = draft;
  const {account, triggers} = have;
  for (const {name: rule} of triggers.rules.filter((each) => !wanted.some((w) => w.name === each.name))) {
    add(`unschedule-${rule}`, 'events:DeleteRule', {rule}, named(), 'nothing calls it by that clock');
  }
  for (const {name: rule, schedule, input} of wanted) {
    const there = triggers.rules.find((each) => each.name === rule);
    if (there !== undefined && isAs(there, schedule, input) && mayCall(rule, found)) continue;
    const sid = callerSid('rule', rule);
    const source = `arn:${account.partition}:events:${account.region}:${account.id}:rule/${rule}`;
    const permission = {
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
      SourceArn: source,
    };
    const tags = tagsFor(draft);
    const target = {rule, arn: liveArn(account, name), input};
    add(`rule-${rule}`, 'events:PutRule', {rule, schedule, tags}, named(), 'it is called by the clock');
    add(`permit-${rule}`, 'lambda:AddPermission', {name, sid, permission}, [], 'the rule may call it');
    add(`target-${rule}`, 'events:PutTargets', target, [], 'the rule calls the live version');
  }
  const sids = wanted.map((rule) => callerSid('rule', rule.name));
  for (const {sid} of found?.statements ?? []) {
    if (!sid.startsWith('thaw-rule-') || sids.includes(sid)) continue;
    add(`forbid-${sid}`, 'lambda:RemovePermission', {name, sid}, named(), 'no such rule is to call it');
  }
}

const isAs = (there: RuleFound, schedule: string, input: string | null): boolean =>
  there.targeted && there.enabled && there.schedule === schedule && there.input === input;

export function addRuleTeardown({add}: Draft, {triggers}: Have): void {
  for (const {name: rule, schedule} of triggers.rules) {
    const changes = [{path: 'triggers.schedule', from: schedule, to: null}];
    add(`unschedule-${rule}`, 'events:DeleteRule', {rule}, changes, OUTLIVES);
  }
}
