import {randomBytes} from 'node:crypto';
import type {IncomingMessage} from 'node:http';
import type {Engine, Launch} from '../engine.ts';
import {behindDoor} from './door.ts';
import {passThrough} from './front-end.ts';

/** What Cloud Run gives an instance between SIGTERM and SIGKILL. */
const STOP_GRACE_MS = 10_000;

/**
 * Runs instances as Cloud Run does: its variables, its headers, ten seconds after SIGTERM. A request that takes too
 * long is answered 504, and its instance goes on.
 */
export function emulateRun(engine: Engine): Engine {
  return {
    ...engine,
    start(launch) {
      const timeoutMs = launch.emulation?.timeoutMs ?? 0;
      const run = engine.start({...launch, env: {...launch.env, ...runEnvironment(launch)}});
      return behindDoor(run, STOP_GRACE_MS, (ready) =>
        passThrough(ready, {headers: runHeaders, timeoutMs, timeoutBody: 'upstream request timeout'}),
      );
    },
  };
}

function runEnvironment({emulation}: Launch): {[name: string]: string} {
  const {function: name = '', version = ''} = emulation ?? {};
  return {
    K_SERVICE: name,
    K_CONFIGURATION: name,
    K_REVISION: `${name}-${version.padStart(5, '0')}`,
  };
}

/** What its front end adds; a trace that the client has begun goes on. */
function runHeaders({headers, socket}: IncomingMessage): {[name: string]: string} {
  const given = headers['x-cloud-trace-context']?.toString();
  const [trace = '', span = ''] = given?.split(/[/;]/) ?? [];
  const traceId = /^[0-9a-f]{32}$/.test(trace) ? trace : randomBytes(16).toString('hex');
  const client = headers['x-forwarded-for']?.toString() ?? socket.remoteAddress ?? '127.0.0.1';
  return {
    'x-cloud-trace-context': given ?? `${traceId}/${randomBytes(8).readBigUInt64BE()}`,
    traceparent:
      headers['traceparent']?.toString() ??
      `00-${traceId}-${/^\d+$/.test(span) ? spanIdOf(span) : randomBytes(8).toString('hex')}-00`,
    forwarded: `for="${client}";proto=http`,
    'x-forwarded-for': client,
    'x-forwarded-proto': headers['x-forwarded-proto']?.toString() ?? 'http',
  };
}

const spanIdOf = (decimal: string): string =>
  BigInt.asUintN(64, BigInt(decimal)).toString(16).padStart(16, '0');
