import {copyFile, mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {Report} from '../../src/core/report.ts';
import {readImage} from '../../src/image/layout.ts';
import {fixture} from '../instance.ts';
import {openBench, until, type Bench, type Ended, type Started} from './thaw.ts';

/** Ctrl-C, in each command that runs long enough to get one. */
describe('an interrupt', () => {
  let bench: Bench;
  const slow = {cwd: 'slow'};
  const benchmarks = (): string => join(bench.dir, 'slow', '.thaw', 'benchmarks');

  /** Starts a command, interrupts it once a condition holds, and waits for its end. */
  async function interrupt(args: string[], when: (child: Started) => Promise<boolean>): Promise<Ended> {
    const child = bench.start(args, slow);
    await until(async () => child.exitCode !== null || when(child), `thaw ${args.join(' ')} is under way`);
    child.kill('SIGINT');
    return child.ended;
  }

  const unfinished = async (): Promise<string[]> =>
    (await readdir(bench.dir, {recursive: true})).filter((name) => /unfinished|\.tmp$/.test(name));

  const busyInstances = async (): Promise<number> => {
    const {stdout} = await bench.thaw(['status', '--json'], slow);
    const {providers} = JSON.parse(stdout) as {providers: {instances: {state: string}[] | null}[]};
    return (providers[0]?.instances ?? []).filter(({state}) => state === 'busy').length;
  };

  beforeAll(async () => {
    bench = await openBench();
    const dir = join(bench.dir, 'slow');
    await mkdir(join(dir, 'samples'), {recursive: true});
    await copyFile(fixture('mlp.onnx'), join(dir, 'model.onnx'));
    await writeFile(join(dir, 'thaw.yaml'), 'name: slow\nmodel: {path: model.onnx}\nhandler: handler.mjs\n');
    await writeFile(
      join(dir, 'handler.mjs'),
      `export async function predict({ms}) {
        await new Promise((resolve) => setTimeout(resolve, ms));
        return {ms};
      }`,
    );
    await writeFile(join(dir, 'samples', 'request.json'), '{"ms": 20}');
  });
  afterAll(() => bench.leave());

  it('of package leaves no image and no unfinished file, and the next one succeeds', async () => {
    const {code, stdout, stderr} = await interrupt(['package'], async (child) => child.said() !== '');
    expect(code).toBe(130);
    expect(stdout).toBe('');
    expect(stderr).toContain('interrupted');
    expect(await unfinished()).toEqual([]);
    await expect(readImage(join(bench.dir, 'slow', '.thaw', 'image'))).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
    });
    expect(await bench.thaw(['package'], slow)).toMatchObject({code: 0});
    await readImage(join(bench.dir, 'slow', '.thaw', 'image'));
  });

  it('of deploy is finished by the next deploy', async () => {
    const {code} = await interrupt(['deploy', '--yes'], async (child) =>
      child.said().includes('StartGateway'),
    );
    expect([0, 130]).toContain(code);
    expect(await bench.thaw(['deploy', '--yes'], slow)).toMatchObject({code: 0});
    expect((await bench.thaw(['plan'], slow)).stdout).toContain('nothing to change');
  });

  it('of invoke ends the wait', async () => {
    const {code, stdout} = await interrupt(
      ['invoke', '--data', '{"ms": 5000}'],
      async () => (await busyInstances()) > 0,
    );
    expect(code).toBe(130);
    expect(stdout).toBe('');
  });

  it('of benchmark reports what was measured until then, and keeps every sample', async () => {
    const sampleCount = async (): Promise<number> => {
      const [file] = await readdir(benchmarks()).catch(() => []);
      return file
        ? (await readFile(join(benchmarks(), file), 'utf8')).split('"thaw.sample/1"').length - 1
        : 0;
    };
    const args = ['benchmark', '--cold', '0', '--warm', '2000', '--json'];
    const {code, stdout} = await interrupt(args, async () => (await sampleCount()) > 10);
    expect(code).toBe(130);
    const report = JSON.parse(stdout) as Report;
    expect(report.interrupted).toBe(true);
    expect(report.providers[0]?.warm.n).toBeGreaterThan(9);
    expect(await sampleCount()).toBe(
      Object.values(report.providers[0]?.classes ?? {}).reduce((a, b) => a + b, 0),
    );
  });

  it('of logs --follow ends them', async () => {
    const started = Date.now();
    const {code, stdout} = await interrupt(['logs', '--follow'], async () => Date.now() - started > 1500);
    expect(code).toBe(130);
    expect(stdout).toMatch(/ready after \d/);
  });
});
