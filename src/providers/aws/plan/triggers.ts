import type {FunctionSpec} from '../../../core/function.ts';
import {sameJson, type Json} from '../../../core/json.ts';
import type {FunctionFound, Have} from '../inspect/have.ts';
import {wantedTriggers} from '../wanted/triggers.ts';
import {accessBetween, addAccess, authOf} from './access.ts';
import {addBuckets, addBucketTeardown, bucketsBetween} from './buckets.ts';
import type {Between, Callers} from './callers.ts';
import type {Draft} from './draft.ts';
import {namedOnce} from './named.ts';
import {addMappings, addMappingTeardown, mappingsBetween} from './mappings.ts';
import {addRules, addRuleTeardown, rulesBetween} from './rules.ts';

const nullIfEmpty = (callers: Callers): Json => (Object.keys(callers).length === 0 ? null : callers);

/**
 * Adds what lets the function be called: its URL, rules, event source mappings, notifications of buckets. What calls it
 * and what does not is one change to a reader, which the first step names; how it is given records is a change of each.
 *
 * @throws ThawError PROVIDER_CONFLICT if somebody else has set up what is in the way
 */
export function addTriggers(draft: Draft, fn: FunctionSpec, found: FunctionFound | null): void {
  const {name, have} = draft;
  const wanted = wantedTriggers(name, fn.triggers, have.account);
  const url = found?.url ?? null;
  const auth = authOf(fn.triggers);
  const http: Between = {
    from: url === null ? {} : {http: {auth: url.auth}},
    to: auth === null ? {} : {http: {auth}},
  };
  const all = [
    http,
    rulesBetween(wanted.rules, found, have),
    mappingsBetween(wanted.mappings, have),
    bucketsBetween(wanted.buckets, have),
  ];
  const from: Callers = Object.assign({}, ...all.map((each) => each.from));
  const to: Callers = Object.assign({}, ...all.map((each) => each.to));
  const named = namedOnce(
    sameJson(from, to)
      ? accessBetween(fn, found)
      : [{path: 'triggers', from: nullIfEmpty(from), to: nullIfEmpty(to)}],
  );
  addAccess(draft, fn, found, named);
  addRules(draft, wanted.rules, found, named);
  addMappings(draft, wanted.mappings, named);
  addBuckets(draft, wanted.buckets, named);
}

/** Adds the deletion of what calls the function; it would outlive it. */
export function addTriggerTeardown(draft: Draft, have: Have): void {
  addRuleTeardown(draft, have);
  addMappingTeardown(draft, have);
  addBucketTeardown(draft, have);
}
