import {ThawError} from '../../../core/errors.ts';
import {sameJson} from '../../../core/json.ts';
import type {Change} from '../../../core/plan.ts';
import type {BucketFound, Have} from '../inspect/have.ts';
import {liveArn} from '../inspect/triggers.ts';
import {callerSid} from '../names.ts';
import {EVENTS_OF_FILES, overlap, type BucketRule, type WantedBucket} from '../wanted/triggers.ts';
import type {Draft} from './draft.ts';
import {OUTLIVES, saidOf, type Between, type Callers} from './callers.ts';
import type {Named} from './named.ts';

/** Buckets: notifications of theirs, beside those that others have set up. */
export function bucketsBetween(wanted: readonly WantedBucket[], {triggers}: Have): Between {
  const named = (buckets: readonly {bucket: string; rules: readonly BucketRule[]}[]): Callers =>
    Object.fromEntries(
      buckets.flatMap(({bucket, rules}) =>
        rules.map(({prefix, suffix, events}) => {
          const isUsual = sameJson(events, [EVENTS_OF_FILES.created]);
          const keys = `${bucket}/${prefix}*${suffix}`;
          return [`s3.${keys}`, saidOf(isUsual ? {} : {events})];
        }),
      ),
    );
  return {from: named(triggers.buckets.filter(({sid}) => sid !== null)), to: named(wanted)};
}

/** @throws ThawError PROVIDER_CONFLICT if S3 would refuse a notification for one that somebody else has set up */
export function addBuckets(draft: Draft, wanted: readonly WantedBucket[], named: Named): void {
  const {name, add, have} = draft;
  const {account, triggers} = have;
  for (const found of triggers.buckets) {
    const {bucket, sid} = found;
    if (wanted.some((each) => each.bucket === bucket)) continue;
    if (found.exists) addNotifications(draft, bucket, [], named(), `${bucket} is to call it no more`);
    if (sid === null) continue;
    add(`forbid-${bucket}`, 'lambda:RemovePermission', {name, sid}, named(), `${bucket} may call it no more`);
  }
  for (const {bucket, rules} of wanted) {
    const found = triggers.buckets.find((each) => each.bucket === bucket);
    const sid = found?.sid ?? null;
    if (sid !== null && sameJson(found?.rules, rules)) continue;
    if (found !== undefined) refuseOverlaps(name, rules, found);
    if (sid === null) {
      const permission = {
        Action: 'lambda:InvokeFunction',
        Principal: 's3.amazonaws.com',
        SourceArn: `arn:${account.partition}:s3:::${bucket}`,
        SourceAccount: account.id,
      };
      const args = {name, sid: callerSid('s3', bucket), permission};
      add(`permit-${bucket}`, 'lambda:AddPermission', args, named(), `${bucket} may call it`);
    }
    addNotifications(draft, bucket, rules, named(), `${bucket} calls it for what happens to its keys`);
  }
}

function addNotifications(
  {name, add, have}: Draft,
  bucket: string,
  rules: readonly BucketRule[],
  changes: readonly Change[],
  why: string,
): void {
  const args = {name, bucket, function: liveArn(have.account, name), rules};
  add(`notify-${bucket}`, 's3:PutBucketNotification', args, changes, why);
}

function refuseOverlaps(name: string, wanted: readonly BucketRule[], {bucket, others}: BucketFound): void {
  for (const other of others) {
    const rule = wanted.find((each) => overlap(each, other));
    if (rule === undefined) continue;
    const message = `${bucket} already tells ${other.target} of ${said(other)}, which overlaps with ${said(rule)} for ${name}: S3 tells of what happens to a key once`;
    throw new ThawError('PROVIDER_CONFLICT', message, {
      provider: 'aws',
      reason: 'overlap',
      resource: bucket,
      target: other.target,
      function: name,
    });
  }
}

const said = ({prefix, suffix, events}: BucketRule): string =>
  [events.join(', '), ...(prefix === '' ? [] : [prefix]), ...(suffix === '' ? [] : [`*${suffix}`])].join(' ');

export function addBucketTeardown(draft: Draft, {triggers}: Have): void {
  for (const {bucket} of triggers.buckets.filter(({rules}) => rules.length > 0)) {
    addNotifications(draft, bucket, [], [{path: 'triggers.s3', from: bucket, to: null}], OUTLIVES);
  }
}
