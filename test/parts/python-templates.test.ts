import {cp, readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest';
import {openBench, type Bench} from '../cli/thaw.ts';
import {layInstance, startServer, type RunningServer} from '../instance.ts';
import {hostOrt} from '../onnxruntime.ts';
import {layPythonInstance, startPythonServer} from '../python-instance.ts';
import {openPython} from './python.ts';
import {findTorch} from './torch-python.ts';

const PATIENCE = {timeout: 600_000};
const template = (path: string): string => fileURLToPath(new URL(`../../templates/${path}`, import.meta.url));
const textOf = (path: string): Promise<string> => readFile(template(path), 'utf8');
const torch = await findTorch();

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

/** Keeps a server that was started until the test ends. */
async function kept(dir: string, starting: Promise<RunningServer>): Promise<RunningServer> {
  stops.push(() => rm(dir, {recursive: true, force: true}));
  const server = await starting;
  stops.push(() => server.stop());
  return server;
}

interface Prediction {
  readonly prediction: number;
  readonly risk: string;
}

async function ask({url}: RunningServer, body: unknown): Promise<{status: number; json: unknown}> {
  const answer = await fetch(url, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {'content-type': 'application/json'},
  });
  return {status: answer.status, json: await answer.json()};
}

async function predict(server: RunningServer, body: unknown): Promise<Prediction> {
  const {status, json} = await ask(server, body);
  expect(status, JSON.stringify(json)).toBe(200);
  return json as Prediction;
}

describe('the templates python-onnx and tabular', () => {
  const startPython = async (): Promise<RunningServer> => {
    const model = template('python-onnx/model/model.onnx');
    const dir = await layPythonInstance({model, handler: await textOf('python-onnx/app.py')});
    const {file} = await openPython();
    return kept(dir, startPythonServer(file, dir));
  };
  const startNode = async (): Promise<RunningServer> => {
    const model = template('tabular/model/model.onnx');
    const dir = await layInstance({model, handler: await textOf('tabular/handler.mjs')});
    return kept(dir, startServer(dir));
  };

  test('answer the same requests alike, to a millionth', PATIENCE, async () => {
    const [python, node] = [await startPython(), await startNode()];
    const rows = (await textOf('tabular/model/calibration.jsonl')).trimEnd().split('\n').slice(0, 40);
    for (const line of [await textOf('tabular/samples/request.json'), ...rows]) {
      const request = JSON.parse(line) as object;
      const [one, other] = [await predict(python, request), await predict(node, request)];
      expect(Math.abs(one.prediction - other.prediction), line).toBeLessThanOrEqual(1e-6);
      expect(one.risk).toBe(other.risk);
    }
  });

  test('refuse the same requests alike', PATIENCE, async () => {
    const [python, node] = [await startPython(), await startNode()];
    for (const request of [{}, {features: [1, 2]}, {features: ['a']}, [], null, 3]) {
      const [one, other] = [await ask(python, request), await ask(node, request)];
      expect({status: one.status, request}).toEqual({status: 422, request});
      expect(one).toEqual(other);
    }
  });

  test('answer for many rows as for each of them', PATIENCE, async () => {
    const python = await startPython();
    const rows = (await textOf('tabular/model/calibration.jsonl')).trimEnd().split('\n').slice(0, 5);
    const features = rows.map((line) => (JSON.parse(line) as {features: number[]}).features);
    const many = (await ask(python, {rows: features})).json as {predictions: number[]; risks: string[]};
    for (const [at, row] of features.entries()) {
      const {prediction, risk} = await predict(python, {features: row});
      expect(many.predictions[at]).toBeCloseTo(prediction, 6);
      expect(many.risks[at]).toBe(risk);
    }
  });
});

describe.skipIf(torch === null)(
  `the template python-torch${torch === null ? ' (no torch here)' : ''}`,
  () => {
    let bench: Bench;
    beforeAll(async () => {
      await hostOrt();
      bench = await openBench();
      expect((await bench.thaw(['init', 'credit', '--template', 'python-torch'])).code).toBe(0);
    }, PATIENCE.timeout);
    afterAll(() => bench?.leave());

    test('converts by the command in its README, and its twin answers alike', PATIENCE, async () => {
      const project = join(bench.dir, 'credit');
      const readme = await readFile(join(project, 'README.md'), 'utf8');
      const [, command = ''] = /^thaw (convert .*)$/m.exec(readme) ?? [];
      const env = {THAW_PYTHON: torch!.python};
      const converted = await bench.thaw([...command.split(' '), '--yes'], {cwd: 'credit', env});
      expect(converted, converted.stderr).toMatchObject({code: 0});

      const filesOf = async (...names: string[]): Promise<{[name: string]: string}> =>
        Object.fromEntries(
          await Promise.all(
            names.map(async (name) => [name, await readFile(join(project, name), 'utf8')] as const),
          ),
        );
      const choice = {file: 'app.py', name: 'lambda_handler'};
      const torchDir = await layPythonInstance({handler: await filesOf('app.py', 'net.py'), choice});
      const weights = join('model', 'model.pt');
      await cp(join(project, weights), join(torchDir, 'opt', 'thaw', 'handler', weights));
      const original = await kept(torchDir, startPythonServer(torch!.python, torchDir));
      const twinDir = await layPythonInstance({
        model: join(project, 'converted', 'model', 'model.onnx'),
        handler: (await filesOf('converted/app.py'))['converted/app.py']!,
      });
      const twin = await kept(twinDir, startPythonServer((await openPython()).file, twinDir));

      const metrics = JSON.parse((await filesOf('training/metrics.json'))['training/metrics.json']!) as {
        sample: {prediction: number};
      };
      const sample = JSON.parse((await filesOf('samples/request.json'))['samples/request.json']!) as object;
      expect((await predict(original, sample)).prediction).toBeCloseTo(metrics.sample.prediction, 5);
      const rows = (await textOf('tabular/model/calibration.jsonl')).trimEnd().split('\n').slice(0, 40);
      for (const request of [sample, ...rows.map((line) => JSON.parse(line) as object)]) {
        const [one, other] = [await predict(original, request), await predict(twin, request)];
        expect(Math.abs(one.prediction - other.prediction)).toBeLessThanOrEqual(1e-6);
        expect(one.risk).toBe(other.risk);
      }
      expect((await ask(original, {features: [1]})).status).toBe(422);
      expect((await ask(twin, {features: [1]})).status).toBe(422);
    });
  },
);
