import {createHash} from 'node:crypto';
import {mkdtemp, readdir, readFile, rm, stat, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {writeCandidate, writeModel} from '../../../src/model/candidate.ts';
import {createReadExternal} from '../../../src/model/external.ts';
import {decodeModel} from '../../../src/model/onnx.ts';
import type {ModelProto, TensorProto} from '../../../src/model/onnx.ts';
import {quantizeInt8Blocks} from '../../../src/model/quantize/blocks.ts';
import {openModel, readModel} from '../../../src/model/read.ts';
import {externalPlace, isExternal, makeTensor, tensorValues} from '../../../src/model/tensor.ts';
import {bytesOf, graph, graphAttribute, model, node, numbers, tensorAttribute, value} from './build-model.ts';
import {openRunner} from './run-model.ts';
import type {Runner} from './run-model.ts';

const signal = new AbortController().signal;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-candidate-'));
});
afterEach(() => rm(dir, {recursive: true, force: true}));

const K = 64;
const N = 48;
const weight = numbers(K * N, 5);
const bias = numbers(N, 6);

const outside = (tensor: TensorProto, location: string, offset: number): TensorProto => {
  const {raw_data: bytes, ...rest} = tensor;
  const external_data = Object.entries({location, offset, length: bytes!.length}).map(([key, entry]) => ({
    key,
    value: String(entry),
  }));
  return {...rest, data_location: 1, external_data};
};

/** A model with one weight outside at an odd place, one inside, and one in a branch. */
async function source(): Promise<string> {
  const bytes = new Uint8Array(100 + weight.byteLength);
  bytes.set(new Uint8Array(weight.buffer), 100);
  await writeFile(join(dir, 'weights.bin'), bytes);
  const branch = (name: string) =>
    graph({
      name,
      node: [
        node('Constant', [], [`k_${name}`], [tensorAttribute('value', makeTensor('', [N], bias))]),
        node('MatMul', ['h', `own_${name}`], [`m_${name}`]),
        node('Add', [`m_${name}`, `k_${name}`], [`y_${name}`]),
      ],
      initializer: [makeTensor(`own_${name}`, [N, N], numbers(N * N, 9))],
      output: [value(`y_${name}`, ['rows', N])],
    });
  const proto = model({
    node: [
      node('MatMul', ['x', 'w'], ['m']),
      node('MatMul', ['m', 'v'], ['h']),
      node('ReduceMax', ['x'], ['largest'], [{...NO_LISTS, name: 'keepdims', i: 0, type: 2}]),
      node('Cast', ['largest'], ['c'], [{...NO_LISTS, name: 'to', i: 9, type: 2}]),
      node(
        'If',
        ['c'],
        ['y'],
        [graphAttribute('then_branch', branch('a')), graphAttribute('else_branch', branch('b'))],
      ),
    ],
    initializer: [
      outside(makeTensor('w', [K, N], weight), 'weights.bin', 100),
      makeTensor('v', [N, N], numbers(N * N, 7)),
    ],
    input: [value('x', ['rows', K])],
    output: [value('y', ['rows', N])],
  });
  const file = join(dir, 'source.onnx');
  await writeFile(file, bytesOf(proto));
  return file;
}
const NO_LISTS = {floats: [], ints: [], strings: [], tensors: [], graphs: []};

const tensorsIn = async (file: string) =>
  new Map(decodeModel(await readFile(file)).graph!.initializer.map((tensor) => [tensor.name!, tensor]));

describe('one file', () => {
  test('takes in what lay outside', async () => {
    const {path, proto} = await openModel(await source());
    const file = join(dir, 'out', 'made.onnx');
    const made = await writeModel(proto, path, file, signal);
    const bytes = await readFile(file);
    expect(made).toEqual({
      digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`,
      bytes: bytes.length,
      files: [{path: 'made.onnx', file}],
    });
    const nowhere = () => {
      throw new Error('there is nothing outside');
    };
    expect(tensorValues((await tensorsIn(file)).get('w')!, nowhere).data).toEqual(weight);
    expect(await readdir(join(dir, 'out'))).toEqual(['made.onnx']);
  });

  test('equal models give equal bytes', async () => {
    const opened = await openModel(await source());
    const result = quantizeInt8Blocks({
      model: opened.proto,
      readExternal: createReadExternal(opened.path),
      cpu: 'any',
      keepFloat: new Set(),
    });
    if (result.failure !== null) throw new Error(result.failure);
    const write = (folder: string) =>
      writeCandidate(opened, 'int8-blocks', result, join(dir, folder), signal);
    const [first, second] = [await write('a'), await write('b')];
    expect(first.digest).toBe(second.digest);
    expect(first).toMatchObject({
      mode: 'int8-blocks',
      session: {extra: {session: {disable_prepacking: '0'}}},
    });
    expect(first.files).toEqual([
      {path: 'source.int8-blocks.onnx', file: join(dir, 'a', 'source.int8-blocks.onnx')},
    ]);
    expect((await readModel(first.files[0]!.file)).digest).toBe(first.digest);
  });
});

describe('two files', () => {
  const split = async (proto: ModelProto, path: string, limit = 1000) =>
    writeModel(proto, path, join(dir, 'out', 'made.onnx'), signal, limit);

  test('hold what lay outside and what is large, aligned, and are the model that they were', async () => {
    const {path, proto} = await openModel(await source());
    const made = await split(proto, path);
    const [file, dataFile] = made.files.map((one) => one.file);
    expect(made.files.map((one) => one.path)).toEqual(['made.onnx', 'made.onnx.data']);
    const read = await readModel(file!);
    expect([read.digest, read.bytes, read.externalData]).toEqual([
      made.digest,
      made.bytes,
      ['made.onnx.data'],
    ]);
    const tensors = await tensorsIn(file!);
    const {data} = tensorValues(tensors.get('w')!, createReadExternal(file!));
    expect(data).toEqual(weight);
    const places = [...tensors.values()].filter(isExternal).map(externalPlace);
    expect(places).toEqual([
      {location: 'made.onnx.data', offset: 0, length: K * N * 4},
      {location: 'made.onnx.data', offset: K * N * 4, length: N * N * 4},
    ]);
    expect((await stat(dataFile!)).size).toBe((K * N + N * N) * 4);
    expect((await split(proto, path)).digest).toBe(made.digest);
  });

  test('large weights begin where a file can be mapped', async () => {
    const initializer = [
      makeTensor('small', [300], numbers(300)),
      makeTensor('large', [512, 513], numbers(512 * 513)),
      makeTensor('tiny', [4], numbers(4)),
    ];
    const whole = model({
      initializer,
      node: [node('Relu', ['x'], ['y'])],
      input: [value('x', [1])],
      output: [value('y', [1])],
    });
    const made = await split(whole, join(dir, 'nothing.onnx'));
    const tensors = await tensorsIn(made.files[0]!.file);
    expect(externalPlace(tensors.get('small')!).offset).toBe(0);
    expect(externalPlace(tensors.get('large')!).offset).toBe(65_536);
    expect(isExternal(tensors.get('tiny')!)).toBe(false);
    const {data} = tensorValues(tensors.get('large')!, createReadExternal(made.files[0]!.file));
    expect(data).toEqual(numbers(512 * 513));
  });

  test('are there whole or not at all', async () => {
    const {path, proto} = await openModel(await source());
    await truncate(join(dir, 'weights.bin'), 200);
    await expect(split(proto, path)).rejects.toThrow('cut off');
    expect(await readdir(join(dir, 'out'))).toEqual([]);
    await source();
    const aborted = writeModel(proto, path, join(dir, 'out', 'made.onnx'), AbortSignal.abort(), 1000);
    await expect(aborted).rejects.toMatchObject({code: 'INTERRUPTED'});
    expect(await readdir(join(dir, 'out'))).toEqual([]);
  });

  test('leave no data behind when the model cannot take its place', async () => {
    const {path, proto} = await openModel(await source());
    // A folder with something in it bears the model's name.
    await writeModel(proto, path, join(dir, 'out', 'made.onnx', 'other.onnx'), signal);
    await expect(split(proto, path)).rejects.toThrow();
    expect(await readdir(join(dir, 'out'))).toEqual(['made.onnx']);
  });
});

describe('in ONNX Runtime', () => {
  let runner: Runner;
  beforeAll(async () => {
    runner = await openRunner();
  });
  afterAll(() => runner.close());

  test('one file and two answer as the source does, bit for bit', async () => {
    const {path, proto} = await openModel(await source());
    const row = {x: {shape: [2, K], data: [...numbers(2 * K)]}};
    const wanted = await runner.run(path, [row]);
    const one = await writeModel(proto, path, join(dir, 'one', 'made.onnx'), signal);
    const two = await writeModel(proto, path, join(dir, 'two', 'made.onnx'), signal, 1000);
    expect(await runner.run(one.files[0]!.file, [row])).toEqual(wanted);
    expect(await runner.run(two.files[0]!.file, [row])).toEqual(wanted);
  });
});
