import {createGunzip} from 'node:zlib';
import {Readable} from 'node:stream';
import {buffer} from 'node:stream/consumers';
import {cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile} from 'node:fs/promises';
import {existsSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {readMembers} from '../../../../src/image/tar-members.ts';
import {RUNTIME_DIR} from '../../../instance.ts';
import {hostOrt} from '../../../onnxruntime.ts';
import type {FakeRegistry} from '../../../unit/image/registry/fake-registry.ts';

/** Where everything of thaw lies in an image, but for the interpreter: processes run on this machine's own. */
const OURS = /^(?:\.\/)?(opt\/thaw\/(?!bin\/).+)$/;

/** An image's manifest, as far as running it goes. */
export interface Manifest {
  readonly mediaType?: string;
  readonly config?: {readonly digest: string; readonly mediaType: string};
  readonly layers?: readonly {readonly digest: string; readonly mediaType: string; readonly size: number}[];
}

export function readManifest(registry: FakeRegistry, repository: string, digest: string): Manifest | null {
  const kept = registry.manifests.get(`${repository}@${digest}`);
  return kept === undefined
    ? null
    : {...(JSON.parse(kept.bytes.toString('utf8')) as Manifest), mediaType: kept.type};
}

/** Unpacks images of a registry into folders, each once. */
export class ImageFiles {
  readonly #registry: FakeRegistry;
  readonly #folders = new Map<string, Promise<string>>();

  constructor(registry: FakeRegistry) {
    this.#registry = registry;
  }

  /** A folder with the image's `opt/thaw` in it, and what it takes to run that on this machine. */
  folderOf(repository: string, digest: string): Promise<string> {
    const found = this.#folders.get(digest) ?? this.#unpack(repository, digest);
    this.#folders.set(digest, found);
    found.catch(() => this.#folders.delete(digest));
    return found;
  }

  async close(): Promise<void> {
    const folders = await Promise.allSettled(this.#folders.values());
    for (const folder of folders) {
      if (folder.status === 'fulfilled')
        await rm(folder.value, {recursive: true, force: true, maxRetries: 5});
    }
  }

  async #unpack(repository: string, digest: string): Promise<string> {
    const manifest = readManifest(this.#registry, repository, digest);
    const rootDir = await mkdtemp(join(tmpdir(), 'thaw-fake-aws-'));
    for (const layer of manifest?.layers ?? []) {
      const bytes = this.#registry.blobs.get(layer.digest);
      if (bytes === undefined) throw new Error(`the registry has no layer ${layer.digest}`);
      await unpackLayer(bytes, rootDir);
    }
    await supplyRuntime(rootDir);
    return rootDir;
  }
}

async function unpackLayer(bytes: Buffer, rootDir: string): Promise<void> {
  await readMembers([Readable.from([bytes]), createGunzip()], async (header, content) => {
    const [, path] = OURS.exec(header.name) ?? [];
    const target = path === undefined ? null : join(rootDir, path);
    if (target !== null && header.type === 'file') {
      await mkdir(dirname(target), {recursive: true});
      await writeFile(target, await buffer(content), {mode: header.mode ?? 0o644});
    } else if (target !== null && header.type === 'symlink') {
      await mkdir(dirname(target), {recursive: true});
      await symlink(header.linkname ?? '', target);
    }
    content.resume();
  });
}

/** Images of tests may leave out what this machine has: thaw's server as it was built, and ONNX Runtime. */
async function supplyRuntime(rootDir: string): Promise<void> {
  const runtimeDir = join(rootDir, 'opt', 'thaw', 'runtime');
  if (!existsSync(join(runtimeDir, 'server.cjs')) && !existsSync(join(runtimeDir, 'server.py'))) {
    await mkdir(runtimeDir, {recursive: true});
    const programs = (await readdir(RUNTIME_DIR)).filter((file) => file.endsWith('.cjs'));
    for (const file of programs) await cp(join(RUNTIME_DIR, file), join(runtimeDir, file));
  }
  if (existsSync(join(runtimeDir, 'server.cjs')) && !existsSync(join(runtimeDir, 'onnxruntime'))) {
    const {dir} = await hostOrt();
    await symlink(dir, join(runtimeDir, 'onnxruntime'), process.platform === 'win32' ? 'junction' : 'dir');
  }
}
