// Lambda on this machine: `--emulate lambda` on the process engine beside AWS's Runtime Interface Emulator, both with
// the very same files of an instance as a process on this machine's Node. Both are asked for the same invocation.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync} from 'node:fs';
import {connect} from 'node:net';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {findProgram, run} from '../load/tools.mjs';
import {median, medianOf, ms, printTable} from './figures.mjs';
import {EMPTY_HANDLER, measure} from './overhead.mjs';
import {askGateway, freePort, layInstance, post, serverOf, startGateway} from './place.mjs';

const RIE = 'aws-lambda-rie';
const MODULE = `github.com/aws/aws-lambda-runtime-interface-emulator/cmd/${RIE}@latest`;
const INVOCATIONS = '/2015-03-31/functions/function/invocations';
const BUILD_MS = 300_000;

/** AWS's emulator: the one that is named, or is installed, or is built now with Go. */
async function findRie({dir, env}, named) {
  const installed = named ?? findProgram(RIE);
  if (installed !== null) return {file: installed, why: ''};
  const go = findProgram('go');
  if (go === null) return {file: null, why: 'Go, to build it, is not here'};
  const folder = join(dir, 'go');
  mkdirSync(folder);
  const places = {GOPATH: folder, GOBIN: join(folder, 'bin'), GOFLAGS: '-modcacherw'};
  try {
    await run(go, ['install', MODULE], {env: {...env, ...places}, timeoutMs: BUILD_MS});
    return {file: join(folder, 'bin', RIE), why: ''};
  } catch (error) {
    const said = error.message
      .trim()
      .split('\n')
      .slice(-2)
      .map((line) => line.trim())
      .join('; ');
    return {file: null, why: `it cannot be built here: ${said}`};
  }
}

/** An emulator of AWS's with nothing started in it yet. */
async function startRie({started, env}, file, instanceDir) {
  const [port, apiPort] = [await freePort(), await freePort()];
  const ports = ['--runtime-interface-emulator-address', `127.0.0.1:${port}`];
  const api = ['--runtime-api-address', `127.0.0.1:${apiPort}`];
  const args = [...ports, ...api, '--log-level', 'error', process.execPath, serverOf(instanceDir)];
  // In a group of its own, so that what it starts ends with it.
  const child = spawn(file, args, {env, cwd: instanceDir, stdio: 'ignore', detached: true});
  child.kill = () => child.exitCode === null && child.signalCode === null && killGroup(child.pid);
  const exited = once(child, 'exit');
  started.push(child);
  for (let tries = 0; !(await answers(port)); tries++) {
    if (tries === 200 || child.exitCode !== null) throw new Error(`${file} does not listen`);
    await sleep(10);
  }
  const end = async () => {
    child.kill();
    await exited;
  };
  return {port, path: INVOCATIONS, pid: child.pid, end};
}

const killGroup = (pid) => process.kill(-pid, 'SIGKILL');

function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

async function invoke(target) {
  const answer = await post(target, '{}');
  if (answer.status !== 200 || answer.text !== '{}') throw new Error(`${answer.status}: ${answer.text}`);
  return answer.totalMs;
}

export async function compareLambda(place, {wrk, cold, rounds, seconds, rie: named}) {
  const tools = {wrk, env: place.env};
  const instanceDir = await layInstance(place, 'lambda', EMPTY_HANDLER);
  const settings = {concurrency: 1, maxInstances: 1, emulate: 'lambda'};
  const gateway = {...(await startGateway(place, instanceDir, 'function', settings)), path: INVOCATIONS};
  const thaw = {
    name: 'thaw, --emulate lambda',
    firsts: [],
    warm: [],
    async first() {
      await askGateway(gateway.socket, 'DELETE', '/function/instances');
      return invoke(gateway);
    },
    open: async () => ({...gateway, end: async () => {}}),
  };
  const {file, why} = await findRie(place, named);
  const rie = {
    name: 'AWS’s emulator (RIE)',
    firsts: [],
    warm: [],
    async first() {
      const emulator = await startRie(place, file, instanceDir);
      const totalMs = await invoke(emulator);
      await emulator.end();
      return totalMs;
    },
    open: () => startRie(place, file, instanceDir),
  };
  const ways = file === null ? [thaw] : [thaw, rie];
  for (const way of ways) await way.first();
  for (let round = 0; round < cold; round++) {
    for (let i = 0; i < ways.length; i++) {
      const way = ways[(i + round) % ways.length];
      way.firsts.push(await way.first());
    }
  }
  const opened = [];
  for (const way of ways) opened.push({way, target: await way.open()});
  for (const {target} of opened) await invoke(target);
  for (const {target} of opened) await measure(tools, target, 1, 2);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < opened.length; i++) {
      const {way, target} = opened[(i + round) % opened.length];
      way.warm.push(await measure(tools, target, 1, seconds));
    }
  }
  for (const {target} of opened) await target.end();

  console.log(
    `Lambda on this machine, an empty handler, one at a time; first invocations: medians of ${cold}\n`,
  );
  const figures = ways.map((way) => ({first: median(way.firsts), ...medianOf(way.warm)}));
  const rows = ways.map((way, i) => {
    const {first, p50, p99, perSecond} = figures[i];
    return [way.name, ms(first, 1), ms(p50), ms(p99), Math.round(perSecond)];
  });
  if (file === null) rows.push([rie.name, '–', '–', '–', '–']);
  else {
    const [own, other] = figures;
    const times = (member) => (own[member] / other[member]).toFixed(2);
    rows.push(['thaw / RIE', ...['first', 'p50', 'p99', 'perSecond'].map(times)]);
  }
  printTable(['invoked', 'first ms', 'p50 ms', 'p99 ms', 'per s'], rows, {texts: 1});
  if (file === null) console.log(`not compared with ${rie.name}: ${why}\n`);
}
