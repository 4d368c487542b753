import {chmod, writeFile} from 'node:fs/promises';
import {delimiter, join} from 'node:path';
import {describe, expect, test} from 'vitest';
import {readCredentials} from '../../../../src/image/registry/credentials.ts';
import {failureOf, never, scratch, writeTree} from '../fixture.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const here = {registry: 'registry.example.com', repository: 'team/app'};

/** What is found in a home folder with these files. */
async function found(files: {[path: string]: unknown}, reference = here, env: {[name: string]: string} = {}) {
  const homeDir = await scratch();
  const texts = Object.entries(files).map(([path, content]) => [
    path,
    typeof content === 'string' ? content : JSON.stringify(content),
  ]);
  await writeTree(homeDir, Object.fromEntries(texts) as {[path: string]: string});
  const absolute = Object.entries(env).map(([name, value]) => [name, value.replace('HOME', homeDir)]);
  return readCredentials(reference, {homeDir, env: Object.fromEntries(absolute) as NodeJS.ProcessEnv}, never);
}

const password = (username: string, secret: string) => ({kind: 'password', username, password: secret});

describe('credentials', () => {
  test('are not invented', async () => {
    expect(await found({})).toBeNull();
    expect(
      await found({'.docker/config.json': {auths: {'other.example.com': {auth: base64('a:b')}}}}),
    ).toBeNull();
    expect(
      await found({'.docker/config.json': {auths: {'registry.example.com.evil.com': {auth: base64('a:b')}}}}),
    ).toBeNull();
    expect(await found({'.docker/config.json': {auths: {'registry.example.com': {}}}})).toBeNull();
  });

  test.each(['registry.example.com', 'https://registry.example.com', 'https://registry.example.com/v1/'])(
    'are found under %s, with a colon in the password',
    async (name) => {
      const config = {auths: {[name]: {auth: base64('ann:pass:word')}}};
      expect(await found({'.docker/config.json': config})).toEqual(password('ann', 'pass:word'));
    },
  );

  test('may be identity tokens', async () => {
    const config = {auths: {'registry.example.com': {auth: base64('ann:'), identitytoken: 'identity'}}};
    expect(await found({'.docker/config.json': config})).toEqual({kind: 'identity', token: 'identity'});
  });

  test('of Docker Hub lie under its old name', async () => {
    const config = {auths: {'https://index.docker.io/v1/': {auth: base64('ann:hub')}}};
    const hub = {registry: 'docker.io', repository: 'library/ubuntu'};
    expect(await found({'.docker/config.json': config}, hub)).toEqual(password('ann', 'hub'));
  });

  test('are looked for where DOCKER_CONFIG, XDG_RUNTIME_DIR and REGISTRY_AUTH_FILE say', async () => {
    const file = (secret: string) => ({auths: {'registry.example.com': {auth: base64(`ann:${secret}`)}}});
    const files = {
      'a/config.json': file('docker'),
      'run/containers/auth.json': file('podman'),
      '.config/containers/auth.json': file('kept'),
      'named.json': file('named'),
    };
    const ask = (env: {[name: string]: string}) => found(files, here, env);
    expect(await ask({DOCKER_CONFIG: 'HOME/a', XDG_RUNTIME_DIR: 'HOME/run'})).toEqual(
      password('ann', 'docker'),
    );
    expect(await ask({XDG_RUNTIME_DIR: 'HOME/run'})).toEqual(password('ann', 'podman'));
    expect(await ask({})).toEqual(password('ann', 'kept'));
    expect(await ask({DOCKER_CONFIG: 'HOME/a', REGISTRY_AUTH_FILE: 'HOME/named.json'})).toEqual(
      password('ann', 'named'),
    );
  });

  test('for a part of a registry go before those for all of it', async () => {
    const config = {
      auths: {
        'registry.example.com': {auth: base64('ann:all')},
        'registry.example.com/team': {auth: base64('ann:team')},
        'registry.example.com/teammates': {auth: base64('ann:other')},
      },
    };
    expect(await found({'.config/containers/auth.json': config})).toEqual(password('ann', 'team'));
  });

  test('that cannot be read say where, and nothing of what stands there', async () => {
    for (const text of ['{"auths": {"x": {"auth": "c2VjcmV0"', '"c2VjcmV0"']) {
      const failure = await failureOf(found({'.docker/config.json': text}));
      expect(failure.code).toBe('CREDENTIALS_MISSING');
      expect(failure.message).toContain('config.json');
      expect(JSON.stringify([failure.message, failure.facts, String(failure.cause)])).not.toContain('c2Vjc');
    }
    const noColon = {auths: {'registry.example.com': {auth: base64('hushhush')}}};
    const failure = await failureOf(found({'.docker/config.json': noColon}));
    expect(failure.message).not.toMatch(/hush/);
  });
});

describe.skipIf(process.platform === 'win32')('a credential helper', () => {
  async function ask(script: string, config: object) {
    const bin = await scratch();
    const file = join(bin, 'docker-credential-test');
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
    return found({'.docker/config.json': config}, here, {PATH: `${bin}${delimiter}${process.env['PATH']}`});
  }
  const store = {credsStore: 'test'};

  test('is asked for the registry on its standard input', async () => {
    const script = `read -r server; [ "$1" = get ] && echo "{\\"Username\\":\\"ann\\",\\"Secret\\":\\"for $server\\"}"`;
    expect(await ask(script, store)).toEqual(password('ann', 'for registry.example.com'));
    expect(await ask(script, {credHelpers: {'registry.example.com': 'test'}, credsStore: 'no-such'})).toEqual(
      password('ann', 'for registry.example.com'),
    );
  });

  test('may give an identity token', async () => {
    const script = `echo '{"Username":"<token>","Secret":"identity"}'`;
    expect(await ask(script, store)).toEqual({kind: 'identity', token: 'identity'});
  });

  test('that knows nothing leaves it to the file', async () => {
    const script = `echo 'credentials not found in native keychain'; exit 1`;
    expect(await ask(script, store)).toBeNull();
    const config = {...store, auths: {'registry.example.com': {auth: base64('ann:file')}}};
    expect(await ask(script, config)).toEqual(password('ann', 'file'));
  });

  test('that fails is named, and nothing that it printed', async () => {
    const failure = await failureOf(ask(`echo s3cret; echo s3cret >&2; exit 3`, store));
    expect(failure.code).toBe('CREDENTIALS_MISSING');
    expect(failure.message).toContain('docker-credential-test');
    expect(failure.message).toContain('exit code 3');
    expect(JSON.stringify([failure.message, failure.facts, String(failure.cause)])).not.toContain('s3cret');
    const absent = await failureOf(ask('true', {credsStore: 'no-such'}));
    expect(absent.message).toContain('docker-credential-no-such');
    expect(absent.message).toContain('was not found');
    const nonsense = await failureOf(ask('echo s3cret', store));
    expect(nonsense.message).not.toContain('s3cret');
  });

  test('is not run from wherever the file says', async () => {
    const failure = await failureOf(ask('true', {credsStore: '../../bin/evil'}));
    expect(failure.message).toContain('no legal name');
  });
});
