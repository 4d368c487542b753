import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {afterEach, describe, expect, test} from 'vitest';
import {weighEvidence} from '../../../src/benchmark/plausibility.ts';
import {runShots} from '../../../src/benchmark/run.ts';
import {scheduleShots} from '../../../src/benchmark/schedule.ts';
import type {Invocation, Sample} from '../../../src/core/sample.ts';
import {createHttp} from '../../../src/net/http.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const EXAMPLES = join(ROOT, 'examples', 'evidence');

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Starts a program that prints its port, and ends it with the test. */
async function start(program: string, args: readonly string[]) {
  const child = spawn(program, args, {stdio: ['pipe', 'pipe', 'inherit']});
  const ended = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  cleanups.push(stop);
  const [port] = (await once(createInterface({input: child.stdout}), 'line')) as [string];
  return {url: `http://127.0.0.1:${port}`, stop};
}

async function script(name: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'thaw-'));
  cleanups.push(() => rm(folder, {recursive: true}));
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
}

/** A request that starts the service if there is none, as a platform would: each cold one gets a process of its own. */
async function measure(startService: () => Promise<{url: string; stop(): Promise<void>}>): Promise<Sample[]> {
  const http = createHttp();
  const signal = new AbortController().signal;
  let service: Awaited<ReturnType<typeof startService>> | null = null;
  const {samples} = await runShots({
    provider: 'drop-in',
    shots: scheduleShots({cold: 2, warm: 3, freshImage: false}),
    async chill() {
      await service?.stop();
      service = null;
    },
    async fire(): Promise<Invocation> {
      const fromMs = performance.now();
      service ??= await startService();
      const health = await http({url: `${service.url}/healthz`, timeoutMs: 20_000, signal});
      expect(health.evidence).toBeNull();
      const beforeMs = performance.now() - fromMs;
      const invocation = await http({
        url: `${service.url}/`,
        method: 'POST',
        body: '{}',
        timeoutMs: 20_000,
        signal,
      });
      // What the platform took to start it is part of the client's wait.
      const {timings} = invocation;
      return {
        ...invocation,
        at: new Date(Date.parse(invocation.at) - beforeMs).toISOString(),
        timings: {
          ...timings,
          firstByteMs: (timings.firstByteMs ?? 0) + beforeMs,
          endMs: timings.endMs + beforeMs,
        },
      };
    },
    keep: async () => {},
    freshImage: false,
    signal,
  });
  return [...samples];
}

function expectTruth(samples: readonly Sample[]): void {
  expect(samples.map(({status, error}) => error ?? status)).toEqual(Array(5).fill(200));
  expect(samples.map((sample) => sample.class)).toEqual(['cold', 'cold', 'warm', 'warm', 'warm']);
  expect(samples.map(({evidence}) => evidence?.ordinal)).toEqual([1, 1, 2, 3, 4]);
  expect(new Set(samples.map(({evidence}) => evidence?.bootId)).size).toBe(2);
  for (const {evidence} of samples) expect(evidence?.phases.infer).toBeGreaterThanOrEqual(4);
  expect(weighEvidence(samples)).toEqual({samples, notes: []});
}

describe('the drop-in for Node', () => {
  const importLine = `import {withEvidence} from ${JSON.stringify(pathToFileURL(join(EXAMPLES, 'evidence.mjs')).href)};`;
  const listen = `server.listen(0, '127.0.0.1', () => console.log(server.address().port));`;

  test.each([
    [
      'of node:http that writes its headers itself',
      `(request, response) => setTimeout(() => response.writeHead(200, {'x-own': '1'}).end('{}'), 5)`,
    ],
    [
      'of node:http that leaves its headers to Node, and has timings of its own',
      `(request, response) => {
        response.setHeader('server-timing', 'db;dur=1');
        setTimeout(() => response.end('{}'), 5);
      }`,
    ],
  ])('gives a handler %s its evidence', async (_, handler) => {
    const file = await script(
      'server.mjs',
      `import http from 'node:http';\n${importLine}\nconst server = http.createServer(withEvidence(${handler}));\n${listen}`,
    );
    const samples = await measure(() => start(process.execPath, [file]));
    expectTruth(samples);
    const {load = 0, wait} = samples[0]?.evidence?.phases ?? {};
    expect(load).toBeGreaterThan(0);
    expect(wait).toBeGreaterThanOrEqual(0);
    expect(samples[2]?.evidence?.phases).not.toHaveProperty('load');
  });

  test.each(['{statusCode: 200, headers: {"x-own": "1"}, body: "{}"}', '{anything: 1}'])(
    'gives a function that returns %s its evidence',
    async (answer) => {
      const file = await script(
        'function.mjs',
        `import http from 'node:http';\n${importLine}
        const handler = withEvidence(async () => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          return ${answer};
        }, (event) => event.path === '/healthz');
        const server = http.createServer(async (request, response) => {
          const answer = await handler({path: request.url}, {});
          response.writeHead(answer.statusCode ?? 200, answer.headers ?? {}).end(answer.body);
        });\n${listen}`,
      );
      expectTruth(await measure(() => start(process.execPath, [file])));
    },
  );
});

const python = ['python3', 'python'].find(
  (name) => spawnSync(name, ['-c', 'import sys; assert sys.version_info >= (3, 8)']).status === 0,
);

describe.skipIf(python === undefined)(
  `the drop-in for Python${python === undefined ? ' (skipped: there is no Python 3 on this machine)' : ''}`,
  () => {
    const prelude = `import sys, time, json, asyncio
sys.path.insert(0, ${JSON.stringify(EXAMPLES)})
sys.dont_write_bytecode = True
import evidence
from wsgiref.simple_server import make_server, WSGIRequestHandler
class Quiet(WSGIRequestHandler):
    def log_message(self, *args): pass
def serve(app):
    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
`;
    test.each([
      [
        'a WSGI application',
        `from wsgiref.validate import validator
def app(environ, start_response):
    time.sleep(0.005)
    start_response("200 OK", [("content-type", "application/json")])
    return [b"{}"]
serve(validator(evidence.wsgi(validator(app))))`,
      ],
      [
        'an ASGI application',
        `async def app(scope, receive, send):
    await asyncio.sleep(0.005)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b"{}"})
app = evidence.asgi(app)
def bridge(environ, start_response):
    messages = []
    async def send(message): messages.append(message)
    asyncio.run(app({"type": "http", "path": environ["PATH_INFO"]}, None, send))
    start, body = messages
    start_response(f"{start['status']} OK", [(n.decode(), v.decode()) for n, v in start["headers"]])
    return [body["body"]]
serve(bridge)`,
      ],
      [
        'a function',
        `def plain(event, context):
    time.sleep(0.005)
    return {"anything": 1}
handler = evidence.function(plain)
def bridge(environ, start_response):
    answer = plain({}, None) if environ["PATH_INFO"] == "/healthz" else handler({}, None)
    start_response("200 OK", list(answer.get("headers", {}).items()))
    return [b"{}"]
serve(bridge)`,
      ],
    ])('gives %s its evidence', async (_, application) => {
      const file = await script('server.py', prelude + application);
      expectTruth(await measure(() => start(python ?? '', [file])));
    });

    test.skipIf(process.platform === 'win32')('makes each forked worker an instance of its own', async () => {
      const file = await script(
        'fork.py',
        `${prelude}import os
evidence._begin()
before = dict(evidence._begin()())
out, into = os.pipe()
if os.fork() == 0:
    os.write(into, json.dumps(dict(evidence._begin()())).encode())
    os._exit(0)
child = json.loads(os.read(out, 4096))
os.wait()
print(json.dumps([before, child]))`,
      );
      const [before, child] = JSON.parse(spawnSync(python ?? '', [file], {encoding: 'utf8'}).stdout) as [
        {[name: string]: string},
        {[name: string]: string},
      ];
      expect([before['thaw-ordinal'], child['thaw-ordinal']]).toEqual(['2', '1']);
      expect(child['thaw-boot']).not.toBe(before['thaw-boot']);
    });
  },
);

test.each([
  ['evidence.mjs', 'js'],
  ['evidence.py', 'python'],
])('docs/evidence.md shows %s as it is', async (name, language) => {
  const page = await readFile(join(ROOT, 'docs', 'evidence.md'), 'utf8');
  const file = await readFile(join(EXAMPLES, name), 'utf8');
  expect(page).toContain(`\`\`\`${language}\n${file}\`\`\`\n`);
});
