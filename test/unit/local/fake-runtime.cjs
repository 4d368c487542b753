// Speaks Lambda's Runtime API without a model, and does on request what a broken program does. What an event wants
// stands in it, or in the body of the request that it is: {sleepMs, holdUntil, exit, hang, fail, answer, bytes, log, env}. What a
// start wants stands in the environment.
const {existsSync, writeFileSync} = require('node:fs');
const http = require('node:http');
const {randomUUID} = require('node:crypto');

const {env} = process;
const [host, port] = (env.AWS_LAMBDA_RUNTIME_API ?? '').split(':');
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
const bootId = randomUUID();
const say = (value) => console.log(JSON.stringify(value));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
if (process.argv.includes('--lifeline')) process.stdin.on('end', () => process.exit(0)).resume();

const call = (method, path, body = '', headers = {}) =>
  new Promise((resolve, reject) => {
    const sent = http.request({agent, host, port, method, path: `/2018-06-01/runtime/${path}`, headers});
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        const {statusCode, headers} = response;
        resolve({status: statusCode, headers, body: Buffer.concat(chunks).toString()});
      });
    });
    sent.end(body);
  });

async function main() {
  // Only the first start is slow: it leaves a file for those after it.
  if (env.SLOW_ONCE && !existsSync(env.SLOW_ONCE)) {
    writeFileSync(env.SLOW_ONCE, '');
    await pause(600_000);
  }
  if (env.INIT_ERROR) {
    const error = {errorType: 'Runtime.ModelInvalid', errorMessage: env.INIT_ERROR, stackTrace: []};
    await call('POST', 'init/error', JSON.stringify(error), {
      'lambda-runtime-function-error-type': 'Runtime.ModelInvalid',
    });
    process.exit(1);
  }
  if (env.EXIT_AT_START) process.exit(Number(env.EXIT_AT_START));
  say({event: 'ready', port: null, bootId, readyMs: 1});
  for (let ordinal = 1; ; ordinal++) {
    const {headers, body} = await call('GET', 'invocation/next');
    const id = headers['lambda-runtime-aws-request-id'];
    const event = JSON.parse(body);
    const want = event?.requestContext?.http ? wishOf(event) : (event ?? {});
    if (want.log) console.log(want.log);
    if (want.sleepMs) await pause(want.sleepMs);
    while (want.holdUntil && !existsSync(want.holdUntil)) await pause(50);
    if (want.hang) await pause(600_000);
    if (want.exit !== undefined) process.exit(want.exit);
    if (want.fail) {
      const error = {errorType: 'Boom', errorMessage: want.fail, stackTrace: []};
      say({event: 'evidence', requestId: id});
      await call('POST', `invocation/${id}/error`, JSON.stringify(error));
      continue;
    }
    const shown = {
      bootId,
      ordinal,
      pid: process.pid,
      event,
      given: headers,
      ...(want.env ? {env: {...env}} : {}),
      ...(want.bytes ? {fill: 'x'.repeat(want.bytes)} : {}),
    };
    const plain = want.answer === undefined ? shown : want.answer;
    const answer =
      event?.requestContext?.http && want.answer === undefined
        ? {
            statusCode: 200,
            headers: {'thaw-boot': bootId, 'thaw-ordinal': String(ordinal)},
            body: JSON.stringify(shown),
          }
        : plain;
    if (want.wrongId) say({wrongId: (await call('POST', 'invocation/nobody/response', '{}')).status});
    say({event: 'evidence', requestId: id});
    const taken = await call('POST', `invocation/${id}/response`, JSON.stringify(answer));
    if (taken.status === 413) {
      const error = {
        errorType: 'Function.ResponseSizeTooLarge',
        errorMessage: JSON.parse(taken.body).errorMessage,
      };
      await call('POST', `invocation/${id}/error`, JSON.stringify(error));
    }
    if (want.exitAfter !== undefined) process.exit(want.exitAfter);
  }
}

function wishOf(event) {
  try {
    return (
      JSON.parse(Buffer.from(event.body ?? '{}', event.isBase64Encoded ? 'base64' : 'utf8').toString()) ?? {}
    );
  } catch {
    return {};
  }
}

void main();
