// Numerics on a CPU without VNNI, emulated: there sums of products of bytes have 16 bits, and can saturate without a
// word. Needs Debian's qemu-user.
import {existsSync} from 'node:fs';
import {chmod, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {CpuClass} from '../../src/core/model.ts';
import {writeModel} from '../../src/model/candidate.ts';
import {inspectCpu} from '../../src/model/cpu.ts';
import {measureDrift, type OutputRow} from '../../src/model/drift.ts';
import {prepareForm} from '../../src/model/forms.ts';
import type {ChangingMode} from '../../src/model/plan-candidates.ts';
import {createProbe, type Probe} from '../../src/model/probe.ts';
import {openModel, type OpenModel} from '../../src/model/read.ts';
import {merge, PLAIN_SESSION} from '../../src/model/session-options.ts';
import {makeTensor} from '../../src/model/tensor.ts';
import {RUNTIME_DIR} from '../instance.ts';
import {hostOrt} from '../onnxruntime.ts';
import {bytesOf, model, node, numbers, value} from '../unit/model/build-model.ts';
import {noise} from './rows.ts';

const QEMU = '/usr/bin/qemu-x86_64';
const {signal} = new AbortController();
const {class: cpuClass} = await inspectCpu();

let dir: string;
let here: Probe;
let emulated: Probe;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-avx2-'));
  const onEmulated = join(dir, 'node');
  await writeFile(onEmulated, `#!/bin/sh\nexec ${QEMU} -cpu EPYC-Rome "${process.execPath}" "$@"\n`);
  await chmod(onEmulated, 0o755);
  const {dir: onnxruntimeDir} = await hostOrt();
  const probeWith = (nodePath: string): Probe =>
    createProbe({nodePath, probeFile: join(RUNTIME_DIR, 'probe.cjs'), onnxruntimeDir, signal});
  here = probeWith(process.execPath);
  emulated = probeWith(onEmulated);
});
afterAll(() => rm(dir, {recursive: true, force: true}));

/** Products whose sums are long and of one sign, as they are behind a Relu: the kind that saturates. */
const PRODUCTS = bytesOf(
  model({
    node: [node('MatMul', ['x', 'a'], ['m']), node('Relu', ['m'], ['r']), node('MatMul', ['r', 'b'], ['y'])],
    initializer: [
      makeTensor('a', [512, 256], numbers(512 * 256, 1)),
      makeTensor('b', [256, 64], numbers(256 * 64, 2)),
    ],
    input: [value('x', [1, 512])],
    output: [value('y', [1, 64])],
  }),
);

const CONVOLUTIONS = bytesOf(
  model({
    node: [node('Conv', ['x', 'a'], ['c']), node('Relu', ['c'], ['r']), node('Conv', ['r', 'b'], ['y'])],
    initializer: [
      makeTensor('a', [32, 8, 3, 3], numbers(32 * 72, 3)),
      makeTensor('b', [16, 32, 3, 3], numbers(16 * 288, 4)),
    ],
    input: [value('x', [1, 8, 12, 12])],
    output: [value('y', [1, 16, 8, 8])],
  }),
);

const NETS = {
  products: {bytes: PRODUCTS, rows: noise({x: [1, 512]}, 8)},
  convolutions: {bytes: CONVOLUTIONS, rows: noise({x: [1, 8, 12, 12]}, 8)},
};

/** Cosines to the original, on this machine and emulated. */
async function cosines(
  net: keyof typeof NETS,
  mode: ChangingMode,
  cpu: CpuClass,
  withOptions = true,
): Promise<{readonly here: number; readonly emulated: number}> {
  const {bytes, rows} = NETS[net];
  const file = join(dir, `${net}.onnx`);
  await writeFile(file, bytes);
  const source: OpenModel = await openModel(file);
  const prepared = await prepareForm(mode, {
    source,
    cpu,
    rows,
    probe: here,
    dir,
    signal,
    nsrOf: async () => 0,
    nsrMax: 1,
    onStep: () => undefined,
  });
  if ('failure' in prepared) throw new Error(prepared.failure);
  const result = prepared.make(new Set());
  if (result.failure !== null) throw new Error(result.failure);
  const form = join(dir, `${net}.${mode}.${cpu}.onnx`);
  await writeModel(result.model, file, form, signal);
  const session = withOptions ? merge(PLAIN_SESSION, result.session) : PLAIN_SESSION;
  const outputsOf = async (probe: Probe, path: string): Promise<readonly OutputRow[]> => {
    const ran = await probe({model: path, session, rows, warmCalls: 0, wantOutputs: true});
    if (!ran.ok) throw new Error(ran.message);
    return ran.rows;
  };
  const original = await outputsOf(here, file);
  const cosine = async (probe: Probe): Promise<number> =>
    measureDrift(original, await outputsOf(probe, form)).drift[0]!.cosine;
  return {here: await cosine(here), emulated: await cosine(emulated)};
}

describe.skipIf(!existsSync(QEMU) || process.arch !== 'x64')('on a CPU without VNNI', () => {
  test.each([
    ['products', 'dynamic'],
    ['products', 'int8-blocks'],
    ['products', 'int4'],
    ['products', 'weights'],
    ['products', 'fp16'],
    ['convolutions', 'static'],
  ] as const)('%s made %s for any CPU are as near to the original as with it', async (net, mode) => {
    const found = await cosines(net, mode, 'any');
    expect(found.here).toBeGreaterThan(0.98);
    expect(Math.abs(found.emulated - found.here)).toBeLessThan(1e-4);
  });

  test.skipIf(cpuClass !== 'vnni')('a form for VNNI saturates there, and its option mends it', async () => {
    const without = await cosines('products', 'dynamic', 'vnni', false);
    expect(without.here - without.emulated).toBeGreaterThan(1e-4);
    const withOption = await cosines('products', 'dynamic', 'vnni');
    expect(Math.abs(withOption.emulated - withOption.here)).toBeLessThan(1e-4);
  });
});
