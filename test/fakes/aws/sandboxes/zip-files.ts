import {execFile} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync} from 'node:fs';
import {copyFile, mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {inflateRawSync} from 'node:zlib';
import {hostOrt} from '../../../onnxruntime.ts';
import {NODE_SERVER, PYTHON, PYTHON_SERVER} from '../../../../src/providers/local/lay-runtime.ts';

const END = 0x06054b50;
const CENTRAL = 0x02014b50;
const STORED = 0;
const DEFLATED = 8;
/** Where functions from zip archives lie. */
const TASK_ROOT = join('var', 'task');

/** A file of an archive. */
export interface ZipMember {
  readonly name: string;
  readonly content: Buffer;
  readonly mode: number;
}

/**
 * Reads a zip archive as Lambda takes it: stored and deflated members, not encrypted, not split.
 *
 * @throws Error if it is none
 */
export function readZip(bytes: Uint8Array): ZipMember[] {
  const zip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const signature = Buffer.alloc(4);
  signature.writeUInt32LE(END);
  const end = zip.lastIndexOf(signature);
  if (end < 0) throw new Error('this is no zip archive: it has no end');
  const members: ZipMember[] = [];
  let at = zip.readUInt32LE(end + 16);
  for (let n = zip.readUInt16LE(end + 10); n > 0; n--) {
    if (zip.readUInt32LE(at) !== CENTRAL) throw new Error('the directory of the zip archive is broken');
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((field) =>
      zip.readUInt16LE(at + field),
    ) as [number, number, number];
    const method = zip.readUInt16LE(at + 10);
    const packedBytes = zip.readUInt32LE(at + 20);
    const local = zip.readUInt32LE(at + 42);
    const name = zip.subarray(at + 46, at + 46 + nameBytes).toString('utf8');
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28);
    const packed = zip.subarray(from, from + packedBytes);
    if (method !== STORED && method !== DEFLATED) throw new Error(`${name} is packed by method ${method}`);
    const content = method === STORED ? packed : inflateRawSync(packed);
    if (!name.endsWith('/')) members.push({name, content, mode: zip.readUInt32LE(at + 38) >>> 16});
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return members;
}

/** Unpacks zip archives, each once, beside what Lambda's own runtimes do. */
export class ZipFiles {
  readonly #folders = new Map<string, Promise<string>>();

  /** @param runtime as Lambda names it: `nodejs22.x`, `python3.12` */
  folderOf(bytes: Uint8Array, runtime: string): Promise<string> {
    const key = `${runtime} ${createHash('sha256').update(bytes).digest('hex')}`;
    const found = this.#folders.get(key) ?? unpack(bytes, runtime);
    this.#folders.set(key, found);
    return found;
  }

  async close(): Promise<void> {
    for (const folder of await Promise.allSettled(this.#folders.values())) {
      if (folder.status === 'fulfilled')
        await rm(folder.value, {recursive: true, force: true, maxRetries: 5});
    }
  }
}

/** What a function from a zip archive finds in its environment, beside the rest. */
export const zipEnvironment = (rootDir: string, handler: string): {readonly [name: string]: string} => ({
  LAMBDA_TASK_ROOT: join(rootDir, TASK_ROOT),
  _HANDLER: handler,
});

async function unpack(bytes: Uint8Array, runtime: string): Promise<string> {
  const rootDir = await mkdtemp(join(tmpdir(), 'thaw-fake-aws-'));
  for (const {name, content, mode} of readZip(bytes)) {
    const file = join(rootDir, TASK_ROOT, name);
    await mkdir(dirname(file), {recursive: true});
    await writeFile(file, content, {mode: mode === 0 ? 0o644 : mode & 0o777});
  }
  if (runtime.startsWith('nodejs')) {
    await supplyOnnxRuntime(join(rootDir, TASK_ROOT, 'runtime', 'onnxruntime'));
    await layProgram('managed-node.cjs', join(rootDir, NODE_SERVER));
  } else {
    await layProgram('managed_python.py', join(rootDir, PYTHON_SERVER));
    const {stdout} = await promisify(execFile)(runtime, ['-c', 'import sys; print(sys.executable)']);
    await mkdir(dirname(join(rootDir, PYTHON)), {recursive: true});
    await symlink(stdout.trim(), join(rootDir, PYTHON));
  }
  return rootDir;
}

async function layProgram(name: string, file: string): Promise<void> {
  await mkdir(dirname(file), {recursive: true});
  await copyFile(fileURLToPath(new URL(name, import.meta.url)), file);
}

/** What is made of a small image has none, as images may have none; where it is not looked for it does no harm. */
async function supplyOnnxRuntime(dir: string): Promise<void> {
  if (existsSync(dir)) return;
  const {dir: hostDir} = await hostOrt();
  await mkdir(dirname(dir), {recursive: true});
  await symlink(hostDir, dir, process.platform === 'win32' ? 'junction' : 'dir');
}
