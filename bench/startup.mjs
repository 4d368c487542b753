// How long thaw takes to answer, beside an empty Node process. Every program runs once a round, each in a fresh
// process and an empty folder, so that whatever else the machine does falls on all of them alike.
//
// Options: --rounds N (default 15), --only TEXT (programs whose name has it), --strict (exit 1 if a goal is missed).
import {spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {cpus, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

const {values: options} = parseArgs({
  options: {
    rounds: {type: 'string', default: '15'},
    only: {type: 'string', default: ''},
    strict: {type: 'boolean', default: false},
  },
});
const rounds = Number(options.rounds);
if (!Number.isInteger(rounds) || rounds < 1)
  throw new Error(`--rounds ${options.rounds} is not a number of rounds`);

const root = fileURLToPath(new URL('..', import.meta.url));
const thaw = join(root, 'bin', 'run.js');
const manifest = join(root, 'oclif.manifest.json');
const commands = existsSync(manifest)
  ? Object.values(JSON.parse(readFileSync(manifest, 'utf8')).commands).filter((command) => !command.hidden)
  : [];
const has = (id) => commands.some((command) => command.id === id);

const base = {name: 'node -e 0', args: ['-e', '0']};
/** `goal` says of a median beside that of an empty process whether it is good enough. */
const times = (factor) => ({text: `≤ ${factor}×`, holds: (ms, baseMs) => ms <= factor * baseMs});
const above = (extraMs) => ({text: `≤ +${extraMs} ms`, holds: (ms, baseMs) => ms - baseMs <= extraMs});
/** A program that ends otherwise than expected was not measured: it has missed its goal. */
const program = (args, goal, exit = 0) => ({
  name: `thaw ${args.join(' ')}`,
  args: [thaw, ...args],
  goal,
  exit,
});
const programs = [
  program(['--version'], times(1.5)),
  program(['--help'], times(2)),
  program(['help'], times(2)),
  ...commands.map(({id}) => program([...id.split(':'), '--help'], above(160))),
  // Commands that do their work, or find that there is no project to do it in.
  ...(has('init') ? [program(['init', '--list'], above(160))] : []),
  ...(has('status') ? [program(['status'], above(160), 3)] : []),
].filter(({name}) => name.includes(options.only));

// Certificates from the environment alone cost an empty process tens of milliseconds.
const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...env} = process.env;
const cwd = mkdtempSync(join(tmpdir(), 'thaw-bench-'));

function run({name, args}) {
  const start = performance.now();
  const {error, signal, status} = spawnSync(process.execPath, args, {cwd, env, stdio: 'ignore'});
  const ms = performance.now() - start;
  if (error) throw error;
  if (signal) throw new Error(`${name} was ended by ${signal}`);
  return {ms, status};
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

const measured = [base, ...programs].map((entry) => ({...entry, times: [], status: null}));
try {
  for (const entry of measured) run(entry); // fills the file cache; every program alike
  for (let round = 0; round < rounds; round++) {
    // Another order each round, so that no program always follows the same neighbour.
    for (let i = 0; i < measured.length; i++) {
      const entry = measured[(i + round) % measured.length];
      const {ms, status} = run(entry);
      entry.times.push(ms);
      entry.status = status;
    }
  }
} finally {
  rmSync(cwd, {recursive: true, force: true});
}

function verdict(endedWell, holds, exit) {
  if (!endedWell) return `FAILED: should exit with ${exit}`;
  return holds ? 'holds' : 'MISSED';
}

const baseMs = median(measured[0].times);
const baseMinMs = Math.min(...measured[0].times);
const rows = measured.map(({name, times, status, goal, exit}) => {
  const ms = median(times);
  const minMs = Math.min(...times);
  return {
    name,
    cells: [
      ms.toFixed(1),
      minMs.toFixed(1),
      `${(ms / baseMs).toFixed(2)}×`,
      `+${(ms - baseMs).toFixed(0)} ms`,
      `${(minMs / baseMinMs).toFixed(2)}×`,
      `+${(minMs - baseMinMs).toFixed(0)} ms`,
      String(status),
    ],
    holds: goal === undefined || (status === exit && goal.holds(ms, baseMs)),
    outcome:
      goal === undefined ? '' : `${goal.text} ${verdict(status === exit, goal.holds(ms, baseMs), exit)}`,
  };
});

const titles = ['median ms', 'min ms', '÷ node', '− node', 'min ÷', 'min −', 'exit'];
const nameWidth = Math.max(...rows.map(({name}) => name.length));
const widths = titles.map((title, i) => Math.max(title.length, ...rows.map(({cells}) => cells[i].length)));
const line = (name, cells, end) =>
  `${name.padEnd(nameWidth)}${cells.map((cell, i) => `  ${cell.padStart(widths[i])}`).join('')}  ${end}`.trimEnd();

console.log(
  `Start-up, ${rounds} interleaved rounds: node ${process.version}, ${process.platform} ${process.arch}, ` +
    `${cpus().length} × ${cpus()[0]?.model.trim()}\n`,
);
console.log(line('', titles, 'goal, by median'));
for (const {name, cells, outcome} of rows) console.log(line(name, cells, outcome));
const missed = rows.filter(({holds}) => !holds);
const complete = commands.length > 0;
if (missed.length > 0) console.log(`\n${missed.length} of ${programs.length} goals missed.`);
else if (complete) console.log(`\nAll ${programs.length} goals hold.`);
if (!complete) console.log('\nNo command was measured: oclif.manifest.json is not there. Build first.');
if (options.strict && (missed.length > 0 || !complete)) process.exitCode = 1;
