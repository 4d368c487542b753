import {spawn, type ChildProcess} from 'node:child_process';
import {existsSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {messageOf} from '../../core/errors.ts';
import type {Engine, Exit, Launch, Ready, Running} from './engine.ts';
import {StartFailure} from './engine.ts';
import {NODE_SERVER, PYTHON, PYTHON_SERVER} from './lay-runtime.ts';
import {splitLines} from './lines.ts';
import {readPeakMemoryMb} from './peak-memory.ts';
import {parseStartEvent} from './start-event.ts';

/** How long the last output of a process that has ended is waited for. */
const PIPES_CLOSE_MS = 500;

/** Runs instances as child processes on this machine's own Node or Python. Memory and CPU limits are not enforced. */
export const processEngine: Engine = {name: 'process', start};

/**
 * What the system itself needs of the environment to run a program. Nothing else of the user's environment
 * reaches an instance: it would not be there in a cloud either.
 */
const SYSTEM_VARIABLES = ['TMPDIR', 'TEMP', 'TMP', 'SystemRoot', 'windir'] as const;

/** The system's own variables among some environment's. */
export function systemEnvironment(env: NodeJS.ProcessEnv = process.env): {[name: string]: string} {
  return Object.fromEntries(
    SYSTEM_VARIABLES.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function start(launch: Launch): Running {
  const createdMs = performance.now();
  let child: ChildProcess;
  try {
    child = spawnServer(launch);
  } catch (error) {
    return stillborn({how: `could not be started: ${messageOf(error)}`});
  }
  const spawnedMs = performance.now();
  const exited = exitOf(child);
  const {stdin, stdout, stderr} = child;
  // Without a file descriptor to spare there are no pipes.
  if (!stdin || !stdout || !stderr) return stillborn(exited);
  // Its end is the sign for the instance to end; that it may be closed already is no news.
  stdin.on('error', () => {});

  const ready = new Promise<Ready>((resolve, reject) => {
    let announced = false;
    const onLine = (text: string): void => {
      const event = announced ? null : parseStartEvent(text);
      if (event === null) return launch.onLine('stdout', text);
      announced = true;
      if (event.event === 'failed') return reject(new StartFailure(event.message));
      const phases = {create: spawnedMs - createdMs, listen: performance.now() - spawnedMs};
      resolve({host: '127.0.0.1', port: event.port ?? 0, bootId: event.bootId, phases});
    };
    const allRead = Promise.all([
      splitLines(stdout, onLine),
      splitLines(stderr, (text) => launch.onLine('stderr', text)),
    ]);
    // The reason may still be in a pipe when the process has gone; a process of its own may hold it open for ever.
    const onEnd = async (): Promise<void> => {
      const {how} = await exited;
      await Promise.race([allRead, sleep(PIPES_CLOSE_MS, undefined, {ref: false})]);
      reject(new StartFailure(`it ${how} before it was ready`));
    };
    void onEnd();
  });
  ready.catch(() => {});

  const stop = async (graceMs: number): Promise<Exit> => {
    child.kill('SIGTERM');
    const insist = setTimeout(() => child.kill('SIGKILL'), graceMs);
    const exit = await exited;
    clearTimeout(insist);
    return exit;
  };
  const {pid} = child;
  return {
    ready,
    exited,
    stop,
    kill: () => void child.kill('SIGKILL'),
    peakMemoryMb: async () => (pid === undefined ? null : readPeakMemoryMb(pid)),
  };
}

/** What serves a version: the Python of its environment, or this program's own Node. */
function commandOf(rootDir: string): [program: string, ...args: string[]] {
  const python = join(rootDir, PYTHON);
  return existsSync(python)
    ? [python, '-s', join(rootDir, PYTHON_SERVER)]
    : [process.execPath, join(rootDir, NODE_SERVER)];
}

/** The declared environment and what the platform itself gives, which wins; nothing of this machine's user. */
function spawnServer(launch: Launch): ChildProcess {
  const [program, ...args] = commandOf(launch.rootDir);
  return spawn(program, [...args, '--lifeline'], {
    cwd: launch.rootDir,
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
    env: {
      ...systemEnvironment(),
      ...launch.env,
      [launch.portVariable ?? 'PORT']: '0',
      THAW_HOST: '127.0.0.1',
      THAW_IMAGE: launch.image,
      THAW_CONCURRENCY: String(launch.concurrency),
      // As in the image: ONNX Runtime uploads what it sees unless told not to before it is loaded.
      ORT_DISABLE_TELEMETRY: '1',
    },
  });
}

/** An instance that never was. */
function stillborn(exit: Exit | Promise<Exit>): Running {
  const exited = Promise.resolve(exit);
  const ready = exited.then(({how}) => Promise.reject(new StartFailure(`it ${how}`)));
  ready.catch(() => {});
  return {ready, exited, stop: () => exited, kill: () => {}};
}

function exitOf(child: ChildProcess): Promise<Exit> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      // Also emitted where a running process could not be signalled.
      if (child.pid === undefined) resolve({how: `could not be started: ${messageOf(error)}`});
    });
    child.once('exit', (code, signal) => {
      resolve({how: signal === null ? `exited with code ${code}` : `was ended by ${signal}`});
    });
  });
}
