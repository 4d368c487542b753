import {describe, expect, test} from 'vitest';
import {parseComplaint} from '../../../../src/image/registry/refusal.ts';
import {parseRetryAfter, scheduleRetry} from '../../../../src/image/registry/transport.ts';
import {parseReceived} from '../../../../src/image/registry/upload.ts';

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
