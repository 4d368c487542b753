import {createServer} from 'node:http';
import {access, copyFile, mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {fixture} from '../instance.ts';
import {openBench, ROOT, type Bench} from './thaw.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.leave());

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** A project around test/fixtures/linear.onnx: `score = features · [1 2 3 4] + 0.5`. */
async function linearProject(
  name: string,
  config = '',
  files: {[path: string]: string} = {},
): Promise<string> {
  const dir = join(bench.dir, name);
  await mkdir(join(dir, 'samples'), {recursive: true});
  await copyFile(fixture('linear.onnx'), join(dir, 'model.onnx'));
  await writeFile(
    join(dir, 'thaw.yaml'),
    `name: ${name}\nmodel: {path: model.onnx, quantize: none}\n${config}`,
  );
  for (const [path, text] of Object.entries(files)) await writeFile(join(dir, path), text);
  return dir;
}

describe('a mistake on the command line', () => {
  it.each([
    {args: ['paln'], code: 2, says: ['there is no command "paln", did you mean "plan"?', '$ thaw plan']},
    {args: ['benchmark', '--clod', '3'], code: 2, says: ['Nonexistent flag: --clod']},
    {args: ['benchmark', '--cold', 'many'], code: 2, says: ['Expected an integer but received: many']},
    {
      args: ['init', 'x', '--template', 'tabula'],
      code: 2,
      says: ['there is no template "tabula"', 'tabular'],
    },
    {
      args: ['init', 'x', '--template', 'tabular', '--name', 'Credit Scoring!'],
      code: 2,
      says: ['"Credit Scoring!"'],
    },
    {args: ['init', 'x'], code: 2, says: ['--template NAME, --model FILE or --handler FILE']},
    {args: ['plan'], code: 3, says: ['no thaw.yaml in', '$ thaw init']},
  ])('thaw $args ends with $code and says what to do', async ({args, code, says}) => {
    const ended = await bench.thaw(args);
    expect(ended.code).toBe(code);
    expect(ended.stdout).toBe('');
    for (const text of says) expect(ended.stderr).toContain(text);
    expect(ended.stderr).not.toMatch(/\n\s+at .*:\d+/);
    expect(await exists(join(bench.dir, 'x'))).toBe(false);
  });

  it('is one JSON document with --json, with the same exit code', async () => {
    const {code, stdout, stderr} = await bench.thaw(['plan', '--json']);
    expect(code).toBe(3);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      error: {
        code: 'CONFIG_NOT_FOUND',
        message: expect.any(String),
        facts: {dir: bench.dir},
        hints: expect.any(Array),
      },
    });
  });
});

describe('init', () => {
  it('never overwrites a file, and says which are in the way', async () => {
    const dir = join(bench.dir, 'taken');
    await mkdir(dir);
    await writeFile(join(dir, 'thaw.yaml'), 'mine\n');
    const {code, stderr} = await bench.thaw(['init', 'taken', '--template', 'tabular', '--yes']);
    expect(code).toBe(2);
    expect(stderr).toContain('thaw.yaml');
    expect(await readdir(dir)).toEqual(['thaw.yaml']);
    expect(await readFile(join(dir, 'thaw.yaml'), 'utf8')).toBe('mine\n');
  });

  it.each([
    {what: 'an empty file', bytes: Buffer.alloc(0)},
    {what: 'a cut file', bytes: null},
    {what: 'a text', bytes: Buffer.from('this is not a model, but words')},
    {what: 'a zip, as PyTorch writes it', bytes: Buffer.from('PK\u0003\u0004 and so on')},
  ])('refuses $what as a model and writes nothing', async ({bytes}) => {
    const file = join(bench.dir, 'bad.onnx');
    await writeFile(file, bytes ?? (await readFile(fixture('linear.onnx'))).subarray(0, 100));
    const {code, stderr} = await bench.thaw(['init', 'around-bad', '--model', 'bad.onnx', '--yes']);
    expect(stderr).toContain('bad.onnx');
    expect(code).toBe(3);
    expect(await exists(join(bench.dir, 'around-bad'))).toBe(false);
  });

  it('wraps a model of the user: what it writes can be packaged, deployed and asked', async () => {
    const around = {cwd: 'around-mlp'};
    await copyFile(fixture('mlp.onnx'), join(bench.dir, 'mlp.onnx'));
    expect(await bench.thaw(['init', 'around-mlp', '--model', 'mlp.onnx', '--yes'])).toMatchObject({code: 0});
    expect(await bench.thaw(['package'], around)).toMatchObject({code: 0});
    expect(await bench.thaw(['deploy', 'local', '--yes'], around)).toMatchObject({code: 0});
    const {code, stdout} = await bench.thaw(['invoke'], around);
    expect(code).toBe(0);
    const answer = JSON.parse(stdout) as {outputs: {name: string; shape: number[]; data: number[]}[]};
    expect(answer.outputs).toMatchObject([{name: 'y', shape: [1, 4]}]);
    expect(answer.outputs[0]?.data.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 5);
  });
});

describe('package', () => {
  it.each([
    {
      what: 'a handler without predict',
      handler: 'export const forecast = () => 1;',
      says: ['handler.mjs', 'predict', 'forecast'],
    },
    {
      what: 'a handler that is not JavaScript',
      handler: 'export function predict( {',
      says: ['handler.mjs:1:'],
    },
    {
      what: 'a handler with a native addon',
      handler: "import addon from './addon.node';\nexport const predict = () => addon;",
      says: ['addon.node'],
    },
  ])('refuses $what', async ({handler, says}) => {
    const dir = await linearProject('bad-handler', 'handler: handler.mjs\n', {
      'handler.mjs': handler,
      'addon.node': 'binary',
    });
    const {code, stderr} = await bench.thaw(['package'], {cwd: 'bad-handler'});
    expect(code).toBe(3);
    for (const text of says) expect(stderr).toContain(text);
    expect(await exists(join(dir, '.thaw', 'image'))).toBe(false);
  });

  it('refuses a base and a platform that are none, before anything is fetched', async () => {
    const dir = await linearProject('bad-base');
    const packaged = (...args: readonly string[]) => bench.thaw(['package', ...args], {cwd: 'bad-base'});
    expect(await packaged('--base', 'Debian:12')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('"Debian:12" is not an image reference'),
    });
    expect(await packaged('--platform', 'linux/arm')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('linux/arm64'),
    });
    // Nothing listens there: the port is reserved for a service that is gone.
    expect(await packaged('--base', '127.0.0.1:1/team/base:1')).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('got no answer'),
    });
    const foreign = process.arch === 'arm64' ? 'linux/amd64' : 'linux/arm64';
    const {code, stderr} = await packaged('--base', 'host', '--platform', foreign);
    expect([code, stderr]).toEqual([3, expect.stringContaining('thaw package --base REF')]);
    expect(await exists(join(dir, '.thaw', 'image'))).toBe(false);
  });

  it('names a handler and a model that are not there', async () => {
    await linearProject('no-handler', 'handler: hander.mjs\n');
    expect(await bench.thaw(['package'], {cwd: 'no-handler'})).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('hander.mjs'),
    });
    const dir = await linearProject('no-model');
    await writeFile(join(dir, 'thaw.yaml'), 'name: no-model\nmodel: {path: modle.onnx}\n');
    expect(await bench.thaw(['package'], {cwd: 'no-model'})).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('modle.onnx'),
    });
  });

  it('reports five mistakes of thaw.yaml as five, in the form that editors can follow', async () => {
    const dir = await linearProject('five');
    const text =
      'name: Five\nmodle: {}\nmodel: {path: model.onnx, quantise: auto}\nresources: {memory: 12}\ndefalt: local\n';
    await writeFile(join(dir, 'thaw.yaml'), text);
    const {code, stderr} = await bench.thaw(['package'], {cwd: 'five'});
    expect(code).toBe(3);
    expect(stderr).toContain('has 5 mistakes');
    for (const place of ['1:7', '2:1', '3:27', '4:21', '5:1']) expect(stderr).toContain(`thaw.yaml:${place}`);
    for (const key of ['"model"', '"quantize"', '"default"'])
      expect(stderr).toContain(`did you mean ${key}?`);
  });

  it('names the line of a calibration row that does not fit', async () => {
    const dir = await linearProject('bad-rows', '', {
      'rows.jsonl': '{"features": [1, 2, 3, 4]}\n{"features": [1, 2]}\n',
    });
    await writeFile(
      join(dir, 'thaw.yaml'),
      'name: bad-rows\nmodel: {path: model.onnx, calibration: rows.jsonl}\n',
    );
    const {code, stderr} = await bench.thaw(['package'], {cwd: 'bad-rows'});
    expect(code).toBe(3);
    expect(stderr).toContain('rows.jsonl:2');
  });
});

describe('deploy', () => {
  it('says how to add a provider that thaw has, and which there are of one that it has not', async () => {
    await linearProject('elsewhere');
    const offered = await bench.thaw(['deploy', 'aws', '--yes'], {cwd: 'elsewhere'});
    expect(offered.code).toBe(2);
    expect(offered.stderr).toContain('under "providers:"');
    expect(offered.stderr).toContain('  aws: {}\n');
    const unknown = await bench.thaw(['deploy', 'moon', '--yes'], {cwd: 'elsewhere'});
    expect(unknown).toMatchObject({code: 2});
    expect(unknown.stderr).toContain('Known providers: local.');
  });

  it('asks for an image first', async () => {
    await linearProject('unpackaged');
    expect(await bench.thaw(['deploy', '--yes'], {cwd: 'unpackaged'})).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('$ thaw package'),
    });
  });

  it('without a terminal and without --yes changes nothing and names the flag', async () => {
    await linearProject('unasked');
    expect(await bench.thaw(['package'], {cwd: 'unasked'})).toMatchObject({code: 0});
    const {code, stderr} = await bench.thaw(['deploy'], {cwd: 'unasked'});
    expect(code).toBe(2);
    expect(stderr).toContain('--yes');
    expect((await bench.thaw(['status'], {cwd: 'unasked'})).stdout).toContain('absent');
  });

  it('names a port that is taken, and leaves nothing half-started', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const {port} = taken.address() as AddressInfo;
    await linearProject('port-taken', `providers: {local: {port: ${port}}}\n`);
    expect(await bench.thaw(['package'], {cwd: 'port-taken'})).toMatchObject({code: 0});
    const {code, stderr} = await bench.thaw(['deploy', '--yes'], {cwd: 'port-taken'});
    taken.close();
    expect(code).toBe(5);
    expect(stderr).toContain(String(port));
    expect(await bench.thaw(['deploy', '--yes'], {cwd: 'port-taken'})).toMatchObject({code: 0});
  });

  it('does not run beside another one of the same project', async () => {
    const dir = await linearProject('locked');
    expect(await bench.thaw(['package'], {cwd: 'locked'})).toMatchObject({code: 0});
    const {acquireDeployLock} = await import('../../src/deploy/lock.ts');
    const lock = await acquireDeployLock({projectDir: dir, provider: 'local'});
    const blocked = await bench.thaw(['deploy', '--yes'], {cwd: 'locked'});
    await lock.release();
    expect(blocked.code).toBe(5);
    expect(blocked.stderr).toContain(`process ${process.pid}`);
    expect(await bench.thaw(['deploy', '--yes'], {cwd: 'locked'})).toMatchObject({code: 0});
  });

  it('names a secret that is not set, and never shows one that is', async () => {
    await linearProject('secret', 'secrets: {API_KEY: env}\n');
    expect(await bench.thaw(['package'], {cwd: 'secret'})).toMatchObject({code: 0});
    expect(await bench.thaw(['deploy', '--yes'], {cwd: 'secret'})).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('$ export API_KEY='),
    });
    const env = {API_KEY: 'swordfish-1234'};
    const runs = [
      await bench.thaw(['plan', '--json'], {cwd: 'secret', env}),
      await bench.thaw(['deploy', '--yes', '--verbose'], {cwd: 'secret', env}),
      await bench.thaw(['status', '--json'], {cwd: 'secret', env}),
    ];
    for (const run of runs) {
      expect(run.code).toBe(0);
      expect(run.stdout + run.stderr).not.toContain('swordfish');
    }
    for (const file of await readdir(bench.dir, {recursive: true, withFileTypes: true})) {
      if (!file.isFile()) continue;
      expect((await readFile(join(file.parentPath, file.name))).includes('swordfish'), file.name).toBe(false);
    }
  });
});

describe('a request', () => {
  const asked = {cwd: 'asked'};
  beforeAll(async () => {
    const handler = `export async function predict(input, {model}) {
      if (input.throw) throw new Error('handler trouble');
      const {score} = await model.run({features: [input.features]});
      return {prediction: score.data[0]};
    }`;
    await linearProject('asked', 'handler: handler.mjs\n', {'handler.mjs': handler});
    expect(await bench.thaw(['package'], asked)).toMatchObject({code: 0});
    expect(await bench.thaw(['deploy', '--yes'], asked)).toMatchObject({code: 0});
  });

  it('that is not JSON is refused before it is sent', async () => {
    const {code, stderr} = await bench.thaw(['invoke', '--data', '{features}'], asked);
    expect(code).toBe(2);
    expect(stderr).toContain('not JSON');
    expect(await bench.thaw(['invoke', '--data', '@nowhere.json'], asked)).toMatchObject({code: 2});
  });

  it('comes from standard input with @-', async () => {
    const {stdout} = await bench.thaw(['invoke', '--data', '@-'], {
      ...asked,
      input: '{"features": [1, 1, 1, 1]}',
    });
    expect(stdout).toBe('{"prediction":10.5}\n');
  });

  it('of the wrong shape, of 50 MB or one that makes the handler throw is answered clearly; the instance lives on', async () => {
    const good = ['invoke', '--data', '{"features": [0, 0, 0, 1]}', '--json'];
    const first = JSON.parse((await bench.thaw(good, asked)).stdout) as {evidence: {bootId: string}};
    await writeFile(join(bench.dir, 'asked', 'big.json'), JSON.stringify({features: 'x'.repeat(50e6)}));
    const bad = [
      {data: '{"features": [1, 2]}', status: 422, says: 'features'},
      {data: '{"throw": true}', status: 500, says: 'HANDLER_FAILED'},
      {data: '@big.json', status: 413, says: ''},
    ];
    for (const {data, status, says} of bad) {
      const {code, stdout, stderr} = await bench.thaw(['invoke', '--data', data], asked);
      expect({data, code}).toEqual({data, code: 5});
      expect(stderr).toContain(`status ${status}`);
      expect(stdout).toContain(says);
      expect(stdout).not.toContain('at predict');
    }
    const last = JSON.parse((await bench.thaw(good, asked)).stdout) as {
      class: string;
      body: unknown;
      evidence: {bootId: string};
    };
    expect(last).toMatchObject({
      class: 'warm',
      body: {prediction: 4.5},
      evidence: {bootId: first.evidence.bootId},
    });
  });
});

it('the version is the package version', async () => {
  const {version} = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {version: string};
  expect((await bench.thaw(['--version'])).stdout).toMatch(new RegExp(`^thaw/${version} `));
});
