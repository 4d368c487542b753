// What `thaw quantize` chooses of eight real models by each of the four objectives, with the command itself: a table,
// and whether every choice is the best row of its own JSON. Takes minutes: each of the 32 runs measures on its own.
//
// Needs Python 3 with pip, npm, and dist/ to be built. Options: --rows N (16), --only NAME (models whose name has it),
// --verdicts FOLDER (keeps the JSON of every run there, and takes what is there instead of running again),
// --strict (exit 1 if a goal is missed).
import {existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {cpus, loadavg, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {measure, printTable} from './image/measure.mjs';
import {bundleThaw} from './quantize/bundle.mjs';
import {listModels, nestedIn} from './quantize/models.mjs';

const {values: given} = parseArgs({
  options: {
    rows: {type: 'string', default: '16'},
    only: {type: 'string', default: ''},
    verdicts: {type: 'string'},
    strict: {type: 'boolean', default: false},
  },
});
const OBJECTIVES = ['balanced', 'cold', 'warm', 'size'];
const bin = fileURLToPath(new URL('../bin/run.js', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'thaw-choices-'));
const verdicts = given.verdicts ?? dir;

/** What a row of a verdict costs, by the definition in docs/quantization.md. */
function costOf(objective, {bytes, times}) {
  const coldMs = times.loadMs + times.firstMs;
  return {balanced: coldMs + 100 * times.warmMs, cold: coldMs, warm: times.warmMs, size: bytes}[objective];
}

/** The row that ought to be chosen: the cheapest within accept, if it is 10 % cheaper than the original. */
function bestOf({objective, candidates}) {
  const [original, ...others] = candidates;
  const within = others.filter(({accepted, times}) => accepted === true && times !== null);
  const best = within.toSorted((a, b) => costOf(objective, a) - costOf(objective, b))[0];
  const pays = best !== undefined && costOf(objective, best) <= 0.9 * costOf(objective, original);
  return pays ? best.mode : 'none';
}

async function verdictOf(model, file, rowsFile, objective) {
  const kept = join(verdicts, `${model.name.replaceAll(/\W+/g, '-')}.${objective}.json`);
  if (!existsSync(kept)) {
    const out = join(dir, 'chosen.onnx');
    const args = ['quantize', file, '--objective', objective, '--calibration', rowsFile, '--out', out];
    const {stdout} = await measure(process.execPath, [bin, ...args, '--json']);
    writeFileSync(kept, stdout);
  }
  return JSON.parse(readFileSync(kept, 'utf8')).verdict;
}

/** `dynamic x0.25, 3.1 times` as good by the objective. */
function describe({objective, candidates, chosen}) {
  if (chosen === 'none') return 'none';
  const original = candidates[0];
  const taken = candidates.find(({mode}) => mode === chosen);
  const gain = costOf(objective, original) / costOf(objective, taken);
  return `${chosen} ${gain.toFixed(1)}×${taken.keptFloat.length > 0 ? ', mixed' : ''}`;
}

try {
  mkdirSync(verdicts, {recursive: true});
  const {thaw} = await bundleThaw(dir);
  console.log(`${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}\n`);
  const models = listModels(thaw).filter(({name}) => name.includes(given.only));
  const table = [];
  const wrong = [];
  const winners = new Set();
  for (const model of models) {
    const file = await model.file();
    const rowsFile = join(dir, 'rows.jsonl');
    const rows = await model.rows(Number(given.rows));
    writeFileSync(rowsFile, rows.map((row) => JSON.stringify(nestedIn(row))).join('\n'));
    const cells = [];
    for (const objective of OBJECTIVES) {
      const verdict = await verdictOf(model, file, rowsFile, objective);
      winners.add(verdict.chosen);
      cells.push(describe(verdict));
      if (verdict.chosen !== bestOf(verdict)) wrong.push(`${model.name}, ${objective}`);
      console.log(`${model.name}, ${objective}: ${verdict.why}`);
    }
    table.push([model.name, ...cells]);
  }
  console.log();
  printTable(['model', ...OBJECTIVES], table);
  winners.delete('none');
  const goals = [
    [wrong.length === 0, 'every choice is the best row of its own JSON', wrong.join('; ') || 'all'],
    [winners.size >= 3, 'at least three modes win somewhere', [...winners].join(', ')],
  ];
  for (const [holds, goal, found] of goals) console.log(`${holds ? 'holds ' : 'MISSES'}  ${goal}: ${found}`);
  if (given.strict && goals.some(([holds]) => !holds)) process.exitCode = 1;
} finally {
  rmSync(dir, {recursive: true, force: true});
}
