import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import type {JsonObject} from '../../../../src/core/json.ts';
import {parseOptions} from '../../../../src/providers/aws/wanted/options.ts';
import {leastPolicy, type PolicyNeeds, type Statement} from '../../../../src/providers/aws/doctor/policy.ts';

const scope = {partition: 'aws', account: '123456789012', region: 'eu-central-1'};
const plain: PolicyNeeds = {
  name: 'scoring',
  warm: {min: 0, schedule: []},
  secrets: {},
  triggers: [{kind: 'http', auth: 'iam'}],
};
/** A function that has one of everything. */
const everything: PolicyNeeds = {
  name: 'NAME',
  warm: {min: 0, schedule: [{up: '0 8 * * *', down: '0 18 * * *', timezone: 'UTC', min: 1}]},
  secrets: {A: 'ssm:/PATH', B: 'secretsmanager:SECRET#member'},
  triggers: [
    {kind: 'http', auth: 'iam'},
    {kind: 'schedule', cron: '0 3 * * *'},
    {kind: 'event', source: 'sqs', name: 'orders'},
    {kind: 'event', source: 'kinesis', name: 'clicks'},
    {kind: 'event', source: 'dynamodb', name: 'arn:…'},
    {kind: 'event', source: 's3', name: 'BUCKET/images/'},
  ],
};

function statements(fn: PolicyNeeds = plain, options: JsonObject = {}): {[sid: string]: Statement} {
  const {Statement} = leastPolicy(scope, fn, parseOptions(options));
  return Object.fromEntries(Statement.map((statement) => [statement.Sid, statement]));
}

describe('the least policy', () => {
  it('is in the documentation as it is for a function that has one of everything', () => {
    const file = fileURLToPath(new URL('../../../../docs/providers/aws.md', import.meta.url));
    const written = /```json\n(.*?)```/s.exec(readFileSync(file, 'utf8'))?.[1] ?? '';
    const places = {partition: 'aws', account: 'ACCOUNT', region: 'REGION'};
    const policy = JSON.stringify(leastPolicy(places, everything, parseOptions({})));
    expect(JSON.parse(written)).toEqual(JSON.parse(policy.replace('thaw/name', 'thaw/NAME')));
  });

  it('fits into what IAM takes', () => {
    const policy = leastPolicy(scope, {...everything, name: 'n'.repeat(64)}, parseOptions({}));
    // Of a managed policy, without white space.
    expect(JSON.stringify(policy).length).toBeLessThanOrEqual(6144);
    const actions = policy.Statement.flatMap(({Action}) => Action);
    expect(actions.every((action) => /^[a-z\d-]+:[A-Za-z\d]+$/.test(action))).toBe(true);
  });

  it('is about one function, but for what has no names', () => {
    const open = (fn: PolicyNeeds): string[] =>
      Object.values(statements(fn))
        .filter(({Resource, Condition}) => Resource.includes('*') && Condition === undefined)
        .map(({Sid}) => Sid);
    expect([open(plain), open(everything)]).toEqual([['Account'], ['Account']]);
    const bare = Object.keys(statements());
    expect(bare).toEqual([
      'Function',
      'Role',
      'RolePolicies',
      'PassRole',
      'Repository',
      'Log',
      'Rules',
      'MappingTags',
      'Account',
    ]);
  });

  it('allows nothing to be attached to the role but what the function needs', () => {
    const attached = (fn: PolicyNeeds, options?: JsonObject): string =>
      JSON.stringify(statements(fn, options)['RolePolicies']);
    expect(attached(plain)).toContain('policy/service-role/AWSLambdaBasicExecutionRole"]');
    expect(attached(everything)).toContain('AWSLambdaSQSQueueExecutionRole');
    const vpc = {subnets: ['subnet-1'], securityGroups: ['sg-1']};
    expect(attached(plain, {vpc})).toContain('AWSLambdaVPCAccessExecutionRole');
    expect(statements(plain, {vpc})['Network']?.Action).toContain('ec2:DescribeSubnets');
  });

  it('is about the user’s own role, and makes none', () => {
    const role = 'arn:aws:iam::123456789012:role/functions';
    const own = statements(plain, {role});
    expect([own['Role'], own['RolePolicies']]).toEqual([undefined, undefined]);
    expect(own['PassRole']?.Resource).toEqual([role]);
  });

  it('makes roles within their boundary alone', () => {
    const permissionsBoundary = 'arn:aws:iam::123456789012:policy/boundary';
    const {Role, BoundedRole} = statements(plain, {permissionsBoundary});
    expect(BoundedRole?.Condition).toEqual({
      StringEquals: {'iam:PermissionsBoundary': [permissionsBoundary]},
    });
    expect(BoundedRole?.Action).toContain('iam:CreateRole');
    expect(Role?.Action.filter((action) => /Boundary|Create/.test(action))).toEqual([]);
  });

  it('deletes nothing in a repository of the user’s own, and no image where all are kept', () => {
    const own = statements(plain, {repository: 'team/models'})['Repository'];
    expect(own?.Resource).toEqual(['arn:aws:ecr:eu-central-1:123456789012:repository/team/models']);
    expect(own?.Action.filter((action) => /Delete|Create|Tag(Res|$)/.test(action))).toEqual([]);
    expect(statements()['Repository']?.Action).toContain('ecr:BatchDeleteImage');
    expect(statements(plain, {keep: null})['Repository']?.Action).not.toContain('ecr:BatchDeleteImage');
  });

  it('has no repository for a zip archive', () => {
    const zip = statements(plain, {artifact: 'zip'});
    expect(JSON.stringify(zip)).not.toContain('ecr:');
  });

  it('is about the key that the environment is encrypted with, also by its alias', () => {
    const at = 'arn:aws:kms:eu-central-1:123456789012:';
    expect(statements(plain, {kmsKey: `${at}key/1`})['Key']?.Resource).toEqual([`${at}key/1`]);
    const alias = statements(plain, {kmsKey: `${at}alias/functions`})['Key'];
    expect(alias).toMatchObject({
      Resource: [`${at}key/*`],
      Condition: {'ForAnyValue:StringEquals': {'kms:ResourceAliases': ['alias/functions']}},
    });
  });

  it('is about the secrets that the project takes, and no others', () => {
    const arn = 'arn:aws:secretsmanager:eu-central-1:1:secret:key-AbCdEf';
    const secrets = {A: 'ssm:/team/key:3', B: 'secretsmanager:key#x', C: `secretsmanager:${arn}`};
    const {Parameters, Secrets} = statements({...plain, secrets});
    expect(Parameters?.Resource).toEqual(['arn:aws:ssm:eu-central-1:123456789012:parameter/team/key']);
    expect(Secrets?.Resource).toEqual([
      'arn:aws:secretsmanager:eu-central-1:123456789012:secret:key-??????',
      `${arn}*`,
    ]);
  });

  it('has a pattern for the role where nobody knows the region', () => {
    const unknown = {partition: 'aws', account: '*', region: '*'};
    const name = 'n'.repeat(64);
    const roleOf = (fn: string): string =>
      leastPolicy(unknown, {...plain, name: fn}, parseOptions({})).Statement.find(
        ({Sid}) => Sid === 'PassRole',
      )?.Resource[0] ?? '';
    expect(roleOf('scoring')).toBe('arn:aws:iam::*:role/thaw-scoring-*');
    const known = statements({...plain, name})['PassRole']?.Resource[0]?.split('role/')[1] ?? '';
    expect(known.startsWith(roleOf(name).split('role/')[1]?.slice(0, -1) ?? '?')).toBe(true);
  });
});
