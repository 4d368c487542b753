import {assert, property, string} from 'fast-check';
import {describe, expect, it} from 'vitest';
import {createRedactor} from '../../../src/core/redact.ts';

const VALUE = 'p@ss/w+rd "quoted"\\ ünï';

describe('a redactor', () => {
  const redact = createRedactor([VALUE]);

  it.each([
    ['as it is', VALUE],
    ['inside JSON', JSON.stringify({password: VALUE})],
    ['in a URL', `https://host/?password=${encodeURIComponent(VALUE)}`],
    ['in a form', new URLSearchParams({password: VALUE}).toString()],
    ['in base64', Buffer.from(VALUE).toString('base64')],
    ['in base64url', Buffer.from(VALUE).toString('base64url')],
    ['in a Basic authorization after a user name', Buffer.from(`AWS:${VALUE}`).toString('base64')],
    ['in base64 after one byte more', Buffer.from(`user:${VALUE}!`).toString('base64')],
  ])('hides a value %s', (_, text) => {
    const redacted = redact(text);
    expect(redacted).toContain('[redacted]');
    expect(Buffer.from(redacted.replaceAll('[redacted]', ''), 'base64').toString()).not.toContain('rd "quot');
    expect(redacted).not.toContain('quoted');
  });

  it('hides the longer of two values where one holds the other', () => {
    expect(createRedactor(['secret', 'secret-and-more'])('a secret-and-more b secret')).toBe(
      'a [redacted] b [redacted]',
    );
  });

  it('hides the lines of a value one by one, as a log shows them', () => {
    const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----\n';
    expect(createRedactor([key])('line: MIIEvQIBADANBgkq')).toBe('line: [redacted]');
  });

  it('leaves values of three characters alone, and texts without a value', () => {
    expect(createRedactor(['abc', ''])('abc abcd')).toBe('abc abcd');
    expect(redact('nothing here')).toBe('nothing here');
    expect(createRedactor([])('text')).toBe('text');
  });

  it('takes any value, broken Unicode too, and never lets it through', () => {
    const value = string({minLength: 4, maxLength: 30, unit: 'binary'});
    assert(
      property(value, string(), string(), (secret, before, after) => {
        const text = `${before}${secret}${after}`;
        expect(createRedactor([secret])(text).replaceAll('[redacted]', '')).not.toContain(secret);
      }),
    );
    expect(createRedactor(['lone \ud800 half'])('a lone \ud800 half')).toBe('a [redacted]');
  });
});
