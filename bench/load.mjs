// What thaw's load generator says, beside what others say, beside what the server saw: one loopback server, one run.
//
// Options: --seconds N (10), --rate N (2000), --rounds N (3; of each tool the one with the median p99 is shown),
// --only NAME[,NAME] (beside thaw), --install (autocannon, by npm, into a temporary folder), --samples N (10000000)
// to record for the memory, --strict (exit 1 if a goal is missed).
import {fork, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {cpus, loadavg, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {build} from 'esbuild';
import {findProgram, run, TOOLS} from './load/tools.mjs';

const {values: given} = parseArgs({
  options: {
    seconds: {type: 'string', default: '10'},
    rate: {type: 'string', default: '2000'},
    rounds: {type: 'string', default: '3'},
    only: {type: 'string'},
    install: {type: 'boolean', default: false},
    samples: {type: 'string', default: '10000000'},
    strict: {type: 'boolean', default: false},
  },
});
const perSecond = Number(given.rate);
const durationMs = Number(given.seconds) * 1000;
const rounds = Number(given.rounds);
const samples = Number(given.samples);
for (const [name, value, most] of [
  ['rate', perSecond, 20_000],
  ['seconds', durationMs / 1000, 60],
  ['rounds', rounds, 20],
  ['samples', samples, 1e8],
]) {
  if (!(value > 0 && value <= most))
    throw new Error(`--${name} ${given[name]} is not above 0 and at most ${most}`);
}

const here = fileURLToPath(new URL('load/', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'thaw-load-'));
// Certificates from the environment alone cost a Node process tens of milliseconds.
const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...env} = process.env;

/** Two freezes of a second, each in the middle of ten. */
const STALL = {firstMs: 4500, everyMs: 10_000, forMs: 1000};
const STALL_MS = 20_000;

const quantile = (sorted, q) => sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? NaN;
const figures = (values) => {
  const sorted = Float64Array.from(values).sort();
  const at = (q) => quantile(sorted, q);
  return {p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1)};
};

/** The most requests that came within any hundredth of a second: evenly, a hundredth of the rate. */
function busiest(arrivedMs) {
  let most = 0;
  let from = 0;
  for (let to = 0; to < arrivedMs.length; to++) {
    while (arrivedMs[to] - arrivedMs[from] > 10) from++;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

/** What the server saw of a load. */
function seen({answered, arrivedMs, serviceMs}) {
  const spanMs = (arrivedMs.at(-1) ?? 0) - (arrivedMs[0] ?? 0);
  const rate = ((arrivedMs.length - 1) * 1000) / spanMs;
  return {...figures(serviceMs), perSecond: rate, answered, busiest: busiest(arrivedMs)};
}

/**
 * What those suffer who come evenly at the rate: one who comes during a freeze, or is being served when it begins,
 * waits for its end. The service times are those that the server took while it was not frozen.
 */
function suffered({arrivedMs, serviceMs, freezes}) {
  const count = (perSecond * STALL_MS) / 1000;
  const service = serviceMs.filter((ms, nth) =>
    freezes.every(({fromMs, toMs}) => arrivedMs[nth] + ms < fromMs || arrivedMs[nth] > toMs + 100),
  );
  return figures(
    Array.from({length: count}, (_, nth) => {
      const dueMs = (arrivedMs[0] ?? 0) + (nth * 1000) / perSecond;
      const ownMs = service[nth % service.length] ?? 0;
      const freeze = freezes.find(({fromMs, toMs}) => dueMs + ownMs >= fromMs && dueMs < toMs);
      if (freeze === undefined) return ownMs;
      return freeze.toMs - dueMs + (dueMs < freeze.fromMs ? 0 : ownMs);
    }),
  );
}

const thaw = {
  name: 'thaw',
  sends: 'by the clock',
  async attack(bundle, {url, durationMs: forMs, options}) {
    const args = [join(here, 'attack.mjs'), bundle, url, perSecond, forMs].map(String);
    const {stages} = JSON.parse(await run(process.execPath, args, options));
    const {latency, dropped, lateP99Ms, due, durationMs: ranMs} = stages[0];
    const {p50Ms: p50, p90Ms: p90, p99Ms: p99, maxMs: max} = latency;
    return {p50, p90, p99, max, perSecond: (due * 1000) / ranMs, dropped, lateP99Ms};
  },
};

/** The tools that are here, with where; those that are not, with how to get them. */
function findTools() {
  const wanted = given.only?.split(',');
  const tools = TOOLS.filter(({name}) => wanted === undefined || wanted.includes(name));
  if (given.install && tools.some(({name}) => name === 'autocannon')) installAutocannon();
  const dirs = [join(dir, 'node_modules', '.bin')];
  return tools.map((tool) => ({tool, file: findProgram(tool.name, dirs)}));
}

function installAutocannon() {
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const args = ['install', '--prefix', dir, '--no-audit', '--no-fund', '--ignore-scripts', 'autocannon'];
  const {status} = spawnSync(npm, args, {stdio: 'ignore', shell: process.platform === 'win32'});
  if (status !== 0) console.log('autocannon could not be installed.\n');
}

async function startServer() {
  const server = fork(join(here, 'server.mjs'), {env, serialization: 'advanced'});
  const [{port}] = await once(server, 'message');
  const ask = async (message) => {
    const answer = once(server, 'message');
    server.send(message);
    return (await answer)[0];
  };
  return {url: `http://127.0.0.1:${port}/`, ask, close: () => server.disconnect()};
}

async function measure(server, {tool, file}, forMs, stall) {
  await server.ask({ask: 'begin', stall});
  const options = {env, timeoutMs: forMs + 60_000};
  const says = await tool.attack(file, {url: server.url, perSecond, durationMs: forMs, dir, options});
  return {tool, says, truth: await server.ask({ask: 'truth'})};
}

const ms = (value) => (value == null || Number.isNaN(value) ? '–' : value.toFixed(value < 100 ? 2 : 0));
const whole = (value) => (value == null ? '–' : Math.round(value).toString());
function printTable(head, rows) {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  for (const line of [lines[0], rule, ...lines.slice(1)]) {
    console.log(
      `| ${line.map((cell, column) => (column === 0 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`,
    );
  }
  console.log();
}

const goals = [];
function goal(text, holds, measured) {
  goals.push(holds);
  console.log(`${holds ? 'holds ' : 'MISSES'}  ${text}: ${measured}`);
}
const apart = (said, truth) =>
  `${ms(said)} ms said, ${ms(truth)} ms true, ${(((said - truth) / truth) * 100).toFixed(1)} %`;

let server;
try {
  const bundle = join(dir, 'thaw.mjs');
  await build({
    entryPoints: [join(here, 'thaw.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'warning',
    banner: {
      js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  server = await startServer();
  const found = findTools();
  const present = [{tool: thaw, file: bundle}, ...found.filter(({file}) => file !== null)];
  console.log(
    `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}\n`,
  );

  // Fills the server's caches and lets its code be compiled, for all alike.
  await measure(server, {tool: thaw, file: bundle}, 2000, null);

  const runs = present.map(() => []);
  for (let round = 0; round < rounds; round++) {
    for (const [index, entry] of present.entries()) {
      runs[index].push(await measure(server, entry, durationMs, null));
    }
  }
  const steady = runs.map(
    (ofTool) => ofTool.toSorted((a, b) => a.says.p99 - b.says.p99)[Math.floor((rounds - 1) / 2)],
  );
  console.log(
    `${perSecond} requests a second for ${durationMs / 1000} s: what each says, and after it what the server saw of it (ms)\n`,
  );
  printTable(
    [
      'tool',
      'p50',
      'p90',
      'p99',
      'max',
      'per s',
      'server: p50',
      'p90',
      'p99',
      'max',
      'per s',
      'most in 10 ms',
    ],
    steady.map(({tool, says, truth}) => {
      const saw = seen(truth);
      return [
        tool.name,
        ms(says.p50),
        ms(says.p90),
        ms(says.p99),
        ms(says.max),
        whole(says.perSecond),
        ms(saw.p50),
        ms(saw.p90),
        ms(saw.p99),
        ms(saw.max),
        whole(saw.perSecond),
        saw.busiest,
      ];
    }),
  );

  const stalled = [];
  for (const entry of present) stalled.push(await measure(server, entry, STALL_MS, STALL));
  console.log(
    `The same for ${STALL_MS / 1000} s, in which the server freezes twice for ${STALL.forMs / 1000} s: what each says, and what evenly arriving requests suffer (ms)\n`,
  );
  printTable(
    ['tool', 'sends', 'p50', 'p90', 'p99', 'max', 'per s', 'suffered: p50', 'p90', 'p99', 'max'],
    stalled.map(({tool, says, truth}) => {
      const truly = suffered(truth);
      return [
        tool.name,
        tool.sends,
        ms(says.p50),
        ms(says.p90),
        ms(says.p99),
        ms(says.max),
        whole(says.perSecond),
        ms(truly.p50),
        ms(truly.p90),
        ms(truly.p99),
        ms(truly.max),
      ];
    }),
  );
  for (const {tool, says} of [...steady, ...stalled]) {
    if (says.dropped > 0) console.log(`${tool.name} did not send ${says.dropped} requests.`);
  }
  for (const {tool, file} of found) if (file === null) console.log(`${tool.name} is not here: ${tool.get}.`);

  const record = await run(
    process.execPath,
    ['--expose-gc', join(here, 'record.mjs'), bundle, String(samples)],
    {
      env,
      timeoutMs: 600_000,
    },
  );
  const {n, points, recordUs} = JSON.parse(record);
  const [first, last] = [points[0], points.at(-1)];
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
  console.log(`Recording takes ${recordUs.toFixed(2)} µs a sample.\n`);

  const [said, saw] = [steady[0].says, seen(steady[0].truth)];
  goal(
    `p99 within 5 % or 0.2 ms of the server’s at ${perSecond}/s`,
    Math.abs(said.p99 - saw.p99) <= Math.max(0.05 * saw.p99, 0.2),
    apart(said.p99, saw.p99),
  );
  const [saidStalled, truly] = [stalled[0].says, suffered(stalled[0].truth)];
  goal(
    'p99 of the stall within 5 % of what is suffered',
    Math.abs(saidStalled.p99 - truly.p99) <= 0.05 * truly.p99,
    apart(saidStalled.p99, truly.p99),
  );
  goal(
    `memory constant over ${samples} samples`,
    // Up to sixty buckets of the timeline come with the time, at 15 kB.
    n === samples && last.bytes - first.bytes < 2e6,
    `${megabytes(first.bytes)} after ${first.samples}, ${megabytes(last.bytes)} after ${last.samples}`,
  );
  console.log(
    `\nthaw’s own lateness in sending: p99 ${ms(said.lateP99Ms)} ms, in the stall ${ms(saidStalled.lateP99Ms)} ms.`,
  );
  if (given.strict && goals.includes(false)) process.exitCode = 1;
} finally {
  server?.close();
  rmSync(dir, {recursive: true, force: true});
}
