import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {cp, mkdir, open, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {Image} from '../../src/core/image.ts';
import {blobPath} from '../../src/image/blobs.ts';
import type {Sbom} from '../../src/image/sbom.ts';
import {openBench, type Bench} from '../cli/thaw.ts';
import {differencesOf, HANDLERS} from '../fixtures/handlers/index.ts';
import {scratch} from '../unit/image/fixture.ts';
import {DEBIAN_PYTHON, entriesOf, unpackDebian} from './debian-root.ts';
import {findMissing, skippedFor, startRegistry} from './debian-registry.ts';
import {pushBase} from './push-base.ts';

const run = promisify(execFile);
const isHere = process.platform === 'linux' && process.arch === 'x64';
const missing = [
  ...findMissing(['docker-registry', 'apt-get', 'dpkg-deb', 'qemu-aarch64', 'python3']),
  ...(isHere ? [] : ['Linux on x64']),
];

/** As ELF calls the processor. */
const AARCH64 = 183;
const START_MS = 240_000;

interface Packaged {
  readonly image: Image;
  readonly sbom: string;
  /** The folder with the image's files. */
  readonly root: string;
}

describe.skipIf(missing.length > 0)(`an image for arm64, made on x64${skippedFor(missing)}`, () => {
  let bench: Bench;
  let base: string;

  beforeAll(async () => {
    const root = await unpackDebian('arm64', DEBIAN_PYTHON, await scratch());
    base = `${await startRegistry(await scratch())}/team/python:1`;
    await pushBase(base, 'linux/arm64', [await entriesOf(root)]);
    bench = await openBench();
  }, START_MS);
  afterAll(() => bench?.leave());

  /** Packages a handler, and lays all layers of its image one over the other. */
  const packaged = async (name: string): Promise<Packaged> => {
    const fixture = HANDLERS.find((handler) => handler.name === name)!;
    const dir = join(bench.dir, name);
    await cp(fixture.dir, dir, {recursive: true});
    const model = fixture.model === null ? '' : `model: {path: ${fixture.model}, quantize: none}\n`;
    await writeFile(
      join(dir, 'thaw.yaml'),
      `name: ${name}
${model}handler: ${fixture.handler}
image: {platform: linux/arm64, base: '${base}'}
`,
    );
    const {code, stdout, stderr} = await bench.thaw(['package', '--json'], {cwd: name, env: {THAW_BASE: ''}});
    expect(code, stderr).toBe(0);
    const {image, layoutDir, sbom} = JSON.parse(stdout) as Omit<Packaged, 'root'> & {layoutDir: string};
    const root = join(await scratch(), 'root');
    await mkdir(root);
    for (const {digest} of image.layers) await run('tar', ['-xzf', blobPath(layoutDir, digest), '-C', root]);
    return {image, sbom, root};
  };

  test(
    'runs the base’s own Python, and holds libraries and programs of aarch64 alone',
    async () => {
      const {image, sbom, root} = await packaged('declared-model');
      expect(image).toMatchObject({
        platform: 'linux/arm64',
        runtime: {kind: 'python', version: '3.11', interpreter: 'base'},
      });
      const roles = ['base', 'runtime', 'packages', 'model', 'handler', 'config'];
      expect(image.layers.map(({role}) => role)).toEqual(roles);

      const machines = new Map<number, string[]>();
      for (const file of await filesIn(root)) {
        const machine = await elfMachine(file);
        if (machine !== null) machines.set(machine, [...(machines.get(machine) ?? []), file]);
      }
      const examples = JSON.stringify([...machines].map(([machine, [file]]) => [machine, file]));
      expect([...machines.keys()], examples).toEqual([AARCH64]);
      const ours = machines.get(AARCH64)!.filter((file) => file.includes('/opt/thaw/packages/'));
      expect(ours.some((file) => file.includes('onnxruntime'))).toBe(true);
      expect(ours.some((file) => file.includes('numpy'))).toBe(true);

      const {components} = JSON.parse(await readFile(sbom, 'utf8')) as Sbom;
      const purls = components.map(({purl}) => purl ?? '');
      expect(purls.some((purl) => /^pkg:pypi\/numpy@\d/.test(purl))).toBe(true);
      expect(purls.some((purl) => /^pkg:pypi\/onnxruntime@\d/.test(purl))).toBe(true);
    },
    START_MS,
  );

  // ONNX Runtime itself crashes in the emulator, for the processor that it is told of is another one.
  test(
    'answers, run by an emulator of that processor',
    async () => {
      const {root} = await packaged('tutorial');
      const [request] = HANDLERS.find(({name}) => name === 'tutorial')!.requests;
      const python = join(root, 'usr/bin/python3.11');
      const server = join(root, 'opt/thaw/runtime/server.py');
      const child = spawn('qemu-aarch64', ['-L', root, python, '-s', server], {
        env: {PORT: '0', THAW_HOST: '127.0.0.1', ORT_DISABLE_TELEMETRY: '1', PYTHONHOME: join(root, 'usr')},
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      try {
        const ended = once(child, 'exit');
        const port = await new Promise<number>((resolve, reject) => {
          createInterface({input: child.stdout}).on('line', (line) => {
            // The handler prints, too.
            if (!line.startsWith('{')) return;
            const event = JSON.parse(line) as {event?: string; port?: number};
            if (event.event === 'ready') resolve(event.port ?? 0);
            if (event.event === 'failed') reject(new Error(line));
          });
          ended.then(() => reject(new Error('the server ended')), reject);
        });
        const answer = await fetch(`http://127.0.0.1:${port}/`, {
          method: 'POST',
          headers: request!.headers,
          body: request!.body,
        });
        expect(differencesOf((await answer.json()) as never, request!.expected.json!)).toEqual([]);
      } finally {
        child.kill('SIGKILL');
      }
    },
    START_MS,
  );
});

async function filesIn(folder: string): Promise<string[]> {
  const members = await readdir(folder, {recursive: true, withFileTypes: true});
  return members.filter((member) => member.isFile()).map((member) => join(member.parentPath, member.name));
}

/** Which processor a program or library is for; null for any other file. */
async function elfMachine(file: string): Promise<number | null> {
  const handle = await open(file);
  try {
    const {buffer, bytesRead} = await handle.read(Buffer.alloc(20), 0, 20, 0);
    return bytesRead === 20 && buffer.readUInt32BE(0) === 0x7f454c46 ? buffer.readUInt16LE(18) : null;
  } finally {
    await handle.close();
  }
}
