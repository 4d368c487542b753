import {copyFile, mkdir, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {ServeManifest as CoreServeManifest} from '../../../src/core/model.ts';
import type {ServeManifest} from '../../../src/runtime/node/serve-manifest.ts';
import {ServerFailed, startServer, type RunningServer} from '../../instance.ts';
import {eventually, logOf, openServerBench, post, type ServerUnderTest} from '../../runtime/server-bench.ts';
import {testServer} from '../../runtime/server-suite.ts';
import {nodeRuntime} from './node-runtime.ts';

/** The runtime has its own copy of this type, as it imports nothing from the rest: this holds the two together. */
const sameManifest = (manifest: CoreServeManifest): ServeManifest => manifest;
void sameManifest;

const runtime: ServerUnderTest = {
  ...nodeRuntime,
  start: (dir, env, args, started) => startServer(dir, env, args, undefined, started),
  // The interpreter of an image runs nowhere else.
  async startAlone(dir, temporaryDir) {
    const node = join(dir, 'opt', 'thaw', 'bin', 'node');
    await mkdir(join(node, '..'), {recursive: true});
    await copyFile(process.execPath, node);
    return startServer(dir, {TMPDIR: temporaryDir, THAW_HOST: '127.0.0.1'}, [], node);
  },
};
const {serve, close: stopAll} = openServerBench(runtime);

const HANDLER = `
let failLater = [];
export async function predict(input, {model, context}) {
  switch (input.do) {
    case 'score': return {prediction: (await model.run({features: [input.features]})).score.data[0]};
    case 'context': return {...context, inputs: model.inputs, outputs: model.outputs};
    case 'typed': return {all: (await model.run({features: new Float32Array(8)})).score, big: 2n ** 60n};
    case 'throw': throw new Error('secret detail');
    case 'throw nothing': throw null;
    case 'reject': return Promise.reject(new Error('secret detail'));
    case 'nothing': return undefined;
    case 'circle': { const circle = {}; circle.self = circle; return circle; }
    case 'talk': console.log('plain words'); console.error('error words'); return null;
    case 'forget': void Promise.reject(new Error('forgotten promise')); return 'fine';
    case 'explode': setTimeout(() => { throw new Error('too late'); }, 10); return 'fine';
    case 'exit': process.exit(input.code);
    case 'sleep': await new Promise((resolve) => setTimeout(resolve, input.ms)); return 'slept';
    case 'block': for (const end = Date.now() + input.ms; Date.now() < end; ); return 'blocked';
    case 'meet': return meet(input.of);
  }
}
let waiting = [];
function meet(of) {
  return new Promise((resolve) => {
    waiting.push(resolve);
    if (waiting.length === of) for (const [place, go] of waiting.splice(0).entries()) go({place});
  });
}
`;

const PRINTING = `export async function predict({lines}) {
  for (const stream of [process.stdout, process.stderr]) {
    for (let line = 0; line < lines; line += 1) stream.write('x'.repeat(65535) + '\\n');
  }
  return {kept: process.stdout.writableLength + process.stderr.writableLength};
}`;

testServer(runtime, {
  obeying: HANDLER,
  failing: ['throw', 'throw nothing', 'reject', 'nothing', 'circle'],
  frame: 'handler.mjs',
  waiting: (file) => `
    import {existsSync} from 'node:fs';
    while (!existsSync(${JSON.stringify(file)})) await new Promise((resolve) => setTimeout(resolve, 10));
    ${HANDLER}`,
  neverLoaded: 'await new Promise((r) => setTimeout(r, 60000));',
  broken: [
    ['exports no predict', 'export const predict = 1, other = 2;', 'it exports other, predict'],
    ['throws on import', 'throw new Error("no such luck");', 'no such luck'],
    [
      'throws while it loads',
      'setTimeout(() => { throw new Error("no such luck"); }); await new Promise((r) => setTimeout(r, 5000));',
      'no such luck',
    ],
    ['does not parse', 'export {', 'imported'],
    ['ends the process', 'process.exit(3)', 'code 3'],
  ],
  printing: PRINTING,
  interleaves: true,
});

describe.each([1, 4])('a server with a handler in JavaScript, at concurrency %i', (concurrency) => {
  const env = {THAW_CONCURRENCY: String(concurrency)};
  let server: RunningServer;
  beforeAll(async () => {
    server = await serve({handler: HANDLER, env});
  });
  afterAll(stopAll);

  it('renders typed arrays and large integers that predict returns', async () => {
    expect((await post(server, {do: 'typed'})).body).toEqual({
      all: {type: 'FP32', shape: [2, 1], data: [0.5, 0.5]},
      big: '1152921504606846976',
    });
  });
  it('survives a promise that the handler forgot', async () => {
    expect((await post(server, {do: 'forget'})).body).toBe('fine');
    await eventually(() => logOf(server, 'forgotten promise'));
    expect((await post(server, {do: 'score', features: [1, 1, 1, 1]})).status).toBe(200);
  });

  it('ends with a word in its log when the handler throws outside of any request', async () => {
    const own = await serve({handler: HANDLER, env});
    // The answer may be on its way when the end comes, or not.
    await post(own, {do: 'explode'}).catch(() => undefined);
    expect((await own.ended).code).toBe(1);
    expect(own.stdout.join('\n')).toContain('too late');
  });

  it('ends with a word in its log when the handler ends the process', async () => {
    const own = await serve({handler: HANDLER, env});
    const answer = await post(own, {do: 'exit', code: 7}).catch(() => null);
    // In the server's own thread nothing is left that could answer.
    if (concurrency > 1) {
      expect(answer).toMatchObject({status: 500, body: {error: {code: 'INSTANCE_FAILED'}}});
    }
    expect((await own.ended).code).toBe(concurrency > 1 ? 1 : 7);
    expect(logOf(own, 'ended')).toMatchObject({level: 'error', message: expect.stringContaining('code 7')});
  });
});

it('keeps nothing of what the handler prints', async () => {
  const server = await serve({handler: PRINTING});
  expect((await post(server, {lines: 100})).body).toEqual({kept: 0});
  await stopAll();
});

it.each(['1', '4'])(
  'says so in one line when ONNX Runtime is missing, at concurrency %s',
  async (THAW_CONCURRENCY) => {
    const dir = await runtime.lay(null);
    try {
      await rm(join(dir, 'opt', 'thaw', 'runtime', 'onnxruntime'), {recursive: true});
      const failed = await runtime.start(dir, {THAW_CONCURRENCY}).catch((error: unknown) => error);
      expect(failed).toBeInstanceOf(ServerFailed);
      expect(failed).toMatchObject({
        exitCode: 1,
        line: {
          event: 'failed',
          code: 'RUNTIME_UNAVAILABLE',
          message: expect.stringContaining('onnxruntime_binding.node'),
        },
      });
    } finally {
      await rm(dir, {recursive: true, force: true});
    }
  },
);
