import {copyFile, mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, it} from 'vitest';
import {openFakeAws, type FakeAws} from '../fakes/aws/server.ts';
import {fixture} from '../instance.ts';
import {openBench, type Bench, type Ended} from './thaw.ts';

const CONFIG = `name: credit-scoring
model: {path: model.onnx, quantize: none}
providers:
  aws: {}
  local: {}
`;

let bench: Bench;
let aws: FakeAws;
const doctor = (args: string[], env: {readonly [name: string]: string} = aws.env): Promise<Ended> =>
  bench.thaw(['doctor', ...args], {cwd: 'project', env});

beforeAll(async () => {
  [bench, aws] = await Promise.all([openBench(), openFakeAws({runs: false})]);
  const dir = join(bench.dir, 'project');
  await mkdir(dir);
  await copyFile(fixture('linear.onnx'), join(dir, 'model.onnx'));
  await writeFile(join(dir, 'thaw.yaml'), CONFIG);
}, 60_000);
afterAll(async () => {
  await aws?.close();
  await bench?.leave();
});

it('looks whether AWS can be deployed to, and writes nothing', async () => {
  const {code, stdout, stderr} = await doctor(['aws']);
  expect(code, stderr).toBe(0);
  const [policy = '', findings = ''] = stdout.split('\n\n');
  expect(JSON.parse(policy.slice(policy.indexOf('{')))).toMatchObject({Version: '2012-10-17'});
  expect(findings.split('\n').map((line) => line.slice(0, 40).trim())).toEqual([
    'aws',
    '✓ AWS region: eu-central-1',
    expect.stringContaining('✓ AWS credentials: arn:aws:iam::'),
    expect.stringContaining('✓ permissions: all 7'),
    expect.stringContaining('✓ Lambda quotas: 1000 instances'),
    '✓ AWS can be read: no function credit-',
    '✓ ECR can be reached: allowed',
    '',
  ]);
  expect(aws.writes()).toEqual([]);
}, 60_000);

it('says what is not allowed and what to do, also to programs', async () => {
  aws.account.deny('ecr:GetAuthorizationToken');
  aws.account.deny('lambda:PublishVersion');
  aws.account.concurrency = 10;
  const [bad, told] = await Promise.all([doctor(['aws']), doctor(['aws', '--json'])]);
  aws.account.allow();
  aws.account.concurrency = 1000;
  expect([bad.code, told.code]).toEqual([5, 5]);
  expect(bad.stdout).toContain('✗ permissions: 2 of');
  expect(bad.stdout).toContain('no policy allows lambda:PublishVersion on arn:aws:lambda:');
  expect(bad.stdout).toContain('→ have ecr:GetAuthorizationToken allowed');
  expect(bad.stdout).toContain('! Lambda quotas: 10 instances at once');
  const {error} = JSON.parse(told.stdout) as {
    error: {facts: {failed: string[]; providers: {findings: {name: string; ok: boolean}[]}[]}};
  };
  expect(error.facts.failed).toEqual(['aws: permissions', 'aws: ECR can be reached']);
  expect(error.facts.providers[0]?.findings.filter(({ok}) => !ok).map(({name}) => name)).toEqual([
    'permissions',
    'ECR can be reached',
  ]);
}, 60_000);

it('prints the policy alone, to be put into a file, also before anybody has signed in', async () => {
  const {AWS_ENDPOINT_URL = ''} = aws.env;
  const bare = {AWS_ENDPOINT_URL, AWS_EC2_METADATA_DISABLED: 'true', HOME: bench.dir};
  const [one, told, early, none] = await Promise.all([
    doctor(['--policy']),
    doctor(['aws', '--json']),
    doctor(['aws', '--policy'], bare),
    doctor(['local', '--policy']),
  ]);
  const policy = JSON.parse(one.stdout) as object;
  expect(JSON.parse(told.stdout)).toMatchObject({
    schema: 'thaw.findings/1',
    providers: [{provider: 'aws', policy}],
  });
  expect(JSON.stringify(policy)).toContain(
    'arn:aws:lambda:eu-central-1:123456789012:function:credit-scoring',
  );
  expect([early.code, early.stderr]).toEqual([0, '']);
  expect(JSON.stringify(JSON.parse(early.stdout))).toContain('arn:aws:lambda:*:*:function:credit-scoring');
  expect([none.code, none.stdout]).toEqual([2, '']);
  expect(none.stderr).toContain('nothing has to be allowed to deploy to local');
}, 60_000);
