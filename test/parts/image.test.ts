import {execFile, execFileSync, spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {cp, mkdir, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {digestOf} from '../../src/core/digest.ts';
import type {ImageOnDisk} from '../../src/core/ports.ts';
import {inspectHostBase} from '../../src/image/base/host.ts';
import {buildImage, type BuildInput} from '../../src/image/build.ts';
import {noMemory} from '../../src/image/file-memory.ts';
import {bundleHandler} from '../../src/image/handler.ts';
import {openNodeRuntime} from '../../src/image/node-runtime.ts';
import {unpackImage} from '../../src/image/unpack.ts';
import {findImageProblems} from '../../src/image/validate.ts';
import {createFetchPackage} from '../../src/net/npm-package.ts';
import {ONNX_RUNTIME, onnxRuntimeFor} from '../../src/onnxruntime/index.ts';
import {
  buildInputIn,
  failureOf,
  handlerOf,
  ignore,
  never,
  scratch,
  writeTree,
} from '../unit/image/fixture.ts';

const run = promisify(execFile);
const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
const isRoot = process.getuid?.() === 0;
const canBuild = process.platform === 'linux' && process.arch === 'x64';

const packageDir = fileURLToPath(new URL('../..', import.meta.url));
const modelFile = join(packageDir, 'test/fixtures/linear.onnx');

/** Whether a tool is here; where it is not, the test is skipped and says which tool it wanted. */
const needs = (what: string, present: boolean) => ({
  title: present ? '' : ` (skipped: needs ${what})`,
  skip: !present,
});

async function realInput(folder: string, cacheDir: string): Promise<BuildInput> {
  await writeTree(folder, {
    'project/handler.mjs': `export async function predict({features}, {model}) {
      const {score} = await model.run({features: [features]});
      return {score: score.data[0]};
    }\n`,
  });
  const fetchPackage = createFetchPackage({cacheDir});
  // A copy: another build may write dist/ while this one reads it.
  await cp(join(packageDir, 'dist/runtime'), join(folder, 'package/dist/runtime'), {recursive: true});
  const {code} = await bundleHandler(join(folder, 'project'), 'handler.mjs', never);
  return {
    name: 'linear',
    platform: 'linux/amd64',
    base: await inspectHostBase('linux/amd64'),
    model: [{path: 'model.onnx', file: modelFile}],
    serve: {
      schema: 'thaw.serve/1',
      name: 'linear',
      file: 'model.onnx',
      model: digestOf(await readFile(modelFile)),
      onnxruntime: ONNX_RUNTIME.version,
      session: {},
      inputs: [{name: 'features', type: 'FP32', shape: ['batch', 4]}],
      outputs: [{name: 'score', type: 'FP32', shape: ['batch', 1]}],
    },
    runtime: await openNodeRuntime({
      platform: 'linux/amd64',
      packageDir: join(folder, 'package'),
      onnxruntimeDir: (await onnxRuntimeFor('linux/amd64', fetchPackage, ignore, never)).dir,
      fetchPackage,
      progress: ignore,
      signal: never,
    }),
    handler: handlerOf(Buffer.from(code).toString('utf8')),
    sources: [],
    recipe: digestOf('recipe'),
    packageDir: join(folder, 'package'),
    cacheDir: join(folder, 'cache'),
    memory: noMemory,
    layoutDir: join(folder, 'project/.thaw/image'),
    epochSeconds: 0,
    progress: ignore,
    signal: never,
  };
}

describe.skipIf(!canBuild)('an image with the real Node and the real ONNX Runtime', () => {
  let folder: string;
  let built: ImageOnDisk;
  const children: ChildProcess[] = [];

  beforeAll(async () => {
    folder = await scratch();
    built = await buildImage(await realInput(folder, join(folder, 'packages')));
  });
  afterAll(() => {
    for (const child of children) child.kill('SIGKILL');
  });

  test('is whole, and smaller than 60 MB compressed', async () => {
    expect(await findImageProblems(built)).toEqual([]);
    const bytes = built.image.layers.reduce((sum, layer) => sum + layer.bytes, 0);
    expect(bytes).toBeLessThan(60_000_000);
  });

  const skopeo = needs('skopeo', has('skopeo', '--version'));
  test.skipIf(skopeo.skip)(`is what skopeo sees${skopeo.title}`, async () => {
    const {stdout} = await run('skopeo', ['inspect', `oci:${built.layoutDir}:linear`]);
    expect(JSON.parse(stdout)).toMatchObject({
      Digest: built.image.digest,
      Architecture: 'amd64',
      Os: 'linux',
      Layers: built.image.layers.map((layer) => layer.digest),
    });
  });

  const umoci = needs('umoci and root', has('umoci', '--version') && isRoot);
  test.skipIf(umoci.skip)(`is unpacked by umoci into the same files${umoci.title}`, async () => {
    const [theirs, ours] = [join(folder, 'umoci'), join(folder, 'ours')];
    await run('umoci', ['unpack', '--image', `${built.layoutDir}:linear`, theirs]);
    await unpackImage(built, ['base', 'runtime', 'model', 'handler', 'config'], ours);
    const {stdout} = await run('diff', ['-r', join(theirs, 'rootfs'), ours]);
    expect(stdout).toBe('');
  });

  const chroot = needs('chroot and root', has('chroot', '--version') && isRoot);
  test.skipIf(chroot.skip)(`answers, run as nobody on nothing but its own files${chroot.title}`, async () => {
    const root = join(folder, 'root');
    await unpackImage(built, ['base', 'runtime', 'model', 'handler', 'config'], root);
    const child = spawn(
      execFileSync('sh', ['-c', 'command -v chroot'], {encoding: 'utf8'}).trim(),
      ['--userspec=65532:65532', root, '/opt/thaw/bin/node', '/opt/thaw/runtime/server.cjs'],
      {env: {ORT_DISABLE_TELEMETRY: '1', PORT: '0'}, stdio: ['ignore', 'pipe', 'inherit']},
    );
    children.push(child);
    const ended = once(child, 'exit');
    const {port} = await new Promise<{port: number}>((resolve, reject) => {
      createInterface({input: child.stdout}).once('line', (line) => {
        const event = JSON.parse(line) as {event: string; port: number};
        if (event.event === 'ready') resolve(event);
        else reject(new Error(line));
      });
      ended.then(() => reject(new Error('the server ended')), reject);
    });
    const answer = await fetch(`http://127.0.0.1:${port}/`, {
      method: 'POST',
      body: JSON.stringify({features: [1, 2, 3, 4]}),
    });
    expect(await answer.json()).toEqual({score: 30.5});
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

const mountable = needs(
  'root on Linux, to mount a small disk',
  canBuild && isRoot && has('mount', '--version'),
);
describe.skipIf(mountable.skip)(`with no space left${mountable.title}`, () => {
  const mounted: string[] = [];
  afterAll(() => {
    for (const disk of mounted) has('umount', disk);
  });

  async function smallDisk(skip: (why: string) => void): Promise<string> {
    const disk = join(await scratch(), 'disk');
    await mkdir(disk);
    if (!has('mount', '-t', 'tmpfs', '-o', 'size=1m', 'thaw-test', disk))
      skip('mounting is not allowed here');
    mounted.push(disk);
    return disk;
  }

  test.for(['cacheDir', 'layoutDir'] as const)(
    'for %s, a build is DISK_FULL and leaves nothing',
    async (where, {skip}) => {
      const disk = await smallDisk(skip);
      const input = await buildInputIn(await scratch());
      // A cache on another disk cannot be linked from, so the layout needs space of its own.
      const error = await failureOf(buildImage({...input, [where]: join(disk, where)}));
      expect(error).toMatchObject({code: 'DISK_FULL', facts: {path: join(disk, where)}});
      expect(error.facts.neededBytes).toBeGreaterThan(1 << 20);
      const files = (await readdir(disk, {recursive: true, withFileTypes: true})).filter((each) =>
        each.isFile(),
      );
      expect(files).toEqual([]);
    },
  );

  test('to unpack, the folder that was there stays', async ({skip}) => {
    const disk = await smallDisk(skip);
    const built = await buildImage(await buildInputIn(await scratch()));
    await mkdir(join(disk, 'into'));
    await writeFile(join(disk, 'into/before'), 'x');
    const error = await failureOf(unpackImage(built, ['base'], join(disk, 'into')));
    expect(error.code).toBe('DISK_FULL');
    expect(await readdir(disk)).toEqual(['into']);
    expect(await readdir(join(disk, 'into'))).toEqual(['before']);
  });
});
