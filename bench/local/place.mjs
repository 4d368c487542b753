// A folder in which thaw runs functions for bench/local.mjs, and whose programs all end with it.
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {request} from 'node:http';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {build} from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const NO_IMAGE = `sha256:${'0'.repeat(64)}`;

// Certificates from the environment alone cost a Node process tens of milliseconds.
const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, ...env} = process.env;

/** @param dist the folder of the build that is measured */
export async function openPlace(dist) {
  const dir = mkdtempSync(join(tmpdir(), 'thaw-local-'));
  const place = {dir, dist, env, root, stateDir: join(dir, 'state'), started: [], thaw: null};
  try {
    place.thaw = await loadThaw(dir);
  } catch (error) {
    await closePlace(place);
    throw error;
  }
  return place;
}

export async function closePlace({dir, started}) {
  for (const child of started) child.kill();
  for (const child of started) {
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  rmSync(dir, {recursive: true, force: true, maxRetries: 20, retryDelay: 250});
}

async function loadThaw(dir) {
  const outfile = join(dir, 'thaw.mjs');
  const js = "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);";
  const options = {bundle: true, platform: 'node', format: 'esm', target: 'node20.19', banner: {js}};
  const entryPoints = [join(root, 'bench', 'local', 'thaw.ts')];
  await build({...options, entryPoints, outfile, logLevel: 'warning'});
  return import(pathToFileURL(outfile).href);
}

/** Lays out `opt/thaw` with a handler, as an image has it. */
export async function layInstance({dir, dist, thaw}, name, handler) {
  const instanceDir = join(dir, name);
  const at = (...path) => join(instanceDir, 'opt', 'thaw', ...path);
  for (const folder of ['model', 'config', 'handler']) mkdirSync(at(folder), {recursive: true});
  cpSync(join(dist, 'runtime'), at('runtime'), {recursive: true});
  const ort = await thaw.hostOrt();
  cpSync(ort.dir, at('runtime', 'onnxruntime'), {recursive: true});
  cpSync(join(root, 'test', 'fixtures', 'linear.onnx'), at('model', 'linear.onnx'));
  writeFileSync(at('handler', 'handler.mjs'), handler);
  const manifest = {schema: 'thaw.serve/1', name: 'bench', file: 'linear.onnx', session: {}};
  const rest = {model: NO_IMAGE, onnxruntime: ort.version, inputs: [], outputs: []};
  writeFileSync(at('config', 'serve.json'), JSON.stringify({...manifest, ...rest}));
  return instanceDir;
}

export const serverOf = (instanceDir) => join(instanceDir, 'opt', 'thaw', 'runtime', 'server.cjs');

/** A Node program that says on its output where it listens, and ends when its input does. */
export async function startProgram({started}, args, more = {}) {
  const child = spawn(process.execPath, args, {env: {...env, ...more}, stdio: ['pipe', 'pipe', 'inherit']});
  started.push(child);
  const lines = createInterface({input: child.stdout});
  const [line] = await once(lines, 'line');
  return {pid: child.pid, ...JSON.parse(line)};
}

/** A function on the process engine behind a gateway of its own, as `thaw deploy local` would leave it. */
export async function startGateway(place, instanceDir, name, {concurrency, maxInstances, emulate = null}) {
  const {dist, stateDir, started, thaw} = place;
  const {socket, ...paths} = thaw.pathsOf(stateDir, name);
  mkdirSync(paths.versionsDir, {recursive: true});
  cpSync(instanceDir, thaw.versionDir(paths, '1'), {recursive: true});
  const args = [join(dist, 'gateway.js'), '--state', stateDir, '--function', name, '--thaw', '0.0.0'];
  const child = spawn(process.execPath, args, {env, stdio: ['ignore', 'inherit', 'inherit']});
  started.push(child);
  const body = {
    live: {version: '1', image: NO_IMAGE},
    settings: {
      resources: {memoryMb: 512, cpu: null, timeoutMs: 120_000, concurrency},
      scaling: {maxInstances},
      triggers: [],
      options: {engine: 'process', emulate, idleTimeoutMs: 600_000, port: null, replace: null},
      engine: {name: 'process'},
    },
    env: {},
  };
  for (let attempt = 0; ; attempt++) {
    try {
      const {port} = await askGateway(socket, 'PUT', '/function', body);
      return {pid: child.pid, port, socket};
    } catch (error) {
      if (attempt === 200) throw error;
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

/** A port of this machine that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** Asks a gateway something over its control socket. */
export function askGateway(socketPath, method, path, body = null) {
  return new Promise((resolve, reject) => {
    const asked = request({socketPath, method, path}, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('end', () =>
        answer.statusCode === 200
          ? resolve(JSON.parse(text))
          : reject(new Error(`${method} ${path}: ${text}`)),
      );
    });
    asked.on('error', reject);
    asked.end(body === null ? undefined : JSON.stringify(body));
  });
}

/**
 * Sends one request over a connection of its own.
 *
 * @returns `totalMs` from before the connection is opened to the answer's first byte
 */
export function post({port, path = '/'}, body) {
  return new Promise((resolve, reject) => {
    const sentAt = Date.now();
    const sentMs = performance.now();
    const headers = {'content-type': 'application/json', 'content-length': Buffer.byteLength(body)};
    const asked = request({host: '127.0.0.1', port, path, method: 'POST', headers, agent: false});
    asked.on('response', (answer) => {
      const totalMs = performance.now() - sentMs;
      let text = '';
      answer.on('data', (chunk) => (text += chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({sentAt, totalMs, status: answer.statusCode, headers: answer.headers, text}),
      );
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

/** Ends every instance, asks once, and holds the answer to what proves that its instance was born for it. */
export async function askCold({port, socket}, body, path = '/') {
  await askGateway(socket, 'DELETE', '/function/instances');
  const answer = await post({port, path}, body);
  const {'thaw-ordinal': ordinal, 'thaw-boot-age': age, 'thaw-boot': bootId} = answer.headers;
  if (answer.status !== 200 || ordinal !== '1' || !(Number(age) <= answer.totalMs)) {
    const said = `status ${answer.status}, ordinal ${ordinal}, ${age} ms old after ${ms(answer.totalMs)} ms`;
    throw new Error(`a start was not cold: ${said}\n${answer.text}`);
  }
  const {records} = await askGateway(socket, 'POST', '/startup', {bootIds: [bootId]});
  return {totalMs: answer.totalMs, phases: {...records[0]?.phases, ...parseTiming(answer.headers)}};
}

const ms = (value) => value.toFixed(1);

const parseTiming = ({'server-timing': text = ''}) =>
  Object.fromEntries(
    [...text.matchAll(/(\w+);dur=([\d.]+)/g)].map(([, name, value]) => [name, Number(value)]),
  );
