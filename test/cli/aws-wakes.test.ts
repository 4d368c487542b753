import {copyFile, mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {Report} from '../../src/core/report.ts';
import {QUICK_PACES} from '../fakes/aws/cloud.ts';
import {openFakeAws, type FakeAws} from '../fakes/aws/server.ts';
import {fixture} from '../instance.ts';
import {openBench, type Bench, type Ended} from './thaw.ts';

const config = (name: string, model: string, options: string): string => `name: ${name}
model: {path: ${model}, quantize: none}
resources: {memory: 512Mi}
providers: {aws: ${options}}
`;
const REQUEST = {inputs: [{name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4]}]};

// An image without a base of its own can only be made on Linux.
describe.runIf(process.platform === 'linux')('the same model as an image and as a zip archive', () => {
  let bench: Bench;
  let aws: FakeAws;
  const thaw = async (args: string, cwd = 'project'): Promise<Ended> => {
    const ended = await bench.thaw(args.split(' '), {cwd, env: aws.env});
    expect(ended.code, ended.stderr).toBe(0);
    return ended;
  };

  beforeAll(async () => {
    [bench, aws] = await Promise.all([openBench(), openFakeAws({paces: QUICK_PACES})]);
    const dir = join(bench.dir, 'project');
    await mkdir(join(dir, 'as-zip'), {recursive: true});
    await mkdir(join(dir, 'samples'));
    await copyFile(fixture('linear.onnx'), join(dir, 'model.onnx'));
    await writeFile(join(dir, 'thaw.yaml'), config('scoring', 'model.onnx', '{}'));
    await writeFile(
      join(dir, 'as-zip', 'thaw.yaml'),
      config('scoring-zip', '../model.onnx', '{artifact: zip}'),
    );
    await writeFile(join(dir, 'samples', 'request.json'), JSON.stringify(REQUEST));
  });
  afterAll(async () => {
    await aws?.close();
    await bench?.leave();
  });

  it('stand side by side in one report, each with its own size', async () => {
    for (const folder of ['project', join('project', 'as-zip')]) {
      await thaw('package', folder);
      await thaw('deploy aws --yes', folder);
    }
    const words = 'benchmark . ./as-zip --cold 2 --warm 5 --data @samples/request.json';
    const {stdout, stderr} = await thaw(`${words} --export json=report.json --export html=report.html`);
    const dir = join(bench.dir, 'project');
    const {providers} = JSON.parse(await readFile(join(dir, 'report.json'), 'utf8')) as Report;
    expect(providers.map(({provider, cold, warm}) => [provider, cold.n, warm.n])).toEqual([
      ['scoring', 2, 5],
      ['scoring-zip', 2, 5],
    ]);
    const [image, zip] = providers;
    expect([image?.archive, zip?.imageBytes]).toEqual([undefined, null]);
    expect(image?.imageBytes).toBeGreaterThan(30_000_000);
    const archive = await readFile(join(dir, 'as-zip', '.thaw', 'archive', 'code.zip'));
    expect(zip?.archive?.bytes).toBe(archive.length);
    expect(zip?.archive?.unpackedBytes).toBeGreaterThan(archive.length);
    expect(zip?.notes[0]).toContain('a zip archive of its contents');
    expect(image?.notes.join()).not.toContain('zip');
    const table = (stdout + stderr).split('\n').filter((line) => /side by side|MB/.test(line));
    expect(table).toEqual([
      expect.stringMatching(/size$/),
      expect.stringMatching(/^scoring .* image \d+\.\d MB$/),
      expect.stringMatching(/^scoring-zip .* zip \d+\.\d MB, \d+\.\d MB unpacked$/),
    ]);
    expect(await readFile(join(dir, 'report.html'), 'utf8')).toMatch(/zip [\d.]+ MB, [\d.]+ MB unpacked/);
    for (const folder of ['project', join('project', 'as-zip')]) await thaw('destroy aws --yes', folder);
    expect(aws.inventory()).toEqual([]);
  }, 240_000);
});
