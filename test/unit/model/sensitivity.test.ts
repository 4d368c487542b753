import {afterAll, beforeAll, expect, test} from 'vitest';
import type {Row} from '../../../src/model/calibration.ts';
import type {ModelProto} from '../../../src/model/onnx.ts';
import {quantizeDynamic, switchDynamic} from '../../../src/model/quantize/dynamic.ts';
import {findMixed} from '../../../src/model/quantize/sensitivity.ts';
import type {MixedRequest} from '../../../src/model/quantize/sensitivity.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {model, node, numbers, value} from './build-model.ts';
import {openRuntime} from './in-runtime.ts';
import type {InRuntime} from './in-runtime.ts';

const WIDTH = 32;

/**
 * x [1, WIDTH] through products side by side, whose results are added up. To a hostile one x comes with an element
 * that is a million times the others and is multiplied by zeros: in bytes nothing is left of the others.
 */
function sideBySide(kinds: readonly ('kind' | 'hostile')[]): ModelProto {
  const weights = kinds.map((kind, at) => {
    const weight = numbers(WIDTH * WIDTH, at + 1);
    return makeTensor(`w${at}`, [WIDTH, WIDTH], kind === 'hostile' ? weight.fill(0, 0, WIDTH) : weight);
  });
  const stretch = new Float32Array(WIDTH).fill(1).fill(1e6, 0, 1);
  return model({
    node: [
      node('Mul', ['x', 'stretch'], ['stretched']),
      ...kinds.map((kind, at) =>
        node('MatMul', [kind === 'hostile' ? 'stretched' : 'x', `w${at}`], [`y${at}`]),
      ),
      node(
        'Sum',
        kinds.map((_, at) => `y${at}`),
        ['y'],
      ),
    ],
    initializer: [...weights, makeTensor('stretch', [WIDTH], stretch)],
    input: [value('x', [1, WIDTH])],
    output: [value('y', [1, WIDTH])],
  });
}

const rows = [3, 4, 5].map((seed): Row => ({x: {shape: [1, WIDTH], data: [...numbers(WIDTH, seed)]}}));

let runtime: InRuntime;
beforeAll(async () => {
  runtime = await openRuntime();
});
afterAll(() => runtime.close());

async function search(proto: ModelProto, more: Partial<MixedRequest> = {}) {
  return findMixed({
    make: (keepFloat) =>
      quantizeDynamic({
        model: proto,
        readExternal: () => {
          throw new Error('no external data here');
        },
        cpu: 'any',
        keepFloat,
      }),
    sourcePath: 'nowhere.onnx',
    rows,
    original: await runtime.run(proto, rows),
    accept: {cosine: 0.99, nsr: 0.01, top1Drop: 1},
    session: {},
    probe: runtime.probe,
    dir: runtime.dir,
    signal: new AbortController().signal,
    ...more,
  });
}

test('what is good enough as it is costs one run', async () => {
  const found = await search(sideBySide(['kind', 'kind']));
  expect(found).toMatchObject({failure: null, keptFloat: [], runs: 1, sensitivities: []});
});

test('the hostile product is found and left float, and nothing else', async () => {
  const progress: [number, number][] = [];
  const proto = sideBySide(['kind', 'hostile', 'kind', 'kind']);
  const onProgress = (done: number, total: number) => void progress.push([done, total]);
  const found = await search(proto, {onProgress});
  if (found.failure !== null) throw new Error(found.failure);
  expect(found.keptFloat).toEqual(['MatMul_y1']);
  expect(found.result.quantizedNodes).toEqual(['MatMul_y0', 'MatMul_y2', 'MatMul_y3']);
  expect(found.sensitivities[0]!.nodes).toEqual(['MatMul_y1']);
  expect(found.sensitivities).toHaveLength(4);
  expect(found.drift[0]!.nsr).toBeLessThan(0.01);
  // All at once, four alone, and the one that was guessed.
  expect(found.runs).toBe(6);
  expect(progress.map(([done]) => done)).toEqual([1, 2, 3, 4, 5, 6]);
  for (const [done, total] of progress) expect(done).toBeLessThanOrEqual(total);
  expect(await runtime.files()).toEqual([]);
  const again = await search(proto);
  expect({...again, result: null}).toEqual({...found, result: null});
});

/** The model with switches for a search. */
const switchesOf = (proto: ModelProto) => () =>
  switchDynamic({
    model: proto,
    readExternal: () => {
      throw new Error('no external data here');
    },
    cpu: 'any',
    keepFloat: new Set(),
  });

test('with switches one process ranks all nodes, and what is found is the same', async () => {
  const proto = sideBySide(['kind', 'hostile', 'kind', 'hostile', 'kind']);
  const makeSwitched = switchesOf(proto);
  const [slow, fast] = [await search(proto), await search(proto, {makeSwitched})];
  if (slow.failure !== null || fast.failure !== null) throw new Error('nothing was found');
  expect(fast.keptFloat.toSorted()).toEqual(['MatMul_y1', 'MatMul_y3']);
  expect({...fast, runs: slow.runs, sensitivities: []}).toEqual({
    ...slow,
    keptFloat: fast.keptFloat,
    sensitivities: [],
  });
  expect(slow.runs - fast.runs).toBe(4);
  expect(await runtime.files()).toEqual([]);
});

test('where a model with switches cannot be had, nodes are tried one by one', async () => {
  const proto = sideBySide(['kind', 'hostile']);
  const found = await search(proto, {makeSwitched: () => ({failure: 'none'})});
  expect(found).toMatchObject({failure: null, keptFloat: ['MatMul_y1']});
  const broken = switchesOf(
    model({node: [node('MatMul', ['z', 'w0'], ['y'])], initializer: proto.graph!.initializer}),
  );
  const again = await search(proto, {makeSwitched: broken});
  expect(again).toMatchObject({failure: null, keptFloat: ['MatMul_y1']});
});

test('a bad guess costs a few more runs', async () => {
  // All but one are hostile, and one of them is more hostile than all others together.
  const proto = sideBySide(['hostile', 'hostile', 'hostile', 'hostile', 'hostile', 'kind']);
  const stretched = proto.graph!.initializer.map((tensor) =>
    tensor.name === 'w0'
      ? makeTensor(
          'w0',
          [WIDTH, WIDTH],
          numbers(WIDTH * WIDTH, 1).map((x, at) => (at < WIDTH ? 0 : 50 * x)),
        )
      : tensor,
  );
  const uneven = {...proto, graph: {...proto.graph!, initializer: stretched}};
  const found = await search(uneven, {
    makeSwitched: switchesOf(uneven),
    accept: {cosine: 0, nsr: 1e-4, top1Drop: 1},
  });
  if (found.failure !== null) throw new Error(found.failure);
  expect(found.result.quantizedNodes).toEqual(['MatMul_y5']);
  expect(found.runs).toBeLessThanOrEqual(2 + 6);
});

test('where even the best cannot be had, it says so', async () => {
  const found = await search(sideBySide(['hostile', 'hostile', 'hostile']));
  expect(found.failure).toMatch(/^y: .*nsr .* > 0.01.* 3 nodes float does not mend it$/);
  expect(await runtime.files()).toEqual([]);
});

test('neighbours are tried together if there are more than may be run', async () => {
  const kinds = Array.from({length: 12}, (_, at) => (at === 7 ? 'hostile' : 'kind'));
  const found = await search(sideBySide(kinds), {runsMax: 8});
  if (found.failure !== null) throw new Error(found.failure);
  expect(found.runs).toBeLessThanOrEqual(8);
  expect(found.keptFloat).toContain('MatMul_y7');
  expect(found.keptFloat.length).toBeLessThan(12);
});

test('nothing to quantize is no reason to run anything', async () => {
  const proto = sideBySide(['kind']);
  const found = await search({...proto, graph: {...proto.graph!, node: [node('Relu', ['x'], ['y'])]}});
  expect(found).toMatchObject({runs: 0});
  expect(found.failure).toContain('nothing in it can be quantized');
});

test('a search that is called off leaves nothing behind', async () => {
  const cancel = new AbortController();
  const cancelled = await openRuntime(cancel.signal);
  try {
    const running = search(sideBySide(['kind', 'hostile']), {
      probe: cancelled.probe,
      dir: cancelled.dir,
      signal: cancel.signal,
      onProgress: (done) => (done === 2 ? cancel.abort() : undefined),
    });
    await expect(running).rejects.toMatchObject({code: 'INTERRUPTED'});
    expect(await cancelled.files()).toEqual([]);
  } finally {
    await cancelled.close();
  }
});
