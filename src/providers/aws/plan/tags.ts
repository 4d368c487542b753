import type {Arg, Change} from '../../../core/plan.ts';
import {foundOf, isMadeFor} from '../inspect/findings.ts';
import type {Tags} from '../inspect/have.ts';
import {logGroupName, OWNER_TAG, roleName} from '../names.ts';
import type {Draft} from './draft.ts';

/** What tags have to become, from what they are; those of AWS and thaw's own stay. */
function tagsBetween(have: Tags, wanted: Tags): {set: {[key: string]: string}; remove: string[]} {
  const isOther = (key: string): boolean => !key.startsWith('aws:') && key !== OWNER_TAG;
  return {
    set: Object.fromEntries(Object.entries(wanted).filter(([key, value]) => have[key] !== value)),
    remove: Object.keys(have).filter((key) => isOther(key) && wanted[key] === undefined),
  };
}

/** A change of the user's tags is one change, however many things carry them: the first step names it. */
export function addTags(draft: Draft): void {
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
  if (have.logs !== null && isMadeFor(fn, have.logs)) {
    const what = {name: logGroupName(fn), arn: have.logs.arn};
    tag('logs-tags', 'logs:TagResource', what, have.logs.tags);
  }
}
