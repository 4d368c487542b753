import {describe, expect, it} from 'vitest';
import {ThawError} from '../../../../src/core/errors.ts';
import type {Json} from '../../../../src/core/json.ts';
import {optionsSchema, parseOptions} from '../../../../src/providers/aws/wanted/options.ts';

function problemsOf(raw: Json): string[] {
  try {
    parseOptions(raw);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(ThawError);
    expect((error as ThawError).code).toBe('CONFIG_INVALID');
    const problems = (error as ThawError).facts['problems'] as {path: string[]}[];
    return problems.map(({path}) => path.join('.'));
  }
}

describe('the options of aws', () => {
  it('have defaults, which are those of the schema', () => {
    const parsed = parseOptions(null);
    expect(parsed).toEqual({
      region: null,
      profile: null,
      role: null,
      permissionsBoundary: null,
      repository: null,
      artifact: 'image',
      bucket: null,
      adopt: false,
      keep: 5,
      ephemeralStorageMb: 512,
      vpc: null,
      kmsKey: null,
      logRetentionDays: 30,
      tags: {},
      invoke: 'url',
      snapStart: false,
    });
    const properties = optionsSchema['properties'] as {readonly [name: string]: {default: Json}};
    const defaults = Object.entries(properties).map(([name, schema]) => [name, schema.default]);
    expect(parseOptions(Object.fromEntries(defaults) as Json)).toEqual(parsed);
  });

  it('are taken as they are written', () => {
    const written = {
      region: 'us-gov-west-1',
      role: 'arn:aws-us-gov:iam::123456789012:role/path/functions',
      repository: 'team/models',
      ephemeralStorage: '2Gi',
      vpc: {subnets: ['subnet-b', 'subnet-a'], securityGroups: ['sg-1']},
      kmsKey: 'arn:aws:kms:eu-central-1:123456789012:key/abc',
      logRetentionDays: null,
      tags: {'cost center': '4711'},
      invoke: 'direct',
    };
    expect(parseOptions(written)).toMatchObject({
      region: 'us-gov-west-1',
      ephemeralStorageMb: 2048,
      vpc: {subnets: ['subnet-a', 'subnet-b'], securityGroups: ['sg-1']},
      logRetentionDays: null,
      invoke: 'direct',
    });
  });

  it.each<[string, Json]>([
    ['regoin', {regoin: 'eu-central-1'}],
    ['region', {region: 'Frankfurt'}],
    ['role', {role: 'functions'}],
    ['permissionsBoundary', {permissionsBoundary: 'boundary'}],
    [
      'permissionsBoundary',
      {role: 'arn:aws:iam::123456789012:role/f', permissionsBoundary: 'arn:aws:iam::aws:policy/p'},
    ],
    ['repository', {repository: 'Team/Models'}],
    ['artifact', {artifact: 'tar'}],
    ['bucket', {bucket: 'Team Artifacts'}],
    ['adopt', {adopt: 'yes'}],
    ['keep', {keep: 0}],
    ['keep', {keep: 2.5}],
    ['ephemeralStorage', {ephemeralStorage: '256Mi'}],
    ['ephemeralStorage', {ephemeralStorage: 2048}],
    ['vpc', {vpc: 'vpc-1'}],
    ['vpc.subnets', {vpc: {subnets: [], securityGroups: ['sg-1']}}],
    ['vpc.securityGroups', {vpc: {subnets: ['subnet-1']}}],
    ['kmsKey', {kmsKey: 'alias/mine'}],
    ['logRetentionDays', {logRetentionDays: 8}],
    ['tags', {tags: ['a']}],
    ['tags.aws:mine', {tags: {'aws:mine': 'x'}}],
    ['tags.thaw:function', {tags: {'thaw:function': 'x'}}],
    ['tags.a', {tags: {a: 1}}],
    ['invoke', {invoke: 'http'}],
    ['snapStart', {snapStart: 'on'}],
    ['snapStart', {snapStart: true, artifact: 'zip'}],
    ['ephemeralStorage', {snapStart: true, ephemeralStorage: '1Gi'}],
    ['', 'eu-central-1'],
  ])('refuse at %j: %j', (path, raw) => {
    expect(problemsOf(raw)).toEqual([path]);
  });

  it('name all mistakes at once', () => {
    expect(problemsOf({region: 'x', invoke: 'y', more: 1})).toEqual(['more', 'region', 'invoke']);
  });
});
