// What quantizing takes, with thaw, with onnxruntime.quantization and with Olive: time, memory, and how large and how
// near to the original the results are, at the same settings, on the same models, in one run. The tools take turns,
// each in fresh processes; figures are medians. Then what one form of an encoder does for its first prediction.
//
// Needs Linux, Python 3 with venv and pip, npm, and dist/ to be built; models and Python packages are fetched once.
// Options: --rounds N (3), --only NAME (models whose name has it), --modes NAME,NAME, --no-olive (it takes gigabytes to
// install), --strict (exit 1 if a goal is missed).
import {existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {cpus, loadavg, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {measure, median, printTable, seconds, size} from './image/measure.mjs';
import {bundleThaw} from './quantize/bundle.mjs';
import {listModels} from './quantize/models.mjs';
import {measureFirstPrediction} from './quantize/first-prediction.mjs';

const {values: given} = parseArgs({
  options: {
    rounds: {type: 'string', default: '3'},
    only: {type: 'string', default: ''},
    modes: {type: 'string'},
    olive: {type: 'boolean', default: true},
    strict: {type: 'boolean', default: false},
  },
  allowNegative: true,
});
const rounds = Number(given.rounds);
const modes = given.modes?.split(',');
const here = fileURLToPath(new URL('quantize/', import.meta.url));
const probeFile = fileURLToPath(new URL('../dist/runtime/probe.cjs', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'thaw-quantize-'));

/** As much as a model of the size may take: this many times its bytes, beside what the tool takes for nothing. */
const MEMORY_TIMES_MAX = 3;
/** Below this it is the interpreter that takes memory, not the model. */
const LARGE_BYTES_MIN = 32e6;
/** A drift so small that it is rounding. */
const NSR_MIN = 1e-5;
/** Differences within these are none: a scale for each row of a table, the order in which sums are made. */
const [BYTES_EQUAL, NSR_EQUAL] = [1.01, 1.05];
/** Who saves less than this has found nothing to quantize. */
const NOTHING_SHARE = 0.99;

/** The tools: `run` makes a form, `start` does nothing but come up with what it needs for that. */
async function openTools({bundle, thaw}) {
  const {dir: onnxruntimeDir} = await thaw.hostOrt();
  const own = (mode, model, out, rows) =>
    measure(
      process.execPath,
      [join(here, 'make.mjs'), bundle, mode, model, out, rows].concat(probeFile, onnxruntimeDir),
    );
  const tools = [
    {
      name: 'thaw',
      modes: ['dynamic', 'static', 'weights', 'int8-blocks', 'int4', 'fp16'],
      run: own,
      start: () =>
        measure(process.execPath, ['--input-type=module', '-e', `await import('file://${bundle}')`]),
    },
  ];
  const pythonTool = (name, {file}, program, packages, more) => ({
    name,
    modes: ['dynamic', 'static', 'int8-blocks', 'int4', 'fp16'],
    run: (mode, model, out, rows) => measure(file, [join(here, program), mode, model, out, rows], more),
    start: () => measure(file, ['-c', `import ${packages}`], more),
  });
  const packages = 'onnx, onnxruntime.quantization';
  const python = await thaw.openPython(['sympy==1.14.0']);
  tools.push(pythonTool('onnxruntime.quantization', python, 'onnxruntime-quantization.py', packages, {}));
  if (given.olive) {
    try {
      // It keeps a cache of what it has done before: each run gets a new one.
      const olive = await thaw.openPython(['olive-ai==0.13.0', 'requests==2.34.2']);
      const env = {OLIVE_CACHE_DIR: join(dir, 'olive')};
      tools.push(pythonTool('Olive', olive, 'olive-passes.py', 'olive.passes.olive_pass, onnx', {env}));
    } catch (error) {
      console.log(`Olive could not be installed: ${lastLine(error)}\n`);
    }
  }
  return tools;
}

const lastLine = (error) =>
  String(error.stderr ?? error.message)
    .trim()
    .split('\n')
    .at(-1)
    .slice(0, 120);

/** How far the outputs of a form are from the original's: of the output that suffers most. */
async function driftOf({thaw, probe}, original, model, session, rows) {
  const ran = await probe({model, session, rows, warmCalls: 0, wantOutputs: true});
  if (!ran.ok) return {broken: ran.message, nsr: NaN, cosine: NaN};
  const {drift, broken} = thaw.measureDrift(original, ran.rows);
  const nsr = Math.max(...drift.map((each) => each.nsr));
  return {broken, nsr, cosine: Math.min(...drift.map((each) => each.cosine))};
}

/** Lets each tool quantize a model, in turns. */
async function compare(context, tools, model, mode) {
  const {thaw, probe} = context;
  const path = await model.file();
  const rows = await model.rows(8);
  const rowsFile = join(dir, 'rows.json');
  writeFileSync(rowsFile, JSON.stringify(rows));
  const entries = tools
    .filter((tool) => tool.modes.includes(mode))
    .map((tool, nth) => ({tool, out: join(dir, `made-${nth}.onnx`), runs: [], failure: null}));
  for (let round = 0; round < rounds; round++) {
    for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
      if (entry.failure !== null) continue;
      rmSync(entry.out, {force: true});
      rmSync(`${entry.out}.data`, {force: true});
      try {
        entry.runs.push(await entry.tool.run(mode, path, entry.out, rowsFile));
      } catch (error) {
        entry.failure = lastLine(error);
      }
    }
  }
  const original = await probe({model: path, session: {}, rows, warmCalls: 0, wantOutputs: true});
  if (!original.ok) throw new Error(original.message);
  const results = [];
  for (const {tool, out, runs, failure} of entries) {
    const result = {tool, failure};
    results.push(result);
    if (failure !== null) continue;
    result.ms = median(runs.map(({ms}) => ms));
    result.peakBytes = median(runs.map(({bytes}) => bytes));
    result.bytes = statSync(out).size;
    const session = tool.name === 'thaw' ? JSON.parse(runs[0].stdout) : {};
    Object.assign(result, await driftOf({thaw, probe}, original.rows, out, session, rows));
  }
  return {model: model.name, mode, modelBytes: statSync(path).size, results};
}

const goals = [];
function goal(text, holds, measured) {
  goals.push(holds);
  console.log(`${holds ? 'holds ' : 'MISSES'}  ${text}: ${measured}`);
}

const figure = (value) => (Number.isFinite(value) ? Number(value.toPrecision(3)).toString() : '–');
const short = (value) => (value < 0.001 ? value.toExponential(1) : value.toFixed(4));

/** Each goal over all comparisons: in how many it holds, and where not. */
function judge(comparisons, idleBytes) {
  const misses = {time: [], memory: [], bytes: [], drift: []};
  const ratios = [];
  for (const {model, mode, modelBytes, results} of comparisons) {
    const [ours, ...others] = results;
    const what = `${model}, ${mode}`;
    if (ours.failure !== null) throw new Error(`${what}: ${ours.failure}`);
    const times = (ours.peakBytes - idleBytes) / modelBytes;
    if (times > MEMORY_TIMES_MAX && modelBytes >= LARGE_BYTES_MIN) {
      misses.memory.push(`${what} ${figure(times)}×`);
    }
    const did = ({failure, broken, bytes}) =>
      failure === null && broken === null && bytes < NOTHING_SHARE * modelBytes;
    for (const other of others.filter(did)) {
      const versus = `${what} (${other.tool.name})`;
      ratios.push(other.ms / ours.ms);
      if (ours.ms > other.ms / 2) misses.time.push(`${versus} ${figure(other.ms / ours.ms)} times as fast`);
      if (ours.bytes > BYTES_EQUAL * other.bytes)
        misses.bytes.push(`${versus} ${size(ours.bytes)}, not ${size(other.bytes)}`);
      if (ours.broken !== null || ours.nsr > Math.max(NSR_MIN, NSR_EQUAL * other.nsr)) {
        misses.drift.push(`${versus} nsr ${short(ours.nsr)}, not ${short(other.nsr)}`);
      }
    }
  }
  const say = (missed) => (missed.length === 0 ? 'everywhere' : `not: ${missed.join('; ')}`);
  const sorted = ratios.toSorted((a, b) => a - b);
  goal(
    'half the time of the others',
    misses.time.length === 0,
    `${figure(sorted[0] ?? NaN)} to ${figure(sorted.at(-1) ?? NaN)} times as fast, ${say(misses.time)}`,
  );
  goal(
    `memory at most ${MEMORY_TIMES_MAX} times the model, beside what it takes idle, for models above ${size(LARGE_BYTES_MIN)}`,
    misses.memory.length === 0,
    say(misses.memory),
  );
  goal('no larger than the others', misses.bytes.length === 0, say(misses.bytes));
  goal('no further from the original than the others', misses.drift.length === 0, say(misses.drift));
}

try {
  if (!existsSync(probeFile)) throw new Error('dist/ is not built');
  mkdirSync(join(dir, 'olive'));
  const {bundle, thaw} = await bundleThaw(dir);
  const {dir: onnxruntimeDir} = await thaw.hostOrt();
  const {signal} = new AbortController();
  const probe = thaw.createProbe({nodePath: process.execPath, probeFile, onnxruntimeDir, signal});
  const tools = await openTools({bundle, thaw});
  console.log(
    `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}\n`,
  );

  const idle = new Map();
  for (const tool of tools) {
    const runs = [];
    for (let round = 0; round < rounds; round++) runs.push(await tool.start());
    idle.set(tool.name, {
      ms: median(runs.map(({ms}) => ms)),
      bytes: median(runs.map(({bytes}) => bytes)),
    });
  }
  console.log('Each tool, up and doing nothing; what follows includes it\n');
  printTable(
    ['tool', 'time', 'memory'],
    [...idle].map(([name, {ms, bytes}]) => [name, seconds(ms), size(bytes)]),
  );

  const comparisons = [];
  for (const model of listModels(thaw).filter(({name}) => name.includes(given.only))) {
    for (const mode of model.modes.filter((each) => modes?.includes(each) ?? true)) {
      comparisons.push(await compare({thaw, probe}, tools, model, mode));
    }
  }
  console.log('One quantization each, from the start of the process to the file\n');
  printTable(
    ['model', 'mode', 'tool', 'time', 'memory', 'size', 'of original', 'cosine', 'nsr'],
    comparisons.flatMap(({model, mode, modelBytes, results}) =>
      results.map(({tool, failure, broken, ms, peakBytes, bytes, cosine, nsr}) => {
        const what = [model, mode, tool.name];
        if (failure !== null) return [...what, 'fails', '', '', '', failure.slice(0, 40), ''];
        const drift = broken === null ? [cosine.toFixed(6), short(nsr)] : ['wrong', broken.slice(0, 40)];
        return [
          ...what,
          seconds(ms),
          size(peakBytes),
          size(bytes),
          `${((100 * bytes) / modelBytes).toFixed(1)} %`,
          ...drift,
        ];
      }),
    ),
  );
  if (comparisons.length > 0) judge(comparisons, idle.get('thaw').bytes);
  if (given.only === '' || 'MiniLM, encoder'.includes(given.only)) {
    await measureFirstPrediction({thaw, dir, goal, rounds: Math.max(rounds, 5)});
  }
  if (given.strict && goals.includes(false)) process.exitCode = 1;
} finally {
  rmSync(dir, {recursive: true, force: true});
}
