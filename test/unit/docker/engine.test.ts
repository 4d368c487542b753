import {chmod, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest';
import {findPushedDigest, openEngine, parseVersion, type Engine} from '../../../src/docker/engine.ts';
import {ThawError} from '../../../src/core/errors.ts';

const never = new AbortController().signal;
const ID = `sha256:${'ab12'.repeat(16)}`;
const SERVED = JSON.stringify({
  Client: {Version: '28.2.2'},
  Server: {Version: '20.10.24', Os: 'linux', Arch: 'amd64'},
});

let folder: string;
const pathBefore = process.env['PATH'];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thaw-engine-'));
});
afterEach(() => {
  process.env['PATH'] = pathBefore;
});
afterAll(async () => {
  await rm(folder, {recursive: true, force: true});
});

/** Writes a command line that does for each command what a piece of JavaScript says, and returns its path. */
async function commandLine(name: string, commands: {readonly [command: string]: string}): Promise<string> {
  const file = join(folder, name);
  const cases = Object.entries(commands).map(
    ([command, code]) => `case ${JSON.stringify(command)}: ${code}; break;`,
  );
  await writeFile(
    file,
    `#!${process.execPath}
const fs = require('node:fs');
const args = process.argv.slice(2);
const fail = (words, code = 1) => { process.stderr.write(words + '\\n'); process.exitCode = code; };
switch (args[0]) { ${cases.join('\n')} default: fail('unexpected ' + args); }
`,
  );
  await chmod(file, 0o755);
  return file;
}

const print = (text: string): string => `process.stdout.write(${JSON.stringify(`${text}\n`)})`;
const fail = (words: string, code = 1): string => `fail(${JSON.stringify(words)}, ${code})`;

async function engineThat(commands: {readonly [command: string]: string}): Promise<Engine> {
  const name = `docker-${Math.random().toString(36).slice(2)}`;
  return openEngine(await commandLine(name, {version: print(SERVED), ...commands}), never);
}

async function failureOf(promise: Promise<unknown>): Promise<ThawError> {
  const error = await promise.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof ThawError) return error;
  throw error;
}

async function* pieces(count: number, bytes: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield Promise.resolve(new Uint8Array(bytes).fill(i));
}

describe('the engine that is found', () => {
  /** Nothing but the command lines of one test on the PATH, and Node for them. */
  async function onPath(commands: {readonly [name: string]: string}): Promise<void> {
    const dir = await mkdtemp(join(folder, 'path-'));
    for (const [name, version] of Object.entries(commands)) {
      const file = await commandLine(join(dir.slice(folder.length + 1), name), {version});
      expect(file).toBe(join(dir, name));
    }
    process.env['PATH'] = dir;
  }

  test('is the first one that answers', async () => {
    await onPath({
      docker: fail('Cannot connect to the Docker daemon at unix:///nowhere. Is the docker daemon running?'),
      podman: print('{"Client":{"Version":"4.3.1","OsArch":"linux/arm64","Os":"linux"}}'),
      nerdctl: print(SERVED),
    });
    const {command, version} = await openEngine(null, never);
    expect({command, version}).toEqual({
      command: 'podman',
      version: {version: '4.3.1', platform: 'linux/arm64', daemon: false},
    });
  });

  test('is missed by the first command line that is there, if none answers', async () => {
    await onPath({
      podman: fail('Cannot connect to Podman. Please verify your connection to the Linux system', 125),
      nerdctl: fail('cannot access containerd socket "/run/containerd/containerd.sock": no such file'),
    });
    expect(await failureOf(openEngine(null, never))).toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      facts: {engine: 'podman', reason: 'not-running'},
    });
  });

  test('is none where there is no command line', async () => {
    await onPath({});
    const error = await failureOf(openEngine(null, never));
    expect(error).toMatchObject({code: 'ENGINE_UNAVAILABLE', facts: {reason: 'no-command'}});
    expect(error.message).toBe('none of docker, podman, nerdctl was found on the PATH');
    expect(await failureOf(openEngine('my-docker', never))).toMatchObject({
      message: 'my-docker was not found on the PATH',
      facts: {engine: 'my-docker', reason: 'no-command'},
    });
  });

  test('is the one that is named, and no other', async () => {
    await onPath({
      docker: print(SERVED),
      mine: fail('permission denied while trying to connect to the Docker daemon socket'),
    });
    expect(await failureOf(openEngine('mine', never))).toMatchObject({
      code: 'PERMISSION_DENIED',
      facts: {engine: 'mine', reason: 'socket'},
    });
    expect((await openEngine('docker', never)).version).toEqual({
      version: '20.10.24',
      platform: 'linux/amd64',
      daemon: true,
    });
  });

  test.for(['', 'docker 28', 'null', '{}', '{"Client":{"Version":1}}', '{"Client":{"Version":"1"}}'])(
    'is no engine if its version is %j',
    async (text) => {
      const file = await commandLine('strange', {version: print(text)});
      expect(await failureOf(openEngine(file, never))).toMatchObject({code: 'ENGINE_UNAVAILABLE'});
      expect(parseVersion(text)).toBeNull();
    },
  );
});

describe('an engine', () => {
  test('knows an image by any name, and says that it has none', async () => {
    const inspect = `args.at(-1) === 'here' ? console.log(${JSON.stringify(ID.slice(7))}) : ${fail('Error: No such image: gone')}`;
    const engine = await engineThat({image: inspect});
    expect(await engine.findImage('here')).toBe(ID);
    expect(await engine.findImage('gone')).toBeNull();
    const broken = await engineThat({image: fail('Error response from daemon: layer does not exist')});
    expect(await failureOf(broken.findImage('here'))).toMatchObject({code: 'ENGINE_REFUSED'});
  });

  test('is streamed every byte of what it loads', async () => {
    const file = join(folder, 'loaded');
    const engine = await engineThat({
      load: `process.stdin.pipe(fs.createWriteStream(${JSON.stringify(file)}))`,
    });
    await engine.load(pieces(64, 100_000));
    const loaded = await readFile(file);
    expect(loaded.length).toBe(6_400_000);
    expect(loaded.every((byte, at) => byte === Math.floor(at / 100_000))).toBe(true);
  });

  test('that stops reading says itself why, and not the broken pipe', async () => {
    const words =
      'Error processing tar file(exit status 1): write /opt/thaw/bin/node: no space left on device';
    const engine = await engineThat({load: `process.stdin.destroy(); ${fail(words)}`});
    const error = await failureOf(engine.load(pieces(1000, 100_000)));
    expect(error).toMatchObject({code: 'DISK_FULL', facts: {engine: engine.command}});
    expect(error.message).toContain(words);
  });

  test('is ended if what it loads breaks off', async () => {
    const engine = await engineThat({load: 'process.stdin.resume(); setTimeout(() => {}, 100_000)'});
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Promise.resolve(new Uint8Array(10));
      throw new ThawError('IMAGE_STALE', 'a layer changed');
    }
    expect(await failureOf(engine.load(broken()))).toMatchObject({code: 'IMAGE_STALE'});
  });

  test('is left alone when the command is called off', async () => {
    const controller = new AbortController();
    const file = await commandLine('slow', {
      version: print(SERVED),
      load: `process.stdin.resume(); fs.writeFileSync(${JSON.stringify(join(folder, 'slow-started'))}, ''); setTimeout(() => {}, 100_000)`,
    });
    const engine = await openEngine(file, controller.signal);
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield new Uint8Array(1000);
        if (await readFile(join(folder, 'slow-started')).catch(() => null)) controller.abort();
      }
    }
    expect(await failureOf(engine.load(endless()))).toMatchObject({code: 'INTERRUPTED'});
    expect(await failureOf(engine.tag('a', 'b'))).toMatchObject({code: 'INTERRUPTED'});
  });

  test('builds for a platform, under names, and tells what it says', async () => {
    const file = join(folder, 'build.json');
    const engine = await engineThat({
      build: `fs.writeFileSync(${JSON.stringify(file)}, JSON.stringify(args));
        fs.writeFileSync(args[args.indexOf('--iidfile') + 1], ${JSON.stringify(ID)});
        console.log('Step 1/2 : FROM scratch'); console.error('#1 done')`,
    });
    const lines: string[] = [];
    const build = {contextDir: folder, platform: 'linux/arm64', tags: ['a:1', 'a:2']};
    expect(await engine.build({...build, onLine: (line) => void lines.push(line)})).toBe(ID);
    const args = JSON.parse(await readFile(file, 'utf8')) as string[];
    expect(args.join(' ')).toMatch(/^build --platform linux\/arm64 --iidfile \S+ --tag a:1 --tag a:2 /);
    expect(lines.toSorted()).toEqual(['#1 done', 'Step 1/2 : FROM scratch']);
  });

  test('tells the digest of what it pushed, as docker says it or as podman keeps it', async () => {
    const pushed = `1: digest: ${ID} size: 1234`;
    const docker = await engineThat({push: print(pushed)});
    expect(await docker.push('localhost:5000/team/a:1')).toBe(ID);
    const podman = await engineThat({
      push: '',
      image: print(JSON.stringify([`localhost:5000/team/a@${ID}`])),
    });
    expect(await podman.push('localhost:5000/team/a:1')).toBe(ID);
    const silent = await engineThat({push: '', image: print('[]')});
    expect(await failureOf(silent.push('localhost:5000/team/a:1'))).toMatchObject({code: 'ENGINE_REFUSED'});
  });
});

describe('what a command line says', () => {
  test.for([
    // As Docker 20.10 and 28 say it, and podman 4.
    [
      'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?',
      'ENGINE_UNAVAILABLE',
      'not-running',
    ],
    [
      'error during connect: Get "http://10.0.0.1:2375/v1.41/version": dial tcp 10.0.0.1:2375: i/o timeout',
      'ENGINE_UNAVAILABLE',
      'not-running',
    ],
    [
      'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Post "http://%2Fvar%2Frun%2Fdocker.sock/v1.41/images/load?quiet=1": dial unix /var/run/docker.sock: connect: permission denied',
      'PERMISSION_DENIED',
      'socket',
    ],
    [
      'Failed to initialize: unable to resolve docker endpoint: context "lab": context not found: open /home/ann/.docker/contexts/meta/1/meta.json: no such file or directory',
      'ENGINE_UNAVAILABLE',
      'no-context',
    ],
    ['unable to resolve docker endpoint: context "lab" does not exist', 'ENGINE_UNAVAILABLE', 'no-context'],
    ['open /var/lib/docker/tmp/x: no space left on device', 'DISK_FULL', undefined],
    ['no basic auth credentials', 'CREDENTIALS_MISSING', 'registry'],
    ['denied: requested access to the resource is denied', 'PERMISSION_DENIED', 'registry'],
    ['unauthorized: authentication required', 'CREDENTIALS_MISSING', 'registry'],
    ['Error processing tar file(exit status 1): unexpected EOF', 'ENGINE_REFUSED', undefined],
  ] as const)('%s', async ([words, code, reason]) => {
    const engine = await engineThat({tag: fail(words)});
    const error = await failureOf(engine.tag('a', 'b'));
    expect(error.code).toBe(code);
    expect(error.facts['engine']).toBe(engine.command);
    expect(error.facts['reason']).toBe(reason);
    expect(error.message).toContain(words.replace(/\.$/, '').replace(/^error: /i, ''));
  });

  test('goes into the message without remarks that stand beside it, and without passwords', async () => {
    const words = [
      'DEPRECATED: The legacy builder is deprecated and will be removed in a future release.',
      '            Install the buildx component to build images with BuildKit:',
      'Error: initializing source docker://ann:hush@registry.example.com/a: connection broke',
    ].join('\n');
    const engine = await engineThat({tag: fail(words)});
    const {message} = await failureOf(engine.tag('a', 'b'));
    expect(message).toBe(
      `${engine.command} could not call the image b: initializing source docker://***@registry.example.com/a: connection broke`,
    );
  });

  test('need not be anything', async () => {
    const engine = await engineThat({tag: fail('', 7)});
    expect(await failureOf(engine.tag('a', 'b'))).toMatchObject({
      code: 'ENGINE_REFUSED',
      message: `${engine.command} could not call the image b: exit code 7`,
      facts: {exitCode: 7},
    });
  });
});

test('the digest in the repository of a name is found among those of others', () => {
  const listed = JSON.stringify([`other/a@sha256:1`, `localhost:5000/a@sha256:2`]);
  expect(findPushedDigest(listed, 'localhost:5000/a:1')).toBe('sha256:2');
  expect(findPushedDigest(listed, 'localhost:5000/a')).toBe('sha256:2');
  expect(findPushedDigest(listed, 'localhost:5000/b:1')).toBeNull();
  expect(findPushedDigest('null', 'a:1')).toBeNull();
});
