import {chmod, copyFile, mkdtemp, readdir, readFile, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import type {ConvertedFile} from '../../src/cli/convert-model.ts';
import {fixture} from '../instance.ts';
import {cacheDir, hostOrt} from '../onnxruntime.ts';
import {pickleOf, writeZip} from '../unit/python/convert/files.ts';
import {openBench, until, type Bench, type Ended} from './thaw.ts';

let bench: Bench;
let python: string;
let cache: string;
beforeAll(async () => {
  await hostOrt();
  bench = await openBench();
  python = join(bench.dir, 'fake-python');
  const program = fileURLToPath(new URL('fake-python.mjs', import.meta.url));
  await writeFile(python, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  await chmod(python, 0o755);
  await writeFile(join(bench.dir, 'pipe.pkl'), pickleOf(['sklearn.pipeline'], '1.4.2'));
  await writeFile(join(bench.dir, 'booster.txt'), 'tree\nversion=v4\n');
  await writeZip(join(bench.dir, 'script.pt'), ['n/data.pkl', 'n/constants.pkl', 'n/code/n.py']);
  await writeZip(join(bench.dir, 'weights.pth'), ['w/data.pkl', 'w/version']);
  await writeZip(join(bench.dir, 'net.keras'), ['config.json', 'model.weights.h5']);
  await writeFile(join(bench.dir, 'w.safetensors'), Buffer.from('\x08\0\0\0\0\0\0\0{"a":{}}', 'latin1'));
  await writeFile(join(bench.dir, 'other.pkl'), pickleOf(['collections']));
  await writeFile(join(bench.dir, 'cut.pt'), Buffer.from('PK\x03\x04', 'latin1'));
  await copyFile(fixture('mlp.onnx'), join(bench.dir, 'mlp.onnx'));
});
afterAll(() => bench.leave());

/** A cache without environments, with the packages that everybody has. */
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'thaw-convert-cache-'));
  await symlink(join(cacheDir(), 'packages'), join(cache, 'packages'));
  return () => rm(cache, {recursive: true, force: true});
});

const envOf = (fake: object): {readonly [name: string]: string} => ({
  FAKE_PYTHON: JSON.stringify({log: join(cache, 'log'), ...fake}),
  THAW_CACHE_DIR: cache,
  THAW_PYTHON: python,
});
const convert = (args: readonly string[], fake: object = {}): Promise<Ended> =>
  bench.thaw(['convert', ...args], {env: envOf(fake)});
const asked = async (): Promise<string[]> =>
  (await readFile(join(cache, 'log'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');

/** `score = features · [1 2 3 4] + 0.5` for the two rows that the stand-in makes up. */
const RIGHT = {model: fixture('linear.onnx'), scores: [1.5, 10.5]};

test('a model is converted, held against the original, and written; the environment is made once', async () => {
  const first = await convert(['pipe.pkl', '--yes', '--out', 'new/pipe.onnx'], {convert: RIGHT});
  expect([first.code, first.stdout]).toEqual([0, 'new/pipe.onnx\n']);
  expect(first.stderr).toContain('a pickle of scikit-learn, written by scikit-learn 1.4.2');
  expect(first.stderr).toMatch(/to be installed in thaw's cache.*: scikit-learn==1\.4\.2, skl2onnx==/);
  expect(first.stderr).toMatch(/about \d+(\.\d)? MB to download/);
  expect(first.stderr).toContain('takes features: FP32 [batch, 4]');
  expect(first.stderr).toContain('score: cosine 1, at most 0 apart');
  expect(first.stderr).not.toContain('printed by a library');
  expect(await readFile(join(bench.dir, 'new', 'pipe.onnx'))).toEqual(await readFile(fixture('linear.onnx')));
  expect((await asked()).filter((line) => line.startsWith('-m'))).toHaveLength(2);

  const second = await convert(['pipe.pkl', '--yes', '--out', 'new/pipe.onnx', '--json'], {convert: RIGHT});
  expect([second.code, second.stderr]).toEqual([0, '']);
  const document = JSON.parse(second.stdout) as ConvertedFile;
  expect(document).toMatchObject({
    schema: 'thaw.convert/1',
    file: 'new/pipe.onnx',
    bytes: 189,
    kind: 'pickle',
    inputs: [{name: 'features', type: 'FP32', shape: ['batch', 4]}],
    outputs: [{name: 'score', type: 'FP32'}],
    agreement: [{output: 'score', cosine: expect.closeTo(1, 9), maxAbs: 0, rows: 2, equal: null}],
    python: {version: '3.12.1'},
    versions: {'scikit-learn': '1.4.2'},
  });
  expect((await asked()).filter((line) => line.startsWith('-m'))).toHaveLength(2);
  const listed = await bench.thaw(['cache', '--json'], {env: envOf({})});
  expect(JSON.parse(listed.stdout)).toMatchObject({
    items: expect.arrayContaining([
      expect.objectContaining({kind: 'environment', name: 'Python 3.12.1 with scikit-learn 1.4.2'}),
    ]),
  });
});

test('what libraries print is shown when asked for', async () => {
  const {code, stderr} = await convert(['pipe.pkl', '--yes', '--verbose', '--out', 'v.onnx'], {
    convert: RIGHT,
  });
  expect(code).toBe(0);
  expect(stderr).toContain('printed by a library');
});

test('a result that is not what the original gives is not written', async () => {
  const wrong = {...RIGHT, scores: [1.5, -10.5]};
  const {code, stdout, stderr} = await convert(['pipe.pkl', '--yes', '--out', 'wrong.onnx'], {
    convert: wrong,
  });
  expect([code, stdout]).toEqual([3, '']);
  expect(stderr).toMatch(/does not give what the original gives: score: cosine -0\.\d+/);
  expect(await readdir(bench.dir)).not.toContain('wrong.onnx');
});

test('without a terminal, nobody is asked: nothing is made before the flag is named', async () => {
  const {code, stderr} = await convert(['pipe.pkl']);
  expect(code).toBe(2);
  expect(stderr).toContain(
    'nobody is there to answer "Loading it can run the code that this file holds. Install',
  );
  expect(stderr).toContain('give --yes');
  expect(await asked()).toEqual(['thaw_inspect.py']);
  expect(await readdir(cache)).not.toContain('python');
});

test('a file that is there is not replaced unless it is named', async () => {
  await writeFile(join(bench.dir, 'booster.onnx'), 'mine');
  const {code, stderr} = await convert(['booster.txt', '--yes'], {convert: RIGHT});
  expect([code, await asked()]).toEqual([2, []]);
  expect(stderr).toContain('booster.onnx is there already');
  expect(await readFile(join(bench.dir, 'booster.onnx'), 'utf8')).toBe('mine');
});

describe('what is refused before Python is looked for', () => {
  test.each([
    [['none.pt'], 3, 'MODEL_NOT_FOUND', 'there is no model file none.pt', ''],
    [['cut.pt'], 3, 'MODEL_INVALID', 'cut.pt is cut off or empty', ''],
    [
      ['mlp.onnx'],
      3,
      'CONVERSION_REFUSED',
      'is an ONNX model already',
      '$ thaw init my-function --model mlp.onnx',
    ],
    [
      ['weights.pth'],
      3,
      'CONVERSION_REFUSED',
      'holds weights, not the class',
      '--checkpoint weights.pth --input-shape',
    ],
    [['w.safetensors'], 3, 'CONVERSION_REFUSED', 'as safetensors', '--checkpoint w.safetensors'],
    [['net.keras'], 3, 'CONVERSION_REFUSED', 'is a Keras model', '$ python3 -m tf2onnx.convert'],
    [['other.pkl'], 3, 'CONVERSION_REFUSED', 'names no class of scikit-learn', 'docs/commands/convert.md'],
    [['script.pt'], 2, 'USAGE', '--input-shape is missing', '--input-shape image=1,3,224,224:FP32'],
    [['nets:Net'], 2, 'USAGE', '--input-shape is missing', '--input-shape image='],
    [['script.pt', '--input-shape', 'x=1,a b'], 2, 'USAGE', '"a b" is neither a size nor a name', ''],
    [['script.pt', '--checkpoint', 'weights.pth'], 2, 'USAGE', '--checkpoint goes with a class', ''],
    [['nets:Net', '--checkpoint', 'no.pth', '--input-shape', 'x=1,2'], 3, 'MODEL_NOT_FOUND', 'no.pth', ''],
    [
      ['nets:Net', '--checkpoint', 'booster.txt', '--input-shape', 'x=1,2'],
      3,
      'MODEL_INVALID',
      'is no checkpoint',
      '',
    ],
  ])('%j', async (args, exitCode, code, message, hint) => {
    const ended = await convert([...args, '--yes', '--json']);
    const {error} = JSON.parse(ended.stdout) as {error: {code: string; message: string; hints: string[]}};
    expect([ended.code, error.code]).toEqual([exitCode, code]);
    expect(error.message).toContain(message);
    expect(error.hints.join('\n')).toContain(hint);
    expect(await asked()).toEqual([]);
  });
});

describe('what goes wrong in Python', () => {
  const NO_NETWORK = `WARNING: Retrying: NewConnectionError: Failed to establish a new connection
ERROR: Could not find a version that satisfies the requirement scikit-learn==1.4.2 (from versions: none)`;
  const NO_MATCH = 'ERROR: No matching distribution found for scikit-learn==1.4.2';
  test.each([
    [
      'too old',
      {version: '3.8.18'},
      5,
      'PYTHON_UNAVAILABLE',
      'is Python 3.8.18: thaw takes 3.9 or newer',
      '--python PATH',
    ],
    [
      'without venv',
      {venv: 1},
      5,
      'PYTHON_UNAVAILABLE',
      'cannot make an environment',
      '$ apt-get install python3.12-venv',
    ],
    [
      'offline',
      {pip: {stderr: NO_NETWORK}},
      5,
      'PACKAGES_UNAVAILABLE',
      'the package index cannot be reached',
      'pip config list',
    ],
    [
      'no wheel',
      {pip: {stderr: NO_MATCH}},
      5,
      'PACKAGES_UNAVAILABLE',
      'there is no scikit-learn==1.4.2 for Python 3.12.1 here',
      '--python python3.11',
    ],
    [
      'a full disk',
      {pip: {stderr: 'OSError: [Errno 28] No space left on device'}},
      5,
      'PACKAGES_UNAVAILABLE',
      'no space left',
      'THAW_CACHE_DIR',
    ],
    [
      'dies',
      {convert: {exitCode: 139}},
      3,
      'CONVERSION_REFUSED',
      'Python ended with exit code 139',
      'printed by a library',
    ],
    [
      'an operator',
      {convert: {refused: {reason: 'unsupported', message: 'no aten::foo', facts: {operator: 'aten::foo'}}}},
      3,
      'CONVERSION_REFUSED',
      'no aten::foo',
      'Replace aten::foo by operators that ONNX has',
    ],
  ])('%s', async (_what, fake, exitCode, code, message, hint) => {
    const ended = await convert(['pipe.pkl', '--yes', '--json', '--out', 'never.onnx'], fake);
    const {error} = JSON.parse(ended.stdout) as {error: {code: string; message: string; hints: string[]}};
    expect([ended.code, error.code]).toEqual([exitCode, code]);
    expect(error.message).toContain(message);
    expect(error.hints.join('\n')).toContain(hint);
    expect(await readdir(bench.dir)).not.toContain('never.onnx');
    // Half an environment is none.
    const half = await readdir(join(cache, 'python')).catch(() => []);
    expect(half.filter((name) => name.startsWith('.unfinished-'))).toEqual([]);
  });

  test('there is none', async () => {
    const {code, stderr} = await convert(['pipe.pkl', '--yes', '--python', './no-python']);
    expect(code).toBe(5);
    expect(stderr).toContain('./no-python does not run, or is no Python');
  });
});

test('Ctrl-C ends Python too, and leaves nothing', async () => {
  const mark = join(cache, 'converting');
  const child = bench.start(['convert', 'pipe.pkl', '--yes', '--out', 'late.onnx'], {
    env: envOf({convert: {wait: mark}}),
  });
  await until(async () => (await readFile(mark).catch(() => null)) !== null, 'the conversion begins', 60_000);
  child.kill('SIGINT');
  expect((await child.ended).code).toBe(130);
  expect(await readdir(bench.dir)).not.toContain('late.onnx');
});
