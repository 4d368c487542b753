import {createServer, type Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import {rm} from 'node:fs/promises';
import {afterAll, beforeAll, expect, it} from 'vitest';
import {toSample} from '../../../src/benchmark/sample.ts';
import {median} from '../../../src/benchmark/statistics.ts';
import {summarize} from '../../../src/benchmark/summarize.ts';
import type {Sample} from '../../../src/core/sample.ts';
import {createHttp} from '../../../src/net/http.ts';
import type {Engine, Running} from '../../../src/providers/local/engine.ts';
import {processEngine} from '../../../src/providers/local/engine-process.ts';
import {WaitingBodies} from '../../../src/providers/local/gateway/body.ts';
import {Metrics} from '../../../src/providers/local/gateway/metrics.ts';
import {Pool} from '../../../src/providers/local/gateway/pool.ts';
import {serveRequest} from '../../../src/providers/local/gateway/proxy.ts';
import {Trace} from '../../../src/providers/local/trace.ts';
import {fixture, layInstance} from '../../instance.ts';
import {platformMs} from '../../traced.ts';

/** What the platform does before it creates an instance: placing it, pulling an image. */
const DELAY_MS = 150;

/** The process engine behind a platform that takes its time. */
const slowEngine: Engine = {
  name: 'process',
  start(launch) {
    const begun = performance.now();
    const started = new Promise<{run: Running; waitedMs: number}>((resolve) => {
      setTimeout(
        () => resolve({run: processEngine.start(launch), waitedMs: performance.now() - begun}),
        DELAY_MS,
      );
    });
    return {
      ready: started.then(async ({run, waitedMs}) => {
        const ready = await run.ready;
        const {create = 0, listen = 0} = ready.phases;
        return {...ready, phases: {create: create + waitedMs, listen}};
      }),
      exited: started.then(({run}) => run.exited),
      stop: (graceMs) => started.then(({run}) => run.stop(graceMs)),
      kill: () => void started.then(({run}) => run.kill()),
    };
  },
};

let rootDir: string;
let server: Server;
let pool: Pool;
const trace = new Trace();

beforeAll(async () => {
  rootDir = await layInstance({model: fixture('linear.onnx')});
  const recipe = {
    engine: {name: 'process'} as const,
    rootDir,
    image: `sha256:${'0'.repeat(64)}`,
    env: {},
    memoryMb: 512,
    cpu: null,
    concurrency: 1,
    emulation: null,
  } as const;
  const scaling = {
    maxInstances: 2,
    warmMin: 0,
    idleTimeoutMs: 60_000,
    startTimeoutMs: 30_000,
    queueTimeoutMs: 30_000,
  };
  const metrics = new Metrics();
  pool = new Pool(slowEngine, recipe, scaling, {trace, metrics, onLine: () => {}});
  const waiting = new WaitingBodies();
  server = createServer((request, response) => {
    void serveRequest(request, response, pool, waiting, metrics, {timeoutMs: 30_000, bytesMax: 1_000_000});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await pool.stop(1000);
  server.close();
  await rm(rootDir, {recursive: true, force: true});
});

it('the residual of a cold start is what the gateway itself recorded beside the instance', async () => {
  const http = createHttp();
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const body =
    '{"inputs": [{"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]}';
  const {signal} = new AbortController();
  const fire = async (index: number, want: 'cold' | 'warm'): Promise<Sample> => {
    const request = {
      url,
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body,
      timeoutMs: 30_000,
    };
    return toSample('local', {index, want}, await http({...request, signal, freshConnection: true}));
  };

  const samples: Sample[] = [];
  for (let i = 0; i < 5; i++) {
    await pool.endAll('the next request shall be cold');
    samples.push(await fire(i, 'cold'));
  }
  for (let i = 5; i < 15; i++) samples.push(await fire(i, 'warm'));

  const {cold, classes, warmOverheadMs} = summarize({
    provider: 'local',
    url,
    image: null,
    notes: [],
    samples,
  });
  expect(classes).toMatchObject({cold: 5, warm: 10});
  const bootIds = samples.slice(0, 5).map(({evidence}) => evidence?.bootId ?? '');
  const records = trace.find(bootIds);
  expect(records.map(({onDemand}) => onDemand)).toEqual([true, true, true, true, true]);

  const seen = median(samples.slice(0, 5).map((sample, i) => platformMs(sample, records[i]))) ?? 0;
  const residual = cold.phases['residual'] ?? 0;
  expect(seen).toBeGreaterThan(DELAY_MS - 5);
  expect(Math.abs(residual - seen)).toBeLessThan(100 + (warmOverheadMs ?? 0));
});
