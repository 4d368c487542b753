import {afterEach, describe, expect, it} from 'vitest';
import type {FunctionNeeds} from '../../../src/core/driver.ts';
import type {JsonObject} from '../../../src/core/json.ts';
import {createAwsDriver} from '../../../src/providers/aws/driver.ts';
import type {PolicyDocument} from '../../fakes/aws/policy.ts';
import type {FakeAwsOptions} from '../../fakes/aws/server.ts';
import {NAME, openAwsHarness, type AwsHarness} from './harness.ts';

const open: AwsHarness[] = [];
afterEach(async () => {
  for (const harness of open.splice(0)) await harness.close();
});

async function openSite(fake: FakeAwsOptions = {}): Promise<AwsHarness> {
  const harness = await openAwsHarness({}, {runs: false, ...fake});
  open.push(harness);
  return harness;
}

const ACCOUNT = '123456789012';
const everything: PolicyDocument = {Statement: [{Effect: 'Allow', Action: '*', Resource: '*'}]};
const allBut = (
  action: string,
  Condition?: PolicyDocument['Statement'][number]['Condition'],
): PolicyDocument => ({
  Statement: [
    ...everything.Statement,
    {Effect: 'Deny', Action: action, Resource: '*', ...(Condition === undefined ? {} : {Condition})},
  ],
});

interface Found {
  readonly ok: boolean;
  readonly found: string;
  readonly remedy: string | null;
}

async function examine(
  {driver, context, spec}: AwsHarness,
  options: JsonObject = {},
  needs: Partial<FunctionNeeds> = {},
): Promise<{readonly [name: string]: Found}> {
  const found: {[name: string]: Found} = {};
  for (const check of driver.open(options).checks({...spec, ...needs})) {
    found[check.name] = await check.check(context);
  }
  return found;
}

const permissionsOf = async (harness: AwsHarness): Promise<Found> =>
  (await examine(harness))['permissions'] ?? {ok: false, found: 'not looked at', remedy: null};

describe('the permissions of who calls', () => {
  it('are enough with the least policy, and simulated with reads alone', async () => {
    const harness = await openSite({pageSize: 10});
    const {aws, driver, context, spec} = harness;
    aws.account.policy = (await driver.open({}).policy(context, spec)) as unknown as PolicyDocument;
    // Simulating is no part of what thaw itself needs.
    expect((await permissionsOf(harness)).found).toBe(
      'cannot be seen: iam:SimulatePrincipalPolicy is not allowed',
    );
    const {Statement} = aws.account.policy;
    const looks = {Effect: 'Allow', Action: 'iam:SimulatePrincipalPolicy', Resource: '*'} as const;
    aws.account.policy = {Statement: [...Statement, looks]};
    const found = await permissionsOf(harness);
    expect(found).toEqual({
      ok: true,
      found: expect.stringMatching(/^all \d\d actions that thaw needs are allowed$/),
      remedy: null,
    });
    expect(aws.writes()).toEqual([]);
  });

  it('are simulated under the conditions that the least policy has', async () => {
    const harness = await openSite();
    const allows = (Action: string | string[]) => ({Effect: 'Allow', Action, Resource: '*'}) as const;
    const verbs = ['Create', 'Delete', 'Get', 'List', 'Tag', 'Untag', 'Attach', 'Detach', 'Simulate'];
    const to = (service: string) => ({
      ...allows('iam:PassRole'),
      Condition: {StringEquals: {'iam:PassedToService': service}},
    });
    const others = allows(['lambda:*', 'ecr:*', 'logs:*', 'events:*', 'application-autoscaling:*', 'sts:*']);
    const roles = allows(verbs.map((verb) => `iam:${verb}*`));
    const {account} = harness.aws;
    account.policy = {Statement: [others, roles, to('lambda.amazonaws.com')]};
    expect((await permissionsOf(harness)).ok).toBe(true);
    account.policy = {Statement: [others, roles, to('ecs-tasks.amazonaws.com')]};
    const {ok, found} = await permissionsOf(harness);
    expect([ok, found.split('\n')]).toEqual([
      false,
      [
        expect.stringMatching(/^1 of \d\d actions/),
        `no policy allows iam:PassRole on arn:aws:iam::${ACCOUNT}:role/thaw-${NAME}-eu-central-1`,
      ],
    ]);
  });

  it('lack what no policy allows: each action is named once, with what it is about', async () => {
    const harness = await openSite({pageSize: 1});
    const {account} = harness.aws;
    account.deny('lambda:CreateAlias');
    account.deny('lambda:UpdateAlias', ':live');
    account.deny('iam:CreateRole');
    const {ok, found, remedy} = await permissionsOf(harness);
    const fn = `arn:aws:lambda:eu-central-1:${ACCOUNT}:function:${NAME}`;
    expect(ok).toBe(false);
    expect(found.split('\n')).toEqual([
      expect.stringMatching(/^3 of \d\d actions that thaw needs are not allowed$/),
      `no policy allows lambda:CreateAlias on ${fn}`,
      `no policy allows lambda:CreateAlias, lambda:UpdateAlias on ${fn}:live`,
      `no policy allows iam:CreateRole on arn:aws:iam::${ACCOUNT}:role/thaw-${NAME}-eu-central-1`,
    ]);
    expect(remedy).toContain('thaw doctor aws --policy');
  });

  it.each([
    ['policy', 'a policy denies lambda:', 'take what is denied out of the policy'],
    ['boundary', 'the permissions boundary leaves out lambda:', 'permissions boundary'],
    ['organization', "a policy of the organization's leaves out lambda:", 'who runs the organization'],
  ] as const)('lack what a %s denies, and it is said so', async (which, what, remedy) => {
    const harness = await openSite();
    harness.aws.account[which] = allBut('lambda:PublishVersion');
    const found = await permissionsOf(harness);
    expect(found.ok).toBe(false);
    expect(found.found).toContain(`${what}PublishVersion on arn:`);
    expect(found.found).toMatch(/^1 of/);
    expect(found.remedy).toContain(remedy);
  });

  it('may be more than a simulation can tell, where a policy asks for what it has not', async () => {
    const harness = await openSite();
    const unless = {BoolIfExists: {'aws:MultiFactorAuthPresent': 'false'}};
    harness.aws.account.policy = allBut('lambda:Publish*', unless);
    const {ok, found, remedy} = await permissionsOf(harness);
    expect([ok, found]).toEqual([true, expect.stringContaining('it depends on aws:MultiFactorAuthPresent')]);
    expect(found).toContain('a policy denies lambda:PublishVersion');
    expect(remedy).toContain('aws:MultiFactorAuthPresent');
  });

  it('are not lost to a policy for other regions', async () => {
    const harness = await openSite();
    const elsewhere = {StringNotEquals: {'aws:RequestedRegion': ['eu-central-1', 'us-east-1']}};
    harness.aws.account.policy = allBut('*', elsewhere);
    expect(await permissionsOf(harness)).toMatchObject({ok: true, remedy: null});
  });

  it('are those of the role behind a session, whatever its path', async () => {
    const harness = await openSite();
    const {aws} = harness;
    const role = 'AWSReservedSSO_Deployers_0123456789abcdef';
    const path = '/aws-reserved/sso.amazonaws.com/eu-central-1/';
    const arn = aws.roles.plant(role, {}, path);
    aws.account.caller = `arn:aws:sts::${ACCOUNT}:assumed-role/${role}/ada`;
    expect(arn).toBe(`arn:aws:iam::${ACCOUNT}:role${path}${role}`);
    expect(await permissionsOf(harness)).toMatchObject({ok: true, remedy: null});
    const asked = aws.requests.filter(({operation}) => operation === 'iam:SimulatePrincipalPolicy');
    expect(new Set(asked.map(({input}) => input['PolicySourceArn']))).toEqual(new Set([arn]));
    aws.account.deny('iam:GetRole', role);
    expect(await permissionsOf(harness)).toMatchObject({
      ok: true,
      found: 'cannot be seen: iam:GetRole is not allowed',
      remedy: expect.stringContaining('have iam:GetRole allowed'),
    });
  });

  it('cannot be simulated of root and of federated users', async () => {
    const harness = await openSite();
    const {account} = harness.aws;
    account.caller = `arn:aws:iam::${ACCOUNT}:root`;
    expect(await permissionsOf(harness)).toMatchObject({
      ok: true,
      found: 'the root user of the account may do all',
      remedy: expect.stringContaining('deploy as that one'),
    });
    account.caller = `arn:aws:sts::${ACCOUNT}:federated-user/ada`;
    expect((await permissionsOf(harness)).found).toContain('does not simulate federated users');
    expect(harness.aws.requests.map(({operation}) => operation)).not.toContain('iam:SimulatePrincipalPolicy');
  });
});

describe('the place', () => {
  it('is told apart from the credentials where the account has not enabled the region', async () => {
    const harness = await openSite({region: 'us-east-1'});
    const found = await examine(harness, {region: 'eu-south-2'});
    expect(found['AWS region']).toEqual({
      ok: false,
      found: 'the account has not enabled eu-south-2, or there is no such region',
      remedy: expect.stringContaining('aws account enable-region --region-name eu-south-2'),
    });
    expect(found['AWS credentials']?.ok).toBe(true);
    expect(found['permissions']).toEqual({ok: false, found: 'cannot be seen in eu-south-2', remedy: null});
  });

  it('is well where the keys are wrong everywhere', async () => {
    const harness = await openSite({region: 'us-east-1'});
    process.env['AWS_ACCESS_KEY_ID'] = 'AKIAOFSOMEBODYELSE00';
    const found = await examine(harness, {region: 'eu-south-2'});
    expect(found['AWS region']).toMatchObject({ok: true, found: 'eu-south-2'});
    expect(found['AWS credentials']).toMatchObject({ok: false, remedy: expect.stringContaining('sign in')});
  });

  it('says once that nobody has signed in', async () => {
    const harness = await openSite();
    delete process.env['AWS_ACCESS_KEY_ID'];
    const found = Object.values(await examine(harness));
    expect(found.filter(({remedy}) => remedy !== null)).toHaveLength(1);
    expect(harness.aws.requests).toEqual([]);
  });

  it.each(['RequestTimeTooSkewed', 'SignatureDoesNotMatch', 'InvalidSignatureException'])(
    'needs a clock that is right: %s',
    async (type) => {
      const harness = await openSite();
      const message = 'Signature expired: 20261123T120000Z is now earlier than 20261123T130000Z';
      harness.aws.faults.on('sts:GetCallerIdentity', {type, message, status: 403});
      const {found, remedy} = (await examine(harness))['AWS credentials'] ?? {};
      expect(found).toContain('20261123T130000Z');
      expect(remedy).toContain("set this machine's clock");
    },
  );
});

describe('the quotas', () => {
  it('are enough in a new account, as long as nothing is to be reserved', async () => {
    const harness = await openSite();
    harness.aws.account.concurrency = 10;
    const quotas = async (maxInstances: number, memoryMb = 512): Promise<Found | undefined> => {
      const resources = {...harness.spec.resources, memoryMb};
      return (await examine(harness, {}, {scaling: {maxInstances}, resources}))['Lambda quotas'];
    };
    expect(await quotas(10)).toMatchObject({
      ok: true,
      remedy: expect.stringContaining('Concurrent executions'),
    });
    expect((await quotas(10, 4096))?.remedy).toContain('3008Mi');
    expect(await quotas(5)).toMatchObject({
      ok: false,
      found: expect.stringContaining('5 cannot be reserved: AWS keeps back 100'),
      remedy: expect.stringContaining('scaling.max to 10'),
    });
    harness.aws.account.concurrency = 1000;
    expect(await quotas(900)).toMatchObject({ok: true, remedy: null});
    expect((await quotas(901))?.ok).toBe(false);
  });
});

describe('the policy', () => {
  it('is there for who has not signed in yet', async () => {
    const {driver, context, spec} = await openSite();
    delete process.env['AWS_ACCESS_KEY_ID'];
    const text = JSON.stringify(await driver.open({}).policy(context, spec));
    expect(text).toContain(`"arn:aws:lambda:eu-central-1:*:function:${NAME}"`);
    delete process.env['AWS_REGION'];
    const nowhere = JSON.stringify(await createAwsDriver().open({}).policy(context, spec));
    expect(nowhere).toContain(`"arn:aws:lambda:*:*:function:${NAME}"`);
    expect(nowhere).toContain(`role/thaw-${NAME}-*`);
  });
});
