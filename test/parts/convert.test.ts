import {execFile} from 'node:child_process';
import {copyFile, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {ConvertedFile} from '../../src/cli/convert-model.ts';
import {openBench, type Bench} from '../cli/thaw.ts';
import {cacheDir, hostOrt} from '../onnxruntime.ts';
import {openPython} from './python.ts';
import {findTorch} from './torch-python.ts';

const exec = promisify(execFile);
const beside = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

/** Packages are fetched, environments made. */
const PATIENCE = {timeout: 900_000};
/** What the models are trained with: the versions that thaw converts with, so that only one of each is fetched. */
const TRAINED_WITH = ['scikit-learn==1.9.1', 'xgboost-cpu==3.2.0', 'lightgbm==4.7.0', 'pandas==2.3.3'];

const torch = await findTorch();
const exportsPrograms = Number(/^(\d+\.\d+)/.exec(torch?.version ?? '')?.[1]?.replace('.', '.0')) >= 2.06;

let bench: Bench;
beforeAll(async () => {
  await hostOrt();
  bench = await openBench();
}, PATIENCE.timeout);
afterAll(() => bench.leave());

/** Converts, and gives the document or the error. */
async function convert(
  ...args: readonly string[]
): Promise<{code: number | null; document: ConvertedFile; error: Failure}> {
  const ended = await bench.thaw(['convert', ...args, '--yes', '--json'], {
    env: {THAW_CACHE_DIR: cacheDir()},
  });
  const {error, ...document} = JSON.parse(ended.stdout) as ConvertedFile & {error: Failure};
  return {code: ended.code, document, error};
}
interface Failure {
  readonly code: string;
  readonly message: string;
  readonly facts: {readonly [name: string]: unknown};
}

/** Makes a project of a model and packs it. */
async function packs(model: string, name: string): Promise<void> {
  const made = await bench.thaw(['init', name, '--model', model, '--yes']);
  expect(made).toMatchObject({code: 0});
  const packed = await bench.thaw(['package', '--json'], {cwd: name});
  expect({code: packed.code, said: packed.stderr}).toMatchObject({code: 0});
}

describe('tabular models', () => {
  beforeAll(async () => {
    const python = await openPython(TRAINED_WITH);
    await python.run(await readFile(beside('convert-models.py'), 'utf8'), bench.dir);
  }, PATIENCE.timeout);

  test.each([
    ['pipeline.joblib', 'pickle', ['label', 'probabilities']],
    ['forest.pkl', 'pickle', ['label', 'probabilities']],
    ['boosting.pkl', 'pickle', ['variable']],
    ['xgboost.json', 'xgboost', ['label', 'probabilities']],
    ['xgboost.ubj', 'xgboost', ['label', 'probabilities']],
    ['raw.json', 'xgboost', ['label', 'probabilities']],
    ['regressor.json', 'xgboost', ['variable']],
    ['xgboost.pkl', 'pickle', ['label', 'probabilities']],
    ['steps.pkl', 'pickle', ['label', 'probabilities']],
    ['lightgbm.txt', 'lightgbm', ['label', 'probabilities']],
    ['lightgbm-amount.txt', 'lightgbm', ['variable']],
    ['lightgbm.pkl', 'pickle', ['label', 'probabilities']],
  ])('%s gives what it gave, a table in and plain tensors out', PATIENCE, async (file, kind, outputs) => {
    const {document, error} = await convert(file, '--out', `${file}.onnx`);
    expect(error).toBeUndefined();
    expect(document).toMatchObject({kind, inputs: [{name: 'input', type: 'FP32', shape: ['batch', 5]}]});
    expect(document.outputs.map(({name}) => name)).toEqual(outputs);
    for (const {cosine, equal, rows} of document.agreement) {
      if (equal === null) expect(cosine).toBeGreaterThan(0.999_999);
      else expect(equal).toBe(rows);
      expect(rows).toBeGreaterThanOrEqual(81);
    }
  });

  test('a pipeline that picks columns by name gets an input for each', PATIENCE, async () => {
    const {document, error} = await convert('frame.pkl', '--out', 'frame.onnx');
    expect(error).toBeUndefined();
    expect(document.inputs).toEqual([
      {name: 'age', type: 'FP32', shape: ['batch', 1]},
      {name: 'income', type: 'FP32', shape: ['batch', 1]},
      {name: 'city', type: 'BYTES', shape: ['batch', 1]},
    ]);
  });

  test('an estimator that ONNX has no form of is refused by its name', PATIENCE, async () => {
    const {code, error} = await convert('unsupported.pkl');
    expect([code, error.code]).toEqual([3, 'CONVERSION_REFUSED']);
    expect(error.facts).toMatchObject({
      reason: 'unsupported',
      operator: expect.stringContaining('SkewedChi2Sampler'),
    });
  });

  test('a file that was cut off is refused, and nothing is written', PATIENCE, async () => {
    const whole = await readFile(join(bench.dir, 'forest.pkl'));
    await writeFile(join(bench.dir, 'half.pkl'), whole.subarray(0, whole.length / 2));
    const {code, error} = await convert('half.pkl');
    expect([code, error.code, error.facts['reason']]).toEqual([3, 'CONVERSION_REFUSED', 'damaged']);
    expect(await readdir(bench.dir)).not.toContain('half.onnx');
  });

  test('what was converted can be packed', PATIENCE, async () => {
    await packs('pipeline.joblib.onnx', 'tabular');
  });
});

const IMAGE = ['--input-shape', 'image=1,1,8,8:FP32'];

describe.skipIf(torch === null)(`PyTorch ${torch?.version ?? ', which no Python here has'}`, () => {
  const {python = ''} = torch ?? {};
  beforeAll(async () => {
    await copyFile(beside('convert-nets.py'), join(bench.dir, 'nets.py'));
    await exec(python, ['nets.py'], {cwd: bench.dir});
  }, PATIENCE.timeout);
  const own = ['--python', python];

  test('TorchScript, whose batch may vary', PATIENCE, async () => {
    const {document, error} = await convert('script.pt', ...IMAGE, ...own);
    expect(error).toBeUndefined();
    expect(document).toMatchObject({
      file: 'script.onnx',
      kind: 'torchscript',
      inputs: [{name: 'image', type: 'FP32', shape: ['batch', 1, 8, 8]}],
      agreement: [{output: 'output', cosine: expect.closeTo(1, 6)}],
    });
    await packs('script.onnx', 'script');
  });

  test.each(['net.pth', 'training.pth'])('a class with the weights of %s', PATIENCE, async (checkpoint) => {
    const out = ['--out', `${checkpoint}.onnx`];
    const {document, error} = await convert('nets:Net', '--checkpoint', checkpoint, ...IMAGE, ...own, ...out);
    expect(error).toBeUndefined();
    expect(document.outputs.map(({name}) => name)).toEqual(['logits', 'features']);
    for (const {cosine} of document.agreement) expect(cosine).toBeCloseTo(1, 6);
  });

  test(
    'a function of a file that makes the model, and a sequence whose length varies',
    PATIENCE,
    async () => {
      const made = await convert('nets.py:make_sized', '--input-shape', 'x=1,8', ...own);
      expect(made.error).toBeUndefined();
      expect(made.document.file).toBe('make_sized.onnx');
      const words = await convert('nets:Words', '--input-shape', 'tokens=batch,length:INT64', ...own);
      expect(words.error).toBeUndefined();
      expect(words.document.inputs).toEqual([{name: 'tokens', type: 'INT64', shape: ['batch', 'length']}]);
    },
  );

  test('a model for one size alone is converted for that size', PATIENCE, async () => {
    const {document, error} = await convert('nets:OneSize', ...IMAGE, ...own);
    expect(error).toBeUndefined();
    expect(document.inputs).toEqual([{name: 'image', type: 'FP32', shape: [1, 1, 8, 8]}]);
  });

  test.runIf(exportsPrograms)(
    `an exported program, which says itself what it takes${exportsPrograms ? '' : ' (torch 2.6 or newer is needed)'}`,
    PATIENCE,
    async () => {
      const {document, error} = await convert('program.pt2', ...own);
      expect(error).toBeUndefined();
      expect(document).toMatchObject({
        kind: 'exported-program',
        inputs: [{name: 'image', shape: [expect.any(String), 1, 8, 8]}],
      });
      expect(document.agreement[0]?.cosine).toBeCloseTo(1, 6);
    },
  );

  test.each([
    [
      ['nets:Net', '--checkpoint', 'other.pth', ...IMAGE],
      'checkpoint-mismatch',
      /inner\.weight is \[8, 144\] in the file and \[16, 144\]/,
    ],
    [
      ['nets:Sized', '--checkpoint', 'net.pth', '--input-shape', 'x=1,8'],
      'class-arguments',
      /needs arguments: size/,
    ],
    [
      ['nets:make_sized', '--checkpoint', 'net.pth', '--input-shape', 'x=1,8'],
      'checkpoint-mismatch',
      /2 weights of the class are not in it \(layer\.weight, layer\.bias\)/,
    ],
    [['nets:Nett', ...IMAGE], 'class-not-found', /nets has no Nett/],
    [['nots:Net', ...IMAGE], 'module-missing', /there is no module nots/],
    [['nets:Net', '--input-shape', 'picture=1,1,8,8'], 'wrong-inputs', /forward takes image, not picture/],
    [['nets:Net', '--input-shape', 'image=1,3,8,8'], 'wrong-inputs', /does not take image \[1, 3, 8, 8\]/],
    [['nets:Special', '--input-shape', 'x=1,8'], 'unsupported', /special_bessel_j0/],
  ])('%j is refused', PATIENCE, async (args, reason, message) => {
    const {code, error} = await convert(...args, ...own, '--out', 'never.onnx');
    expect([code, error.code, error.facts['reason']]).toEqual([3, 'CONVERSION_REFUSED', reason]);
    expect(error.message).toMatch(message);
    expect(await readdir(bench.dir)).not.toContain('never.onnx');
  });
});
