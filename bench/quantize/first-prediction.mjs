// An encoder of 90 MB, by the command itself: how small, how near, how soon; and when the first prediction of a fresh
// process comes, of the original as it is and of the form as `thaw package` would load it.
import {statSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {measure, median, printTable, seconds, size} from '../image/measure.mjs';
import {listModels, nestedIn} from './models.mjs';

const bin = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const probeFile = fileURLToPath(new URL('../../dist/runtime/probe.cjs', import.meta.url));

/** Measures, prints a table, and says which goals hold. */
export async function measureFirstPrediction({thaw, dir, goal, rounds}) {
  const model = listModels(thaw)[0];
  const file = await model.file();
  const rows = await model.rows(32);
  const rowsFile = join(dir, 'sentences.jsonl');
  writeFileSync(rowsFile, rows.map((row) => JSON.stringify(nestedIn(row))).join('\n'));
  const out = join(dir, 'encoder.onnx');
  const args = ['quantize', file, '--mode', 'dynamic', '--calibration', rowsFile, '--out', out, '--json'];
  const {ms, stdout} = await measure(process.execPath, [bin, ...args]);
  const {session, verdict} = JSON.parse(stdout);
  const dynamic = verdict.candidates.find(({mode}) => mode === 'dynamic');
  const cosine = Math.min(...dynamic.drift.map((each) => each.cosine));

  const {dir: onnxruntimeDir} = await thaw.hostOrt();
  const {signal} = new AbortController();
  const probe = thaw.createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir, signal});
  const contenders = [
    {name: 'the original', path: file, options: {}},
    {name: 'dynamic', path: out, options: session},
  ].map((each) => ({...each, runs: []}));
  for (let round = 0; round < rounds; round++) {
    for (const {path, options, runs} of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const startedMs = performance.now();
      const ran = await probe({
        model: path,
        session: options,
        rows: rows.slice(0, 1),
        warmCalls: 0,
        wantOutputs: false,
      });
      if (!ran.ok) throw new Error(ran.message);
      runs.push({wholeMs: performance.now() - startedMs, readyMs: ran.loadMs + ran.firstMs});
    }
  }
  console.log('\nThe first prediction of an encoder, of fresh processes\n');
  const of = ({runs}, what) => median(runs.map((run) => run[what]));
  printTable(
    ['form', 'size', 'load and first', 'whole process'],
    contenders.map((each) => [
      each.name,
      size(statSync(each.path).size),
      seconds(of(each, 'readyMs')),
      seconds(of(each, 'wholeMs')),
    ]),
  );
  const bytes = statSync(out).size;
  const sooner = of(contenders[0], 'readyMs') / of(contenders[1], 'readyMs');
  goal(
    '90 MB become at most 24 MB at cosine 0.998',
    bytes <= 24e6 && cosine >= 0.998,
    `${size(bytes)}, ${cosine.toFixed(5)}`,
  );
  goal(
    'quantized in under 5 s, the search for sensitive nodes included',
    dynamic.quantizeMs < 5000,
    `${seconds(dynamic.quantizeMs)}; the whole command, which then judges and times both, ${seconds(ms)}`,
  );
  goal('the first prediction comes 2.5 times as soon', sooner >= 2.5, `${sooner.toFixed(2)} times`);
}
