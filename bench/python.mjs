// How soon a Python handler answers, and how fast: thaw's Python runtime beside the servers that people put around such a
// handler, all under one Python with the same packages. Each start is a fresh process, a round of all of them at a time, so
// that whatever else the machine does falls on all alike.
//
// Options: --rounds N (default 15), --warm N (requests on one connection, default 500), --python PATH (default python3).
// What is compared with is fetched by pip into the folder for caches.
import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {Agent, request} from 'node:http';
import {createServer} from 'node:net';
import {cpus, homedir, tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

const {values: options} = parseArgs({
  options: {
    rounds: {type: 'string', default: '15'},
    warm: {type: 'string', default: '500'},
    python: {type: 'string', default: 'python3'},
  },
});
const [rounds, warm] = [Number(options.rounds), Number(options.warm)];
const root = fileURLToPath(new URL('..', import.meta.url));
const PACKAGES = ['fastapi==0.121.3', 'flask==3.1.2', 'onnxruntime==1.30.0', 'uvicorn==0.38.0'];

const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...env} = process.env;

/** A Python with all that is compared, kept for the next time. */
function makeEnvironment() {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const dir = join(cache, 'thaw-bench', `python-${PACKAGES.join('-').replaceAll(/[^\w.-]/g, '_')}`);
  const python = join(dir, 'bin', 'python');
  if (existsSync(join(dir, 'whole'))) return python;
  rmSync(dir, {recursive: true, force: true});
  for (const [program, ...args] of [
    [options.python, '-m', 'venv', dir],
    [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES],
    [python, '-m', 'compileall', '-q', dir],
  ]) {
    const {status} = spawnSync(program, args, {stdio: ['ignore', 'ignore', 'inherit']});
    if (status !== 0 && args[1] !== 'compileall') throw new Error(`${program} ${args.join(' ')} failed`);
  }
  mkdirSync(join(dir, 'whole'));
  return python;
}

/** The handler that all of them serve: one model, four numbers in, one out. */
const HANDLER = `import os
import numpy as np
import onnxruntime

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "linear.onnx")
session = onnxruntime.InferenceSession(MODEL)

def predict(input):
    (scores,) = session.run(None, {"features": np.array([input["features"]], dtype=np.float32)})
    return {"score": scores[0].tolist()}
`;
const SERVERS = {
  fastapi: `import uvicorn
from fastapi import FastAPI
from app import predict
app = FastAPI()

@app.post("/")
def answer(input: dict):
    return predict(input)

uvicorn.run(app, host="127.0.0.1", port=int(__import__("os").environ["PORT"]), log_level="critical")
`,
  flask: `import os
from flask import Flask, request
from app import predict
app = Flask(__name__)

@app.post("/")
def answer():
    return predict(request.get_json())

__import__("logging").getLogger("werkzeug").disabled = True
app.run("127.0.0.1", int(os.environ["PORT"]))
`,
  'http.server': `import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from app import predict

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # else each answer is two packets, and waits for the client's acknowledgement
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = json.dumps(predict(json.loads(body))).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *args):
        pass

ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
`,
};

/** Lays out what each of them is started from. */
function layOut(folder) {
  const thaw = join(folder, 'opt', 'thaw');
  for (const name of ['handler', 'config', 'runtime']) mkdirSync(join(thaw, name), {recursive: true});
  cpSync(join(root, 'dist', 'runtime', 'python'), join(thaw, 'runtime'), {recursive: true});
  const handler = {file: 'app.py', name: 'predict', event: 'http'};
  const none = {file: null, model: null, onnxruntime: null, session: {}, inputs: [], outputs: []};
  writeFileSync(
    join(thaw, 'config', 'serve.json'),
    JSON.stringify({schema: 'thaw.serve/1', name: 'bench', ...none, handler}),
  );
  const programs = [{name: 'thaw', file: join(thaw, 'runtime', 'server.py')}];
  for (const [name, source] of Object.entries(SERVERS)) {
    const dir = join(folder, name);
    mkdirSync(dir);
    writeFileSync(join(dir, 'serve.py'), source);
    programs.push({name, file: join(dir, 'serve.py')});
  }
  for (const dir of [join(thaw, 'handler'), ...Object.keys(SERVERS).map((name) => join(folder, name))]) {
    writeFileSync(join(dir, 'app.py'), HANDLER);
    cpSync(join(root, 'test', 'fixtures', 'linear.onnx'), join(dir, 'linear.onnx'));
  }
  return programs;
}

const BODY = JSON.stringify({features: [1, 2, 3, 4]});

/** One request; resolves to the time until its answer is whole, or rejects. */
function ask(port, agent) {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const headers = {'content-type': 'application/json', 'content-length': BODY.length};
    const sent = request({host: '127.0.0.1', port, method: 'POST', agent, headers}, (answer) => {
      answer.resume().on('end', () => {
        if (answer.statusCode === 200) resolve(performance.now() - startedMs);
        else reject(new Error(`status ${answer.statusCode}`));
      });
    });
    sent.on('error', reject);
    sent.end(BODY);
  });
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const {port} = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

const isRefused = (error) => ['ECONNREFUSED', 'ECONNRESET'].includes(error.code);

/** From the start of a process to its first answer, and then on one connection. */
async function measure(python, {file}, warmRequests) {
  const port = await freePort();
  const startedMs = performance.now();
  const child = spawn(python, ['-s', file], {env: {...env, PORT: String(port)}, stdio: 'ignore'});
  const agent = new Agent({keepAlive: true, maxSockets: 1});
  try {
    for (;;) {
      if (child.exitCode !== null) throw new Error(`${file} ended with ${child.exitCode}`);
      try {
        await ask(port, agent);
        break;
      } catch (error) {
        if (!isRefused(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    const firstMs = performance.now() - startedMs;
    const times = [];
    for (let i = 0; i < warmRequests; i++) times.push(await ask(port, agent));
    return {firstMs, times};
  } finally {
    agent.destroy();
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return (sorted[Math.ceil(middle) - 1] + sorted[Math.floor(middle)]) / 2;
}

const folder = mkdtempSync(join(tmpdir(), 'thaw-bench-'));
try {
  const python = makeEnvironment();
  const programs = layOut(folder).map((program) => ({...program, first: [], warm: []}));
  // Fills the file cache, and compiles what is not compiled yet; every program alike.
  for (const program of programs) await measure(python, program, 0);
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < programs.length; i++) {
      const program = programs[(i + round) % programs.length];
      const {firstMs, times} = await measure(python, program, round === 0 ? warm : 0);
      program.first.push(firstMs);
      program.warm.push(...times);
    }
  }
  const [own] = programs;
  console.log(
    `${cpus()[0]?.model}, ${cpus().length} cores; medians of ${rounds} starts and ${warm} requests`,
  );
  console.log('server        start to first answer            warm');
  for (const {name, first, warm: times} of programs) {
    const [firstMs, warmMs] = [median(first), median(times)];
    const against = (ms, ownMs) => `${(ms / ownMs).toFixed(2)}×`.padStart(7);
    console.log(
      name.padEnd(12),
      `${firstMs.toFixed(0)} ms`.padStart(12),
      against(firstMs, median(own.first)),
      `${warmMs.toFixed(2)} ms`.padStart(14),
      against(warmMs, median(own.warm)),
    );
  }
} finally {
  rmSync(folder, {recursive: true, force: true});
}
