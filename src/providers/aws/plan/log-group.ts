import {isMadeFor} from '../inspect/findings.ts';
import {logGroupName} from '../names.ts';
import {made, tagsFor, type Draft} from './draft.ts';

/** One that is there and not thaw's is used as it is. */
export function addLogGroup(draft: Draft): void {
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
  } else if (!isMadeFor(fn, have.logs) || have.logs.retentionDays === days) return;
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
