import {describe, expect, test} from 'vitest';
import {ThawError} from '../../../../src/core/errors.ts';
import {
  apiHost,
  isLoopback,
  parseReference,
  renderReference,
} from '../../../../src/image/registry/reference.ts';

const digest = `sha256:${'a'.repeat(64)}`;

describe('a reference', () => {
  test.each([
    ['ubuntu', 'docker.io/library/ubuntu'],
    ['ubuntu:24.04', 'docker.io/library/ubuntu:24.04'],
    ['team/app', 'docker.io/team/app'],
    ['index.docker.io/library/ubuntu', 'docker.io/library/ubuntu'],
    ['localhost/app', 'localhost/app'],
    ['localhost:5000/app:v1', 'localhost:5000/app:v1'],
    ['[::1]:5000/app', '[::1]:5000/app'],
    ['Registry.Example.com/a/b/c__d-e.f:T_1.2', 'registry.example.com/a/b/c__d-e.f:T_1.2'],
    [`registry.example.com/app@${digest}`, `registry.example.com/app@${digest}`],
    [`registry.example.com:8443/app:1@${digest}`, `registry.example.com:8443/app:1@${digest}`],
  ])('%s is %s in full', (text, full) => {
    expect(renderReference(parseReference(text))).toBe(full);
    expect(parseReference(full)).toEqual(parseReference(text));
  });

  test.each([
    ['', 'it is empty'],
    ['a b', 'white space'],
    ['app\u0000', 'white space'],
    ['https://registry.example.com/app', 'a scheme'],
    ['registry.example.com/', 'a part of its path is empty'],
    ['registry.example.com//app', 'a part of its path is empty'],
    ['registry.example.com/App', '"App" is not lower-case'],
    ['registry.example.com/../app', '".." is not lower-case'],
    ['registry.example.com/a/./b', '"." is not lower-case'],
    ['registry.example.com/a..b', '"a..b" is not lower-case'],
    ['registry.example.com/app:', 'the tag ""'],
    ['registry.example.com/app:-x', 'the tag "-x"'],
    [`registry.example.com/app:${'x'.repeat(129)}`, 'the tag "x'],
    ['registry.example.com/app:a/b', 'the tag "a/b"'],
    ['registry.example.com/app@sha256:abc', 'the digest "sha256:abc"'],
    [`registry.example.com/app@sha512:${'a'.repeat(128)}`, 'the digest "sha512:'],
    [`registry.example.com/app@${digest.toUpperCase()}`, 'the digest "SHA256:'],
    ['registry.example.com:99999/app', '"99999" is not a port'],
    ['-x.example.com/app', '"-x.example.com" is not a host'],
    ['user:secret@registry.example.com/app', 'the digest'],
    ['[zz]:5000/app', '"[zz]:5000" is not a host'],
    [`registry.example.com/${'a'.repeat(256)}`, '256 characters'],
    ['registry.example.com/app?x=1', '"app?x=1" is not lower-case'],
  ])('%j is refused: %s', (text, problem) => {
    let caught: unknown;
    try {
      parseReference(text);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(ThawError);
    expect(caught).toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining(problem) as string,
    });
  });

  test('of Docker Hub leads to the host of its API', () => {
    expect(apiHost(parseReference('ubuntu').registry)).toBe('registry-1.docker.io');
    expect(apiHost('localhost:5000')).toBe('localhost:5000');
  });
});

test('only this machine is this machine', () => {
  expect(['localhost', 'localhost:5000', '127.0.0.1:80', '127.9.9.9', '[::1]:1'].every(isLoopback)).toBe(
    true,
  );
  const others = [
    'localhost.example.com',
    '127.0.0.1.example.com',
    '10.0.0.1',
    '[::2]',
    'xlocalhost',
    '128.0.0.1:1',
  ];
  expect(others.some(isLoopback)).toBe(false);
});
