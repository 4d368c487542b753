import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {copyFile, cp, link, mkdir, mkdtemp, readFile, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {digestOf} from '../src/core/digest.ts';
import type {ServeManifest} from '../src/core/model.ts';
import {hostOrt} from './onnxruntime.ts';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** The folder with the built `server.cjs`, `worker.cjs`, `clouds.cjs` and `probe.cjs`. */
export const RUNTIME_DIR = join(PROJECT, 'dist', 'runtime');

/** A model of test/fixtures. */
export const fixture = (file: string): string => join(PROJECT, 'test', 'fixtures', file);

/** What an instance folder is made from. */
export interface InstanceParts {
  /** Path of the model file. */
  readonly model: string;
  /** Paths of the files that it keeps weights in. */
  readonly externalData?: readonly string[];
  /** Source of `handler.mjs`. */
  readonly handler?: string;
  /** The function's name; `demo` if not given. */
  readonly name?: string;
  readonly session?: ServeManifest['session'];
  readonly shaped?: ServeManifest['shaped'];
  /** The ONNX Runtime that measured; the one that serves if not given. */
  readonly onnxruntime?: string;
}

/** Lays out `opt/thaw` of one instance in a new temporary folder, as an image or the process engine has it. */
export async function layInstance(parts: InstanceParts): Promise<string> {
  const instanceDir = await mkdtemp(join(tmpdir(), 'thaw-instance-'));
  const thawDir = join(instanceDir, 'opt', 'thaw');
  const folders = ['runtime/onnxruntime', 'model', 'config', 'handler'];
  await Promise.all(folders.map((folder) => mkdir(join(thawDir, folder), {recursive: true})));

  const programs = (await readdir(RUNTIME_DIR)).filter((file) => file.endsWith('.cjs'));
  await Promise.all(programs.map((file) => cp(join(RUNTIME_DIR, file), join(thawDir, 'runtime', file))));
  const ort = await hostOrt();
  for (const file of await readdir(ort.dir)) {
    await linkOrCopy(join(ort.dir, file), join(thawDir, 'runtime', 'onnxruntime', file));
  }
  const file = basename(parts.model);
  for (const part of [parts.model, ...(parts.externalData ?? [])]) {
    await cp(part, join(thawDir, 'model', basename(part)));
  }
  if (parts.handler !== undefined) await writeFile(join(thawDir, 'handler', 'handler.mjs'), parts.handler);
  const manifest: ServeManifest = {
    schema: 'thaw.serve/1',
    name: parts.name ?? 'demo',
    file,
    model: digestOf(await readFile(parts.model)),
    onnxruntime: parts.onnxruntime ?? ort.version,
    session: parts.session ?? {},
    ...(parts.shaped && {shaped: parts.shaped}),
    inputs: [],
    outputs: [],
  };
  await writeFile(join(thawDir, 'config', 'serve.json'), JSON.stringify(manifest));
  return instanceDir;
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to));
}

/** A server process that runs in a test. */
export interface RunningServer {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly bootId: string;
  readonly readyMs: number;
  /** Everything that came out so far, by line. */
  readonly stdout: readonly string[];
  readonly stderr: readonly string[];
  /** Resolves when the process has ended. */
  readonly ended: Promise<{readonly code: number | null; readonly signal: NodeJS.Signals | null}>;
  /** Ends the process if it still runs, and removes its folder. */
  stop(): Promise<void>;
}

/** How a server came out that could not start. */
export class ServerFailed extends Error {
  readonly exitCode: number | null;
  readonly line: {readonly event?: string; readonly code?: string; readonly message?: string} | null;
  readonly stderr: string;

  constructor(exitCode: number | null, line: ServerFailed['line'], stderr: string) {
    super(`the server ended with ${exitCode}: ${line?.message ?? stderr}`);
    this.exitCode = exitCode;
    this.line = line;
    this.stderr = stderr;
  }
}

/**
 * Starts `server.cjs` of an instance folder and waits for its ready line.
 *
 * @param env the whole environment of the process, beside PORT=0
 * @param node the interpreter
 * @param started called with the process at once
 * @throws ServerFailed if it ends before it is ready
 */
export function startServer(
  instanceDir: string,
  env: {readonly [name: string]: string} = {},
  args: readonly string[] = [],
  node: string = process.execPath,
  started: (child: ChildProcess) => void = () => undefined,
): Promise<RunningServer> {
  const server = join(instanceDir, 'opt', 'thaw', 'runtime', 'server.cjs');
  return startProgram(instanceDir, node, [server, ...args], env, started);
}

/**
 * Starts the server of an instance folder in whichever language and waits for its ready line.
 *
 * @throws ServerFailed if it ends before it is ready
 */
export async function startProgram(
  instanceDir: string,
  interpreter: string,
  args: readonly string[],
  env: {readonly [name: string]: string},
  started: (child: ChildProcess) => void = () => undefined,
): Promise<RunningServer> {
  const child = spawn(interpreter, args, {env: {PORT: '0', ...env}});
  started(child);
  const stdout: string[] = [];
  const stderr: string[] = [];
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
  }));
  createInterface({input: child.stderr}).on('line', (line) => stderr.push(line));
  const announced = new Promise<{port: number; bootId: string; readyMs: number}>((resolve) => {
    createInterface({input: child.stdout}).on('line', (line) => {
      stdout.push(line);
      const event = eventOf(line);
      if (event?.event === 'ready') resolve(event as never);
    });
  });
  const ready = await Promise.race([announced, ended]);
  if (!('port' in ready)) {
    const failed = stdout.map(eventOf).find((event) => event?.event === 'failed') ?? null;
    throw new ServerFailed(ready.code, failed, stderr.join('\n'));
  }
  return {
    child,
    pid: child.pid ?? 0,
    ...ready,
    url: `http://127.0.0.1:${ready.port}`,
    stdout,
    stderr,
    ended,
    async stop() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
      await ended;
      await rm(instanceDir, {recursive: true, force: true});
    },
  };
}

function eventOf(line: string): {event?: string; code?: string; message?: string} | null {
  try {
    return JSON.parse(line) as {event?: string};
  } catch {
    return null;
  }
}
