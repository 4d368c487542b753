import {describe, expect, test} from 'vitest';
import {openRegistry} from '../../../../src/image/registry/client.ts';
import {parseComplaint} from '../../../../src/image/registry/refusal.ts';
import {ownSurroundings} from '../../../../src/image/registry/surroundings.ts';
import {
  discard,
  openTransport,
  parseRetryAfter,
  scheduleRetry,
} from '../../../../src/image/registry/transport.ts';
import {parseReceived} from '../../../../src/image/registry/upload.ts';
import {failureOf, never} from '../fixture.ts';
import {startFakeRegistry} from './fake-registry.ts';
import {stillClock} from './still-clock.ts';

test('attempts are farther and farther apart, up to a limit', () => {
  expect([1, 2, 3, 4, 9].map((attempt) => scheduleRetry(attempt, 1))).toEqual([250, 500, 1000, 2000, 8000]);
  expect([1, 2, 9].map((attempt) => scheduleRetry(attempt, 0))).toEqual([125, 250, 4000]);
});

test('Retry-After is seconds or a date', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  expect(parseRetryAfter('3', nowMs)).toBe(3000);
  expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:05 GMT', nowMs)).toBe(5000);
  expect(parseRetryAfter('Wed, 31 Dec 2025 00:00:00 GMT', nowMs)).toBe(0);
  expect(parseRetryAfter('soon', nowMs)).toBe(0);
  expect(parseRetryAfter(undefined, nowMs)).toBe(0);
});

test('the range of an upload says how many bytes have arrived', () => {
  expect(['0-0', '0-1', 'bytes=0-99', '5-9', '0--1', undefined].map(parseReceived)).toEqual([
    0,
    2,
    100,
    null,
    null,
    null,
  ]);
});

describe('what a registry complains of', () => {
  test('is its code and its words', () => {
    const body = JSON.stringify({errors: [{code: 'TAG_INVALID', message: 'it\nexists'}, {code: 'DENIED'}]});
    expect(parseComplaint(body, 'application/json')).toEqual({
      codes: ['TAG_INVALID', 'DENIED'],
      words: 'TAG_INVALID it exists; DENIED',
    });
  });

  test('may be a page, of which the title is enough', () => {
    expect(parseComplaint('<html><title>Bad Gateway</title>', 'text/html').words).toBe(
      'an HTML page titled "Bad Gateway"',
    );
    expect(parseComplaint('x'.repeat(5000), 'text/plain').words.length).toBeLessThan(400);
    expect(parseComplaint('\u001b[31mred', '').words).toBe('[31mred');
  });
});

describe('a proxy', () => {
  test('is not asked the way to this machine itself', async () => {
    const registry = await startFakeRegistry();
    const {HTTP_PROXY, HTTPS_PROXY} = process.env;
    Object.assign(process.env, {HTTP_PROXY: 'http://127.0.0.1:1', HTTPS_PROXY: 'http://127.0.0.1:1'});
    try {
      const options = {registry: registry.host, credentials: null, clock: stillClock(), signal: never};
      await (await openRegistry(options)).close();
      expect(registry.seen.map(({url}) => url)).toEqual(['/v2/']);
      const elsewhere = openRegistry({...options, registry: 'registry.invalid', allowHttp: true});
      expect(await failureOf(elsewhere)).toMatchObject({facts: {code: 'ECONNREFUSED'}});
    } finally {
      restore({HTTP_PROXY, HTTPS_PROXY});
    }
  });

  test('carries plain http as it is, and one that drops the tunnel for https is not waited for', async () => {
    const proxy = await startFakeRegistry();
    const {HTTP_PROXY, HTTPS_PROXY} = process.env;
    Object.assign(process.env, {HTTP_PROXY: `http://${proxy.host}`, HTTPS_PROXY: `http://${proxy.host}`});
    try {
      const failure = await failureOf(
        openRegistry({
          registry: 'registry.invalid',
          credentials: null,
          clock: stillClock(),
          connectTimeoutMs: 100,
          idleTimeoutMs: 100,
          signal: never,
        }),
      );
      expect(failure.code).toBe('PROVIDER_UNREACHABLE');
      const transport = await openTransport({
        host: 'registry.invalid',
        surroundings: ownSurroundings(),
        clock: stillClock(),
        allowHttp: true,
      });
      const url = new URL('http://registry.invalid/v2/');
      const answer = await transport.send({method: 'GET', url, retry: true, signal: never});
      await discard(answer);
      await transport.close();
      expect(answer.status).toBe(200);
      expect(proxy.seen.map(({url}) => url)).toEqual(['http://registry.invalid/v2/']);
    } finally {
      restore({HTTP_PROXY, HTTPS_PROXY});
    }
  });
});

function restore(before: {readonly [name: string]: string | undefined}): void {
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
}

test('a registry elsewhere is never spoken to without https unless that is allowed', async () => {
  const clock = stillClock();
  const failure = await failureOf(
    openRegistry({registry: 'registry.invalid', credentials: null, clock, signal: never}),
  );
  expect(failure.code).toBe('PROVIDER_UNREACHABLE');
  expect(failure.message).toContain('https://registry.invalid/v2/');
});
