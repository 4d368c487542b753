import {describe, expect, it} from 'vitest';
import type {FunctionSpec, Trigger} from '../../../../src/core/function.ts';
import type {Have} from '../../../../src/providers/aws/have.ts';
import {callerSid, ruleName} from '../../../../src/providers/aws/names.ts';
import {planDeploy} from '../../../../src/providers/aws/plan/deploy.ts';
import {planTeardown} from '../../../../src/providers/aws/plan/teardown.ts';
import {changesOf, NAME, opsOf, options, site, spec} from './found.ts';

const http: Trigger = {kind: 'http', auth: 'iam'};
const withTriggers = (...triggers: Trigger[]): FunctionSpec => ({...spec, triggers: [http, ...triggers]});
const event = (source: string, name: string): Trigger => ({kind: 'event', source, name});
const having = (triggers: Partial<Have['triggers']>, change = {}): Have => {
  const have = site(change);
  return {...have, triggers: {...have.triggers, ...triggers}};
};
const QUEUE = 'arn:aws:sqs:eu-central-1:123456789012:orders';
const RULE = ruleName(NAME, 'cron(0 3 * * ? *)');

describe('a schedule', () => {
  const wanted = withTriggers({kind: 'schedule', cron: '0 3 * * *'});

  it('is a rule that may call the live version, as one change', () => {
    const plan = planDeploy(wanted, options, site());
    expect(opsOf(plan)).toEqual(['PutRule', 'AddPermission', 'PutTargets']);
    expect(changesOf(plan)).toEqual(['PutRule triggers']);
    expect(plan.steps[2]?.args['arn']).toBe(`arn:aws:lambda:eu-central-1:123456789012:function:${NAME}:live`);
  });

  it('is there already, is finished, or is deleted', () => {
    const rule = {name: RULE, schedule: 'cron(0 3 * * ? *)', targeted: true};
    const statements = [{sid: callerSid('rule', RULE), statement: {Action: 'lambda:InvokeFunction'}}];
    expect(planDeploy(wanted, options, having({rules: [rule]}, {statements})).steps).toEqual([]);
    expect(opsOf(planDeploy(wanted, options, having({rules: [{...rule, targeted: false}]})))).toContain(
      'PutTargets',
    );
    const gone = planDeploy(spec, options, having({rules: [rule]}, {statements}));
    expect(opsOf(gone)).toEqual(['DeleteRule', 'RemovePermission']);
    expect(changesOf(gone)).toEqual(['DeleteRule triggers']);
  });
});

describe('a queue or a stream', () => {
  it('is mapped to the live version, with what the role needs to read it', () => {
    const plan = planDeploy(withTriggers(event('sqs', 'orders')), options, site());
    expect(opsOf(plan)).toEqual(['AttachRolePolicy', 'CreateEventSourceMapping', 'WaitEventSourceMapping']);
    expect(changesOf(plan)).toEqual(['CreateEventSourceMapping triggers']);
    expect(plan.steps[1]?.args).toMatchObject({source: QUEUE, stream: false});
    const stream = planDeploy(withTriggers(event('kinesis', 'clicks')), options, site());
    expect(stream.steps[1]?.args).toMatchObject({
      source: 'arn:aws:kinesis:eu-central-1:123456789012:stream/clicks',
      stream: true,
    });
  });

  it('is let go of if thaw mapped it, and left alone if somebody else did', () => {
    const mapping = {uuid: 'u-1', source: QUEUE, state: 'Enabled', ours: true};
    const gone = planDeploy(spec, options, having({mappings: [mapping]}));
    expect(opsOf(gone)).toEqual(['DeleteEventSourceMapping', 'WaitEventSourceMappingDeleted']);
    const foreign = having({mappings: [{...mapping, ours: false}]});
    expect(planDeploy(spec, options, foreign).steps).toEqual([]);
    expect(opsOf(planTeardown({name: NAME}, options, foreign))).not.toContain('DeleteEventSourceMapping');
    expect(opsOf(planTeardown({name: NAME}, options, having({mappings: [mapping]})))[0]).toBe(
      'DeleteEventSourceMapping',
    );
  });
});

describe('a bucket', () => {
  const wanted = withTriggers(event('s3', 'uploads/images/'));

  it('may call the function, then does for what begins so', () => {
    const plan = planDeploy(wanted, options, site());
    expect(opsOf(plan)).toEqual(['AddPermission', 'PutBucketNotification']);
    expect(changesOf(plan)).toEqual(['AddPermission triggers']);
    expect(plan.steps[0]?.args['permission']).toMatchObject({SourceArn: 'arn:aws:s3:::uploads'});
    expect(plan.steps[1]?.args).toMatchObject({bucket: 'uploads', prefix: 'images/'});
  });

  it('is there already, changes its prefix, or is let go of', () => {
    const bucket = {bucket: 'uploads', sid: callerSid('s3', 'uploads'), notifies: true, prefix: 'images/'};
    expect(planDeploy(wanted, options, having({buckets: [bucket]})).steps).toEqual([]);
    const other = planDeploy(withTriggers(event('s3', 'uploads')), options, having({buckets: [bucket]}));
    expect(opsOf(other)).toEqual(['PutBucketNotification']);
    const gone = planDeploy(spec, options, having({buckets: [bucket]}));
    expect(opsOf(gone)).toEqual(['PutBucketNotification', 'RemovePermission']);
    expect(gone.steps[0]?.args['function']).toBeNull();
  });
});

it.each([
  event('dynamodb', 'orders'),
  event('sqs', 'orders please'),
  event('s3', 'A'),
  event('pubsub', 'topic'),
  {kind: 'schedule', cron: '0 3 1 * 1'} as const,
])('%j is refused', (trigger) => {
  expect(() => planDeploy(withTriggers(trigger), options, site())).toThrow('triggers.1');
});
