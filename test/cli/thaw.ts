import {spawn, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {access, mkdtemp, readdir, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {cacheDir} from '../onnxruntime.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(ROOT, 'bin', 'run.js');

/** How a run of the command line ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run that goes on. */
export type Started = ChildProcess & {
  readonly ended: Promise<Ended>;
  /** What it has written to standard error so far. */
  said(): string;
};

/** A place where thaw is used: a folder, and a state folder that nobody else has. */
export interface Bench {
  readonly dir: string;
  readonly stateDir: string;
  /** Runs `thaw` in a folder below the bench and waits for its end. */
  thaw(args: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Starts `thaw` and returns its process, without a terminal. */
  start(args: readonly string[], options?: RunOptions): Started;
  /** Destroys what was deployed from these projects, and removes the folder. */
  leave(): Promise<void>;
}

export interface RunOptions {
  /** Relative to the bench. */
  readonly cwd?: string;
  readonly env?: {readonly [name: string]: string};
  readonly input?: string;
}

/** Opens a bench in a new temporary folder. */
export async function openBench(): Promise<Bench> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-cli-'));
  const stateDir = join(dir, 'state');
  // A container engine that happens to be here is no part of these tests.
  const own = {
    THAW_STATE_DIR: stateDir,
    THAW_CACHE_DIR: cacheDir(),
    THAW_BASE: 'host',
    THAW_DOCKER: 'none',
  };
  const start: Bench['start'] = (args, {cwd = '.', env = {}, input} = {}) => {
    const child = spawn(process.execPath, [BIN, ...args], {
      cwd: join(dir, cwd),
      env: {...inherited(), ...own, ...env},
      stdio: 'pipe',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
    const ended = once(child, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    }));
    return Object.assign(child, {ended, said: () => Buffer.concat(stderr).toString()});
  };
  const thaw: Bench['thaw'] = (args, options) => start(args, options).ended;
  return {
    dir,
    stateDir,
    start,
    thaw,
    async leave() {
      for (const name of await readdir(dir)) {
        const isProject = await access(join(dir, name, 'thaw.yaml')).then(
          () => true,
          () => false,
        );
        if (isProject) await thaw(['destroy', 'local', '--yes'], {cwd: name});
      }
      await rm(dir, {recursive: true, force: true});
    },
  };
}

/** What a run takes over from the test's own environment. Extra certificates would slow every process down. */
function inherited(): {[name: string]: string} {
  const {NODE_EXTRA_CA_CERTS: _certificates, NODE_OPTIONS: _options, CI: _ci, ...rest} = process.env;
  return rest as {[name: string]: string};
}

/** Processes of this machine whose command line names a folder, by pid. Linux only. */
export async function processesNaming(folder: string): Promise<number[]> {
  const found = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (line.includes(folder) && Number(pid) !== process.pid) found.push(Number(pid));
  }
  return found;
}

/** Waits until a condition holds, looking every 50 ms. */
export async function until(
  condition: () => Promise<boolean>,
  what: string,
  timeoutMs = 20_000,
): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
