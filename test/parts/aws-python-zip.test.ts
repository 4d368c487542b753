import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, it} from 'vitest';
import {openBench, type Bench, type Ended} from '../cli/thaw.ts';
import {QUICK_PACES} from '../fakes/aws/cloud.ts';
import {readZip} from '../fakes/aws/sandboxes/zip-files.ts';
import {openFakeAws, type FakeAws} from '../fakes/aws/server.ts';

const MINUTES = 600_000;

let bench: Bench;
let aws: FakeAws;
const thaw = (...args: string[]): Promise<Ended> =>
  bench.thaw(args, {cwd: 'credit', env: {...aws.env, THAW_PYTHON: 'python3'}});

beforeAll(async () => {
  [bench, aws] = await Promise.all([openBench(), openFakeAws({paces: QUICK_PACES})]);
  expect((await bench.thaw(['init', 'credit', '--template', 'python-onnx'])).code).toBe(0);
  const config = join(bench.dir, 'credit', 'thaw.yaml');
  const text = await readFile(config, 'utf8');
  await writeFile(
    config,
    text.replace(/^ {2}local: .*$/m, '  aws: {artifact: zip}').replace(/^default: .*$/m, ''),
  );
}, MINUTES);
afterAll(async () => {
  await aws?.close();
  await bench?.leave();
});

it(
  'runs a real Python function from a zip archive on the Python that Lambda has',
  {timeout: MINUTES},
  async () => {
    const packaged = await thaw('package');
    expect(packaged.code, packaged.stderr).toBe(0);
    const deployed = await thaw('deploy', 'aws', '--yes');
    expect(deployed.code, deployed.stderr).toBe(0);

    const archive = await readFile(join(bench.dir, 'credit', '.thaw', 'archive', 'code.zip'));
    const names = readZip(archive).map(({name}) => name);
    expect(names).toContain('thaw_lambda.py');
    expect(names).toContain('packages/numpy/__init__.py');
    expect(names.filter((name) => /^(bin|python)\//.test(name))).toEqual([]);

    for (const start of ['cold', 'warm']) {
      const invoked = await thaw('invoke', 'aws', '--data', '@samples/request.json');
      expect(JSON.parse(invoked.stdout)).toMatchObject({risk: expect.stringMatching(/good|bad/) as unknown});
      expect(invoked.stderr).toContain(`200, ${start}`);
    }
    const again = await thaw('deploy', 'aws', '--yes');
    expect(again.stdout + again.stderr).toContain('nothing to change');
    const destroyed = await thaw('destroy', 'aws', '--yes');
    expect(destroyed.code, destroyed.stderr).toBe(0);
    expect(aws.inventory()).toEqual([]);
  },
);
