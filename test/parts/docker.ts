import {execFile, spawn, spawnSync, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {openSync, closeSync} from 'node:fs';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {promisify} from 'node:util';

const exec = promisify(execFile);

/** What is missing for tests with a container engine; empty if nothing is. */
export function findMissingForDocker(): readonly string[] {
  if (answers({})) return [];
  const programs = ['docker', 'dockerd', 'iptables'].filter(
    (program) => spawnSync(program, ['--version']).error !== undefined,
  );
  return process.getuid?.() === 0 ? programs : [...programs, 'root, or an engine that answers'];
}

/** An engine for tests: the one that answers here, or one that was started for them. */
export interface TestDocker {
  /** What programs need in their environment to talk to it. */
  readonly env: {readonly [name: string]: string};
  /** Its containerd's socket; null if the engine was here before. */
  readonly containerdSocket: string | null;
  /** Runs `docker` and returns what it writes. */
  docker(...args: readonly string[]): Promise<string>;
  /** Ends the engine if it was started here, and removes all that it has written. */
  stop(): Promise<void>;
}

/**
 * Opens a Docker engine: if none answers, one is started with a socket and all its data in a folder of its own.
 *
 * @throws Error with the end of its log if it does not start
 */
export async function openDocker(): Promise<TestDocker> {
  if (answers({})) return testDocker({THAW_DOCKER: 'docker'}, null, () => Promise.resolve());
  const folder = await mkdtemp(join(tmpdir(), 'thaw-dockerd-'));
  const socket = join(folder, 'docker.sock');
  const logFile = join(folder, 'log');
  const log = openSync(logFile, 'w');
  const socketAndData = ['--host', `unix://${socket}`, '--data-root', join(folder, 'data')];
  const runtimeState = ['--exec-root', join(folder, 'run'), '--pidfile', join(folder, 'pid')];
  const child = spawn('dockerd', [...socketAndData, ...runtimeState], {stdio: ['ignore', log, log]});
  closeSync(log);
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(folder, {recursive: true, force: true, maxRetries: 20, retryDelay: 250});
  };
  const env = {THAW_DOCKER: 'docker', DOCKER_HOST: `unix://${socket}`};
  try {
    for (let tries = 0; !answers(env); tries++) {
      if (child.exitCode !== null) throw new Error(`dockerd ended with ${child.exitCode}`);
      if (tries === 240) throw new Error('dockerd does not answer');
      await sleep(250);
    }
  } catch (error) {
    const said = (await readFile(logFile, 'utf8')).slice(-4000);
    await stop();
    throw new Error(`${(error as Error).message}:\n${said}`, {cause: error});
  }
  return testDocker(env, join(folder, 'run/containerd/containerd.sock'), stop);
}

function testDocker(
  env: TestDocker['env'],
  containerdSocket: string | null,
  stop: () => Promise<void>,
): TestDocker {
  return {
    env,
    containerdSocket,
    stop,
    async docker(...args) {
      const {stdout} = await exec('docker', args, {env: {...process.env, ...env}, maxBuffer: 1 << 26});
      return stdout.trim();
    },
  };
}

function answers(env: {readonly [name: string]: string}): boolean {
  return spawnSync('docker', ['version'], {env: {...process.env, ...env}, timeout: 20_000}).status === 0;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
  await ended;
  clearTimeout(late);
}
