// What thaw costs on this machine, each beside something else in one run and in turns: its gateway beside a ten-line
// proxy and beside nothing, Lambda emulated by it and by AWS's own emulator, a cold start in a container beside an
// empty container; and many cold starts at once.
//
// Options: --only PART[,PART] (overhead,lambda,burst,containers), --seconds N (3; of each measurement), --rounds N (5;
// medians are shown), --concurrency N[,N] (1,8,50), --cold N (15; starts of each kind), --burst N (50), --container-burst
// N (50; 0 for none), --rie FILE (AWS's emulator; else it is looked for, then built with Go), --dist FOLDER (another
// build's), --strict (exit 1 if a goal is missed). Needs wrk (`apt-get install wrk`); containers need an engine, or
// root and dockerd to start one with, and cc.
import {cpus, loadavg} from 'node:os';
import {join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {findProgram} from './load/tools.mjs';
import {BURST_HEAD, burstProcesses, burstRow, checkBurst} from './local/burst.mjs';
import {compareContainers, whyNoContainers} from './local/containers.mjs';
import {Goals, printTable} from './local/figures.mjs';
import {compareLambda} from './local/lambda.mjs';
import {compareOverhead} from './local/overhead.mjs';
import {closePlace, openPlace} from './local/place.mjs';

const PARTS = ['overhead', 'lambda', 'burst', 'containers'];

const {values: given} = parseArgs({
  options: {
    only: {type: 'string', default: PARTS.join(',')},
    seconds: {type: 'string', default: '3'},
    rounds: {type: 'string', default: '5'},
    concurrency: {type: 'string', default: '1,8,50'},
    cold: {type: 'string', default: '15'},
    burst: {type: 'string', default: '50'},
    'container-burst': {type: 'string', default: '50'},
    rie: {type: 'string'},
    dist: {type: 'string'},
    strict: {type: 'boolean', default: false},
  },
});

function wholeNumber(name, text, least, most) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} ${given[name]} is no whole number from ${least} to ${most}`);
}

const parts = given.only.split(',');
const strange = parts.find((part) => !PARTS.includes(part));
if (strange !== undefined) throw new Error(`--only ${strange} is none of ${PARTS.join(', ')}`);
const seconds = wholeNumber('seconds', given.seconds, 1, 60);
const rounds = wholeNumber('rounds', given.rounds, 1, 50);
const levels = given.concurrency.split(',').map((level) => wholeNumber('concurrency', level, 1, 1000));
const cold = wholeNumber('cold', given.cold, 1, 200);
const burst = wholeNumber('burst', given.burst, 1, 200);
const containerBurst = wholeNumber('container-burst', given['container-burst'], 0, 100);
const wrk = findProgram('wrk');
if (wrk === null) throw new Error('wrk is not here: apt-get install wrk');

const load = () => loadavg()[0]?.toFixed(1);
const dist = resolve(given.dist ?? join(fileURLToPath(new URL('..', import.meta.url)), 'dist'));
const goals = new Goals();
const place = await openPlace(dist);
try {
  const machine = `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`;
  console.log(`${machine}, Node ${process.version}, load ${load()}\n`);
  if (parts.includes('overhead')) await compareOverhead(place, {wrk, levels, rounds, seconds}, goals);
  if (parts.includes('lambda')) {
    await compareLambda(place, {wrk, cold, rounds, seconds, rie: given.rie ?? null});
  }
  if (parts.includes('burst')) {
    const answer = await burstProcesses(place, {count: burst});
    console.log(
      'Cold starts at once, each request with an instance of its own; ms until the handler had it\n',
    );
    printTable(BURST_HEAD, [burstRow('the process engine', answer)], {texts: 1});
    checkBurst('the process engine', answer, goals);
  }
  if (parts.includes('containers')) {
    const why = whyNoContainers(place);
    if (why === null) await compareContainers(place, {cold, burst: containerBurst}, goals);
    else console.log(`containers are not measured: ${why}\n`);
  }
  console.log(`load at the end ${load()}`);
  if (given.strict && goals.missed) process.exitCode = 1;
} finally {
  await closePlace(place);
}
