import {execFile, spawnSync} from 'node:child_process';
import {createHash, randomBytes} from 'node:crypto';
import {chmod, mkdir, mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {delimiter, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {promisify} from 'node:util';
import {afterAll, afterEach, beforeAll, describe, expect, test} from 'vitest';
import type {Image} from '../../src/core/image.ts';
import type {Delivered} from '../../src/cli/image-outputs.ts';
import {openBench, type Bench, type Ended} from '../cli/thaw.ts';
import {findMissing, skippedFor, startRegistry} from './debian-registry.ts';
import {findMissingForDocker, openDocker, type TestDocker} from './docker.ts';

const run = promisify(execFile);

const missing = findMissingForDocker();
const missingForRegistry = findMissing(['docker-registry', 'htpasswd', 'skopeo']);
const missingForSkopeo = findMissing(['skopeo']);
const missingForPodman = process.getuid?.() === 0 ? findMissing(['podman']) : ['podman and root'];
const missingForContainerd = findMissing(['ctr']);

/** A folder with a `docker` in it that can talk to BuildKit; null if there is none. */
const buildkitFolder = (process.env['PATH'] ?? '').split(delimiter).find((folder) => {
  const docker = join(folder, 'docker');
  const {status, stdout} = spawnSync(docker, ['--version'], {encoding: 'utf8'});
  // Until version 23 it was part of the command line; since then it is a plugin.
  const major = Number(/version (\d+)/.exec(stdout ?? '')?.[1]);
  return status === 0 && (major < 23 || spawnSync(docker, ['buildx', 'version']).status === 0);
});

/** An engine is started, and a function deployed: on a busy machine that takes its time. */
const HOOKS_MS = 600_000;

interface PackageDocument {
  readonly image: Image;
  readonly layoutDir: string;
  readonly pushed: {readonly reference: string} | null;
  readonly delivered: Delivered;
}

describe.skipIf(missing.length > 0)(`a real Docker engine${skippedFor(missing)}`, () => {
  /** In the name of every image and on every container, so that what is left is known to be ours. */
  const name = `thaw-test-${randomBytes(4).toString('hex')}`;
  const project = {cwd: name};
  let engine: TestDocker;
  let bench: Bench;
  let request: string;
  /** What the process engine answers. */
  let expected: string;

  beforeAll(async () => {
    [engine, bench] = await Promise.all([openDocker(), openBench()]);
    await succeed(bench.thaw(['init', name, '--template', 'tabular', '--yes']));
    await succeed(bench.thaw(['package'], project));
    const {stdout} = await succeed(bench.thaw(['deploy', 'local', '--yes'], project));
    request = await readFile(join(bench.dir, name, 'samples/request.json'), 'utf8');
    expected = await ask(stdout.trim().split('\t')[1] ?? '');
    expect(expected).toContain('prediction');
  }, HOOKS_MS);

  afterEach(async () => {
    const containers = await engine.docker('ps', '-aq', '--filter', `label=${name}`);
    const images = await engine.docker('images', '-q', '--filter', `label=thaw.function=${name}`);
    const lines = (text: string): string[] => [...new Set(text.split('\n').filter((line) => line !== ''))];
    if (containers !== '') await engine.docker('rm', '-f', ...lines(containers));
    if (images !== '') await engine.docker('rmi', '-f', ...lines(images));
    expect(containers).toBe('');
    expect(await engine.docker('images', '-q', '--filter', `label=thaw.function=${name}`)).toBe('');
  });

  afterAll(async () => {
    await bench?.leave();
    await engine?.stop();
  }, HOOKS_MS);

  async function succeed(running: Promise<Ended>): Promise<Ended> {
    const ended = await running;
    expect(ended.code, ended.stderr).toBe(0);
    return ended;
  }

  async function ask(url: string): Promise<string> {
    const answer = await fetch(url, {
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body: request,
    });
    expect(answer.status).toBe(200);
    return answer.text();
  }

  async function packageWith(flags: readonly string[], env = {}): Promise<PackageDocument> {
    const {stdout} = await succeed(
      bench.thaw(['package', '--json', ...flags], {...project, env: {...engine.env, ...env}}),
    );
    return JSON.parse(stdout) as PackageDocument;
  }

  /** Runs an image as locked up as a function should be, and expects its answer, and its end when it is told to. */
  async function expectToServe(image: string): Promise<void> {
    const limits = ['--read-only', '--tmpfs', '/tmp', '--memory', '512m', '--cap-drop', 'ALL'];
    const published = ['--publish', '127.0.0.1::8080', '--label', name];
    const id = await engine.docker('run', '--rm', '--detach', ...published, ...limits, image);
    const exitCode = engine.docker('wait', id);
    const log = async (): Promise<string> => engine.docker('logs', id).catch(() => 'it is gone');
    try {
      const port = /:(\d+)$/m.exec(await engine.docker('port', id, '8080'))?.[1];
      const url = `http://127.0.0.1:${port}/`;
      for (let tries = 0; !(await isReady(url)); tries++) {
        if (tries === 300) expect.fail(`${image} does not get ready: ${await log()}`);
        await sleep(200);
      }
      expect(await ask(url)).toBe(expected);
    } finally {
      await engine.docker('stop', '--time', '60', id);
    }
    expect(await exitCode).toBe('0');
    for (let tries = 0; (await engine.docker('ps', '-aq', '--filter', `id=${id}`)) !== ''; tries++) {
      if (tries === 300) expect.fail(`${id} is not removed`);
      await sleep(200);
    }
  }

  const isReady = async (url: string): Promise<boolean> =>
    fetch(`${url}healthz`).then(
      ({status}) => status === 200,
      () => false,
    );

  const idOf = async (image: string): Promise<string> =>
    engine.docker('image', 'inspect', '--format', '{{.Id}}', image);

  test('is given the image by --load, once, and it answers as in the process engine', async () => {
    const {image, delivered} = await packageWith(['--load']);
    const loaded = delivered.engineImage;
    const reference = `${name}:${image.digest.slice(7, 19)}`;
    expect(loaded).toMatchObject({engine: 'docker', reference, present: false, pushed: null});
    expect(await idOf(reference)).toBe(loaded?.id);
    expect(await idOf(`${name}:latest`)).toBe(loaded?.id);
    await expectToServe(reference);

    await engine.docker('rmi', `${name}:latest`);
    const again = await succeed(bench.thaw(['package', '--load'], {...project, env: {...engine.env}}));
    expect(again.stdout).toBe(`${reference}\n`);
    expect(again.stderr).toContain('already in docker');
    expect(await idOf(`${name}:latest`)).toBe(loaded?.id);
  });

  test('loads the archive that --archive writes, which is the same bytes each time', async () => {
    const file = join(bench.dir, 'image.tar');
    const {image, layoutDir} = await packageWith(['--archive', file]);
    const first = createHash('sha256').update(await readFile(file));
    await engine.docker('load', '--input', file);
    await expectToServe(`${name}:latest`);

    await packageWith(['--archive', file]);
    const second = createHash('sha256').update(await readFile(file));
    expect(second.digest('hex')).toBe(first.digest('hex'));
    const manifest = JSON.parse(
      await readFile(join(layoutDir, 'blobs/sha256', image.digest.slice(7)), 'utf8'),
    ) as {config: {digest: string}};
    expect(await idOf(`${name}:latest`)).toBe(manifest.config.digest);
  });

  test.skipIf(missingForSkopeo.length > 0)(
    `writes an archive and a layout that skopeo reads${skippedFor(missingForSkopeo)}`,
    async () => {
      const [archive, layout] = [join(bench.dir, 'skopeo.tar'), join(bench.dir, 'layout')];
      const {image} = await packageWith(['--archive', archive, '--out', layout]);
      const inspect = async (what: string): Promise<object> =>
        JSON.parse((await run('skopeo', ['inspect', what])).stdout) as object;
      const labels = {'thaw.function': name};
      expect(await inspect(`docker-archive:${archive}`)).toMatchObject({
        Architecture: 'amd64',
        Labels: labels,
      });
      expect(await inspect(`oci:${layout}:${name}`)).toMatchObject({Digest: image.digest, Labels: labels});
    },
  );

  test.skipIf(missingForContainerd.length > 0)(
    `writes an archive that keeps its digest in containerd${skippedFor(missingForContainerd)}`,
    async ({skip}) => {
      const {containerdSocket} = engine;
      if (containerdSocket === null) return skip('the engine was here before; its containerd is not ours');
      const file = join(bench.dir, 'containerd.tar');
      const {image} = await packageWith(['--archive', file]);
      const ctr = async (...args: string[]): Promise<string> =>
        (await run('ctr', ['--address', containerdSocket, '--namespace', name, ...args])).stdout;
      await ctr('images', 'import', '--no-unpack', file);
      const listed = await ctr('images', 'list');
      for (const tag of ['latest', image.digest.slice(7, 19)]) {
        expect(listed).toMatch(new RegExp(`docker.io/library/${name}:${tag} +\\S+ +${image.digest} `));
      }
      return undefined;
    },
  );

  test.skipIf(missingForPodman.length > 0)(
    `is not the only one: podman takes the image as well${skippedFor(missingForPodman)}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'thaw-podman-'));
      const podman = join(folder, 'podman');
      const storage = `--root ${folder}/data --runroot ${folder}/run --storage-driver vfs`;
      await writeFile(podman, `#!/bin/sh\nexec podman ${storage} "$@"\n`);
      await chmod(podman, 0o755);
      try {
        const {delivered} = await packageWith(['--load'], {THAW_DOCKER: podman});
        expect(delivered.engineImage).toMatchObject({engine: podman, present: false});
        const again = await packageWith(['--load'], {THAW_DOCKER: podman});
        expect(again.delivered.engineImage).toEqual({...delivered.engineImage, present: true});
        const {stdout} = await run(podman, ['images', '--format', '{{.Repository}}:{{.Tag}}']);
        expect(stdout).toContain(`localhost/${name}:latest\n`);
      } finally {
        await run(podman, ['rmi', '--all', '--force']).catch(() => undefined);
        await rm(folder, {recursive: true, force: true, maxRetries: 5});
      }
    },
  );

  /** Every file of an image as a container has it: kind, mode, owner, size and content. */
  async function filesOf(image: string): Promise<string> {
    const container = await engine.docker('create', '--label', name, image);
    const folder = await mkdtemp(join(tmpdir(), 'thaw-export-'));
    try {
      const [archive, root] = [join(folder, 'export.tar'), join(folder, 'root')];
      await engine.docker('export', '--output', archive, container);
      await mkdir(root);
      // What Docker itself puts into every container.
      const own = [
        '.dockerenv',
        'dev',
        'proc',
        'sys',
        'etc/hostname',
        'etc/hosts',
        'etc/resolv.conf',
        'etc/mtab',
      ];
      const exclude = own.map((path) => `--exclude=${path}`);
      await run('tar', ['-xpf', archive, '-C', root, '--numeric-owner', '--anchored', ...exclude]);
      const script = `find . -printf '%y %m %U:%G %p %l\\n' | sort -k4; find . -type f -exec sha256sum {} + | sort -k2`;
      return (await run('sh', ['-c', script], {cwd: root, maxBuffer: 1 << 24})).stdout;
    } finally {
      await engine.docker('rm', container);
      await rm(folder, {recursive: true, force: true});
    }
  }

  const settingsOf = async (image: string): Promise<object> => {
    const text = await engine.docker('image', 'inspect', '--format', '{{json .Config}}', image);
    const {Entrypoint, Cmd, Env, User, WorkingDir, Labels} = JSON.parse(text) as Record<string, unknown>;
    return {Entrypoint, Cmd: Cmd ?? null, Env: (Env as string[]).toSorted(), User, WorkingDir, Labels};
  };

  const builders = [
    {builder: 'the classic builder', env: {DOCKER_BUILDKIT: '0'}, why: ''},
    {
      builder: 'BuildKit',
      env: {
        DOCKER_BUILDKIT: '1',
        ...(buildkitFolder && {PATH: `${buildkitFolder}${delimiter}${process.env['PATH']}`}),
      },
      why: buildkitFolder === undefined ? ' (skipped: needs a docker command line with BuildKit)' : '',
    },
  ];
  for (const {builder, env, why} of builders) {
    test.skipIf(why !== '')(`builds the same image with ${builder}${why}`, async () => {
      const {delivered: ofThaw} = await packageWith(['--load']);
      const {delivered} = await packageWith(['--builder', 'docker'], env);
      const [thaws, engines] = [ofThaw.engineImage?.reference ?? '', delivered.engineImage?.reference ?? ''];
      expect(engines).toBe(`${name}:${delivered.engineImage?.id.slice(7, 19)}`);
      expect(engines).not.toBe(thaws);
      expect(await idOf(`${name}:latest`)).toBe(await idOf(engines));
      expect(await settingsOf(engines)).toEqual(await settingsOf(thaws));
      expect(await filesOf(engines)).toBe(await filesOf(thaws));
      await expectToServe(engines);
    });
  }

  test.skipIf(missingForRegistry.length > 0)(
    `builds the same image on a base from a registry${skippedFor(missingForRegistry)}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'thaw-base-'));
      const baseName = `${await startRegistry(folder)}/team/base:1`;
      try {
        await packageWith(['--dockerfile']);
        const contextDir = join(bench.dir, name, '.thaw/docker');
        const lines = [
          'FROM scratch',
          'COPY base/ /',
          'ENV GREETING=hello',
          'CMD ["not this"]',
          `LABEL thaw.function=${name}`,
        ];
        await writeFile(join(contextDir, 'Dockerfile'), lines.join('\n'));
        await engine.docker('build', '--tag', baseName, contextDir);
        await engine.docker('push', baseName);

        const {image, delivered: ofThaw} = await packageWith(['--base', baseName, '--load']);
        const {delivered} = await packageWith(['--base', baseName, '--builder', 'docker']);
        const [thaws, engines] = [
          ofThaw.engineImage?.reference ?? '',
          delivered.engineImage?.reference ?? '',
        ];
        const dockerfile = await readFile(delivered.dockerfile ?? '', 'utf8');
        expect(dockerfile).toContain(`FROM ${(image.base as {reference: string}).reference}\n`);
        expect(dockerfile).not.toContain('base/ /');
        expect(await settingsOf(engines)).toEqual(await settingsOf(thaws));
        expect(JSON.stringify(await settingsOf(engines))).toContain('GREETING=hello');
        expect(await filesOf(engines)).toBe(await filesOf(thaws));
        await expectToServe(engines);
        await expectToServe(thaws);
      } finally {
        await rm(folder, {recursive: true, force: true});
      }
    },
  );

  test('is not needed to write the Dockerfile', async () => {
    const nobody = {DOCKER_HOST: `unix://${join(bench.dir, 'nobody.sock')}`};
    const {delivered} = await packageWith(['--dockerfile'], nobody);
    expect(delivered).toMatchObject({engineImage: null, dockerfile: expect.stringContaining('.thaw')});
    await engine.docker('build', '--tag', `${name}:by-hand`, join(bench.dir, name, '.thaw/docker'));
    await expectToServe(`${name}:by-hand`);
  });

  test('is missed before anything is built', async () => {
    const env = {DOCKER_HOST: `unix://${join(bench.dir, 'nobody.sock')}`, THAW_DOCKER: 'docker'};
    for (const flags of [['--load'], ['--builder', 'docker']]) {
      const {code, stderr, stdout} = await bench.thaw(['package', ...flags], {...project, env});
      expect(code).toBe(5);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^✗ no engine runs behind docker: .*nobody\.sock/);
      expect(stderr).toContain('$ docker version');
    }
  });

  test.skipIf(missingForRegistry.length > 0)(
    `pulls from a registry with a password what thaw has pushed, and pushes what it has built${skippedFor(missingForRegistry)}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'thaw-registry-'));
      try {
        const {stdout} = await run('htpasswd', ['-nbB', 'ann', 'hush-hush']);
        await writeFile(join(folder, 'htpasswd'), stdout.trim());
        const auth = `auth:\n  htpasswd: {realm: thaw, path: ${join(folder, 'htpasswd')}}\n`;
        const host = await startRegistry(folder, auth);
        const DOCKER_CONFIG = join(folder, 'config');
        const docker = async (...args: string[]): Promise<string> =>
          engine.docker('--config', DOCKER_CONFIG, ...args);

        const refused = await bench.thaw(['package', '--builder', 'docker', '--push', `${host}/team/no:1`], {
          ...project,
          env: {...engine.env, DOCKER_CONFIG: join(folder, 'nobody')},
        });
        expect(refused).toMatchObject({code: 4, stdout: ''});
        expect(refused.stderr).toContain('$ docker login');

        await docker('login', '--username', 'ann', '--password', 'hush-hush', host);
        const {image, pushed} = await packageWith(['--push', `${host}/team/${name}:1`], {DOCKER_CONFIG});
        expect(pushed?.reference).toBe(`${host}/team/${name}@${image.digest}`);
        await docker('pull', `${host}/team/${name}:1`);
        const digests = await docker(
          'image',
          'inspect',
          '--format',
          '{{json .RepoDigests}}',
          `${host}/team/${name}:1`,
        );
        expect(JSON.parse(digests)).toEqual([pushed?.reference]);
        await expectToServe(pushed?.reference ?? '');

        const flags = ['--builder', 'docker', '--push', `${host}/team/${name}:built`];
        const built = (await packageWith(flags, {DOCKER_CONFIG})).delivered.engineImage;
        const [repository, digest] = built?.pushed?.split('@') ?? [];
        expect(repository).toBe(`${host}/team/${name}`);
        const inspect = ['inspect', '--tls-verify=false', '--creds=ann:hush-hush'];
        const found = await run('skopeo', [...inspect, `docker://${host}/team/${name}:built`]);
        expect((JSON.parse(found.stdout) as {Digest: string}).Digest).toBe(digest);
      } finally {
        await rm(folder, {recursive: true, force: true});
      }
    },
  );
});
