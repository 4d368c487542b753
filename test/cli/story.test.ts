import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {Report} from '../../src/core/report.ts';
import {openBench, processesNaming, until, type Bench} from './thaw.ts';

/** The whole way, on the tabular template, as its README tells it. */
describe('from nothing to a measured prediction', () => {
  let bench: Bench;
  const demo = {cwd: 'demo'};
  const json = async <T>(args: string[]): Promise<T> => {
    const {code, stdout, stderr} = await bench.thaw([...args, '--json'], demo);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return JSON.parse(stdout) as T;
  };
  const configFile = (): string => join(bench.dir, 'demo', 'thaw.yaml');
  const edit = async (from: string | RegExp, to: string): Promise<void> => {
    const text = await readFile(configFile(), 'utf8');
    expect(text).toMatch(from);
    await writeFile(configFile(), text.replace(from, to));
  };

  beforeAll(async () => {
    bench = await openBench();
  });
  afterAll(() => bench.leave());

  it('scaffolds, packages, deploys and answers with the prediction of the chosen candidate', async () => {
    const steps = [
      await bench.thaw(['init', 'demo', '--template', 'tabular', '--yes']),
      await bench.thaw(['package'], demo),
      await bench.thaw(['deploy', 'local', '--yes'], demo),
      await bench.thaw(['invoke', 'local', '--data', '@samples/request.json'], demo),
    ];
    expect(steps.map(({code, stderr}) => (code === 0 ? 'ok' : stderr))).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(steps[1]?.stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
    expect(steps[2]?.stdout).toMatch(/^local\thttp:\/\/127\.0\.0\.1:\d+\/\n$/);

    const metrics = JSON.parse(
      await readFile(join(bench.dir, 'demo', 'training', 'metrics.json'), 'utf8'),
    ) as {sample: {prediction: number}};
    const {prediction} = JSON.parse(steps[3]?.stdout ?? '') as {prediction: number};
    expect(prediction).toBeCloseTo(metrics.sample.prediction, 5);
  });

  it('packages the same digest again, in another folder', async () => {
    const first = await bench.thaw(['package'], demo);
    expect(
      (await bench.thaw(['init', 'elsewhere', '--name', 'demo', '--template', 'tabular', '--yes'])).code,
    ).toBe(0);
    const second = await bench.thaw(['package'], {cwd: 'elsewhere'});
    expect(second.stderr).not.toContain('✗');
    expect(second.stdout).toBe(first.stdout);
  });

  it('measures cold and warm requests, and classes every one by evidence', async () => {
    const report = await json<Report>(['benchmark', 'local', '--cold', '10', '--warm', '60']);
    expect(report.schema).toBe('thaw.report/1');
    const [local] = report.providers;
    expect(local).toMatchObject({provider: 'local', missed: [], failed: []});
    expect(local?.cold).toMatchObject({n: 10, failures: 0, p95Ms: null, p99Ms: null});
    expect(local?.warm).toMatchObject({n: 60, failures: 0, p99Ms: null});
    expect(local?.cold.p50Ms).toBeGreaterThan(local?.warm.p50Ms ?? Infinity);
    expect(local?.warm.p95Ms).toBeGreaterThanOrEqual(local?.warm.p50Ms ?? Infinity);
    for (const phase of ['boot', 'import', 'load', 'infer', 'residual']) {
      expect(local?.cold.phases[phase], phase).toBeGreaterThanOrEqual(0);
    }
    const lines = (await readFile(report.samples, 'utf8')).trimEnd().split('\n');
    expect(lines.length).toBeGreaterThanOrEqual(70);
  });

  it('plans nothing for an unchanged deployment, and one step that names each single change', async () => {
    interface Plans {
      plans: {steps: {changes: {path: string}[]}[]}[];
    }
    const pathsOf = ({plans}: Plans): string[][] =>
      plans.flatMap(({steps}) => steps.map(({changes}) => changes.map(({path}) => path)));
    expect(pathsOf(await json<Plans>(['plan', 'local']))).toEqual([]);
    expect((await bench.thaw(['plan', 'local', '--detailed-exitcode'], demo)).code).toBe(0);

    const changes: [string | RegExp, string, string][] = [
      ['memory: 512Mi', 'memory: 1Gi', 'resources.memoryMb'],
      ['timeout: 30s', 'timeout: 20s', 'resources.timeoutMs'],
      ['scaling: {max: 10}', 'scaling: {max: 5}', 'scaling.maxInstances'],
      ['min: 0', 'min: 1', 'warm.min'],
      ["THRESHOLD: '0.5'", "THRESHOLD: '0.6'", 'env.THRESHOLD'],
      ['idleTimeout: 5m', 'idleTimeout: 4m', 'options.idleTimeoutMs'],
    ];
    const original = await readFile(configFile(), 'utf8');
    for (const [from, to, path] of changes) {
      await edit(from, to);
      expect(pathsOf(await json<Plans>(['plan', 'local'])), path).toEqual([[path]]);
      const detailed = await bench.thaw(['plan', 'local', '--detailed-exitcode'], demo);
      expect(detailed.code).toBe(7);
      expect(detailed.stdout).toContain(path);
      await writeFile(configFile(), original);
    }
  });

  it('asks for packaging again when the handler has changed, and then updates the code alone', async () => {
    const handler = join(bench.dir, 'demo', 'handler.mjs');
    await writeFile(handler, `${await readFile(handler, 'utf8')}\nexport const version = 2;\n`);
    const stale = await bench.thaw(['plan', 'local'], demo);
    expect(stale.code).toBe(3);
    expect(stale.stderr).toContain('handler.mjs changed after the image was built');
    expect(stale.stderr).toContain('$ thaw package');
    expect((await bench.thaw(['package'], demo)).code).toBe(0);
    const {plans} = await json<{plans: {steps: {changes: {path: string}[]}[]}[]}>(['plan', 'local']);
    expect(plans[0]?.steps.map(({changes}) => changes.map(({path}) => path))).toEqual([['image']]);
    expect((await bench.thaw(['deploy', 'local', '--yes'], demo)).code).toBe(0);
  });

  it('keeps instances ready when told to, and writes that into thaw.yaml with its comments', async () => {
    expect((await bench.thaw(['warm', 'local', '--min', '2', '--yes'], demo)).code).toBe(0);
    expect(await readFile(configFile(), 'utf8')).toContain(
      'warm: {min: 2, schedule: []} # instances kept ready',
    );
    interface Statuses {
      providers: {warmMin: number; instances: {state: string}[]}[];
    }
    await until(async () => {
      const [status] = (await json<Statuses>(['status', 'local'])).providers;
      return status?.warmMin === 2 && status.instances.filter(({state}) => state === 'idle').length === 2;
    }, 'two idle instances');
    const invocation = await json<{class: string}>(['invoke', 'local']);
    expect(invocation.class).toBe('prewarmed');
    expect((await bench.thaw(['warm', 'local', '--off', '--yes'], demo)).code).toBe(0);
    expect((await bench.thaw(['plan', 'local'], demo)).stdout).toContain('nothing to change');
  });

  it('rolls back to the version before', async () => {
    interface Statuses {
      providers: {versions: {version: string; live: boolean}[]}[];
    }
    const before = (await json<Statuses>(['status', 'local'])).providers[0]?.versions;
    expect(before?.length).toBe(2);
    expect((await bench.thaw(['rollback', 'local', '--yes'], demo)).code).toBe(0);
    const after = (await json<Statuses>(['status', 'local'])).providers[0]?.versions;
    expect(after?.find(({live}) => live)?.version).toBe(before?.find(({live}) => !live)?.version);
  });

  it('shows what the instances wrote', async () => {
    const {code, stdout} = await bench.thaw(['logs', 'local'], demo);
    expect(code).toBe(0);
    expect(stdout).toMatch(/ready after \d/);
  });

  it('destroys all of it: no process, no file, and a second time there is nothing to do', async () => {
    expect((await processesNaming(bench.stateDir)).length).toBeGreaterThan(0);
    expect((await bench.thaw(['destroy', 'local', '--yes'], demo)).code).toBe(0);
    await until(async () => (await processesNaming(bench.stateDir)).length === 0, 'no process left');
    const again = await bench.thaw(['destroy', 'local', '--yes'], demo);
    expect(again).toMatchObject({code: 0});
    expect(again.stderr).toContain('nothing to change');
    const gone = await bench.thaw(['invoke', 'local'], demo);
    expect(gone.code).toBe(5);
    expect(gone.stderr).toContain('$ thaw deploy local');
  });
});
