// A cold start in a container beside what the engine alone takes to start one: an empty container, and one of the
// very image in which Node says a line, are run with the very arguments that thaw gives. In turns.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs';
import {freemem} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {findProgram, run} from '../load/tools.mjs';
import {BURST_HEAD, askAtOnce, burstRow, checkBurst} from './burst.mjs';
import {median, ms, printTable} from './figures.mjs';
import {askCold, freePort} from './place.mjs';

const NAME = 'bench-containers';
/** What an instance may take until its first byte beyond what the engine takes to start an empty container. */
const BEYOND_ENGINE_MS = 110;
const MEMORY_MB = 256;

/** Says a line as soon as it runs, and ends when its input does. */
const EMPTY_PROGRAM = `#include <unistd.h>
int main(void) {
  char c;
  if (write(1, "up\\n", 3) != 3) return 1;
  while (read(0, &c, 1) > 0);
  return 0;
}
`;
const NODE_PROGRAM = "console.log('up'); process.stdin.on('end', () => process.exit()).resume();";

/** A handler that holds its request if it is told to, before it does what the template does. */
const HANDLER = `import {predict as predictAtOnce} from './template.mjs';
export async function predict({untilMs, ...input}, {model}) {
  if (untilMs === undefined) return predictAtOnce(input, {model});
  const gotMs = Date.now();
  while (Date.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 20));
  return {gotMs};
}
`;

/** @returns why there can be no containers here, or null */
export function whyNoContainers({thaw}) {
  const missing = thaw.findMissingForDocker();
  if (missing.length > 0)
    return `no container engine answers here, and to start one this is missing: ${missing.join(', ')}`;
  if (findProgram('cc') === null) return 'cc, which makes the empty container, is not here';
  return null;
}

export async function compareContainers(place, {cold, burst}, goals) {
  const engine = await place.thaw.openDocker();
  const env = {...place.env, ...engine.env};
  const cli = (project, ...args) => {
    const own = {THAW_STATE_DIR: place.stateDir, THAW_BASE: 'host'};
    const bin = join(place.dist, '..', 'bin', 'run.js');
    const options = {cwd: project, env: {...env, ...own, CI: '1'}, encoding: 'utf8'};
    const {status, stdout, stderr} = spawnSync(process.execPath, [bin, ...args], options);
    if (status !== 0) throw new Error(`thaw ${args.join(' ')} ended with ${status}:\n${stderr}${stdout}`);
    return stdout;
  };
  const project = join(place.dir, NAME);
  let deployed = false;
  const images = [];
  try {
    const empty = await importEmptyImage(place, engine);
    images.push(empty);
    makeProject(cli, place.dir, project, burst);
    cli(project, 'package');
    deployed = true;
    const url = cli(project, 'deploy', 'local', '--yes').trim().split('\t')[1];
    const {socket} = place.thaw.pathsOf(place.stateDir, NAME);
    const target = {port: Number(new URL(url).port), socket};
    const listed = ['images', '--format', '{{.Repository}}:{{.Tag}}', `thaw-local/${NAME}`];
    const image = await engine.docker(...listed);

    const body = readFileSync(join(project, 'samples', 'request.json'), 'utf8');
    const bare = (image, entrypoint, args) =>
      runBare(place.thaw, {env, dir: place.dir, image, entrypoint, args});
    const ways = [
      {name: 'the engine: an empty container', start: () => bare(empty, null, [])},
      {
        name: 'Node alone, in thaw’s image',
        start: () => bare(image, '/opt/thaw/bin/node', ['-e', NODE_PROGRAM]),
      },
      {name: 'thaw: request to first byte', start: () => askCold(target, body)},
    ].map((way) => ({...way, starts: []}));
    // The first of each reads its files for the first time.
    for (const way of ways) await way.start();
    for (let round = 0; round < cold; round++) {
      for (let i = 0; i < ways.length; i++) {
        const way = ways[(i + round) % ways.length];
        way.starts.push(await way.start());
      }
    }
    showStarts(ways, cold, goals);
    const atOnce = Math.min(burst, Math.floor(freemem() / (MEMORY_MB << 20)));
    if (atOnce > 0) {
      const answer = await askAtOnce(target, atOnce, 20_000 + atOnce * 800);
      printTable(BURST_HEAD, [burstRow('the Docker engine', answer)], {texts: 1});
      checkBurst('the Docker engine', answer, goals);
    }
  } finally {
    if (deployed) cli(project, 'destroy', 'local', '--yes');
    for (const image of images) await engine.docker('rmi', '--force', image).catch(() => undefined);
    await engine.stop();
  }
}

function makeProject(cli, dir, project, burst) {
  cli(dir, 'init', NAME, '--template', 'tabular', '--yes');
  renameSync(join(project, 'handler.mjs'), join(project, 'template.mjs'));
  writeFileSync(join(project, 'handler.mjs'), HANDLER);
  const file = join(project, 'thaw.yaml');
  const text = readFileSync(file, 'utf8')
    .replace('engine: auto', 'engine: docker')
    .replace('memory: 512Mi', `memory: ${MEMORY_MB}Mi`)
    .replace('timeout: 30s', 'timeout: 5m')
    .replace('max: 10', `max: ${Math.max(10, burst)}`);
  writeFileSync(file, text);
}

/** An image that holds nothing but one static program. */
async function importEmptyImage({dir, env}, engine) {
  const folder = join(dir, 'empty-image');
  mkdirSync(folder);
  writeFileSync(join(folder, 'up.c'), EMPTY_PROGRAM);
  const limits = {env, timeoutMs: 60_000};
  await run(findProgram('cc'), ['-static', '-O2', '-o', join(folder, 'up'), join(folder, 'up.c')], limits);
  await run('tar', ['-C', folder, '-cf', join(folder, 'up.tar'), 'up'], limits);
  const name = 'thaw-bench-empty:1';
  const change = ['--change', 'ENTRYPOINT ["/up"]', '--change', 'USER 65532'];
  await engine.docker('import', ...change, join(folder, 'up.tar'), name);
  return name;
}

let bareRuns = 0;

/** @returns `totalMs` from before the command line is started to the container's first line, `endMs` to its end */
async function runBare(thaw, {env, dir, image, entrypoint, args}) {
  const id = `bare-${++bareRuns}`;
  const launch = {id, image: 'none', env: {}, memoryMb: MEMORY_MB, cpu: null, concurrency: 1};
  const names = {function: NAME, gatewayKey: 'bench', name: `thaw-${id}-${process.pid}`};
  const surroundings = {...names, command: 'docker', image, hostPort: await freePort(), commandEnv: env};
  const planned = thaw.planRun(launch, surroundings, '');
  const at = planned.args.indexOf(image);
  const own = entrypoint === null ? [image] : ['--entrypoint', entrypoint, image];
  const startMs = performance.now();
  const child = spawn('docker', [...planned.args.slice(0, at), ...own, ...args], {
    cwd: dir,
    env: planned.env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [line] = await Promise.race([once(createInterface({input: child.stdout}), 'line'), ended]);
  const totalMs = performance.now() - startMs;
  child.stdin.end();
  await ended;
  if (line !== 'up') throw new Error(`a container of ${image} ended with ${line}`);
  return {totalMs, endMs: performance.now() - startMs};
}

function showStarts(ways, rounds, goals) {
  const totals = ways.map(({starts}) => starts.map(({totalMs}) => totalMs));
  const [engine, , thaw] = totals;
  console.log(`Cold starts in containers, medians of ${rounds} in turns; every one of thaw’s is proved\n`);
  const rows = ways.map(({name}, way) => {
    const beyond = median(totals[way].map((totalMs, round) => totalMs - engine[round]));
    const times = median(totals[way]) / median(engine);
    const range = [Math.min(...totals[way]), Math.max(...totals[way])].map((total) => ms(total, 0));
    const apart = way === 0 ? ['', ''] : [`+${ms(beyond, 1)}`, times.toFixed(2)];
    return [name, ms(median(totals[way]), 1), range.join(' – '), ...apart];
  });
  const ends = median(ways[0].starts.map(({endMs}) => endMs));
  rows.push(['the engine: the same until it is removed', ms(ends, 1), '', '', '']);
  printTable(['start', 'ms', 'range', 'beyond the engine', 'times'], rows, {texts: 1});

  const phases = ways[2].starts.map(({totalMs, phases}) => {
    const {queue, create, listen, infer, ...within} = phases;
    // Boot, import and load lie within listen. The rest is the request's own way there and back.
    return {queue, create, listen, ...within, infer, rest: totalMs - queue - create - listen - infer};
  });
  const names = Object.keys(phases[0]);
  printTable(
    ['thaw’s phases, ms', ...names],
    [['median', ...names.map((name) => ms(median(phases.map((phase) => phase[name] ?? NaN)), 1))]],
    {texts: 1},
  );
  const beyond = median(thaw.map((totalMs, round) => totalMs - engine[round]));
  goals.check(
    `a tiny model’s first byte comes within ${BEYOND_ENGINE_MS} ms of what the engine takes to start an empty container`,
    beyond <= BEYOND_ENGINE_MS,
    `+${ms(beyond, 1)} ms`,
  );
}
