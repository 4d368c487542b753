import {chmod, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {readCalibration} from '../../../src/model/calibration.ts';
import {judge, restoreChosen, serveManifest, verdictKey} from '../../../src/model/judge.ts';
import type {JudgeRequest} from '../../../src/model/judge.ts';
import {createProbe} from '../../../src/model/probe.ts';
import type {Probe, ProbeRequest, ProbeResult} from '../../../src/model/probe.ts';
import {openModel, readModel} from '../../../src/model/read.ts';
import type {OpenModel} from '../../../src/model/read.ts';
import {fixture, RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';
import {bytesOf, model, node, numbers, value} from './build-model.ts';
import {makeTensor} from '../../../src/model/tensor.ts';

let mlp: OpenModel;
let large: OpenModel;
let realProbe: Probe;
let dir: string;
let outDir: string;

beforeAll(async () => {
  mlp = await openModel(fixture('mlp.onnx'));
  const {dir: onnxruntimeDir} = await hostOrt();
  const {signal} = new AbortController();
  const probeFile = join(RUNTIME_DIR, 'probe.cjs');
  realProbe = createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir, signal});
});

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-judge-'));
  outDir = join(dir, 'out');
  const file = join(dir, 'large.onnx');
  await writeFile(
    file,
    bytesOf(
      model({
        node: [node('MatMul', ['x', 'w'], ['y'])],
        initializer: [makeTensor('w', [32, 8192], numbers(32 * 8192))],
        input: [value('x', ['batch', 32])],
        output: [value('y', ['batch', 8192])],
      }),
    ),
  );
  large = await openModel(file);
});
afterEach(() => rm(dir, {recursive: true, force: true}));

const request = (source: OpenModel, more: Partial<JudgeRequest> = {}): JudgeRequest => ({
  source,
  mode: 'auto',
  objective: 'balanced',
  accept: {cosine: 0.99, nsr: 0.01, top1Drop: 1},
  calibration: null,
  onnxruntime: '1.30.0',
  cpu: 'test (avx2)',
  outDir,
  probe: realProbe,
  signal: new AbortController().signal,
  processes: 3,
  warmCalls: 3,
  ...more,
});

async function rowsFile(lines: number, name = 'rows.jsonl'): Promise<string> {
  const file = join(dir, name);
  const rows = Array.from({length: lines}, (_, seed) => JSON.stringify([...numbers(32, seed + 1)]));
  await writeFile(file, rows.join('\n'));
  return file;
}

const calibrationOf = async (source: OpenModel, lines = 4) =>
  readCalibration(await rowsFile(lines), source.model.inputs);

/** A probe whose figures are known: the original's times and outputs, and the candidate's. */
function knownProbe(known: {
  readonly [mode in 'none' | 'dynamic']: {ms: number; y?: readonly (number | null)[]; fails?: string};
}): Probe & {asked: ProbeRequest[]} {
  const asked: ProbeRequest[] = [];
  const probe = async (wanted: ProbeRequest): Promise<ProbeResult> => {
    asked.push(wanted);
    const {ms, y = [1, 2], fails} = known[wanted.model.includes('.dynamic.') ? 'dynamic' : 'none'];
    if (fails !== undefined) return {ok: false, message: fails};
    const outputs = {y: {type: 'FP32' as const, shape: [1, 2], data: y}};
    return {
      ok: true,
      loadMs: ms,
      firstMs: ms / 10,
      warmMs: ms / 100,
      rssMb: 50,
      inputs: [],
      outputs: [],
      rows: wanted.wantOutputs ? wanted.rows.map(() => outputs) : [],
    };
  };
  return Object.assign(probe, {asked});
}

describe('with ONNX Runtime', () => {
  test('both forms are measured in fresh processes and compared on the rows', async () => {
    const calibration = await calibrationOf(mlp);
    const steps: [number, number][] = [];
    const {verdict, chosen} = await judge(
      request(mlp, {calibration, onProgress: (done, total) => steps.push([done, total])}),
    );
    expect(verdict).toMatchObject({
      schema: 'thaw.verdict/1',
      model: mlp.model.digest,
      rows: 4,
      cpu: 'test (avx2)',
      onnxruntime: '1.30.0',
      chosen: 'none',
      candidates: [
        {mode: 'none', bytes: 301_516, failure: null, accepted: true, drift: []},
        {mode: 'dynamic', failure: null, drift: [{output: 'y'}]},
      ],
    });
    expect(verdict.why).toMatch(/^the original is kept: a model under a megabyte \(302 kB\) loads in /);
    for (const {times} of verdict.candidates) {
      expect(times!.processes).toBe(3);
      for (const ms of [times!.loadMs, times!.firstMs, times!.warmMs]) expect(ms).toBeGreaterThan(0);
      expect(times!.rssMb).toBeGreaterThan(20);
    }
    const [drift] = verdict.candidates[1]!.drift;
    expect(drift!.cosine).toBeGreaterThan(0.99);
    expect(drift!.nsr).toBeGreaterThan(0);
    expect(chosen.files).toEqual([{path: 'mlp.onnx', file: fixture('mlp.onnx')}]);
    expect(await readdir(outDir)).toEqual([]);
    expect(steps.at(-1)).toEqual([8, 8]);
  });

  test('a mode asked for by name is written, and can be read, run and made again', async () => {
    const {verdict, chosen} = await judge(request(mlp, {mode: 'dynamic'}));
    expect(verdict.chosen).toBe('dynamic');
    const [file] = chosen.files;
    expect(file).toEqual({path: 'mlp.dynamic.onnx', file: join(outDir, 'mlp.dynamic.onnx')});
    expect(chosen.digest).toBe(digestOf(await readFile(file!.file)));
    expect((await readModel(file!.file)).operators).toMatchObject({'com.microsoft.DynamicQuantizeMatMul': 3});

    await rm(outDir, {recursive: true});
    const {signal} = new AbortController();
    expect(await restoreChosen(verdict, mlp, outDir, signal)).toEqual(chosen);
    expect(await restoreChosen({...verdict, model: 'sha256:0'}, mlp, outDir, signal)).toBeNull();
    const other = {
      ...verdict,
      candidates: verdict.candidates.map((each) => ({...each, digest: 'sha256:1' as const})),
    };
    expect(await restoreChosen(other, mlp, outDir, signal)).toBeNull();
    expect(await readdir(outDir)).toEqual([]);
  });

  test('a model that ONNX Runtime cannot load is refused', async () => {
    const file = join(dir, 'strange.onnx');
    const strange = {
      node: [node('NoSuchOperator', ['x'], ['y'])],
      input: [value('x', [1])],
      output: [value('y', [1])],
    };
    await writeFile(file, bytesOf(model(strange)));
    await expect(judge(request(await openModel(file)))).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      message: expect.stringContaining('NoSuchOperator'),
    });
  });

  test('the measuring process gets no more of the environment than it needs', async () => {
    const {signal} = new AbortController();
    const probeFile = join(dir, 'environment.cjs');
    await writeFile(
      probeFile,
      'console.log(JSON.stringify({ok: false, message: JSON.stringify(process.env)}))',
    );
    process.env['NODE_OPTIONS'] = '--no-warnings';
    try {
      const probe = createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir: dir, signal});
      const result = await probe({model: '', session: {}, rows: [], warmCalls: 0, wantOutputs: false});
      const names = Object.keys(JSON.parse((result as {message: string}).message) as object);
      expect(names).toContain('ORT_DISABLE_TELEMETRY');
      expect(names.filter((name) => name.startsWith('NODE_') || name.startsWith('VITEST'))).toEqual([]);
    } finally {
      delete process.env['NODE_OPTIONS'];
    }
  });

  test('a measuring process that dies is a failure with its last words', async () => {
    const {signal} = new AbortController();
    const probeFile = join(dir, 'dies.cjs');
    await writeFile(probeFile, 'console.error("out of luck"); process.exit(7)');
    const probe = createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir: dir, signal});
    expect(await probe({model: '', session: {}, rows: [], warmCalls: 0, wantOutputs: false})).toEqual({
      ok: false,
      message: 'the measuring process ended with exit code 7: out of luck',
    });
    const none = createProbe({nodePath: join(dir, 'no-node'), probeFile, onnxruntimeDir: dir, signal});
    await expect(
      none({model: '', session: {}, rows: [], warmCalls: 0, wantOutputs: false}),
    ).rejects.toMatchObject({code: 'RUNTIME_UNAVAILABLE'});
  });

  test('an interruption ends the measuring process and leaves no candidate', async () => {
    const controller = new AbortController();
    const probeFile = join(dir, 'sleeps.cjs');
    const pidFile = join(dir, 'pid');
    await writeFile(
      probeFile,
      `require('fs').writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => {}, 1000);`,
    );
    const probe = createProbe({
      nodePath: process.execPath,
      probeFile,
      onnxruntimeDir: dir,
      signal: controller.signal,
    });
    const judging = judge(request(mlp, {probe, signal: controller.signal}));
    const ended = expect(judging).rejects.toMatchObject({code: 'INTERRUPTED'});
    let pid = 0;
    while (pid === 0) {
      pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    controller.abort();
    await ended;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await readdir(outDir)).toEqual([]);
  });
});

describe('with known figures', () => {
  test('the better candidate is chosen and stays on disk; the medians are of all processes, in turns', async () => {
    const calibration = await calibrationOf(large);
    const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 40}});
    const {verdict, chosen} = await judge(request(large, {calibration, probe}));
    expect(verdict).toMatchObject({chosen: 'dynamic', rows: 4});
    expect(verdict.candidates[0]!.times).toEqual({
      processes: 3,
      loadMs: 100,
      firstMs: 10,
      warmMs: 1,
      rssMb: 50,
    });
    expect(await readdir(outDir)).toEqual(['large.dynamic.onnx']);
    expect(chosen.bytes).toBeLessThan(0.3 * large.model.bytes);
    const order = probe.asked.map(({model: file}) => (file.includes('.dynamic.') ? 'd' : 'n')).join('');
    expect(order).toBe('ndnddnnd');
    // First for the outputs, then three rounds for the times, every other one the other way round.
    // Outputs on all rows once; times with a single row, so that they are comparable.
    expect(probe.asked.map(({rows}) => rows.length)).toEqual([4, 4, 1, 1, 1, 1, 1, 1]);
    expect(new Set(probe.asked.map(({session}) => JSON.stringify(session))).size).toBe(1);
  });

  test('a candidate that gives NaN is out, and is not timed', async () => {
    const calibration = await calibrationOf(large);
    const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 1, y: [1, null]}});
    const {verdict} = await judge(request(large, {calibration, probe}));
    expect(verdict.chosen).toBe('none');
    expect(verdict.candidates[1]).toMatchObject({
      failure: expect.stringContaining('NaN'),
      times: null,
      accepted: false,
    });
    expect(await readdir(outDir)).toEqual([]);
  });

  test('a candidate that fails to run is out', async () => {
    const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 1, fails: 'no kernel'}});
    const {verdict} = await judge(request(large, {probe}));
    expect(verdict).toMatchObject({chosen: 'none', why: expect.stringContaining('no kernel')});
    expect(verdict.candidates[1]).toMatchObject({failure: 'no kernel', accepted: null});
  });

  test('what was asked for by name and cannot be had is refused', async () => {
    const linear = await openModel(fixture('linear.onnx'));
    await expect(judge(request(linear, {mode: 'dynamic'}))).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
      message: expect.stringContaining('only 4 elements'),
    });
    const broken = knownProbe({none: {ms: 100}, dynamic: {ms: 1, fails: 'no kernel'}});
    await expect(judge(request(large, {mode: 'dynamic', probe: broken}))).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    });
    expect(await readdir(outDir)).toEqual([]);
  });

  test('mode none has no candidate beside the original', async () => {
    const {verdict} = await judge(
      request(large, {mode: 'none', probe: knownProbe({none: {ms: 9}, dynamic: {ms: 1}})}),
    );
    expect(verdict.candidates.map(({mode}) => mode)).toEqual(['none']);
    expect(verdict.candidates[0]!.times?.loadMs).toBe(9);
  });

  test('rows that the original fails on are at fault where zeros do well', async () => {
    const calibration = await calibrationOf(large);
    const probe: Probe = async (wanted) =>
      wanted.rows.length > 0
        ? {ok: false, message: 'index out of range'}
        : knownProbe({none: {ms: 1}, dynamic: {ms: 1}})(wanted);
    await expect(judge(request(large, {calibration, probe}))).rejects.toMatchObject({
      code: 'CALIBRATION_INVALID',
      message: expect.stringContaining('index out of range'),
    });
  });

  test('a model that loads but fails on zeros is kept, unmeasured', async () => {
    const probe: Probe = async () => ({ok: false, code: 'MODEL_FAILED', message: 'a size of 1 will not do'});
    const {verdict} = await judge(request(large, {probe}));
    expect(verdict).toMatchObject({chosen: 'none', why: expect.stringContaining('a size of 1 will not do')});
  });
});

test.skipIf(process.platform === 'win32')('a folder that may not be written to is told', async () => {
  await chmod(dir, 0o555);
  // Nothing is forbidden to root: be nobody for a while.
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    const probe = knownProbe({none: {ms: 1}, dynamic: {ms: 1}});
    await expect(judge(request(mlp, {probe}))).rejects.toMatchObject({code: 'PERMISSION_DENIED'});
  } finally {
    if (isRoot) process.seteuid?.(0);
    await chmod(dir, 0o755);
  }
});

test('the key of a verdict changes with everything that it depends on', async () => {
  const settings = request(mlp, {calibration: await calibrationOf(mlp)});
  const other = await readCalibration(await rowsFile(5, 'other.jsonl'), mlp.model.inputs);
  const keys = [
    verdictKey(mlp.model, settings),
    verdictKey(large.model, settings),
    verdictKey(mlp.model, {...settings, mode: 'dynamic'}),
    verdictKey(mlp.model, {...settings, objective: 'size'}),
    verdictKey(mlp.model, {...settings, accept: {...settings.accept, nsr: 0.5}}),
    verdictKey(mlp.model, {...settings, calibration: null}),
    verdictKey(mlp.model, {...settings, calibration: other}),
    verdictKey(mlp.model, {...settings, onnxruntime: '1.31.0'}),
    verdictKey(mlp.model, {...settings, cpu: 'another'}),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(
    verdictKey(mlp.model, {...settings, calibration: {...settings.calibration!, file: 'moved.jsonl'}}),
  ).toBe(keys[0]);
});

test('what is served is told word for word', async () => {
  const {chosen} = await judge(
    request(mlp, {mode: 'none', probe: knownProbe({none: {ms: 1}, dynamic: {ms: 1}})}),
  );
  expect(serveManifest('demo', mlp.model, chosen, '1.30.0')).toEqual({
    schema: 'thaw.serve/1',
    name: 'demo',
    file: 'mlp.onnx',
    model: mlp.model.digest,
    onnxruntime: '1.30.0',
    session: {graphOptimizationLevel: 'all'},
    inputs: [{name: 'x', type: 'FP32', shape: ['batch', 32]}],
    outputs: [{name: 'y', type: 'FP32', shape: ['batch', 4]}],
  });
});
