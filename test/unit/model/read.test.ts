import {mkdir, mkdtemp, readFile, rm, truncate, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as fc from 'fast-check';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {ThawError} from '../../../src/core/errors.ts';
import {DATA_TYPE} from '../../../src/model/onnx.ts';
import type {ModelProto, TensorProto} from '../../../src/model/onnx.ts';
import {readModel} from '../../../src/model/read.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {fixture} from '../../instance.ts';
import {bytesOf, graph, graphAttribute, model, node, numbers, value} from './build-model.ts';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-model-'));
});
afterAll(() => rm(dir, {recursive: true, force: true}));

async function write(name: string, content: Uint8Array | string): Promise<string> {
  const file = join(dir, name);
  await writeFile(file, content);
  return file;
}

async function refusal(reading: Promise<unknown>): Promise<ThawError> {
  const error: unknown = await reading.then(
    () => 'no error',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ThawError);
  return error as ThawError;
}

const relu = (more: Partial<ModelProto> = {}): ModelProto =>
  model(
    {node: [node('Relu', ['x'], ['y'])], input: [value('x', [1, 4])], output: [value('y', [1, 4])]},
    more,
  );

test('a model tells its inputs, outputs, operators, opset and digest', async () => {
  const file = fixture('mlp.onnx');
  expect(await readModel(file)).toEqual({
    schema: 'thaw.model/1',
    digest: digestOf(await readFile(file)),
    bytes: 301_516,
    opset: 17,
    inputs: [{name: 'x', type: 'FP32', shape: ['batch', 32]}],
    outputs: [{name: 'y', type: 'FP32', shape: ['batch', 4]}],
    operators: {Add: 3, MatMul: 3, Relu: 2, Softmax: 1},
    externalData: [],
  });
});

test('weights listed among the inputs are none, and operators are counted inside branches too', async () => {
  const branch = graph({
    node: [node('Relu', ['x'], ['z']), {...node('Magic', ['z'], ['v']), domain: 'org.example'}],
  });
  const proto = model({
    node: [node('If', ['c'], ['y'], [graphAttribute('then_branch', branch)]), node('Relu', ['y'], ['w'])],
    initializer: [makeTensor('b', [2], numbers(2))],
    input: [value('x', [1, '']), value('b', [2]), value('c', [], DATA_TYPE.BOOL)],
    output: [value('w', ['n'], DATA_TYPE.INT64)],
  });
  const read = await readModel(await write('if.onnx', bytesOf(proto)));
  expect(read.inputs).toEqual([
    {name: 'x', type: 'FP32', shape: [1, '?']},
    {name: 'c', type: 'BOOL', shape: []},
  ]);
  expect(read.outputs).toEqual([{name: 'w', type: 'INT64', shape: ['n']}]);
  expect(read.operators).toEqual({If: 1, Relu: 2, 'org.example.Magic': 1});
});

test('outputs that are maps or sequences are left out, as they cannot be served', async () => {
  const labels = {...relu().graph!, output: [value('y', [1, 4]), {name: 'map', type: {sequence_type: {}}}]};
  const read = await readModel(await write('zipmap.onnx', bytesOf(relu({graph: labels}))));
  expect(read.outputs.map(({name}) => name)).toEqual(['y']);
});

describe('what is not a whole ONNX model is refused', () => {
  test('a file that is not there', async () => {
    expect((await refusal(readModel(join(dir, 'none.onnx')))).code).toBe('MODEL_NOT_FOUND');
  });

  test('a folder', async () => {
    await mkdir(join(dir, 'saved_model'));
    const error = await refusal(readModel(join(dir, 'saved_model')));
    expect([error.code, error.message]).toEqual(['MODEL_INVALID', expect.stringContaining('is a folder')]);
  });

  test('an empty file', async () => {
    const error = await refusal(readModel(await write('empty.onnx', '')));
    expect([error.code, error.message]).toEqual(['MODEL_INVALID', expect.stringContaining('is empty')]);
  });

  test('more than one file can carry', async () => {
    const file = await write('huge.onnx', '');
    await truncate(file, 2 ** 31);
    const error = await refusal(readModel(file));
    expect(error.code).toBe('MODEL_UNSUPPORTED');
    expect(error.message).toContain(
      'without external data neither protobuf nor ONNX Runtime takes more than 2 GB',
    );
    await rm(file);
  });

  test.each([100, 5000, 301_515])('a model cut off after %i bytes', async (bytes) => {
    const whole = await readFile(fixture('mlp.onnx'));
    const error = await refusal(readModel(await write('cut.onnx', whole.subarray(0, bytes))));
    expect([error.code, error.message]).toEqual(['MODEL_INVALID', expect.stringContaining('cut off')]);
  });

  test.each([
    ['a PyTorch checkpoint', 'PK\u0003\u0004........archive/data.pkl'],
    ['a TorchScript archive', 'PK\u0003\u0004........net/data.pkl....net/constants.pkl'],
    ['a zip archive', 'PK\u0003\u0004........readme'],
    ['a Python pickle', '\x80\x04\x95\x1f\x00\x00\x00'],
    ['an HDF5 file', '\x89HDF\r\n\x1a\n'],
    ['a TensorFlow Lite model', '\x1c\x00\x00\x00TFL3\x00'],
    ['an ONNX Runtime model', '\x1c\x00\x00\x00ORTM\x00'],
    ['a safetensors file', '\x10\x00\x00\x00\x00\x00\x00\x00{"a":{"dtype":1}'],
    ['a GGUF model', 'GGUF\x03\x00\x00\x00'],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n'],
    ['an HTML page', '<!DOCTYPE html><html></html>'],
    ['a JSON file', '{"learner": {}}'],
    ['a text file', 'some words'],
  ])('%s, by its name', async (what, content) => {
    const error = await refusal(readModel(await write('other.bin', Buffer.from(content, 'latin1'))));
    expect([error.code, error.message]).toEqual(['MODEL_INVALID', expect.stringContaining(what)]);
  });

  test('a model without a graph, without inputs, without outputs', async () => {
    const whole = relu();
    const {graph: _, ...headless} = whole;
    const error = async (name: string, proto: ModelProto) =>
      (await refusal(readModel(await write(name, bytesOf(proto))))).message;
    expect(await error('a.onnx', headless)).toContain('no graph');
    expect(await error('b.onnx', {...whole, graph: {...whole.graph!, input: []}})).toContain('no inputs');
    expect(await error('c.onnx', {...whole, graph: {...whole.graph!, output: []}})).toContain('no outputs');
  });

  test('inputs that no request can carry, by name', async () => {
    const odd = (input: ReturnType<typeof value>) => relu({graph: {...relu().graph!, input: [input]}});
    const cases = [
      odd(value('x', [1], 16)),
      odd({name: 'x', type: {map_type: {}}}),
      odd({name: 'x', type: {tensor_type: {elem_type: 1}}}),
    ];
    for (const proto of cases) {
      const error = await refusal(readModel(await write('odd.onnx', bytesOf(proto))));
      expect([error.code, error.facts.input]).toEqual(['MODEL_UNSUPPORTED', 'x']);
    }
  });
});

describe('external data', () => {
  const external = (entries: {[key: string]: string}): Uint8Array => {
    const {raw_data: _, ...tensor} = makeTensor('w', [4], numbers(4));
    const outside: TensorProto = {
      ...tensor,
      data_location: 1,
      external_data: Object.entries(entries).map(([key, entry]) => ({key, value: entry})),
    };
    return bytesOf(
      model({
        node: [node('Add', ['x', 'w'], ['y'])],
        initializer: [outside],
        input: [value('x', [1, 4])],
        output: [value('y', [1, 4])],
      }),
    );
  };

  test('belongs to the digest and to the bytes', async () => {
    await write('weights.bin', new Uint8Array(40));
    const bytes = external({location: 'weights.bin', offset: '8', length: '16'});
    const read = await readModel(await write('outside.onnx', bytes));
    expect(read.externalData).toEqual(['weights.bin']);
    expect(read.bytes).toBe(bytes.length + 40);
    expect(read.digest).toBe(digestOf(Buffer.concat([bytes, new Uint8Array(40)])));
  });

  test.each([
    ['missing', {location: 'nowhere.bin'}],
    ['cut off', {location: 'short.bin'}],
    ['cut off', {location: 'short.bin', offset: '4', length: '8'}],
    ['outside its own folder', {location: '../weights.bin'}],
    ['outside its own folder', {location: '/etc/passwd'}],
    ['not a file', {location: '.'}],
    ['no file is named', {offset: '0'}],
    ['offset "-1"', {location: 'short.bin', offset: '-1'}],
  ])('is refused when %s', async (what, entries) => {
    await write('short.bin', new Uint8Array(8));
    const error = await refusal(readModel(await write('outside.onnx', external(entries))));
    expect([error.code, error.message]).toEqual(['MODEL_INVALID', expect.stringContaining(what)]);
    expect(error.message).toContain('outside.onnx');
  });
});

describe('garbage is refused with a ThawError, never with another', () => {
  const holds = async (bytes: Uint8Array): Promise<void> => {
    const file = await write('garbage.onnx', bytes);
    await readModel(file).catch((error: unknown) => {
      if (!(error instanceof ThawError)) throw error;
    });
  };

  test('bytes at random', async () => {
    await fc.assert(fc.asyncProperty(fc.uint8Array({maxLength: 400}), holds), {numRuns: 500});
  });

  test.each(['linear.onnx', 'mlp.onnx'])('%s cut off, or with some bits flipped', async (name) => {
    // Of the large one the weights matter least: keep every other part.
    const whole = await readFile(fixture(name));
    const position = fc.oneof(
      fc.nat(whole.length - 1),
      fc.nat(Math.min(400, whole.length - 1)),
      fc.nat(399).map((back) => Math.max(0, whole.length - 1 - back)),
    );
    const flips = fc.array(fc.tuple(position, fc.nat(7)), {minLength: 1, maxLength: 6});
    await fc.assert(
      fc.asyncProperty(flips, fc.option(position), async (bits, end) => {
        const damaged = Uint8Array.prototype.slice.call(whole, 0, end ?? whole.length);
        for (const [at, bit] of bits) if (at < damaged.length) damaged[at]! ^= 1 << bit;
        await holds(damaged);
      }),
      {numRuns: 400},
    );
  });
});
