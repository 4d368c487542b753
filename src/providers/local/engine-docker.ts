import {spawn, type ChildProcess} from 'node:child_process';
import {randomUUID} from 'node:crypto';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer, type AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {basename, join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {messageOf, systemCode} from '../../core/errors.ts';
import type {CommandFailure, ExplainEngineFailure} from '../../core/ports.ts';
import type {EngineChoice} from './choice.ts';
import {runCommand} from './command-process.ts';
import {GATEWAY_LABEL, imageName, type ContainerNames} from './container-names.ts';
import {StartFailure, type Engine, type Exit, type Launch, type Ready, type Running} from './engine.ts';
import {splitLines} from './lines.ts';
import {readPeakMemoryMb} from './peak-memory.ts';
import {planRun} from './run-arguments.ts';
import {parseStartEvent} from './start-event.ts';

type DockerChoice = Extract<EngineChoice, {name: 'docker'}>;

/** What the engine must know beside what it launches. */
export interface DockerSurroundings {
  readonly names: ContainerNames;
  /** The function's own folder: what a command line leaves where it was started goes with that. */
  readonly dir: string;
  /** What command lines are run with, beside what a choice says. */
  readonly commandEnv: {readonly [name: string]: string};
  readonly explainFailure: ExplainEngineFailure;
}

/** Somebody else may take a port between the moment that it is found free and the start of the container. */
const PORT_TRIES = 5;
const PORT_TAKEN =
  /port is already allocated|address already in use|ports are not available|bind for .* failed/i;
/** What command lines exit with when it is not the container that ended. */
const COMMAND_EXITS = [125, 126, 127];
/** What a process that got SIGKILL exits with, and one that V8 ended because its heap was full. */
const KILLED = 137;
const ABORTED = 134;
const HEAP_FULL = /JavaScript heap out of memory/;
/** Lines of standard error in which the reason for a failure is looked for. */
const LAST_LINES = 20;
/** What the engine itself may take to end a container, beyond the grace that the instance is given. */
const ENGINE_GRACE_MS = 10_000;
/** What has ended is removed by its own command line within this time, or by another. */
const REMOVED_MS = 3000;
const AGAIN_MS = 200;
const PIPES_CLOSE_MS = 500;

/**
 * Runs instances as containers of the image itself, with memory and CPU limits that are real. Each is attached to its
 * gateway: when the gateway is gone, the instance's standard input ends, and so does the instance.
 */
export function createDockerEngine(surroundings: DockerSurroundings): Engine {
  const {names, commandEnv} = surroundings;
  /** In the names of this gateway's containers. */
  const gateway = randomUUID().slice(0, 6);
  const prefix = `thaw-${names.repository.replace(/^.*\//, '')}-${names.key}-${gateway}-`;
  const ports = new Set<number>();

  return {
    name: 'docker',
    start(launch) {
      const {engine} = launch;
      if (engine.name !== 'docker') throw new TypeError(`a ${engine.name} launch for the docker engine`);
      return new Container(launch, engine, surroundings, prefix, ports).run();
    },
    async hostAddress(choice) {
      if (choice.name !== 'docker') throw new TypeError(`a ${choice.name} choice for the docker engine`);
      const {command, env} = choice;
      const isPodman = /podman/i.test(basename(command));
      const network = isPodman ? 'podman' : 'bridge';
      const inspected = await runCommand(command, ['network', 'inspect', network], {...commandEnv, ...env});
      const address = parseGateway(inspected.stdout);
      if (address !== null && (await canListen(address))) return {listen: address, name: address};
      // The engine runs in a machine of its own, which leads there to this one's loopback address.
      return {listen: '127.0.0.1', name: isPodman ? 'host.containers.internal' : 'host.docker.internal'};
    },
    async prepare(choice) {
      if (choice.name !== 'docker') return;
      const {command, env} = choice;
      const cliEnv = {...commandEnv, ...env};
      const filter = ['--filter', `label=${GATEWAY_LABEL}=${names.key}`];
      const listed = await runCommand(command, ['ps', '--all', ...filter, '--format', '{{.Names}}'], cliEnv);
      const strays = listed.stdout.split(/\s+/).filter((name) => name !== '' && !name.startsWith(prefix));
      if (strays.length > 0) await runCommand(command, ['rm', '--force', ...strays], cliEnv);
    },
  };
}

/** How a command line that ran a container ended. */
interface RunEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it did not even run. */
  readonly error: Error | null;
  readonly stderr: string;
}

/** One container, from before it is created until nothing of it is left. */
class Container {
  readonly #launch: Launch;
  readonly #choice: DockerChoice;
  readonly #surroundings: DockerSurroundings;
  readonly #prefix: string;
  /** Ports that this gateway's containers have been given. */
  readonly #ports: Set<number>;
  readonly #env: {readonly [name: string]: string};
  readonly #startedMs = performance.now();
  readonly #startedAt = Date.now();
  #name = '';
  /** Of the server's process, once somebody has asked. */
  #pid: number | null = null;
  #child: ChildProcess | null = null;
  /** Whether somebody has asked for its end. */
  #asked = false;
  #isReady = false;
  #over = false;
  #heapFull = false;
  #resolveReady: (ready: Ready) => void = () => {};
  #rejectReady: (reason: StartFailure) => void = () => {};

  constructor(
    launch: Launch,
    choice: DockerChoice,
    surroundings: DockerSurroundings,
    prefix: string,
    ports: Set<number>,
  ) {
    this.#launch = launch;
    this.#choice = choice;
    this.#surroundings = surroundings;
    this.#prefix = prefix;
    this.#ports = ports;
    this.#env = {...surroundings.commandEnv, ...choice.env};
  }

  run(): Running {
    const ready = new Promise<Ready>((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    ready.catch(() => {});
    const exited = this.#live().then((exit) => {
      this.#over = true;
      this.#rejectReady(new StartFailure(`it ${exit.how} before it was ready`));
      return exit;
    });
    const stop = (graceMs: number): Promise<Exit> => {
      void this.#stop(graceMs, exited);
      return exited;
    };
    return {
      ready,
      exited,
      stop,
      kill: () => void this.#kill(exited),
      peakMemoryMb: () => this.#peakMemoryMb(),
    };
  }

  /** Runs it, again if only its port was in the way. */
  async #live(): Promise<Exit> {
    try {
      for (let attempt = 1; ; attempt++) {
        const end = await this.#runOnce(attempt);
        const again = attempt < PORT_TRIES && end.code === 125 && PORT_TAKEN.test(end.stderr);
        if (again && !this.#asked) continue;
        return await this.#explain(end);
      }
    } catch (error) {
      return {how: `could not be started: ${messageOf(error)}`};
    }
  }

  async #runOnce(attempt: number): Promise<RunEnd> {
    const hostPort = await findFreePort(this.#ports);
    this.#ports.add(hostPort);
    this.#name = `${this.#prefix}${this.#launch.id}${attempt === 1 ? '' : `-${attempt}`}`;
    let folder: string | null = null;
    try {
      const {command} = this.#choice;
      const {names} = this.#surroundings;
      const envFileFor = (dir: string): string => join(dir, 'env');
      const plan = (dir: string) =>
        planRun(
          this.#launch,
          {
            command,
            function: names.function,
            gatewayKey: names.key,
            name: this.#name,
            image: imageName(names, this.#launch.image),
            hostPort,
            commandEnv: this.#env,
          },
          envFileFor(dir),
        );
      let planned = plan('');
      if (planned.envFile.length > 0) {
        folder = await mkdtemp(join(tmpdir(), 'thaw-env-'));
        const lines = planned.envFile.map(([name, value]) => `${name}=${value}\n`).join('');
        await writeFile(envFileFor(folder), lines, {mode: 0o600});
        planned = plan(folder);
      }
      if (this.#asked) return {code: null, signal: null, error: null, stderr: ''};
      const child = spawn(command, [...planned.args], {
        cwd: this.#surroundings.dir,
        env: planned.env,
        stdio: ['pipe', 'pipe', 'pipe'],
        windowsHide: true,
      });
      this.#child = child;
      const removeFile = async (): Promise<void> => {
        if (folder !== null) await rm(folder, {recursive: true, force: true});
        folder = null;
      };
      return await this.#attend(child, hostPort, () => void removeFile());
    } finally {
      this.#child = null;
      this.#ports.delete(hostPort);
      if (folder !== null) await rm(folder, {recursive: true, force: true});
    }
  }

  /** Listens to what it says until it has ended and is removed. */
  async #attend(child: ChildProcess, hostPort: number, onStarted: () => void): Promise<RunEnd> {
    const {stdin, stdout, stderr} = child;
    const lastLines: string[] = [];
    const ended = new Promise<Omit<RunEnd, 'stderr'>>((resolve) => {
      child.once('error', (error) => {
        if (child.pid === undefined) resolve({code: null, signal: null, error});
      });
      child.once('exit', (code, signal) => resolve({code, signal, error: null}));
    });
    // Without a file descriptor to spare there are no pipes.
    if (!stdin || !stdout || !stderr) return {...(await ended), stderr: ''};
    // Its end is the sign for the instance to end; that it may be closed already is no news.
    stdin.on('error', () => {});
    if (this.#asked) stdin.end();

    const onOut = (text: string): void => {
      const event = this.#isReady ? null : parseStartEvent(text);
      if (event === null) return this.#launch.onLine('stdout', text);
      onStarted();
      if (event.event === 'failed') return this.#rejectReady(new StartFailure(event.message));
      this.#isReady = true;
      const totalMs = performance.now() - this.#startedMs;
      const listen = Math.min(totalMs, event.readyMs ?? 0);
      const phases = {create: totalMs - listen, listen};
      const port = event.port === null ? 0 : hostPort;
      this.#resolveReady({host: '127.0.0.1', port, bootId: event.bootId, phases});
    };
    const onErr = (text: string): void => {
      this.#heapFull ||= HEAP_FULL.test(text);
      if (lastLines.push(text) > LAST_LINES) lastLines.shift();
      this.#launch.onLine('stderr', text);
    };
    const allRead = Promise.all([splitLines(stdout, onOut), splitLines(stderr, onErr)]);
    const end = await ended;
    await Promise.race([allRead, sleep(PIPES_CLOSE_MS, undefined, {ref: false})]);
    // The command line removes what it has run; unless it could not run it, or was itself ended.
    if (end.code === null || COMMAND_EXITS.includes(end.code))
      await this.#command('rm', '--force', this.#name);
    return {...end, stderr: lastLines.join('\n')};
  }

  async #explain({code, signal, error, stderr}: RunEnd): Promise<Exit> {
    const {command} = this.#choice;
    const {memoryMb, image} = this.#launch;
    if (error !== null || (code !== null && COMMAND_EXITS.includes(code) && !this.#isReady)) {
      const failure = {
        exitCode: code,
        systemCode: systemCode(error) ?? null,
        timedOut: false,
        stdout: '',
        stderr,
      };
      const {message} = this.#surroundings.explainFailure({command, purpose: 'start a container'}, failure);
      const name = imageName(this.#surroundings.names, image);
      const how = NO_IMAGE.test(stderr)
        ? `could not be started: ${command} no longer has the image ${name}; the next deploy brings it again`
        : `could not be started: ${message}`;
      this.#rejectReady(new StartFailure(`it ${how}`));
      return {how};
    }
    if (WRONG_PLATFORM.test(stderr) && !this.#isReady) {
      const how = `could not be started: the image is for another platform than the engine behind ${command}`;
      this.#rejectReady(new StartFailure(`it ${how}`));
      return {how};
    }
    if (code === ABORTED && this.#heapFull) {
      const how = `was ended: out of memory (its JavaScript heap is full, within the limit of ${memoryMb} MB)`;
      return {how, reason: 'out-of-memory'};
    }
    if (code === KILLED && !this.#asked) {
      // The kernel kills for memory; people kill through the engine, which keeps a record of that.
      if (await this.#wasKilledByHand()) return {how: 'was killed by somebody else'};
      return {how: `was killed: out of memory (limit ${memoryMb} MB)`, reason: 'out-of-memory'};
    }
    if (code !== null && COMMAND_EXITS.includes(code)) {
      const last = stderr.split('\n').at(-1) ?? '';
      return {how: `was lost (${command} ended with code ${code}${last === '' ? '' : `: ${last}`})`};
    }
    if (code === null)
      return {how: signal === null ? 'was ended before it began' : `was cut off (${signal})`};
    return {how: code === KILLED ? 'was ended by SIGKILL' : `exited with code ${code}`};
  }

  async #wasKilledByHand(): Promise<boolean> {
    const since = ['--since', String(Math.floor(this.#startedAt / 1000))];
    // Without this it would wait for what comes.
    const untilNow = /podman/i.test(basename(this.#choice.command))
      ? ['--stream=false']
      : ['--until', String(Date.now() / 1000)];
    const filters = ['--filter', `container=${this.#name}`, '--filter', 'event=kill'];
    const {exitCode, stdout} = await this.#command('events', ...since, ...untilNow, ...filters);
    return exitCode === 0 && stdout.trim() !== '';
  }

  async #stop(graceMs: number, exited: Promise<Exit>): Promise<void> {
    if (this.#asked) return;
    this.#asked = true;
    // One that is not there yet finds, when it begins, that its standard input has ended.
    if (this.#isReady) {
      const seconds = String(Math.ceil(graceMs / 1000));
      await within(graceMs + ENGINE_GRACE_MS, this.#command('stop', '-t', seconds, this.#name));
      this.#child?.stdin?.end();
    } else {
      this.#child?.stdin?.end();
      await within(graceMs, exited);
    }
    await this.#remove(exited);
  }

  async #kill(exited: Promise<Exit>): Promise<void> {
    this.#asked = true;
    this.#child?.stdin?.end();
    if (this.#isReady) await this.#command('kill', this.#name);
    await this.#remove(exited);
  }

  /** Sees to it that it goes, again and again: it may not have been there yet. */
  async #remove(exited: Promise<Exit>): Promise<void> {
    const deadlineMs = performance.now() + ENGINE_GRACE_MS;
    await within(this.#isReady ? REMOVED_MS : AGAIN_MS, exited);
    while (!this.#over) {
      await within(ENGINE_GRACE_MS, this.#command('rm', '--force', this.#name));
      await within(AGAIN_MS, exited);
      // An engine that does not answer must not keep the gateway from going on.
      if (performance.now() > deadlineMs) this.#child?.kill('SIGKILL');
    }
  }

  /** What the server's process has held, as this machine sees it; null if the engine is on another one. */
  async #peakMemoryMb(): Promise<number | null> {
    if (process.platform !== 'linux' || this.#over) return null;
    this.#pid ??= Number((await this.#command('inspect', '--format', '{{.State.Pid}}', this.#name)).stdout);
    const commandLine = await readFile(`/proc/${this.#pid}/cmdline`, 'utf8').catch(() => '');
    return /\/opt\/thaw\/runtime\/server\.(?:cjs|py)/.test(commandLine) ? readPeakMemoryMb(this.#pid) : null;
  }

  #command(...args: readonly string[]): Promise<CommandFailure> {
    return runCommand(this.#choice.command, args, this.#env);
  }
}

const NO_IMAGE = /no such image|image not known|unable to find image|image .* not found|not found in local/i;
const WRONG_PLATFORM = /exec format error/i;

/** Reads the address that containers know this machine by out of what `network inspect` prints. */
export const parseGateway = (text: string): string | null =>
  /"gateway":\s*"(\d+\.\d+\.\d+\.\d+)"/i.exec(text)?.[1] ?? null;

const within = (ms: number, promise: Promise<unknown>): Promise<unknown> =>
  Promise.race([promise, sleep(ms, undefined, {ref: false})]);

/** Whether an address is this machine's; the list of interfaces lacks those that have no container yet. */
async function canListen(host: string): Promise<boolean> {
  try {
    await bindOnce(host);
    return true;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that is free now. */
async function findFreePort(taken: ReadonlySet<number>): Promise<number> {
  for (;;) {
    const port = await bindOnce('127.0.0.1');
    if (!taken.has(port)) return port;
  }
}

/** Listens for a moment on a port that the system chooses, and says which it was. */
async function bindOnce(host: string): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject);
    server.listen({host, port: 0, exclusive: true}, () => resolve((server.address() as AddressInfo).port));
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
