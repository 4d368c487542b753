import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {QuantizeMode} from '../../src/core/model.ts';
import {writeCandidate, writeModel} from '../../src/model/candidate.ts';
import {measureDrift} from '../../src/model/drift.ts';
import {createReadExternal} from '../../src/model/external.ts';
import {quantizeInt4, quantizeInt8Blocks} from '../../src/model/quantize/blocks.ts';
import {quantizeDynamic} from '../../src/model/quantize/dynamic.ts';
import {quantizeFp16} from '../../src/model/quantize/fp16.ts';
import type {QuantizeInput, QuantizeResult} from '../../src/model/quantize/mode.ts';
import {quantizeWeights} from '../../src/model/quantize/weights.ts';
import {openModel} from '../../src/model/read.ts';
import {numbers} from '../unit/model/build-model.ts';
import {openRunner} from '../unit/model/run-model.ts';
import type {Runner} from '../unit/model/run-model.ts';
import {pipFile} from './models.ts';
import {openPython} from './python.ts';

const signal = new AbortController().signal;
let dir: string;
let runner: Runner;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-odd-'));
  runner = await openRunner();
  const python = await openPython();
  await python.run(await readFile(new URL('odd-models.py', import.meta.url), 'utf8'), dir);
});
afterAll(async () => {
  await rm(dir, {recursive: true, force: true});
  await runner.close();
});

const row = {x: {shape: [3, 48], data: [...numbers(144)]}};

describe('what is read and written again is the same, byte for byte', () => {
  const rewritten = async (path: string): Promise<void> => {
    const {proto} = await openModel(path);
    const {files} = await writeModel(proto, path, join(dir, 'again.onnx'), signal);
    expect(Buffer.compare(await readFile(files[0]!.file), await readFile(path))).toBe(0);
  };

  test.each(['functions', 'loop', 'everything', 'unread'])('%s', async (name) => {
    await rewritten(join(dir, `${name}.onnx`));
  });

  test.each([
    ['silero-vad==6.2.3', 'silero_vad/data/silero_vad.onnx'],
    ['rapidocr_onnxruntime==1.4.4', 'rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx'],
    ['magika==1.0.1', 'magika/models/standard_v3_3/model.onnx'],
  ])('%s', async (pin, path) => {
    await rewritten(await pipFile(pin, path));
  });
});

describe('what is quantized answers close to the original', () => {
  type Mode = (input: QuantizeInput) => QuantizeResult;
  const MODES: readonly (readonly [QuantizeMode, Mode, number])[] = [
    ['dynamic', quantizeDynamic, 0.999],
    ['weights', quantizeWeights, 0.9995],
    ['int8-blocks', quantizeInt8Blocks, 0.9995],
    ['int4', quantizeInt4, 0.97],
    ['fp16', quantizeFp16, 0.99999],
  ];

  test.each([
    ['functions', ['plain']],
    ['loop', ['before', 'outer', 'inner']],
    ['everything', ['product']],
  ])('%s', async (name, nodes) => {
    const opened = await openModel(join(dir, `${name}.onnx`));
    const wanted = await runner.run(opened.path, [row]);
    for (const [mode, quantize, cosine] of MODES) {
      const result = quantize({
        model: opened.proto,
        readExternal: createReadExternal(opened.path),
        cpu: 'any',
        keepFloat: new Set(),
      });
      if (result.failure !== null) throw new Error(`${mode}: ${result.failure}`);
      expect([mode, result.quantizedNodes]).toEqual([mode, nodes]);
      const made = await writeCandidate(opened, mode, result, dir, signal);
      expect(made.bytes).toBeLessThan(opened.model.bytes);
      const {drift, broken} = measureDrift(
        wanted,
        await runner.run(made.files[0]!.file, [row], made.session),
      );
      expect([mode, broken]).toEqual([mode, null]);
      expect(drift[0]!.cosine).toBeGreaterThan(cosine);
    }
  });
});
