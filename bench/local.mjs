// What thaw's gateway costs: the very same instance asked without anything in front of it, through a ten-line
// node:http proxy, and through the gateway, in one run and in turns.
//
// Options: --seconds N (3; of each measurement), --rounds N (5; medians are shown), --concurrency N[,N] (1,8,50),
// --dist FOLDER (another build's), --strict (exit 1 if a goal is missed). Needs wrk (`apt-get install wrk`).
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {request} from 'node:http';
import {cpus, loadavg, tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {parseArgs} from 'node:util';
import {build} from 'esbuild';
import {findProgram, run} from './load/tools.mjs';

const {values: given} = parseArgs({
  options: {
    seconds: {type: 'string', default: '3'},
    rounds: {type: 'string', default: '5'},
    concurrency: {type: 'string', default: '1,8,50'},
    dist: {type: 'string'},
    strict: {type: 'boolean', default: false},
  },
});
const seconds = Number(given.seconds);
const rounds = Number(given.rounds);
const levels = given.concurrency.split(',').map(Number);
for (const [name, value, most] of [
  ['seconds', seconds, 60],
  ['rounds', rounds, 50],
  ...levels.map((level) => ['concurrency', level, 1000]),
]) {
  if (!(Number.isInteger(value) && value >= 1 && value <= most)) {
    throw new Error(`--${name} ${given[name]} is no whole number from 1 to ${most}`);
  }
}
const wrk = findProgram('wrk');
if (wrk === null) throw new Error('wrk is not here: apt-get install wrk');

const root = fileURLToPath(new URL('..', import.meta.url));
const here = join(root, 'bench', 'local');
const dist = resolve(given.dist ?? join(root, 'dist'));
const dir = mkdtempSync(join(tmpdir(), 'thaw-local-'));
// Certificates from the environment alone cost a Node process tens of milliseconds.
const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...env} = process.env;
const started = [];

/** A program that says on its output where it listens, and ends when its input does. */
async function start(args, more = {}) {
  const child = spawn(process.execPath, args, {
    env: {...env, ...more},
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  started.push(child);
  const lines = createInterface({input: child.stdout});
  const [line] = await once(lines, 'line');
  return {pid: child.pid, ...JSON.parse(line)};
}

function ask(socketPath, method, path, body) {
  return new Promise((resolve, reject) => {
    const asked = request({socketPath, method, path}, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () =>
        answer.statusCode === 200
          ? resolve(JSON.parse(text))
          : reject(new Error(`${method} ${path}: ${text}`)),
      );
    });
    asked.on('error', reject);
    asked.end(JSON.stringify(body));
  });
}

/** A function with an empty handler behind a gateway of its own, as `thaw deploy local` would leave it. */
async function startGateway(thaw, instanceDir, name, {concurrency, maxInstances}) {
  const stateDir = join(dir, 'state');
  const paths = thaw.pathsOf(stateDir, name);
  mkdirSync(paths.versionsDir, {recursive: true});
  cpSync(instanceDir, thaw.versionDir(paths, '1'), {recursive: true});
  const args = [join(dist, 'gateway.js'), '--state', stateDir, '--function', name, '--thaw', '0.0.0'];
  const child = spawn(process.execPath, args, {env, stdio: ['ignore', 'inherit', 'inherit']});
  started.push(child);
  const body = {
    live: {version: '1', image: `sha256:${'0'.repeat(64)}`},
    settings: {
      resources: {memoryMb: 512, cpu: null, timeoutMs: 30_000, concurrency},
      scaling: {maxInstances},
      triggers: [],
      options: {engine: 'process', idleTimeoutMs: 600_000, port: null},
    },
    env: {},
  };
  for (let attempt = 0; ; attempt++) {
    try {
      const {port} = await ask(paths.socket, 'PUT', '/function', body);
      return {pid: child.pid, port};
    } catch (error) {
      if (attempt === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** CPU time that a process has taken, in microseconds; NaN where the system does not tell. */
function cpuUs(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000;
  } catch {
    return NaN;
  }
}

async function measure({port, pid}, level, seconds) {
  const script = join(here, 'post.lua');
  const url = `http://127.0.0.1:${port}/`;
  const before = cpuUs(pid);
  const args = ['-t', 1, '-c', level, '-d', `${seconds}s`, '--latency', '-s', script, url].map(String);
  const text = await run(wrk, args, {env, timeoutMs: seconds * 1000 + 30_000});
  const answer = JSON.parse(text.slice(text.lastIndexOf('\n{')));
  if (answer.failed > 0) throw new Error(`${answer.failed} of ${answer.requests} requests failed\n${text}`);
  return {...answer, cpu: (cpuUs(pid) - before) / answer.requests};
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const medianOf = (answers) =>
  Object.fromEntries(
    Object.keys(answers[0]).map((key) => [key, median(answers.map((answer) => answer[key]))]),
  );

function printTable(head, rows) {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rule = widths.map((width, column) => (column < 2 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  for (const line of [lines[0], rule, ...lines.slice(1)]) {
    const cells = line.map((cell, column) =>
      column < 2 ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log();
}

const goals = [];
function goal(text, holds, measured) {
  goals.push(holds);
  console.log(`${holds ? 'holds ' : 'MISSES'}  ${text}: ${measured}`);
}

/** Lays out `opt/thaw` with an empty handler, as an image has it. */
async function layInstance(thaw) {
  const instanceDir = join(dir, 'instance');
  const at = (...path) => join(instanceDir, 'opt', 'thaw', ...path);
  for (const folder of ['model', 'config', 'handler']) mkdirSync(at(folder), {recursive: true});
  cpSync(join(dist, 'runtime'), at('runtime'), {recursive: true});
  const ort = await thaw.hostOrt();
  cpSync(ort.dir, at('runtime', 'onnxruntime'), {recursive: true});
  cpSync(join(root, 'test', 'fixtures', 'linear.onnx'), at('model', 'linear.onnx'));
  writeFileSync(at('handler', 'handler.mjs'), 'export const predict = async () => ({});\n');
  const manifest = {schema: 'thaw.serve/1', name: 'bench', file: 'linear.onnx', session: {}};
  const rest = {model: `sha256:${'0'.repeat(64)}`, onnxruntime: ort.version, inputs: [], outputs: []};
  writeFileSync(at('config', 'serve.json'), JSON.stringify({...manifest, ...rest}));
  return instanceDir;
}

async function loadThaw() {
  const outfile = join(dir, 'thaw.mjs');
  const js = "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);";
  const options = {bundle: true, platform: 'node', format: 'esm', target: 'node20.19', banner: {js}};
  await build({...options, entryPoints: [join(here, 'thaw.ts')], outfile, logLevel: 'warning'});
  return import(pathToFileURL(outfile).href);
}

/** The three ways to one and the same kind of instance. */
async function startWays(thaw, instanceDir, concurrency) {
  const server = join(instanceDir, 'opt', 'thaw', 'runtime', 'server.cjs');
  const direct = await start([server, '--lifeline'], {PORT: '0', THAW_CONCURRENCY: String(concurrency)});
  const proxy = await start([join(here, 'proxy.mjs'), String(direct.port)]);
  const gateway = await startGateway(thaw, instanceDir, `bench-${concurrency}`, {
    concurrency,
    maxInstances: 1,
  });
  return [
    {name: 'instance', ...direct},
    {name: 'ten-line proxy', ...proxy},
    {name: 'thaw’s gateway', ...gateway},
  ];
}

const ms = (value) => value.toFixed(3);
const us = (value) => (Number.isNaN(value) ? '–' : value.toFixed(0));

try {
  const thaw = await loadThaw();
  const instanceDir = await layInstance(thaw);
  console.log(
    `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}\n`,
  );
  const levelsWithWays = [];
  for (const level of levels) {
    const ways = await startWays(thaw, instanceDir, level);
    levelsWithWays.push({level, ways: ways.map((way) => ({...way, answers: []}))});
  }
  // Lets everybody's code be compiled.
  for (const {level, ways} of levelsWithWays) for (const way of ways) await measure(way, level, 2);
  for (let round = 0; round < rounds; round++) {
    for (const {level, ways} of levelsWithWays) {
      for (let i = 0; i < ways.length; i++) {
        const way = ways[(i + round) % ways.length];
        way.answers.push(await measure(way, level, seconds));
      }
    }
  }

  const rows = [];
  for (const {level, ways} of levelsWithWays) {
    for (const way of ways) {
      const {p50, p99, perSecond, cpu} = medianOf(way.answers);
      rows.push([String(level), way.name, ms(p50), ms(p99), Math.round(perSecond), us(cpu)]);
    }
  }
  console.log(
    `Medians of ${rounds} rounds of ${seconds} s; CPU is what the process itself takes for one request\n`,
  );
  printTable(['at once', 'asked', 'p50 ms', 'p99 ms', 'per s', 'CPU µs'], rows);

  for (const {level, ways} of levelsWithWays) {
    // Round by round, so that what else the machine did falls on both alike.
    const [instance, proxy, gateway] = ways.map(({answers}) => answers.map(({p50}) => p50));
    const added = (through) => median(through.map((p50, round) => p50 - instance[round]));
    const [proxyMs, gatewayMs] = [added(proxy), added(gateway)];
    goal(
      `at ${level} at once the gateway adds at most 1.3 times to the p50 of what the ten-line proxy adds`,
      gatewayMs <= 1.3 * proxyMs,
      `${ms(gatewayMs)} ms, ${ms(proxyMs)} ms, ${(gatewayMs / proxyMs).toFixed(2)} times`,
    );
  }
  const most = Math.max(...levelsWithWays.map(({ways}) => medianOf(ways[2].answers).perSecond));
  goal('5000 requests a second through the gateway', most >= 5000, Math.round(most));
  if (given.strict && goals.includes(false)) process.exitCode = 1;
} finally {
  for (const child of started) child.kill();
  for (const child of started) {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  rmSync(dir, {recursive: true, force: true});
}
