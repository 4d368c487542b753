import {mkdtemp, rm, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {writeCandidate} from '../../src/model/candidate.ts';
import {createReadExternal} from '../../src/model/external.ts';
import type {TensorProto} from '../../src/model/onnx.ts';
import {quantizeInt8Blocks} from '../../src/model/quantize/blocks.ts';
import {openModel} from '../../src/model/read.ts';
import {makeTensor} from '../../src/model/tensor.ts';
import {bytesOf, model, node, numbers, value} from '../unit/model/build-model.ts';
import {openRunner} from '../unit/model/run-model.ts';
import type {Runner} from '../unit/model/run-model.ts';

const signal = new AbortController().signal;
let dir: string;
let runner: Runner;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-large-'));
  runner = await openRunner();
});
afterAll(async () => {
  await rm(dir, {recursive: true, force: true});
  await runner.close();
});

test('a model of more than 2 GB is read, quantized, written and run', async () => {
  // All but the first rows of the table lie in a hole of the file, which takes no room on the disk.
  const [rows, width] = [550_000, 1024];
  const table = join(dir, 'table.bin');
  await writeFile(table, new Uint8Array(numbers(4 * width).buffer));
  await truncate(table, rows * width * 4);
  const {raw_data: _, ...shape} = makeTensor('table', [rows, width], new Float32Array());
  const tensor: TensorProto = {
    ...shape,
    data_location: 1,
    external_data: [{key: 'location', value: 'table.bin'}],
  };
  const proto = model({
    node: [node('Gather', ['table', 'ids'], ['g']), node('MatMul', ['g', 'w'], ['y'])],
    initializer: [tensor, makeTensor('w', [width, 8], numbers(width * 8))],
    input: [value('ids', ['n'], 7)],
    output: [value('y', ['n', 8])],
  });
  const path = join(dir, 'large.onnx');
  await writeFile(path, bytesOf(proto));
  const opened = await openModel(path);
  expect(opened.model.bytes).toBeGreaterThan(2 ** 31);
  const result = quantizeInt8Blocks({
    model: opened.proto,
    readExternal: createReadExternal(path),
    cpu: 'any',
    keepFloat: new Set(['Gather_g']),
  });
  if (result.failure !== null) throw new Error(result.failure);
  const made = await writeCandidate(opened, 'int8-blocks', result, join(dir, 'out'), signal);
  expect(made.files.map((one) => one.path)).toEqual([
    'large.int8-blocks.onnx',
    'large.int8-blocks.onnx.data',
  ]);
  expect(made.bytes).toBeGreaterThan(2 ** 31);
  const row = {ids: {shape: [3], data: ['0', '3', String(rows - 1)]}};
  const [{y: wanted} = {}] = await runner.run(path, [row]);
  const [{y} = {}] = await runner.run(made.files[0]!.file, [row], made.session);
  expect(y!.data.slice(16).map(Number)).toEqual(Array.from({length: 8}, () => 0));
  for (const [at, one] of wanted!.data.entries())
    expect(Math.abs(Number(y!.data[at]) - Number(one))).toBeLessThan(0.5);
  expect(Math.max(...wanted!.data.map(Number))).toBeGreaterThan(5);
});
