// What thaw's gateway costs: the very same instance asked without anything in front of it, through a ten-line
// node:http proxy, and through the gateway, in turns.
import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {run} from '../load/tools.mjs';
import {median, medianOf, ms, printTable} from './figures.mjs';
import {layInstance, serverOf, startGateway, startProgram} from './place.mjs';

const fileOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const us = (value) => (Number.isNaN(value) ? '–' : value.toFixed(0));
export const EMPTY_HANDLER = 'export const predict = async () => ({});\n';

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

/** So many requests at once for so long, each over a kept connection as soon as the last is answered. */
export async function measure({wrk, env}, {port, pid, path = '/'}, level, seconds) {
  const url = `http://127.0.0.1:${port}${path}`;
  const before = cpuUs(pid);
  const args = ['-t', 1, '-c', level, '-d', `${seconds}s`, '--latency', '-s', fileOf('post.lua'), url];
  const text = await run(wrk, args.map(String), {env, timeoutMs: seconds * 1000 + 30_000});
  const answer = JSON.parse(text.slice(text.lastIndexOf('\n{')));
  if (answer.failed > 0) throw new Error(`${answer.failed} of ${answer.requests} requests failed\n${text}`);
  return {...answer, cpu: (cpuUs(pid) - before) / answer.requests};
}

/** The three ways to one and the same kind of instance. */
async function startWays(place, instanceDir, concurrency) {
  const settings = {PORT: '0', THAW_CONCURRENCY: String(concurrency)};
  const direct = await startProgram(place, [serverOf(instanceDir), '--lifeline'], settings);
  const proxy = await startProgram(place, [fileOf('proxy.mjs'), String(direct.port)]);
  const name = `bench-${concurrency}`;
  const gateway = await startGateway(place, instanceDir, name, {concurrency, maxInstances: 1});
  return [
    {name: 'instance', ...direct},
    {name: 'ten-line proxy', ...proxy},
    {name: 'thaw’s gateway', ...gateway},
  ];
}

export async function compareOverhead(place, {wrk, levels, rounds, seconds}, goals) {
  const tools = {wrk, env: place.env};
  const instanceDir = await layInstance(place, 'empty', EMPTY_HANDLER);
  const levelsWithWays = [];
  for (const level of levels) {
    const ways = await startWays(place, instanceDir, level);
    levelsWithWays.push({level, ways: ways.map((way) => ({...way, answers: []}))});
  }
  // Lets everybody's code be compiled.
  for (const {level, ways} of levelsWithWays) for (const way of ways) await measure(tools, way, level, 2);
  for (let round = 0; round < rounds; round++) {
    for (const {level, ways} of levelsWithWays) {
      for (let i = 0; i < ways.length; i++) {
        const way = ways[(i + round) % ways.length];
        way.answers.push(await measure(tools, way, level, seconds));
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
    goals.check(
      `at ${level} at once the gateway adds at most 1.3 times to the p50 of what the ten-line proxy adds`,
      gatewayMs <= 1.3 * proxyMs,
      `${ms(gatewayMs)} ms, ${ms(proxyMs)} ms, ${(gatewayMs / proxyMs).toFixed(2)} times`,
    );
  }
  const most = Math.max(...levelsWithWays.map(({ways}) => medianOf(ways[2].answers).perSecond));
  goals.check('5000 requests a second through the gateway', most >= 5000, Math.round(most));
}
