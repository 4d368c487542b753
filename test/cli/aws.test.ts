import {Lambda} from '@aws-sdk/client-lambda';
import {createHash} from 'node:crypto';
import {copyFile, mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {buffer} from 'node:stream/consumers';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {QUICK_PACES} from '../fakes/aws/cloud.ts';
import {readZip} from '../fakes/aws/sandboxes/zip-files.ts';
import {openFakeAws, type FakeAws} from '../fakes/aws/server.ts';
import {ZipFile} from 'yazl';
import {fixture} from '../instance.ts';
import {openBench, until, type Bench, type Ended} from './thaw.ts';

const SECRET = 'planted-secret-4711-Xq';
const CONFIG = `name: credit-scoring
model: {path: model.onnx, quantize: none}
resources: {memory: 512Mi}
env: {GREETING: hello-from-the-cloud}
secrets: {TOKEN: env}
providers:
  aws: {}
`;
const REQUEST = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4]}]};

function zipOf(name: string, content: string): Promise<Buffer> {
  const archive = new ZipFile();
  archive.addBuffer(Buffer.from(content), name);
  archive.end();
  return buffer(archive.outputStream);
}

// An image without a base of its own can only be made on Linux.
describe.runIf(process.platform === 'linux')('a life on AWS, with the real image', () => {
  let bench: Bench;
  let aws: FakeAws;
  const all: Ended[] = [];
  const thaw = async (args: string[], env: {readonly [name: string]: string} = aws.env): Promise<Ended> => {
    const ended = await bench.thaw(args, {cwd: 'project', env: {...env, TOKEN: SECRET}});
    all.push(ended);
    return ended;
  };

  beforeAll(async () => {
    [bench, aws] = await Promise.all([openBench(), openFakeAws({paces: QUICK_PACES})]);
    const dir = join(bench.dir, 'project');
    await mkdir(dir);
    await copyFile(fixture('linear.onnx'), join(dir, 'model.onnx'));
    await writeFile(join(dir, 'thaw.yaml'), CONFIG);
    await writeFile(join(dir, 'zip.yaml'), CONFIG.replace('aws: {}', 'aws: {artifact: zip}'));
    await writeFile(join(dir, 'request.json'), JSON.stringify(REQUEST));
    const packaged = await thaw(['package']);
    expect(packaged.code, packaged.stderr).toBe(0);
  }, 120_000);
  afterAll(async () => {
    await aws?.close();
    await bench?.leave();
  });

  it('says without credentials what is missing, and ends with exit code 4', async () => {
    const {AWS_ENDPOINT_URL = '', AWS_REGION = ''} = aws.env;
    const bare = {AWS_ENDPOINT_URL, AWS_REGION, AWS_EC2_METADATA_DISABLED: 'true', HOME: bench.dir};
    const {code, stderr} = await thaw(['plan', 'aws'], bare);
    expect(code).toBe(4);
    expect(stderr).toContain('no AWS credentials');
    expect(aws.requests).toEqual([]);
  });

  it('says where in the file a trigger stands that Lambda would not take', async () => {
    const triggers = `triggers:
  - sqs: {name: orders, batchSize: 50, filter: [{body: {kind: order}}]}
  - kinesis: {name: clicks, maximumConcurrency: 2}
`;
    await writeFile(join(bench.dir, 'project', 'wrong.yaml'), `${CONFIG}${triggers}`);
    const {code, stderr} = await thaw(['plan', 'aws', '--config', 'wrong.yaml']);
    expect(code).toBe(3);
    for (const problem of [
      'wrong.yaml:9:5  triggers.0.sqs.batchWindow: must be 1s or more where batchSize is more than 10',
      'wrong.yaml:9:63  triggers.0.sqs.filter.0.body.kind: must be a list of what it may be, as ["order"]',
      'wrong.yaml:10:49  triggers.1.kinesis.maximumConcurrency: aws takes batchSize, batchWindow, starting',
    ]) {
      expect(stderr).toContain(problem);
    }
    expect(aws.requests).toEqual([]);

    await writeFile(join(bench.dir, 'project', 'wrong.yaml'), `${CONFIG}triggers: [{sqs: {name: orders}}]\n`);
    const missing = await thaw(['plan', 'aws', '--config', 'wrong.yaml']);
    expect(missing.code).toBe(3);
    expect(missing.stderr).toContain('triggers.0.sqs.name: there is no queue orders in eu-central-1');
  });

  it('plans with reads alone', async () => {
    const {code, stdout} = await thaw(['plan', 'aws']);
    expect(code).toBe(0);
    expect(stdout).toContain('lambda:CreateFunction');
    expect(aws.writes()).toEqual([]);
  });

  it('deploys, answers, is measured, kept warm and destroyed', async () => {
    const deployed = await thaw(['deploy', 'aws', '--yes']);
    expect(deployed.code, deployed.stderr).toBe(0);
    expect(deployed.stdout).toMatch(/^aws\thttp:/m);
    const again = await thaw(['deploy', 'aws', '--yes']);
    expect(again.stdout + again.stderr).toContain('nothing to change');

    const invoked = await thaw(['invoke', 'aws', '--data', '@request.json']);
    expect(JSON.parse(invoked.stdout)).toMatchObject({
      model_name: 'credit-scoring',
      outputs: [{data: [30.5]}],
    });
    expect(invoked.stderr).toContain('200, cold');
    const inventory = aws.inventory();
    const cold = await thaw(['invoke', 'aws', '--cold', '--data', '@request.json', '--json']);
    expect(JSON.parse(cold.stdout)).toMatchObject({class: 'cold', evidence: {ordinal: 1}});
    expect(aws.inventory()).toEqual(inventory);

    const measured = await thaw([
      'benchmark',
      'aws',
      '--cold',
      '2',
      '--warm',
      '5',
      '--data',
      '@request.json',
      '--json',
    ]);
    expect(measured.code, measured.stderr).toBe(0);
    expect(measured.stderr).not.toContain('Warning');
    const report = JSON.parse(measured.stdout) as {
      providers: {cold: {n: number}; warm: {n: number}; notes: string[]}[];
    };
    expect(report.providers[0]).toMatchObject({cold: {n: 2}, warm: {n: 5}, missed: [], failed: []});
    // One more than asked for: the first one of a new image is apart.
    expect(report.providers[0]?.notes).toEqual([
      expect.stringMatching(/^3 of 3 cold starts are in aws's own record: Init Duration \d.* in the median$/),
    ]);
    expect(aws.inventory()).toEqual(inventory);
    expect(aws.writes()).not.toContain('lambda:UpdateAlias');

    const interrupted = bench.start(['benchmark', 'aws', '--cold', '50', '--data', '@request.json'], {
      cwd: 'project',
      env: {...aws.env, TOKEN: SECRET},
    });
    const published = (): number => aws.writes().filter((name) => name === 'lambda:PublishVersion').length;
    const enough = published() + 2;
    await until(async () => interrupted.exitCode !== null || published() >= enough, 'two cold starts');
    interrupted.kill('SIGINT');
    const ended = await interrupted.ended;
    all.push(ended);
    expect(ended.code, ended.stderr).toBe(130);
    expect(ended.stderr).toContain('deleting what cold starts were made of');
    expect(aws.inventory()).toEqual(inventory);

    const resumed = await thaw(['invoke', 'aws', '--data', '@request.json']);
    expect(resumed.stderr).toContain('200, warm');

    const warmed = await thaw(['warm', 'aws', '--min', '2', '--yes']);
    expect(warmed.code, warmed.stderr).toBe(0);
    expect(warmed.stdout + warmed.stderr).toContain('warmUsdPerMonth');

    const destroyed = await thaw(['destroy', 'aws', '--yes']);
    expect(destroyed.code, destroyed.stderr).toBe(0);
    expect(aws.inventory()).toEqual([]);
  }, 240_000);

  it('lives as a zip archive, which is named by its digest', async () => {
    const project = join(bench.dir, 'project');
    const zip = ['--config', 'zip.yaml'];
    const planned = await thaw(['plan', 'aws', ...zip, '--json']);
    expect(planned.code, planned.stderr).toBe(0);
    const archive = await readFile(join(project, '.thaw', 'archive', 'code.zip'));
    const codeSha256 = createHash('sha256').update(archive).digest('base64');
    expect(planned.stdout).toContain(codeSha256);
    const inside = readZip(archive).map(({name}) => name);
    expect(inside).toContain('runtime/onnxruntime/onnxruntime_binding.node');
    expect(inside.filter((name) => /bin\/|server|clouds/.test(name))).toEqual([]);

    const deployed = await thaw(['deploy', 'aws', ...zip, '--yes']);
    expect(deployed.code, deployed.stderr).toBe(0);
    expect(aws.inventory().filter((name) => /repository|image/.test(name))).toEqual([]);
    const again = await thaw(['deploy', 'aws', ...zip, '--yes']);
    expect(again.stdout + again.stderr).toContain('nothing to change');
    const invoked = await thaw(['invoke', 'aws', ...zip, '--data', '@request.json']);
    expect(JSON.parse(invoked.stdout)).toMatchObject({outputs: [{data: [30.5]}]});
    const inventory = aws.inventory();
    const cold = await thaw(['invoke', 'aws', ...zip, '--cold', '--data', '@request.json', '--json']);
    expect(JSON.parse(cold.stdout)).toMatchObject({class: 'cold', evidence: {ordinal: 1}});
    expect(aws.inventory()).toEqual(inventory);
    const destroyed = await thaw(['destroy', 'aws', ...zip, '--yes']);
    expect(destroyed.code, destroyed.stderr).toBe(0);
    expect(aws.inventory()).toEqual([]);
  }, 120_000);

  it('gives a function of somebody else new code, and lets it be', async () => {
    aws.roles.plant('functions');
    const {url: endpoint, env} = aws;
    const credentials = {
      accessKeyId: env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: env['AWS_SECRET_ACCESS_KEY'] ?? '',
    };
    const lambda = new Lambda({endpoint, region: env['AWS_REGION'] ?? '', credentials});
    await lambda.createFunction({
      FunctionName: 'credit-scoring',
      Runtime: 'nodejs22.x',
      Handler: 'index.handler',
      Role: 'arn:aws:iam::123456789012:role/functions',
      MemorySize: 640,
      Code: {ZipFile: await zipOf('index.mjs', 'export const handler = () => "theirs";')},
    });
    const zip = ['--config', 'zip.yaml'];
    const refused = await thaw(['deploy', 'aws', ...zip, '--yes']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('thaw deploy aws --adopt');

    const adopted = await thaw(['deploy', 'aws', ...zip, '--adopt', '--yes']);
    expect(adopted.code, adopted.stderr).toBe(0);
    expect(adopted.stderr).toContain('lambda:UpdateFunctionCode');
    const invoked = await thaw(['invoke', 'aws', ...zip, '--data', '@request.json']);
    expect(JSON.parse(invoked.stdout)).toMatchObject({outputs: [{data: [30.5]}]});
    const writes = aws.writes().length;
    const cold = await thaw(['invoke', 'aws', ...zip, '--cold', '--data', '@request.json']);
    expect(cold.code).not.toBe(0);
    expect(cold.stderr).toContain('thaw did not make it, and changes no settings of it');
    const words = ['benchmark', 'aws', ...zip, '--cold', '0', '--warm', '2', '--data', '@request.json'];
    const measured = await thaw([...words, '--json']);
    expect(measured.code, measured.stderr).toBe(0);
    expect(aws.writes().length).toBe(writes);
    // Its environment is not touched: what it runs its instances do not know.
    const {providers} = JSON.parse(measured.stdout) as {providers: {notes: string[]}[]};
    expect(providers[0]).toMatchObject({warm: {n: 2}, missed: [], failed: []});
    expect(providers[0]?.notes).toEqual([
      expect.stringContaining('a zip archive of its contents'),
      '2 of 2 answers do not say which image they came from',
    ]);
    const destroyed = await thaw(['destroy', 'aws', ...zip, '--yes']);
    expect(destroyed.code, destroyed.stderr).toBe(0);
    expect(destroyed.stdout + destroyed.stderr).toContain('which thaw did not make');
    const {Configuration, Tags} = await lambda.getFunction({FunctionName: 'credit-scoring'});
    expect([Configuration?.MemorySize, Configuration?.Environment, Tags]).toEqual([
      640,
      undefined,
      undefined,
    ]);
    await lambda.deleteFunction({FunctionName: 'credit-scoring'});
  }, 120_000);

  it('has instances go on from a snapshot where that is asked for, and the image allows it', async () => {
    const before = aws.inventory();
    const file = join(bench.dir, 'project', 'thaw.yaml');
    await writeFile(file, CONFIG.replace('aws: {}', 'aws: {snapStart: true, invoke: direct}'));
    const stale = await thaw(['deploy', 'aws', '--yes']);
    expect(stale.code).not.toBe(0);
    for (const command of ['package', 'deploy aws --yes']) {
      const {code, stderr} = await thaw(command.split(' '));
      expect(code, stderr).toBe(0);
    }
    const words = ['benchmark', 'aws', '--cold', '2', '--warm', '5', '--data', '@request.json', '--json'];
    const measured = await thaw(words);
    expect(measured.code, measured.stderr).toBe(0);
    const {providers} = JSON.parse(measured.stdout) as {providers: {notes: string[]}[]};
    expect(providers[0]).toMatchObject({
      cold: {n: 0},
      // One more than asked for: it would be apart if it were a cold start.
      restored: {n: 3},
      warm: {n: 5},
      missed: [],
      failed: [],
    });
    expect(providers[0]?.notes.join()).toMatch(/^3 of 3 cold starts .* Restore Duration \d/);
    const destroyed = await thaw(['destroy', 'aws', '--yes']);
    expect(destroyed.code, destroyed.stderr).toBe(0);
    expect(aws.inventory()).toEqual(before);
  }, 240_000);

  it('has shown the secret nowhere', async () => {
    for (const {stdout, stderr} of all) expect(stdout + stderr).not.toContain(SECRET);
    const dir = join(bench.dir, 'project', '.thaw');
    for (const entry of await readdir(dir, {recursive: true, withFileTypes: true})) {
      if (!entry.isFile()) continue;
      const bytes = await readFile(join(entry.parentPath, entry.name));
      expect(bytes.includes(SECRET), entry.name).toBe(false);
    }
  });
});
