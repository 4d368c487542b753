import {chmod, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {digestOf} from '../../../src/core/digest.ts';
import {readCalibration} from '../../../src/model/calibration.ts';
import type {QuantizeMode, Verdict} from '../../../src/core/model.ts';
import {costOf} from '../../../src/model/decide.ts';
import {judge} from '../../../src/model/judge.ts';
import type {JudgeRequest} from '../../../src/model/judge.ts';
import {createProbe} from '../../../src/model/probe.ts';
import type {Probe, ProbeRequest, ProbeResult} from '../../../src/model/probe.ts';
import {openModel, readModel} from '../../../src/model/read.ts';
import type {OpenModel} from '../../../src/model/read.ts';
import {serveManifest} from '../../../src/model/serve-manifest.ts';
import {renderJudgement, restoreJudgement} from '../../../src/model/stored-judgement.ts';
import {verdictKey} from '../../../src/model/verdict-key.ts';
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
  madeFor: 'any',
  shaping: false,
  cpu: {name: 'test (avx2)', class: 'avx2'},
  outDir,
  probe: realProbe,
  signal: new AbortController().signal,
  effort: {processes: 3, warmCalls: 3},
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

interface Known {
  readonly ms: number;
  readonly y?: readonly (number | null)[];
  readonly fails?: string;
}

const modeOf = (file: string): QuantizeMode =>
  (/\.(dynamic|static|weights|int8-blocks|int4|fp16)\.onnx$/.exec(file)?.[1] ?? 'none') as QuantizeMode;

/** A probe whose figures are known: times and outputs of each form; those not named are far too slow. */
function knownProbe(
  known: {readonly [M in QuantizeMode]?: Known} & {readonly none: Known},
): Probe & {asked: ProbeRequest[]} {
  const asked: ProbeRequest[] = [];
  const probe = async (wanted: ProbeRequest): Promise<ProbeResult> => {
    asked.push(wanted);
    const {ms, y = [1, 2], fails} = known[modeOf(wanted.model)] ?? {ms: 1e6};
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

const candidateOf = ({candidates}: Verdict, mode: QuantizeMode) =>
  candidates.find((candidate) => candidate.mode === mode);

describe('with ONNX Runtime', () => {
  test('forms are measured in fresh processes and held against the original on half of the rows', async () => {
    const calibration = await calibrationOf(large, 9);
    const steps: string[] = [];
    const accept = {cosine: 0.9, nsr: 0.1, top1Drop: 1};
    const {verdict, chosen} = await judge(
      request(large, {calibration, accept, onStep: (step) => steps.push(step)}),
    );
    expect(verdict).toMatchObject({
      schema: 'thaw.verdict/1',
      model: large.model.digest,
      asked: 'auto',
      rows: 5,
      calibrationRows: 4,
      cpu: 'test (avx2)',
      cpuClass: 'avx2',
      madeFor: 'any',
      onnxruntime: '1.30.0',
      untried: [{mode: 'static', why: '0 % of the weights are in convolutions, which it is for'}],
      shapings: [],
    });
    const modes = verdict.candidates.map(({mode}) => mode);
    expect(modes).toEqual(['none', 'dynamic', 'weights', 'int8-blocks', 'int4', 'fp16']);
    for (const {mode, failure, times, drift, accepted} of verdict.candidates) {
      expect([mode, failure, accepted]).toEqual([mode, null, true]);
      expect(times!.processes).toBeGreaterThanOrEqual(3);
      for (const ms of [times!.loadMs, times!.firstMs, times!.warmMs]) expect(ms).toBeGreaterThan(0);
      expect(times!.rssMb).toBeGreaterThan(20);
      expect(drift.map(({output}) => output)).toEqual(mode === 'none' ? [] : ['y']);
      for (const {cosine} of drift) expect(cosine).toBeGreaterThan(0.9);
    }
    const cost = ({bytes, times}: Verdict['candidates'][number]) => costOf('balanced', bytes, times!);
    const best = verdict.candidates.toSorted((one, other) => cost(one) - cost(other))[0]!;
    const gain = cost(best) / cost(verdict.candidates[0]!);
    expect(verdict.chosen).toBe(gain <= 0.9 ? best.mode : 'none');
    expect(await readdir(outDir)).toEqual(
      chosen.files.map(({path}) => path).filter((path) => path !== 'large.onnx'),
    );
    expect(steps).toContain('comparing int4');
    expect(steps.at(-1)).toMatch(/^timing 6 forms, round \d of \d$/);
  });

  test('labels give each form an accuracy', async () => {
    const file = join(dir, 'labelled.jsonl');
    const rows = Array.from({length: 8}, (_, seed) => ({x: [...numbers(32, seed + 1)], label: 'none'}));
    await writeFile(file, rows.map((row) => JSON.stringify(row)).join('\n'));
    const calibration = await readCalibration(file, mlp.model.inputs);
    const {verdict} = await judge(request(mlp, {mode: 'dynamic', calibration}));
    expect(verdict.candidates.map(({accuracy}) => accuracy)).toEqual([0, 0]);
    const few = {...calibration, labels: calibration.labels.map(() => [1, 2])};
    await expect(judge(request(mlp, {mode: 'dynamic', calibration: few}))).rejects.toMatchObject({
      code: 'CALIBRATION_INVALID',
      message: `${file}: row 1 has 2 labels, and the model gives 1`,
    });
  });

  test('a mode asked for by name is written, and is found again as long as it is as it was', async () => {
    const judgement = await judge(request(mlp, {mode: 'dynamic'}));
    const {verdict, chosen} = judgement;
    expect(verdict.chosen).toBe('dynamic');
    expect(verdict.warnings).toEqual([
      'nobody knows how far dynamic is from the original: there are no calibration rows',
    ]);
    const [file] = chosen.files;
    expect(file).toEqual({path: 'mlp.dynamic.onnx', file: join(outDir, 'mlp.dynamic.onnx')});
    expect(chosen.digest).toBe(digestOf(await readFile(file!.file)));
    expect((await readModel(file!.file)).operators).toMatchObject({'com.microsoft.DynamicQuantizeMatMul': 3});

    const text = renderJudgement('sha256:1', judgement, dir);
    expect(text).not.toContain(dir);
    expect(await restoreJudgement(text, 'sha256:1', dir)).toEqual(judgement);
    expect(await restoreJudgement(text, 'sha256:2', dir)).toBeNull();
    expect(await restoreJudgement('', 'sha256:1', dir)).toBeNull();
    await writeFile(file!.file, 'another');
    expect(await restoreJudgement(text, 'sha256:1', dir)).toBeNull();
    await rm(file!.file);
    expect(await restoreJudgement(text, 'sha256:1', dir)).toBeNull();
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
    const judging = judge(request(large, {probe, signal: controller.signal}));
    const ended = expect(judging).rejects.toMatchObject({code: 'INTERRUPTED'});
    let pid = 0;
    while (pid === 0) {
      pid = Number(await readFile(pidFile, 'utf8').catch(() => '0'));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    controller.abort();
    await ended;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await readdir(outDir).catch(() => [])).toEqual([]);
  });
});

describe('with known figures', () => {
  test('the best candidate is chosen and stays on disk; the medians are of all processes, in turns', async () => {
    const calibration = await calibrationOf(large);
    const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 40}, int4: {ms: 50}});
    const {verdict, chosen} = await judge(request(large, {calibration, probe}));
    expect(verdict).toMatchObject({chosen: 'dynamic', rows: 2, calibrationRows: 2});
    expect(verdict.warnings).toEqual(['dynamic was judged on no more than 2 rows']);
    expect(verdict.candidates[0]!.times).toEqual({
      processes: 3,
      loadMs: 100,
      firstMs: 10,
      warmMs: 1,
      rssMb: 50,
    });
    expect(await readdir(outDir)).toEqual(['large.dynamic.onnx']);
    expect(chosen.bytes).toBeLessThan(0.3 * large.model.bytes);
    // A look at the original and its outputs, then each form's, then three rounds for the times, every other one
    // the other way round. Times are taken with a single row, so that they are comparable.
    const forms = ['dynamic', 'weights', 'int8-blocks', 'int4', 'fp16'];
    const [there, back] = [['none', ...forms], ['none', ...forms].toReversed()];
    expect(probe.asked.map(({model: file}) => modeOf(file))).toEqual([
      'none',
      'none',
      ...forms,
      ...[there, back, there].flat(),
    ]);
    expect(probe.asked.map(({rows}) => rows.length)).toEqual([1, ...Array(6).fill(2), ...Array(18).fill(1)]);
  });

  test('what is close to call is measured as long again', async () => {
    const calibration = await calibrationOf(large);
    const processesAt = async (ms: number) => {
      const {verdict} = await judge(
        request(large, {calibration, probe: knownProbe({none: {ms: 100}, dynamic: {ms}})}),
      );
      return [verdict.chosen, candidateOf(verdict, 'dynamic')!.times!.processes];
    };
    expect(await processesAt(80)).toEqual(['dynamic', 3]);
    expect(await processesAt(88)).toEqual(['dynamic', 6]);
    expect(await processesAt(92)).toEqual(['none', 6]);
    expect(await processesAt(97)).toEqual(['none', 3]);
  });

  test('a slow model is measured with fewer calls, and judged on fewer rows', async () => {
    const calibration = await calibrationOf(large, 60);
    const probe = knownProbe({none: {ms: 25_000}, dynamic: {ms: 10_000}});
    const {effort: _, ...usual} = request(large, {mode: 'dynamic', calibration, probe});
    const {verdict} = await judge(usual);
    expect(verdict).toMatchObject({rows: 16, calibrationRows: 16});
    expect(probe.asked.at(-1)!.warmCalls).toBe(4);
    expect(verdict.candidates[0]!.times!.processes).toBe(5);
  });

  test('how slow a small model is decides nothing that could change its image', async () => {
    const calibration = await calibrationOf(mlp, 60);
    const verdictAt = async (ms: number) => {
      const probe = knownProbe({none: {ms}, dynamic: {ms}, weights: {ms}});
      const {effort: _, ...usual} = request(mlp, {objective: 'size', shaping: true, calibration, probe});
      const {verdict, chosen} = await judge(usual);
      const {rows, calibrationRows, shape} = verdict;
      return {digest: chosen.digest, mode: verdict.chosen, rows, calibrationRows, shape};
    };
    const quick = await verdictAt(1);
    expect(quick).toMatchObject({rows: 30, calibrationRows: 30, shape: {weights: 'inside', threads: null}});
    expect(quick.mode).not.toBe('none');
    expect(await verdictAt(25_000)).toEqual(quick);
  });

  test('a candidate that gives NaN is out, and is not timed', async () => {
    const calibration = await calibrationOf(large);
    const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 1, y: [1, null]}});
    const {verdict} = await judge(request(large, {calibration, probe}));
    expect(verdict.chosen).toBe('none');
    expect(candidateOf(verdict, 'dynamic')).toMatchObject({
      failure: expect.stringContaining('NaN'),
      times: null,
      accepted: false,
    });
    expect(await readdir(outDir)).toEqual([]);
  });

  test('a candidate outside accept is out, and is not timed', async () => {
    const calibration = await calibrationOf(large);
    const probe = knownProbe({none: {ms: 100}, 'int8-blocks': {ms: 1, y: [1, 3]}, fp16: {ms: 50}});
    const {verdict} = await judge(request(large, {calibration, probe}));
    expect(verdict.chosen).toBe('fp16');
    expect(candidateOf(verdict, 'int8-blocks')).toMatchObject({
      failure: null,
      times: null,
      accepted: false,
      drift: [{output: 'y', maxAbs: 1}],
    });
  });

  test('what loses the labels is out, however near it is', async () => {
    const calibration = {...(await calibrationOf(large)), labels: [1, 1, 1, 1]};
    const accept = {cosine: 0.9, nsr: 1, top1Drop: 0.5};
    const probe = knownProbe({
      none: {ms: 100, y: [1, 1.01]},
      dynamic: {ms: 1, y: [1.01, 1]},
      fp16: {ms: 9, y: [1, 1.01]},
    });
    const {verdict} = await judge(request(large, {calibration, accept: {...accept, top1Drop: 1}, probe}));
    expect(verdict.chosen).toBe('dynamic');
    const strict = await judge(request(large, {calibration, accept, probe}));
    expect(strict.verdict.chosen).toBe('fp16');
    expect(candidateOf(strict.verdict, 'none')!.accuracy).toBe(1);
    expect(candidateOf(strict.verdict, 'dynamic')).toMatchObject({accuracy: 0, accepted: false});
  });

  test('a candidate that fails to run is out', async () => {
    const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 1, fails: 'no kernel'}});
    const {verdict} = await judge(request(large, {probe}));
    expect(verdict.chosen).toBe('none');
    expect(candidateOf(verdict, 'dynamic')).toMatchObject({failure: 'no kernel', accepted: null});
  });

  test('without rows the original stays, however fast another is', async () => {
    const {verdict} = await judge(request(large, {probe: knownProbe({none: {ms: 100}, dynamic: {ms: 1}})}));
    expect(verdict).toMatchObject({chosen: 'none', rows: 0, calibrationRows: 0});
    expect(verdict.why).toContain('there are no calibration rows');
    expect(candidateOf(verdict, 'dynamic')).toMatchObject({accepted: null, times: {loadMs: 1}});
  });

  test('what was made for another kind of CPU than measured it is told', async () => {
    const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 1}});
    const {verdict} = await judge(request(large, {mode: 'dynamic', madeFor: 'vnni', probe}));
    expect(verdict.warnings).toContain('dynamic was made for vnni and measured on test (avx2)');
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
    await expect(judge(request(large, {mode: 'dynamic', probe}))).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    });
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
    verdictKey(mlp.model, {...settings, cpu: {...settings.cpu, name: 'another'}}),
    verdictKey(mlp.model, {...settings, madeFor: 'vnni'}),
    verdictKey(mlp.model, {...settings, shaping: true}),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(
    verdictKey(mlp.model, {...settings, calibration: {...settings.calibration!, file: 'moved.jsonl'}}),
  ).toBe(keys[0]);
});

test('what is served is told word for word', async () => {
  const judgement = await judge(
    request(mlp, {mode: 'none', probe: knownProbe({none: {ms: 1}, dynamic: {ms: 1}})}),
  );
  const manifest = {
    schema: 'thaw.serve/1',
    name: 'demo',
    file: 'mlp.onnx',
    model: mlp.model.digest,
    onnxruntime: '1.30.0',
    session: {graphOptimizationLevel: 'all'},
    inputs: [{name: 'x', type: 'FP32', shape: ['batch', 32]}],
    outputs: [{name: 'y', type: 'FP32', shape: ['batch', 4]}],
  };
  expect(serveManifest('demo', mlp.model, judgement)).toEqual(manifest);

  const shaped = {graphOptimizationLevel: 'disabled'};
  const own = {extra: {session: {disable_quant_qdq: '1'}}};
  const other = {...judgement, chosen: {...judgement.chosen, session: shaped}, formSession: own};
  expect(serveManifest('demo', mlp.model, other)).toEqual({
    ...manifest,
    session: {graphOptimizationLevel: 'all', ...own},
    shaped: {session: shaped, cpu: 'any'},
  });
});

test.each(['size', 'cold'] as const)('a small model is loaded as it is, by %s too', async (objective) => {
  const probe = knownProbe({none: {ms: 100}, dynamic: {ms: 1}});
  const {verdict, chosen} = await judge(request(mlp, {mode: 'dynamic', objective, shaping: true, probe}));
  expect(verdict).toMatchObject({
    chosen: 'dynamic',
    shapings: [],
    shape: {weights: 'inside', prepacking: true, threads: null},
    shapeWhy: 'loaded as it is: so small a model loads in an instant',
  });
  expect(chosen.files.map(({path}) => path)).toEqual(['mlp.dynamic.onnx']);
});
