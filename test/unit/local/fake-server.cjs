// Honours the runtime contract without a model, and does on request what a broken program does. What a request
// wants stands in its JSON body: {sleepMs, exit, env, bytes, stream, cut, log, holdUntil, flood}. What a start wants stands in the environment.
const events = require('node:events');
const {existsSync} = require('node:fs');
const http = require('node:http');
const {randomUUID} = require('node:crypto');

const {env} = process;
const bornMs = performance.timeOrigin;
const say = (value) => console.log(JSON.stringify(value));
if (process.argv.includes('--lifeline')) process.stdin.on('end', () => process.exit(0)).resume();
if (env.FAIL_START) {
  say({event: 'failed', code: 'MODEL_INVALID', message: env.FAIL_START});
  process.exit(1);
}
if (env.EXIT_AT_START) process.exit(Number(env.EXIT_AT_START));

const bootId = randomUUID();
let ordinal = 0;
let open = 0;
let mostAtOnce = 0;
let flooded = 0;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const server = http.createServer((request, response) => void serve(request, response));
async function serve(request, response) {
  const mine = ++ordinal;
  mostAtOnce = Math.max(mostAtOnce, ++open);
  response.on('close', () => open--);
  const chunks = [];
  try {
    for await (const chunk of request) chunks.push(chunk);
  } catch {
    // The client went away.
    return;
  }
  const body = Buffer.concat(chunks);
  let want = {};
  try {
    want = JSON.parse(body.toString() || '{}');
  } catch {
    // Not JSON: only its length is of interest.
  }
  if (want.log) console.log(want.log);
  if (want.logError) console.error(want.logError);
  if (want.sleepMs) await pause(want.sleepMs);
  while (want.holdUntil && !existsSync(want.holdUntil)) await pause(50);
  if (want.exit !== undefined) process.exit(want.exit);
  if (want.cut) {
    request.socket.destroy();
    return;
  }
  response.setHeader('thaw-boot', bootId);
  response.setHeader('thaw-ordinal', String(mine));
  response.setHeader('thaw-image', env.THAW_IMAGE);
  response.setHeader('thaw-boot-age', (Date.now() - bornMs).toFixed(3));
  response.setHeader('content-type', 'application/json');
  if (want.stream) {
    for (let i = 0; i < want.stream && !response.destroyed; i++) {
      response.write(`${i}\n`);
      await pause(50);
    }
    response.end();
    return;
  }
  if (want.flood) {
    const chunk = Buffer.alloc(2 ** 16, 0x20);
    for (flooded = 0; flooded < want.flood; flooded += chunk.length) {
      if (!response.write(chunk)) await events.once(response, 'drain');
    }
    response.end();
    return;
  }
  const {url, method, headers} = request;
  const shown = want.env ? {env: {...env}} : {};
  const text = JSON.stringify({
    pid: process.pid,
    url,
    method,
    headers,
    bytes: body.length,
    mostAtOnce,
    open,
    flooded,
    ...shown,
  });
  response.setHeader('content-length', Buffer.byteLength(text));
  response.end(text);
}
process.on('SIGTERM', () => {
  if (env.IGNORE_SIGTERM) return;
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
if (!env.NEVER_READY) void listen();
async function listen() {
  while (env.START_WHEN && !existsSync(env.START_WHEN)) await pause(50);
  await pause(Number(env.START_DELAY_MS ?? 0));
  server.listen(0, '127.0.0.1', () => {
    say({event: 'ready', port: server.address().port, bootId, readyMs: Date.now() - bornMs});
    if (env.CRASH_WHEN_READY) setTimeout(() => process.exit(9), 20);
  });
}
