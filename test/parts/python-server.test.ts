import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {identityModel} from '../identity-model.ts';
import {fixture, layInstance, startServer, type RunningServer} from '../instance.ts';
import {layPythonInstance, pythonRuntime, startPythonServer} from '../python-instance.ts';
import {post, type ServerUnderTest} from '../runtime/server-bench.ts';
import {testServer} from '../runtime/server-suite.ts';
import {openPython} from './python.ts';

const runtime: ServerUnderTest = {
  lay: (handler) => pythonRuntime.lay(handler),
  start: async (dir, env, args, started) =>
    startPythonServer((await openPython()).file, dir, env, args, started),
  async startAlone(dir, temporaryDir) {
    const env = {TMPDIR: temporaryDir, THAW_HOST: '127.0.0.1', THAW_OWNS_SANDBOX: '1'};
    return startPythonServer((await openPython()).file, dir, env);
  },
};

const HANDLER = `
import sys, threading, time

waiting = []
gate = threading.Condition()

def info(tensor):
    return {'name': tensor.name, 'type': tensor.type, 'shape': tensor.shape}

def predict(input, context):
    do, model = input['do'], context.model
    if do == 'score':
        return {'prediction': model.run({'features': [input['features']]})['score'].item()}
    if do == 'context':
        return {'requestId': context.request_id, 'deadlineMs': context.deadline_ms, 'function': context.function,
                'headers': context.headers, 'source': context.source, 'event': context.event,
                'inputs': [info(tensor) for tensor in model.inputs],
                'outputs': [info(tensor) for tensor in model.outputs]}
    if do == 'throw':
        raise ValueError('secret detail')
    if do == 'exit':
        sys.exit('secret detail')
    if do == 'circle':
        circle = {}
        circle['self'] = circle
        return circle
    if do == 'bytes':
        return {'a': b'secret'}
    if do == 'object':
        return {'a': object()}
    if do == 'talk':
        print('plain words')
        print('error words', file=sys.stderr)
        return None
    if do == 'sleep':
        time.sleep(input['ms'] / 1000)
        return 'slept'
    if do == 'block':
        end = time.monotonic() + input['ms'] / 1000
        while time.monotonic() < end:
            pass
        return 'blocked'
    if do == 'meet':
        return meet(input['of'], context)

def meet(of, context):
    with gate:
        waiting.append(int(context.request_id.rpartition('-')[2]))
        gate.notify_all()
        gate.wait_for(lambda: len(waiting) >= of)
        return {'place': sorted(waiting).index(int(context.request_id.rpartition('-')[2]))}
`;

testServer(runtime, {
  obeying: HANDLER,
  failing: ['throw', 'exit', 'circle', 'bytes', 'object'],
  frame: 'app.py',
  waiting: (file) => `
import os, time
while not os.path.exists(${JSON.stringify(file)}):
    time.sleep(0.01)
${HANDLER}`,
  neverLoaded: 'import time\ntime.sleep(60)',
  broken: [
    ['defines nothing to call', 'other = 2\npredict = 1', 'app.py defines other, predict'],
    ['throws on import', 'raise ValueError("no such luck")', 'ValueError: no such luck (app.py, line 1)'],
    ['needs what is not there', 'import json\n\nimport not_there', '(app.py, line 3)'],
    ['does not parse', 'def predict(input):\n    return (', 'app.py, line 2'],
    ['ends the process', 'import sys\nsys.exit(3)', 'code 3'],
    [
      'throws in its setup',
      'class A:\n  def setup(self): 1 / 0\n  def predict(self, x): pass',
      'ZeroDivisionError',
    ],
  ],
  printing: `
import sys

def predict(input):
    for stream in (sys.stdout, sys.stderr):
        for _ in range(input['lines']):
            stream.write('x' * 65535 + '\\n')`,
  interleaves: false,
});

describe('the same answers as from the runtime for JavaScript', () => {
  const servers: RunningServer[] = [];
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'thaw-same-'));
  });
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()));
    await rm(dir, {recursive: true, force: true});
  });

  /** The answers of both to some requests, but for what is a parser's own wording. */
  async function answersOf(model: string, requests: readonly unknown[]): Promise<unknown[][]> {
    const {file} = await openPython();
    const pair = [
      await startServer(await layInstance({model})),
      await startPythonServer(file, await layPythonInstance({model})),
    ];
    servers.push(...pair);
    return Promise.all(
      pair.map(async (server) => {
        const answers: unknown[] = [await (await fetch(`${server.url}/v2/models/demo`)).json()];
        for (const request of requests) {
          const {status, body} = await post(server, request);
          answers.push({status, body: body.error?.code === 'BAD_JSON' ? body.error.code : body});
        }
        return answers;
      }),
    );
  }

  const tensor = (datatype: string, data: unknown, shape: unknown = [1, 2]): object => ({
    inputs: [{name: 'x', shape, datatype, data}],
  });

  it.each<[string, number, unknown[]]>([
    ['FP32', 1, [[0.1, -1e9], [1e39, 3], [true, 1], [null, 1], ['1', 1], [[1, 2]], [[1], [2]], [1]]],
    [
      'UINT8',
      2,
      [
        [0, 255],
        [1.0, 256],
        [1.5, 0],
        [-1, 0],
        [true, 0],
      ],
    ],
    [
      'INT8',
      3,
      [
        [-128, 127],
        [128, 0],
      ],
    ],
    [
      'UINT16',
      4,
      [
        [0, 65_535],
        [65_536, 0],
      ],
    ],
    [
      'INT16',
      5,
      [
        [-32_768, 1],
        [0.5, 0],
      ],
    ],
    [
      'INT32',
      6,
      [
        [-2_147_483_648, 1],
        [2_147_483_648, 0],
        ['1', 0],
      ],
    ],
    [
      'INT64',
      7,
      [
        [-5, '9223372036854775807'],
        ['-9223372036854775808', 9_007_199_254_740_991],
        ['9223372036854775808', 0],
        [9_007_199_254_740_992, 0],
        [1.5, 0],
        ['x', 0],
        ['', 0],
      ],
    ],
    [
      'BYTES',
      8,
      [
        ['grün 🌱', ''],
        [1, ''],
        [null, ''],
      ],
    ],
    [
      'BOOL',
      9,
      [
        [true, false],
        [1, 0],
        [2, 0],
        ['true', 0],
      ],
    ],
    [
      'FP16',
      10,
      [
        [0.1, -2],
        [65_520, 1e-8],
        [1e39, 5.960464477539063e-8],
        [2049, 4099],
        [1 + 2 ** -11 + 2 ** -40, 1],
      ],
    ],
    [
      'FP64',
      11,
      [
        [0.1, 1e300],
        [-0.0, 123_456_789_012_345_680_000],
      ],
    ],
    [
      'UINT32',
      12,
      [
        [0, 4_294_967_295],
        [4_294_967_296, 0],
      ],
    ],
    [
      'UINT64',
      13,
      [
        [7, '18446744073709551615'],
        ['18446744073709551616', 0],
        [-1, 0],
      ],
    ],
  ])('come for elements of type %s, and for what is none', async (type, elementType, rows) => {
    const model = join(dir, `${type}.onnx`);
    await writeFile(model, identityModel(elementType));
    const requests = [
      ...rows.map((data) => tensor(type, data)),
      tensor(type, [rows[0]]),
      tensor('X', rows[0]),
    ];
    const [node, python] = await answersOf(model, requests);
    expect(node?.[1]).toMatchObject({status: 200});
    expect(python).toEqual(node);
  });

  it('come for requests of every odd shape', async () => {
    const x = {name: 'x', shape: [1, 2], datatype: 'FP32', data: [1, 2]};
    const model = join(dir, 'odd.onnx');
    await writeFile(model, identityModel(1));
    const [node, python] = await answersOf(model, [
      '',
      '{"inputs":',
      'NaN',
      '{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[NaN,1]}]}',
      'null',
      '[]',
      {inputs: {}},
      {inputs: [null]},
      {inputs: [{...x, name: 1}]},
      {inputs: [x, x]},
      {inputs: [x, {...x, name: '__proto__'}]},
      {inputs: [{...x, shape: undefined}]},
      {inputs: [{...x, shape: [-1, 2]}]},
      {inputs: [{...x, shape: [1.5, 2]}]},
      {inputs: [{...x, shape: ['1', 2]}]},
      {inputs: [{...x, shape: [1, 2, 1]}]},
      {inputs: [{...x, shape: [1, 3]}]},
      {inputs: [{...x, shape: [2 ** 40, 2]}]},
      {inputs: [{...x, shape: [1, 1, 1, 1, 1, 1, 1, 1, 1]}]},
      {inputs: [{...x, datatype: undefined}]},
      {inputs: [{...x, datatype: 5}]},
      {inputs: [{...x, data: undefined}]},
      {inputs: [{...x, data: 'ab'}]},
      {inputs: [{...x, data: [[1, 2], [3]], shape: [2, 2]}]},
      {inputs: [{...x, data: [[1, 2], 3], shape: [2, 2]}]},
      {inputs: [{...x, data: [1, [2]]}]},
      {inputs: [{...x, data: [{}, 2]}]},
      {inputs: [{...x, data: [], shape: [0, 2]}]},
      {inputs: [x], outputs: [{name: 'z'}]},
      {inputs: [x], outputs: [null]},
      {inputs: [x], outputs: []},
      {inputs: [x], outputs: [{name: 'y'}, {name: 'y'}], id: 'grün'},
      {inputs: [x], id: 7},
    ]);
    expect(python).toEqual(node);
  });

  it('come from a model of several layers, to a millionth', async () => {
    const data = Array.from({length: 64}, (_, at) => Math.sin(at));
    const request = {inputs: [{name: 'x', shape: [2, 32], datatype: 'FP32', data}]};
    const [node = [], python = []] = await answersOf(fixture('mlp.onnx'), [request]);
    const scores = (answers: unknown[]): number[] =>
      (answers[1] as {body: {outputs: {data: number[]}[]}}).body.outputs[0]?.data ?? [];
    expect(scores(node)).toHaveLength(8);
    for (const [at, score] of scores(node).entries()) expect(scores(python)[at]).toBeCloseTo(score, 6);
  });
});
