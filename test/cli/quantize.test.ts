import {copyFile, mkdir, readdir, readFile, stat, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {quantize} from '../../src/cli/api.ts';
import type {QuantizedFile} from '../../src/cli/quantize-file.ts';
import {readModel} from '../../src/model/read.ts';
import {fixture} from '../instance.ts';
import {cacheDir} from '../onnxruntime.ts';
import {openBench, type Bench} from './thaw.ts';

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
  await copyFile(fixture('mlp.onnx'), join(bench.dir, 'mlp.onnx'));
  const row = (seed: number) => Array.from({length: 32}, (_, at) => Math.sin(seed + at));
  const rows = Array.from({length: 20}, (_, seed) => ({x: row(seed), label: seed % 4}));
  const lines = rows.map((each) => JSON.stringify(each));
  await writeFile(join(bench.dir, 'rows.jsonl'), lines.join('\n'));
});
afterAll(() => bench.leave());

/** Long enough for a machine that has much else to do. */
const PATIENCE = {timeout: 300_000};

test('a model is quantized, measured on rows, and written; the result is its file', PATIENCE, async () => {
  const flags = ['--mode', 'dynamic', '--calibration', 'rows.jsonl', '--accept', 'top1Drop<=1'];
  const {code, stdout, stderr} = await bench.thaw(['quantize', 'mlp.onnx', ...flags]);
  expect([code, stdout]).toEqual([0, 'mlp.dynamic.onnx\n']);
  expect(stderr).toMatch(/dynamic is taken, as asked for: it costs .* on 10 rows/);
  expect(stderr).toMatch(/size +load +first +warm +memory +cosine +accuracy/);
  expect(stderr).toMatch(/measured with ONNX Runtime \d/);
  const {operators} = await readModel(join(bench.dir, 'mlp.dynamic.onnx'));
  expect(operators).toMatchObject({'com.microsoft.DynamicQuantizeMatMul': 3});
});

test('as JSON it is one document, and the original is kept where nothing is gained', PATIENCE, async () => {
  await mkdir(join(bench.dir, 'alone'));
  await copyFile(fixture('mlp.onnx'), join(bench.dir, 'alone', 'mlp.onnx'));
  const {code, stdout, stderr} = await bench.thaw(['quantize', 'alone/mlp.onnx', '--json']);
  expect([code, stderr]).toEqual([0, '']);
  const document = JSON.parse(stdout) as QuantizedFile;
  expect(document).toMatchObject({
    schema: 'thaw.quantize/1',
    file: 'alone/mlp.onnx',
    bytes: 301_516,
    session: {graphOptimizationLevel: 'all'},
    verdict: {
      schema: 'thaw.verdict/1',
      asked: 'auto',
      chosen: 'none',
      rows: 0,
      untried: expect.arrayContaining([
        {mode: 'dynamic', why: 'a model under a megabyte (302 kB) has little to gain'},
      ]),
    },
  });
  expect(await readdir(join(bench.dir, 'alone'))).toEqual(['mlp.onnx']);
});

test('the library does the same, and says what it is at', PATIENCE, async () => {
  const out = join(bench.dir, 'deep', 'kept.onnx');
  const steps: string[] = [];
  const {verdict, file} = await quantize(join(bench.dir, 'mlp.onnx'), {
    mode: 'none',
    out,
    cacheDir: cacheDir(),
    onStep: (step) => steps.push(step),
  });
  expect(verdict).toMatchObject({chosen: 'none', asked: 'none', madeFor: 'any'});
  expect(file).toBe(out);
  expect(await readFile(out)).toEqual(await readFile(fixture('mlp.onnx')));
  expect(steps[0]).toBe('reading the model');
  expect(steps).toContain('timing the original, round 1 of 5');
});

test.each([
  [['mlp.onnx', '--accept', 'cosine<=1'], 2, 'USAGE', '--accept cosine<=1 is none of'],
  [['mlp.onnx', '--out', './mlp.onnx'], 2, 'USAGE', 'would replace the model mlp.onnx itself'],
  [['none.onnx'], 3, 'MODEL_NOT_FOUND', 'there is no model file none.onnx'],
  [['mlp.onnx', '--calibration', 'none.jsonl'], 3, 'CALIBRATION_INVALID', 'there is no such file'],
  [['linear.onnx', '--mode', 'int4'], 3, 'MODEL_UNSUPPORTED', 'linear.onnx cannot be served as int4'],
] as const)('%j is refused', PATIENCE, async (args, exitCode, errorCode, message) => {
  await copyFile(fixture('linear.onnx'), join(bench.dir, 'linear.onnx'));
  const before = (await stat(join(bench.dir, 'mlp.onnx'))).mtimeMs;
  const {code, stdout} = await bench.thaw(['quantize', ...args, '--json']);
  const {error} = JSON.parse(stdout) as {error: {code: string; message: string; hints: string[]}};
  expect([code, error.code]).toEqual([exitCode, errorCode]);
  expect(error.message).toContain(message);
  expect(error.hints).not.toEqual([]);
  expect((await stat(join(bench.dir, 'mlp.onnx'))).mtimeMs).toBe(before);
});
