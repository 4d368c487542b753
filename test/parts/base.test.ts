import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {existsSync} from 'node:fs';
import {mkdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {Image} from '../../src/core/image.ts';
import {planBase, inspectHostBase} from '../../src/image/base/host.ts';
import {blobPath} from '../../src/image/blobs.ts';
import {directoryEntry, fileEntry, type Entry} from '../../src/image/entries.ts';
import type {Pushed} from '../../src/image/registry/push.ts';
import type {Sbom} from '../../src/image/sbom.ts';
import {openBench, type Bench} from '../cli/thaw.ts';
import {baseFiles} from '../unit/image/base/base-image.ts';
import {scratch} from '../unit/image/fixture.ts';
import {findMissing, skippedFor, startRegistry} from './debian-registry.ts';
import {pushBase} from './push-base.ts';

const run = promisify(execFile);
const isHere = process.platform === 'linux' && process.arch === 'x64' && process.getuid?.() === 0;
const missing = [
  ...findMissing(['docker-registry', 'skopeo', 'umoci', 'chroot']),
  ...(isHere ? [] : ['root on Linux x64']),
];

interface Packaged {
  readonly image: Image;
  readonly layoutDir: string;
  readonly sbom: string;
  readonly pushed: Pushed | null;
}

describe.skipIf(missing.length > 0)(`an image on a base from a real registry${skippedFor(missing)}`, () => {
  let host: string;
  let bench: Bench;
  let base: Pushed;
  beforeAll(async () => {
    host = await startRegistry(await scratch());
    bench = await openBench();
    const upper: Entry[] = [
      directoryEntry('tmp', 0o1777),
      fileEntry('etc/motd', {bytes: Buffer.from('hello\n')}),
    ];
    const status = '/var/lib/dpkg/status';
    if (existsSync(status)) upper.push(fileEntry(status.slice(1), {file: status}));
    const files = planBase(await inspectHostBase('linux/amd64')).filter(({path}) => path !== 'tmp');
    base = await pushBase(`${host}/team/base:1`, 'linux/amd64', [files, upper]);
    expect((await bench.thaw(['init', 'demo', '--template', 'tabular', '--yes'])).code).toBe(0);
  });
  afterAll(() => bench.leave());

  const thawPackage = async (...args: readonly string[]): Promise<Packaged> => {
    const {code, stdout, stderr} = await bench.thaw(['package', '--json', ...args], {cwd: 'demo'});
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout) as Packaged;
  };

  test('stands on its layers, takes them from there when it is pushed, and says what is in it', async () => {
    const {image, pushed, layoutDir, sbom} = await thawPackage(
      '--base',
      `${host}/team/base:1`,
      '--push',
      `${host}/team/demo:1`,
    );
    expect(image.base).toMatchObject({kind: 'registry', reference: base.reference});
    const below = image.layers.filter(({role}) => role === 'base');
    expect(below).toHaveLength(2);
    expect(pushed?.mountedBytes).toBe(below.reduce((sum, {bytes}) => sum + bytes, 0));

    const {stdout} = await run('skopeo', ['inspect', '--tls-verify=false', `docker://${host}/team/demo:1`]);
    const seen = JSON.parse(stdout) as {Digest: string; Layers: string[]; Env: string[]};
    expect(seen).toMatchObject({Digest: image.digest, Layers: image.layers.map(({digest}) => digest)});
    expect(seen.Env).toContain('THE_BASE=was here');
    expect(seen.Env).toContain('PATH=/opt/thaw/bin:/usr/sbin:/usr/bin');

    const {components} = JSON.parse(await readFile(sbom, 'utf8')) as Sbom;
    expect(components.map(({name}) => name)).toContain('libstdc++.so.6');
    if (existsSync('/var/lib/dpkg/status')) expect(components.map(({name}) => name)).toContain('libc6');

    const manifest = JSON.parse(await readFile(blobPath(layoutDir, image.digest), 'utf8')) as {
      config: {digest: typeof image.digest};
    };
    const config = JSON.parse(await readFile(blobPath(layoutDir, manifest.config.digest), 'utf8')) as {
      history: unknown[];
    };
    expect(config.history).toHaveLength(image.layers.length);
  });

  test('answers, run as nobody on the files that umoci unpacks', async () => {
    const {layoutDir} = await thawPackage('--base', base.reference);
    const bundle = join(await scratch(), 'bundle');
    await run('umoci', ['unpack', '--image', `${layoutDir}:demo`, bundle]);
    const request = await readFile(join(bench.dir, 'demo', 'samples', 'request.json'), 'utf8');
    const child = spawn(
      'chroot',
      [
        '--userspec=65532:65532',
        join(bundle, 'rootfs'),
        '/opt/thaw/bin/node',
        '/opt/thaw/runtime/server.cjs',
      ],
      {env: {...process.env, ORT_DISABLE_TELEMETRY: '1', PORT: '0'}, stdio: ['ignore', 'pipe', 'inherit']},
    );
    try {
      const ended = once(child, 'exit');
      const {port} = await new Promise<{port: number}>((resolve, reject) => {
        createInterface({input: child.stdout}).once('line', (line) => {
          const event = JSON.parse(line) as {event: string; port: number};
          if (event.event === 'ready') resolve(event);
          else reject(new Error(line));
        });
        ended.then(() => reject(new Error('the server ended')), reject);
      });
      const answer = await fetch(`http://127.0.0.1:${port}/`, {method: 'POST', body: request});
      expect(await answer.json()).toMatchObject({risk: 'good'});
    } finally {
      child.kill('SIGKILL');
    }
  });

  test('is the same image on the same layers, whichever format their manifest has', async () => {
    const [from, to] = [`docker://${host}/team/base:1`, `docker://${host}/team/base:docker`];
    const plain = ['--src-tls-verify=false', '--dest-tls-verify=false', '--format', 'v2s2'];
    await run('skopeo', ['copy', ...plain, from, to]);
    const docker = await thawPackage('--base', `${host}/team/base:docker`);
    const oci = await thawPackage('--base', `${host}/team/base:1`);
    const layersOf = ({image}: Packaged) => image.layers.map(({mediaType, digest}) => [mediaType, digest]);
    expect(layersOf(docker)).toEqual(layersOf(oci));
    expect(docker.image.base).not.toEqual(oci.image.base);
  });

  test('for arm64 is built here too, with what arm64 needs', async () => {
    const entries = baseFiles('linux/arm64').map(({name, type = 'file', text = '', linkname}): Entry => {
      const path = name.replace(/\/$/, '');
      if (type === 'directory') return directoryEntry(path);
      if (type === 'symlink') return {kind: 'symlink', path, target: linkname ?? ''};
      return fileEntry(path, {bytes: Buffer.from(text)});
    });
    await pushBase(`${host}/team/arm:1`, 'linux/arm64', [entries]);
    const {image, layoutDir} = await thawPackage('--platform', 'linux/arm64', '--base', `${host}/team/arm:1`);
    expect(image).toMatchObject({platform: 'linux/arm64', base: {kind: 'registry', glibc: '2.36'}});
    const bundle = join(await scratch(), 'arm');
    await mkdir(bundle);
    const layer = image.layers.find(({role}) => role === 'runtime');
    await run('tar', ['-xzf', blobPath(layoutDir, layer!.digest), '-C', bundle]);
    for (const program of ['bin/node', 'runtime/onnxruntime/onnxruntime_binding.node']) {
      const head = await readFile(join(bundle, 'opt/thaw', program));
      expect([program, head.readUInt16LE(18)]).toEqual([program, 183]);
    }
    const plan = await bench.thaw(['plan', 'local'], {cwd: 'demo'});
    expect(plan.stderr).not.toContain('IMAGE_STALE');
    expect(plan.code).toBe(0);
  });

  test('on a base of the wrong platform is refused before anything is measured', async () => {
    const {code, stderr} = await bench.thaw(
      ['package', '--platform', 'linux/arm64', '--base', `${host}/team/base:1`],
      {cwd: 'demo'},
    );
    expect(code).toBe(3);
    expect(stderr).toContain('has no image for linux/arm64, only for linux/amd64');
    expect(stderr).not.toContain('measuring');
  });
});
