import {copyFile, mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import type {CandidateOnDisk} from '../../../src/model/candidate.ts';
import {originalOf, writeModel} from '../../../src/model/candidate.ts';
import {chooseShape, describeShape} from '../../../src/model/choose-shape.ts';
import {createProbe} from '../../../src/model/probe.ts';
import type {Probe} from '../../../src/model/probe.ts';
import {openModel, readModel} from '../../../src/model/read.ts';
import {shapeForm, type ShapeRequest} from '../../../src/model/shape.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {layInstance, RUNTIME_DIR, startServer} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';
import {bytesOf, model, node, numbers, value} from './build-model.ts';

let dir: string;
let outDir: string;
let form: CandidateOnDisk;
let probe: Probe;
const {signal} = new AbortController();

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-shape-'));
  outDir = join(dir, 'out');
  const file = join(dir, 'net.onnx');
  await writeFile(
    file,
    bytesOf(
      model({
        node: [
          node('MatMul', ['x', 'w'], ['m']),
          node('Add', ['m', 'b'], ['a']),
          node('Relu', ['a'], ['r']),
          node('Identity', ['r'], ['y']),
        ],
        initializer: [makeTensor('w', [64, 256], numbers(64 * 256)), makeTensor('b', [256], numbers(256, 5))],
        input: [value('x', ['batch', 64])],
        output: [value('y', ['batch', 256])],
      }),
    ),
  );
  form = originalOf(await openModel(file));
  const {dir: onnxruntimeDir} = await hostOrt();
  const probeFile = join(RUNTIME_DIR, 'probe.cjs');
  probe = createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir, signal});
});
afterEach(() => rm(dir, {recursive: true, force: true}));

const request = (more: Partial<ShapeRequest> = {}): ShapeRequest => ({
  form,
  objective: 'cold',
  needsPrepacking: false,
  rows: [{x: {shape: [1, 64], data: [...numbers(64, 3)]}}],
  effort: {processes: 1, warmCalls: 1},
  cores: 2,
  probe,
  outDir,
  signal,
  onStep: () => undefined,
  ...more,
});

/** Outputs and files are ONNX Runtime's own; times are as if the named shape were ten times better than any other. */
const preferring =
  (wanted: RegExp): Probe =>
  async (asked) => {
    if (asked.wantOutputs || asked.warmCalls === 0) return probe(asked);
    const ms = wanted.test(`${asked.model} ${JSON.stringify(asked.session)}`) ? 10 : 100;
    const times = {loadMs: ms, firstMs: 0, warmMs: 0, rssMb: 50};
    return {ok: true, ...times, inputs: [], outputs: [], rows: []};
  };

test('every way to load is measured, and the best of its own figures is chosen', async () => {
  const {shapings, shape, files, digest, session} = await shapeForm(request());
  expect(
    shapings.map(({shape: each}) => describeShape(each)).filter((name) => !name.includes('thread')),
  ).toEqual([
    'as it is',
    'weights mapped',
    'weights mapped, not prepacked',
    'optimized ahead, weights mapped',
    'optimized ahead, weights mapped, not prepacked',
  ]);
  expect(shapings.map(({failure}) => failure)).toEqual(shapings.map(() => null));
  expect(shapings.filter(({shape: {threads}}) => threads === 1)).toHaveLength(1);
  const best = shapings[chooseShape(shapings, 'cold')]!;
  expect([shape, session]).toEqual([best.shape, best.session]);
  const names = files.map(({path}) => path).filter((path) => path !== 'net.onnx');
  expect(await readdir(outDir)).toEqual(names);
  expect((await readModel(files[0]!.file)).digest).toBe(digest);
});

test('mapped weights lie beside the model, in a file that it names', async () => {
  const {files, shape, bytes} = await shapeForm(
    request({probe: preferring(/mapped\.onnx \{"graph\w+":"all"\}/)}),
  );
  expect(describeShape(shape)).toBe('weights mapped');
  expect(files.map(({path}) => path)).toEqual(['net.mapped.onnx', 'net.mapped.onnx.data']);
  expect(await readModel(files[0]!.file)).toMatchObject({bytes, externalData: ['net.mapped.onnx.data']});
});

test('a graph that is optimized ahead is served if it comes out the same a second time', async () => {
  const fastAhead = preferring(/ahead\.onnx \{"graph\w+":"disabled"\}/);
  const {shape, session, files} = await shapeForm(request({probe: fastAhead}));
  expect(describeShape(shape)).toBe('optimized ahead, weights mapped');
  expect(session).toEqual({graphOptimizationLevel: 'disabled'});
  expect((await readModel(files[0]!.file)).operators).not.toHaveProperty('Identity');
  expect(await readdir(outDir)).toEqual(['net.ahead.onnx', 'net.ahead.onnx.data']);

  let written = 0;
  const fickle: Probe = async (asked) => {
    const result = await fastAhead(asked);
    const file = asked.session['optimizedModelFilePath'];
    if (typeof file === 'string' && ++written === 2) await copyFile(form.files[0]!.file, file);
    return result;
  };
  const other = await shapeForm(request({probe: fickle}));
  expect(written).toBe(2);
  expect(other.shape.weights).not.toBe('ahead');
  const ahead = other.shapings.filter(({shape: each}) => each.weights === 'ahead');
  expect(new Set(ahead.map(({failure}) => failure))).toEqual(
    new Set(['ONNX Runtime does not write it the same way twice']),
  );
});

test('a model that already keeps its weights outside is optimized ahead from where they lie', async () => {
  const {path, proto} = await openModel(form.files[0]!.file);
  const apart = join(dir, 'apart', 'net.onnx');
  await mkdir(join(dir, 'apart'));
  await writeModel(proto, path, apart, signal, 0);
  const before = await readdir(join(dir, 'apart'));
  const outside = originalOf(await openModel(apart));
  expect(outside.files.map(({path: name}) => name)).toEqual(['net.onnx', 'net.onnx.data']);
  const {shape, files, shapings} = await shapeForm(
    request({form: outside, probe: preferring(/ahead\.onnx \{"graph\w+":"disabled"\}/)}),
  );
  expect(shapings.map(({failure}) => failure)).toEqual(shapings.map(() => null));
  expect(describeShape(shape)).toBe('optimized ahead, weights mapped');
  expect(files.map(({path: name}) => name)).toEqual(['net.ahead.onnx', 'net.ahead.onnx.data']);
  expect(await readdir(join(dir, 'apart'))).toEqual(before);
});

test('a server with the shaped files and options gives what the plain model gives', async () => {
  const shaped = await shapeForm(request({probe: preferring(/ahead\.onnx .*disable_prepacking":"1"/)}));
  expect(describeShape(shaped.shape)).toBe('optimized ahead, weights mapped, not prepacked');
  const [first, ...others] = shaped.files.map(({file}) => file);
  const instance = await layInstance({
    model: first!,
    externalData: others,
    session: {graphOptimizationLevel: 'all'},
    shaped: {session: shaped.session, cpu: 'any'},
  });
  const server = await startServer(instance);
  try {
    const [row] = request().rows;
    const {shape, data} = row!['x']!;
    const body = JSON.stringify({inputs: [{name: 'x', shape, datatype: 'FP32', data}]});
    const answer = await fetch(server.url, {method: 'POST', body});
    const {outputs} = (await answer.json()) as {outputs: {data: number[]}[]};
    const rows = [row!];
    const plain = {model: form.files[0]!.file, session: {}, rows, warmCalls: 0, wantOutputs: true};
    const result = await probe(plain);
    const wanted = result.ok ? result.rows[0]!['y']!.data : [];
    expect(outputs[0]!.data).toHaveLength(256);
    for (const [at, value] of outputs[0]!.data.entries()) expect(value).toBeCloseTo(Number(wanted[at]), 4);
    expect(server.stdout.filter((line) => line.includes('plain options'))).toEqual([]);
  } finally {
    await server.stop();
  }
});

test('one thread is tried with the best way, where there are several cores', async () => {
  const fastSingle = preferring(/"intraOpNumThreads":1/);
  const {shape, shapings} = await shapeForm(request({probe: fastSingle}));
  expect(shape).toEqual({weights: 'inside', prepacking: true, threads: 1});
  expect(shapings.filter(({shape: {threads}}) => threads === 1)).toHaveLength(1);
  const alone = await shapeForm(request({probe: fastSingle, cores: 1}));
  expect(alone.shapings.filter(({shape: {threads}}) => threads !== null)).toEqual([]);
});

test('a way that changes what the model says is ruled out', async () => {
  const liar: Probe = async (asked) => {
    const result = await preferring(/mapped/)(asked);
    if (!result.ok || !asked.model.includes('mapped') || !asked.wantOutputs) return result;
    const rows = result.rows.map(({y}) => ({y: {...y!, data: y!.data.map((each) => 1.05 * Number(each))}}));
    return {...result, rows};
  };
  const {shapings, shape} = await shapeForm(request({probe: liar}));
  expect(shape.weights).not.toBe('mapped');
  for (const {shape: each, failure, times} of shapings) {
    if (each.weights === 'mapped') {
      expect(failure).toMatch(/^it changes what the model says \(y: nsr/);
      expect(times).toBeNull();
    } else expect(failure).toBeNull();
  }
});

test('a model that cannot be run stays as it is', async () => {
  const silent: Probe = async () => ({ok: false, message: 'no kernel'});
  const {shape, files, why} = await shapeForm(request({probe: silent}));
  expect(shape).toEqual({weights: 'inside', prepacking: true, threads: null});
  expect(files).toEqual(form.files);
  expect(why).toContain('could not be measured');
  expect(await readdir(outDir)).toEqual([]);
});
