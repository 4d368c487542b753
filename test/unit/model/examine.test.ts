import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, expect, test} from 'vitest';
import type {Accept} from '../../../src/core/model.ts';
import {openBench} from '../../../src/model/bench.ts';
import type {Row} from '../../../src/model/calibration.ts';
import {originalOf} from '../../../src/model/candidate.ts';
import {examine} from '../../../src/model/examine.ts';
import type {JudgeRequest} from '../../../src/model/judge.ts';
import {createProbe} from '../../../src/model/probe.ts';
import {openModel, readModel} from '../../../src/model/read.ts';
import {makeTensor} from '../../../src/model/tensor.ts';
import {RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';
import {bytesOf, model, node, numbers, value} from './build-model.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-examine-'));
});
afterEach(() => rm(dir, {recursive: true, force: true}));

async function requestFor(bytes: Uint8Array, rows: readonly Row[], accept: Accept): Promise<JudgeRequest> {
  const file = join(dir, 'net.onnx');
  await writeFile(file, bytes);
  const {dir: onnxruntimeDir, version} = await hostOrt();
  const {signal} = new AbortController();
  const probeFile = join(RUNTIME_DIR, 'probe.cjs');
  return {
    source: await openModel(file),
    mode: 'auto',
    objective: 'cold',
    accept,
    calibration: {file: 'rows', digest: 'sha256:0', rows, labels: rows.map(() => null)},
    madeFor: 'any',
    shaping: false,
    onnxruntime: version,
    cpu: {name: 'test', class: 'any'},
    outDir: join(dir, 'out'),
    probe: createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir, signal}),
    signal,
  };
}

const WIDTH = 256;

/** Two products, of which the first reads values of very different sizes, and needs but the small ones. */
function unevenNet(): Uint8Array {
  const first = numbers(WIDTH * 64, 3);
  first.fill(0, 0, 32 * 64);
  return bytesOf(
    model({
      node: [node('MatMul', ['x', 'a'], ['m']), node('MatMul', ['m', 'b'], ['y'])],
      initializer: [makeTensor('a', [WIDTH, 64], first), makeTensor('b', [64, 64], numbers(64 * 64, 4))],
      input: [value('x', [1, WIDTH])],
      output: [value('y', [1, 64])],
    }),
  );
}

const unevenRows = Array.from({length: 8}, (_, seed): Row => {
  const data = [...numbers(WIDTH, 10 + seed)];
  data[0] = 1000;
  return {x: {shape: [1, WIDTH], data}};
});

test('a form outside accept is made again with its sensitive nodes kept finer', async () => {
  const request = await requestFor(unevenNet(), unevenRows, {cosine: 0.99, nsr: 0.02, top1Drop: 1});
  const bench = await openBench(request, originalOf(request.source));
  const form = await examine(request, bench, 'dynamic');
  expect(form).toMatchObject({failure: null, keptFloat: ['MatMul_m'], accepted: true});
  expect(form.quantizeMs).toBeGreaterThan(0);
  const {operators} = await readModel(form.onDisk!.files[0]!.file);
  expect(operators).toMatchObject({
    'com.microsoft.MatMulNBits': 1,
    'com.microsoft.DynamicQuantizeMatMul': 1,
  });
  // Nothing of the search stays.
  expect(await readdir(request.outDir)).toEqual(['net.dynamic.onnx']);
});

test('without rows to find them by, it stays as it is', async () => {
  const accept = {cosine: 0.99, nsr: 0.02, top1Drop: 1};
  const request = await requestFor(unevenNet(), unevenRows.slice(0, 1), accept);
  const bench = await openBench(request, originalOf(request.source));
  expect(await examine(request, bench, 'dynamic')).toMatchObject({
    failure: null,
    keptFloat: [],
    accepted: false,
  });
});

function convolutions(): Uint8Array {
  return bytesOf(
    model({
      node: [node('Conv', ['x', 'a'], ['c']), node('Relu', ['c'], ['r']), node('Conv', ['r', 'b'], ['y'])],
      initializer: [
        makeTensor('a', [16, 3, 3, 3], numbers(16 * 27, 5)),
        makeTensor('b', [8, 16, 3, 3], numbers(8 * 144, 6)),
      ],
      input: [value('x', [1, 3, 12, 12])],
      output: [value('y', [1, 8, 8, 8])],
    }),
  );
}

const picture = (seed: number): Row => ({x: {shape: [1, 3, 12, 12], data: [...numbers(3 * 144, seed)]}});

test('static is calibrated on one half of the rows, and judged on the other', async () => {
  const rows = Array.from({length: 6}, (_, seed) => picture(20 + seed));
  const request = await requestFor(convolutions(), rows, {cosine: 0.99, nsr: 0.02, top1Drop: 1});
  const bench = await openBench(request, originalOf(request.source));
  const form = await examine(request, bench, 'static');
  expect(form).toMatchObject({failure: null, calibrator: 'min-max', keptFloat: [], accepted: true});
  expect(form.drift[0]!.nsr).toBeGreaterThan(0);
  expect((await readModel(form.onDisk!.files[0]!.file)).operators).toMatchObject({Conv: 2});
  expect(await readdir(request.outDir)).toEqual(['net.static.onnx']);
});

test('of calibrators that all miss what is accepted, the nearest is taken', async () => {
  const rows = Array.from({length: 6}, (_, seed) => picture(20 + seed));
  const accept = {cosine: 0.9999999, nsr: 1e-9, top1Drop: 1};
  const steps: string[] = [];
  const request = {
    ...(await requestFor(convolutions(), rows, accept)),
    onStep: (step: string) => void steps.push(step),
  };
  const bench = await openBench(request, originalOf(request.source));
  const form = await examine(request, bench, 'static');
  expect(['min-max', 'percentile', 'entropy']).toContain(form.calibrator);
  expect(form.accepted).toBe(false);
  for (const calibrator of ['min-max', 'percentile', 'entropy']) {
    expect(steps).toContain(`calibrating static on 3 rows, ${calibrator}`);
  }
});

test('a form that cannot be made says why', async () => {
  const request = await requestFor(convolutions(), [picture(1)], {cosine: 0.9, nsr: 1, top1Drop: 1});
  const bench = await openBench(request, originalOf(request.source));
  const form = await examine(request, bench, 'static');
  expect(form).toMatchObject({onDisk: null, failure: 'there are no rows to calibrate with', accepted: false});
});

test('a form for VNNI brings the option that mends it on other CPUs, one for any CPU needs none', async () => {
  const request = await requestFor(unevenNet(), unevenRows, {cosine: 0, nsr: 1e9, top1Drop: 1});
  const bench = await openBench(request, originalOf(request.source));
  const sessionFor = async (madeFor: 'any' | 'vnni') =>
    (await examine({...request, madeFor}, bench, 'dynamic')).onDisk!.session;
  expect(await sessionFor('vnni')).toEqual({extra: {session: {x64quantprecision: '1'}}});
  expect(await sessionFor('any')).toEqual({});
});
