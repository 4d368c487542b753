import {execFile} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterEach, describe, expect, it} from 'vitest';
import {fixture, ServerFailed, type RunningServer} from '../instance.ts';
import {layPythonInstance, startPythonServer, type PythonInstanceParts} from '../python-instance.ts';
import {eventually, logOf, phasesOf, post, ROW} from '../runtime/server-bench.ts';
import {openPython} from './python.ts';

const running: RunningServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

async function serve(
  parts: PythonInstanceParts | string,
  env: {readonly [name: string]: string} = {},
): Promise<RunningServer> {
  const dir = await layPythonInstance(typeof parts === 'string' ? {handler: parts} : parts);
  const server = await startPythonServer((await openPython()).file, dir, env);
  running.push(server);
  return server;
}

async function failure(parts: PythonInstanceParts): Promise<ServerFailed> {
  const dir = await layPythonInstance(parts);
  try {
    running.push(await startPythonServer((await openPython()).file, dir));
  } catch (error) {
    if (error instanceof ServerFailed) return error;
    throw error;
  } finally {
    await rm(dir, {recursive: true, force: true});
  }
  throw new Error('it started');
}

describe('a handler of thaw', () => {
  it.each<[string, string, string | null]>([
    ['predict(input, context)', 'def predict(input, context): return [input, context.function]', null],
    ['predict(input)', 'def predict(input): return [input, "demo"]', null],
    [
      'predict with a context by name',
      'def predict(input, *, context): return [input, context.function]',
      null,
    ],
    ['predict with an optional context', 'def predict(x, context=None): return [x, context.function]', null],
    [
      'predict with an option of its own',
      'def predict(x, size=3): return [x, "demo" if size == 3 else size]',
      null,
    ],
    ['an async predict', 'async def predict(input, context): return [input, context.function]', null],
    [
      'a decorated one',
      `import functools
def traced(f):
    @functools.wraps(f)
    def inner(*args, **kwargs): return f(*args, **kwargs)
    return inner
@traced
def predict(input): return [input, "demo"]`,
      null,
    ],
    ['a lambda', 'predict = lambda input, context: [input, context.function]', null],
    [
      'a partial function',
      'import functools\ndef f(kind, input): return [input, kind]\npredict = functools.partial(f, "demo")',
      null,
    ],
    [
      'the one class',
      'class A:\n  def setup(self): self.x = "demo"\n  def predict(self, input): return [input, self.x]\nclass Other: pass',
      null,
    ],
    [
      'a class with load and async predict',
      'class A:\n  async def load(self): self.x = "demo"\n  async def predict(self, input, context): return [input, self.x]',
      null,
    ],
    [
      'a class by its name, that is called',
      'class A:\n  def __call__(self, input): return [input, "demo"]\nclass B(A):\n  def predict(self, input): return 0',
      'A',
    ],
    [
      'an object that can be called',
      'class A:\n  def __call__(self, input, context): return [input, context.function]\nthing = A()',
      'thing',
    ],
    ['a method of an object', 'class A:\n  def run(self, x): return [x, "demo"]\na = A()', 'a.run'],
    ['a function of another name', 'def score(input, context): return [input, context.function]', 'score'],
    ['something from another file', 'from other import predict', null],
  ])('may be %s', async (_what, source, name) => {
    const files = {'app.py': source, 'other.py': 'def predict(input): return [input, "demo"]'};
    const server = await serve({handler: files, choice: {name}});
    expect(await post(server, {a: 1})).toMatchObject({status: 200, body: [{a: 1}, 'demo']});
    expect((await post(server, 2)).body).toEqual([2, 'demo']);
  });

  it('may lie in a folder, have the name of a module of Python, or one that no import can have', async () => {
    const source = 'def predict(input): return [input, __file__]';
    for (const file of ['src/app.py', 'json.py', 'my-handler.v2.py']) {
      const server = await serve({handler: {[file]: source}, choice: {file}});
      expect((await post(server, 1)).body).toEqual([
        1,
        expect.stringMatching(new RegExp(`handler/${file}$`)),
      ]);
    }
  });

  it('finds its own files, its packages, and its working folder', async () => {
    const server = await serve({
      handler: {
        'app.py': `
import os
import mine, theirs, hidden
words = open('words.txt').read()
def predict(input):
    return [mine.NAME, theirs.NAME, hidden.NAME, words, os.environ['LAMBDA_TASK_ROOT'] == os.getcwd()]`,
        'mine.py': "NAME = 'mine'",
        'words.txt': 'words',
      },
      packages: {
        'mine.py': "NAME = 'not mine'",
        'theirs/__init__.py': "NAME = 'theirs'",
        'more.pth': 'deep/er',
        'deep/er/hidden.py': "NAME = 'hidden'",
      },
    });
    expect((await post(server, {})).body).toEqual(['mine', 'theirs', 'hidden', 'words', true]);
  });

  it('is given a declared model, takes what numpy makes, and is told of what does not fit', async () => {
    const server = await serve({
      model: fixture('linear.onnx'),
      handler: `
import numpy
def predict(input, context):
    kind = input['kind']
    if kind == 'list': feed = [[1, 2, 3, 4]]
    if kind == 'array': feed = numpy.ones((2, 4), 'float32')
    if kind == 'double': feed = numpy.ones((2, 4)).T.copy().T
    if kind == 'scalars': feed = [[numpy.float32(1)] * 4]
    if kind == 'arrays': feed = [numpy.arange(4)]
    if kind == 'flat': feed = {'data': numpy.ones(4), 'shape': [1, 4]}
    if kind == 'shape': feed = numpy.ones((2, 5), 'float32')
    if kind == 'text': feed = numpy.array([['a'] * 4])
    if kind == 'truth': feed = numpy.ones((1, 4), bool)
    return context.model.run({'features': feed})`,
    });
    const answer = async (kind: string): Promise<unknown> => {
      const {status, body} = await post(server, {kind});
      return status === 200 ? body['score'] : [status, body.error?.code, body.error?.tensor];
    };
    expect(await answer('list')).toEqual([[30.5]]);
    expect(await answer('array')).toEqual([[10.5], [10.5]]);
    expect(await answer('double')).toEqual([[10.5], [10.5]]);
    expect(await answer('scalars')).toEqual([[10.5]]);
    expect(await answer('arrays')).toEqual([[20.5]]);
    expect(await answer('flat')).toEqual([[10.5]]);
    expect(await answer('shape')).toEqual([422, 'WRONG_SHAPE', 'features']);
    expect(await answer('text')).toEqual([422, 'WRONG_TYPE', 'features']);
    expect(await answer('truth')).toEqual([422, 'WRONG_TYPE', 'features']);
    expect((await post(server, ROW, '/v2/models/demo/infer')).body).toHaveProperty('model_name', 'demo');
  });

  it('may return whatever is JSON, and what numpy has', async () => {
    const server = await serve(`
import array, decimal
import numpy
def predict(input):
    return {
        'array': numpy.array([[1.5, float('nan')], [float('-inf'), 2]]),
        'single': numpy.float32(0.5), 'double': numpy.float64('nan'), 'truth': numpy.bool_(True),
        'whole': numpy.int64(7), 'half': numpy.ones(2, 'float16'), 'texts': numpy.array(['a', 'ü']),
        'large': [2**53 - 1, 2**53, -2**60], 'larger': numpy.array([2**62, 1]), 'digits': '12345678901234567890',
        'nan': float('nan'), 'nested': ({'x': (1, [float('inf')])},), 'plain': array.array('d', [0.5]),
        'price': decimal.Decimal('1.25'), 'fraction': 0.1234567890123456789, 'objects': numpy.array([None, 'x', 2]),
        'keys': {1: 'a', None: 'b'},
    }`);
    expect((await post(server, {})).body).toEqual({
      array: [
        [1.5, null],
        [null, 2],
      ],
      single: 0.5,
      double: null,
      truth: true,
      whole: 7,
      half: [1, 1],
      texts: ['a', 'ü'],
      large: [9_007_199_254_740_991, '9007199254740992', '-1152921504606846976'],
      larger: ['4611686018427387904', 1],
      digits: '12345678901234567890',
      nan: null,
      nested: [{x: [1, [null]]}],
      plain: [0.5],
      price: 1.25,
      fraction: 0.123_456_789_012_345_68,
      objects: [null, 'x', 2],
      keys: {1: 'a', null: 'b'},
    });
  });

  it('has large integers as strings also where nothing else is odd', async () => {
    const server = await serve(`
answers = [2**53, [1, -2**53], {'a': 2**63}, {'a': [9007199254740991, 1.2345678901234567]}]
def predict(input): return answers[input]`);
    const bodies = [];
    for (const at of [0, 1, 2, 3]) bodies.push((await post(server, at)).body);
    expect(bodies).toEqual([
      '9007199254740992',
      [1, '-9007199254740992'],
      {a: '9223372036854775808'},
      {a: [9_007_199_254_740_991, 1.234_567_890_123_456_7]},
    ]);
  });

  it('may load its own model while it is imported, or in its setup: each has its phase', async () => {
    const load = `onnxruntime.InferenceSession('model.onnx', providers=['CPUExecutionProvider'])`;
    const rows = "numpy.array([input], 'float32')";
    for (const [phase, source] of [
      [
        'import',
        `import time, numpy, onnxruntime
session = ${load}
time.sleep(0.3)
def predict(input): return session.run(None, {'features': ${rows}})[0]`,
      ],
      [
        'load',
        `import time, numpy, onnxruntime
class Model:
    def setup(self):
        self.session = ${load}
        time.sleep(0.3)
    def predict(self, input): return self.session.run(None, {'features': ${rows}})[0]`,
      ],
    ] as const) {
      const dir = await layPythonInstance({handler: source});
      const model = await readFile(fixture('linear.onnx'));
      await writeFile(join(dir, 'opt', 'thaw', 'handler', 'model.onnx'), model);
      const server = await startPythonServer((await openPython()).file, dir);
      running.push(server);
      const answer = await post(server, [1, 1, 1, 1]);
      expect(answer.body).toEqual([[10.5]]);
      const phases = phasesOf(answer.headers['server-timing']);
      expect(phases[phase]).toBeGreaterThan(299);
      if (phase === 'import') expect(phases['load']).toBeLessThan(phases['import'] ?? 0);
    }
  });

  it('without a declared model has no tensors to infer', async () => {
    const server = await serve('def predict(input, context): return context.model is None');
    expect((await post(server, 1)).body).toBe(true);
    expect(await post(server, ROW, '/v2/models/demo/infer')).toMatchObject({
      status: 404,
      body: {error: {code: 'UNKNOWN_MODEL'}},
    });
    expect(await (await fetch(`${server.url}/v2/models/demo`)).json()).toMatchObject({
      name: 'demo',
      inputs: [],
    });
    expect((await fetch(`${server.url}/v2/models/demo/ready`)).status).toBe(200);
  });

  it.each<[string, PythonInstanceParts, string]>([
    ['a file that is missing', {handler: 'x = 1', choice: {file: 'src/app.py'}}, 'src/app.py is missing'],
    [
      'a name that is missing',
      {handler: 'def a(x): pass', choice: {name: 'b'}},
      'defines no b; it defines a',
    ],
    [
      'what cannot be called',
      {handler: 'b = 3', choice: {name: 'b'}},
      'app.py:b is int, which cannot be called',
    ],
    [
      'two classes',
      {handler: 'class A:\n  def predict(self, x): pass\nclass B(A): pass'},
      'several classes with a method predict: A, B',
    ],
    ['too few parameters', {handler: 'def predict(): pass'}, 'takes no argument'],
    ['too many parameters', {handler: 'def predict(a, b, c): pass'}, 'takes a, b, c, and is called with'],
    ['neither model nor handler', {}, 'it names neither a model nor a handler'],
    [
      'an import that fails in another file',
      {handler: {'app.py': 'import deep.er', 'deep/er.py': '\n\nimport nothing_such'}},
      "ModuleNotFoundError: No module named 'nothing_such' (deep/er.py, line 3)",
    ],
  ])('cannot be %s', async (_what, parts, words) => {
    const {exitCode, line, stderr} = await failure(parts);
    expect({exitCode, stderr}).toEqual({exitCode: 1, stderr: ''});
    expect(line?.message).toContain(words);
  });
});

describe('a Lambda handler', () => {
  const TELLING = `
def lambda_handler(event, context):
    names = ('function_name', 'function_version', 'invoked_function_arn', 'memory_limit_in_mb', 'aws_request_id',
             'log_group_name', 'client_context', 'tenant_id')
    context.log('logged words')
    return {'event': event, 'context': {name: getattr(context, name) for name in names},
            'identity': context.identity.cognito_identity_id,
            'left': context.get_remaining_time_in_millis()}`;

  it('is given a request as the event of a function URL, whatever its method and path', async () => {
    const server = await serve(TELLING);
    const response = await fetch(`${server.url}/some/where?a=1&b=x%20y&a=2`, {
      method: 'PUT',
      headers: {'content-type': 'application/json', 'x-own': 'ü', cookie: 'k=1; l=2'},
      body: '{"a":1}',
    });
    expect(response.headers.get('thaw-ordinal')).toBe('1');
    const {event, context, identity, left} = (await response.json()) as {[member: string]: unknown};
    expect(event).toMatchObject({
      version: '2.0',
      routeKey: '$default',
      rawPath: '/some/where',
      rawQueryString: 'a=1&b=x%20y&a=2',
      queryStringParameters: {a: '1,2', b: 'x y'},
      cookies: ['k=1', 'l=2'],
      headers: {'content-type': 'application/json', 'x-own': 'ü', host: `127.0.0.1:${server.port}`},
      requestContext: {
        http: {
          method: 'PUT',
          path: '/some/where',
          protocol: 'HTTP/1.1',
          sourceIp: '127.0.0.1',
          userAgent: 'node',
        },
        stage: '$default',
        time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
      },
      body: '{"a":1}',
      isBase64Encoded: false,
    });
    expect(context).toMatchObject({
      function_name: 'demo',
      function_version: '$LATEST',
      aws_request_id: `${server.bootId}-1`,
      log_group_name: '/aws/lambda/demo',
      client_context: null,
      tenant_id: null,
    });
    expect({identity, left}).toEqual({identity: null, left: expect.any(Number)});
    await eventually(() => server.stdout.includes('logged words') || undefined);
    expect((await fetch(`${server.url}/healthz`)).headers.get('thaw-ordinal')).toBeNull();
    expect((await fetch(`${server.url}/v2/nothing`)).status).toBe(404);
    const root = await (await fetch(server.url)).json();
    expect(root).not.toHaveProperty('event.body');
    expect(root).toHaveProperty('event.requestContext.http.method', 'GET');
  });

  it('is given bytes as Base64, and answers with bytes, headers, cookies and a status', async () => {
    const server = await serve(`
def handler(event, context):
    assert event['isBase64Encoded']
    return {'statusCode': 201, 'headers': {'Content-Type': 'image/png', 'X-Own': 7, 'Content-Length': '9', 'Server-Timing': 'own;dur=1'},
            'cookies': ['a=1; Path=/', 'b=2'], 'body': event['body'], 'isBase64Encoded': True}`);
    const body = Buffer.from([0, 255, 128, 10]);
    const response = await fetch(server.url, {method: 'POST', body, headers: {'content-type': 'image/png'}});
    expect(response.status).toBe(201);
    expect(Buffer.from(await response.arrayBuffer())).toEqual(body);
    expect(response.headers.getSetCookie()).toEqual(['a=1; Path=/', 'b=2']);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'image/png',
      'x-own': '7',
      'content-length': '4',
      'thaw-boot': server.bootId,
      'server-timing': expect.stringMatching(/^boot;.*infer;dur=[\d.]+, own;dur=1$/),
    });
  });

  it.each<[string, string, number, unknown]>([
    ['a text', "'plain'", 200, 'plain'],
    ['nothing', 'None', 200, null],
    ['a list', '[1, 2]', 200, [1, 2]],
    ['a body that is JSON', "{'statusCode': 418, 'body': '[1]'}", 418, [1]],
    ['a status as text', "{'statusCode': '202', 'body': '{}'}", 202, {}],
    ['a body that is no text', "{'statusCode': 200, 'body': {'a': 1}}", 500, null],
    ['a status that is none', "{'statusCode': 99}", 500, null],
    ['a header that splits', "{'statusCode': 200, 'headers': {'a': 'b\\r\\nc: d'}}", 500, null],
  ])('answers as a function URL reads it: %s', async (_what, returned, status, body) => {
    const server = await serve(`def lambda_handler(event, context): return ${returned}`);
    const response = await fetch(server.url);
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toBe('application/json');
    const answer: unknown = await response.json();
    if (status === 500) expect(answer).toMatchObject({error: {code: 'HANDLER_FAILED'}});
    else expect(answer).toEqual(body);
  });

  it('has no body in its answer to HEAD, nor with 204', async () => {
    const server = await serve(`
def lambda_handler(event, context):
    return {'statusCode': 204 if 'none' in event['rawPath'] else 200, 'body': 'text'}`);
    const head = await fetch(server.url, {method: 'HEAD'});
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '4']);
    const none = await fetch(`${server.url}/none`, {method: 'DELETE'});
    expect([none.status, none.headers.get('content-length'), await none.text()]).toEqual([204, null, '']);
    expect(await (await fetch(server.url)).text()).toBe('text');
  });

  it('is given the body itself as its event, where that is said', async () => {
    const server = await serve({handler: TELLING, choice: {event: 'direct'}});
    expect((await post(server, {Records: []})).body).toHaveProperty('event', {Records: []});
    expect((await fetch(server.url)).status).toBe(405);
    expect((await post(server, {}, '/elsewhere')).status).toBe(404);
    expect((await post(server, '{')).body.error?.code).toBe('BAD_JSON');
  });

  it("is given the body itself at the path that AWS's emulator has", async () => {
    const path = '/2015-03-31/functions/function/invocations';
    const server = await serve(TELLING);
    expect((await post(server, {Records: []}, path)).body).toHaveProperty('event', {Records: []});
    const predict = await serve('def predict(input): return 1');
    expect((await post(predict, {}, path)).status).toBe(404);
  });

  it.each([
    [
      'is told by the name of its first parameter',
      'def score(event, context): return event["rawPath"]',
      'score',
    ],
    ['may be async', 'async def lambda_handler(event, context): return event["rawPath"]', null],
    [
      'may be an object',
      'class A:\n  def __call__(self, event, c): return event["rawPath"]\nhandler = A()',
      null,
    ],
  ])('%s', async (_what, handler, name) => {
    const server = await serve({handler, choice: {name}});
    expect(await (await fetch(`${server.url}/x`)).json()).toBe('/x');
  });
});

describe('whatever a handler does', () => {
  it('its sys.exit in a call is a failure of that call', async () => {
    const server = await serve(`
import sys
async def predict(input):
    if input: sys.exit(input)
    return 'fine'`);
    for (const input of ['3', '"words"']) {
      expect(await post(server, input)).toMatchObject({status: 500, body: {error: {code: 'HANDLER_FAILED'}}});
    }
    expect((await post(server, 0)).body).toBe('fine');
  });

  it('os._exit ends the process, with what it says', async () => {
    const server = await serve('import os\ndef predict(input): os._exit(7)');
    await expect(post(server, 1)).rejects.toThrow('fetch failed');
    expect((await server.ended).code).toBe(7);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'a forked process holds neither the port nor the connections after %s, and hears signals for itself',
    async (signal) => {
      const server = await serve(`
import os, time
def predict(input):
    pid = os.fork()
    if pid == 0:
        time.sleep(120)
    return pid`);
      const kept = connect(server.port, '127.0.0.1');
      await once(kept, 'connect');
      const {body: child} = await post(server, 1);
      try {
        const closed = once(kept, 'close').then(() => 'closed');
        const late = new Promise((resolve) => setTimeout(resolve, 30_000, 'held by the child').unref());
        server.child.kill(signal);
        await once(server.child, 'exit');
        expect(await Promise.race([closed, late])).toBe('closed');
        const again = connect(server.port, '127.0.0.1');
        await expect(once(again, 'connect')).rejects.toThrow('ECONNREFUSED');
      } finally {
        process.kill(Number(child), 'SIGTERM');
      }
      await eventually(() => (isAlive(Number(child)) ? undefined : true));
      expect(await server.ended).toEqual(
        signal === 'SIGTERM' ? {code: 0, signal: null} : {code: null, signal},
      );
    },
  );

  it('a forked process that comes back from the handler ends, and answers nobody', async () => {
    const server = await serve(`
import os, sys
def predict(input):
    pid = os.fork()
    if pid == 0:
        if input == 'exit': sys.exit(4)
        if input == 'throw': raise ValueError('in the child')
        return 'child'
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])`);
    expect((await post(server, '"return"')).body).toBe(0);
    expect((await post(server, '"exit"')).body).toBe(4);
    expect((await post(server, '"throw"')).body).toBe(1);
  });

  it('processes of multiprocessing work, and their end is not the end of the server', async () => {
    const server = await serve({
      handler: {
        'app.py': `
import multiprocessing
from work import double
def predict(input):
    with multiprocessing.get_context(input).Pool(2) as pool:
        return pool.map(double, [1, 2])`,
        'work.py': 'def double(x): return 2 * x',
      },
    });
    expect((await post(server, '"fork"')).body).toEqual([2, 4]);
    expect((await post(server, '"spawn"')).body).toEqual([2, 4]);
    expect((await post(server, '"fork"')).headers['thaw-ordinal']).toBe('3');
  });

  it('threads that it leaves behind fail by themselves, and do not hold the end up', async () => {
    const server = await serve(`
import atexit, threading, time
def fail(): raise ValueError('lost thread')
atexit.register(lambda: print('last words'))
def predict(input):
    threading.Thread(target=fail).start()
    threading.Thread(target=lambda: time.sleep(60)).start()
    print('unfinished', end='')
    return 'fine'`);
    expect((await post(server, 1)).body).toBe('fine');
    await eventually(() => logOf(server, 'lost thread'));
    expect((await post(server, 1)).body).toBe('fine');
    server.child.kill('SIGTERM');
    expect(await server.ended).toEqual({code: 0, signal: null});
    expect(server.stdout.join('\n')).toMatch(/unfinished.*last words/s);
  });

  it('an async handler may leave tasks behind, and one that fails is logged', async () => {
    const server = await serve(`
import asyncio, gc
async def fail(): raise ValueError('forgotten task')
async def predict(input):
    asyncio.ensure_future(fail())
    await asyncio.sleep(0.01)
    gc.collect()
    return 'fine'`);
    expect((await post(server, 1)).body).toBe('fine');
    await eventually(() => logOf(server, 'forgotten task'));
    expect((await post(server, 1)).body).toBe('fine');
  });

  it('is done in the main thread and one after the other, where one at a time is served', async () => {
    const server = await serve(`
import signal, sqlite3, threading, time
database = sqlite3.connect(':memory:')
depth = 0
def predict(input):
    global depth
    depth += 1
    alone = depth == 1
    database.execute('select 1')
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    time.sleep(0.05)
    depth -= 1
    return [alone, threading.current_thread() is threading.main_thread()]`);
    const answers = await Promise.all([1, 2, 3, 4, 5].map((input) => post(server, input)));
    for (const {body} of answers) expect(body).toEqual([true, true]);
  });

  it('is done several at a time where that is said, and no more', async () => {
    const server = await serve(
      `
import threading, time
gate, depth, most = threading.Lock(), 0, 0
def predict(input):
    global depth, most
    with gate:
        depth += 1
        most = max(most, depth)
    time.sleep(0.2)
    with gate:
        depth -= 1
    return most`,
      {THAW_CONCURRENCY: '4'},
    );
    const answers = await Promise.all(Array.from({length: 12}, (_, input) => post(server, input)));
    expect(Math.max(...answers.map(({body}) => Number(body)))).toBe(4);
  });

  it('async calls wait side by side where that is said', async () => {
    const server = await serve(
      `
import asyncio
there = []
async def predict(input):
    there.append(input)
    while len(there) < 3: await asyncio.sleep(0.01)
    return len(there)`,
      {THAW_CONCURRENCY: '3'},
    );
    const answers = await Promise.all([1, 2, 3].map((input) => post(server, input)));
    expect(answers.map(({body}) => body)).toEqual([3, 3, 3]);
  });

  it('prints line by line, and text that has no bytes is no reason to fail', async () => {
    const server = await serve(`
def predict(input):
    print('\\ud800 grün')
    return '\\ud800'`);
    expect((await post(server, 1)).status).toBe(200);
    await eventually(() => server.stdout.includes('\\ud800 grün') || undefined);
  });

  it('a declared model is served with options of every kind, and an unknown one is said', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'thaw-options-'));
    const optimized = join(folder, 'optimized.onnx');
    try {
      const server = await serve({
        model: fixture('linear.onnx'),
        session: {
          graphOptimizationLevel: 'extended',
          intraOpNumThreads: 1,
          interOpNumThreads: 1,
          executionMode: 'sequential',
          enableCpuMemArena: false,
          enableMemPattern: false,
          optimizedModelFilePath: optimized,
          logSeverityLevel: 3,
          freeDimensionOverrides: {batch: 1},
          extra: {session: {disable_prepacking: '1', intra_op: {allow_spinning: '0'}}},
          executionProviders: ['cpu', {name: 'webgpu'}],
          somethingNew: 7,
        },
      });
      expect((await post(server, ROW)).body['outputs']).toMatchObject([{data: [10.5]}]);
      expect((await readFile(optimized)).length).toBeGreaterThan(0);
      expect(logOf(server, 'somethingNew')).toMatchObject({level: 'error'});
      expect(logOf(server, 'webgpu')).toMatchObject({level: 'error'});
    } finally {
      await rm(folder, {recursive: true, force: true});
    }
  });

  it('measured options count only with the ONNX Runtime that measured, and where they work', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'thaw-options-'));
    const trace = join(folder, 'optimized.onnx');
    try {
      const shaped = {session: {optimizedModelFilePath: trace}, cpu: 'any'} as const;
      const parts = {model: fixture('linear.onnx'), shaped};
      const other = await serve({...parts, onnxruntime: '1.29.7'});
      expect(logOf(other, 'not 1.29.7')).toMatchObject({level: 'info'});
      await expect(readFile(trace)).rejects.toThrow('ENOENT');
      expect(logOf(await serve(parts), 'plain options')).toBeUndefined();
      expect((await readFile(trace)).length).toBeGreaterThan(0);
      const refused = {...shaped, session: {optimizedModelFilePath: join(folder, 'nowhere', 'a.onnx')}};
      expect(logOf(await serve({...parts, shaped: refused}), 'with them it fails')).toBeDefined();
    } finally {
      await rm(folder, {recursive: true, force: true});
    }
  });

  it('the runtime runs on other versions of Python, from the oldest that it is written for', async () => {
    const dir = await layPythonInstance({handler: 'def predict(input): return {"got": input}'});
    for (const version of ['3.9', '3.10', '3.12', '3.13', '3.14']) {
      const python = `python${version}`;
      const there = await promisify(execFile)(python, ['-c', '']).then(
        () => true,
        () => false,
      );
      if (!there) continue;
      const server = await startPythonServer(python, dir, {PATH: process.env['PATH'] ?? ''});
      expect((await post(server, 1)).body).toEqual({got: 1});
      server.child.kill('SIGTERM');
      expect((await server.ended).code).toBe(0);
    }
    await rm(dir, {recursive: true, force: true});
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
