import {randomBytes} from 'node:crypto';
import {messageOf} from '../../../../src/core/errors.ts';
import {processEngine} from '../../../../src/providers/local/engine-process.ts';
import type {Digest} from '../../../../src/core/digest.ts';
import type {Engine, Ready, Running} from '../../../../src/providers/local/engine.ts';
import {emulateLambda} from '../../../../src/providers/local/emulate/lambda.ts';
import type {Cloud} from '../cloud.ts';
import {Refusal} from '../refusal.ts';
import {RestoreGate} from './restore-gate.ts';

/** What sandboxes are made of: a version of a function as it is now. */
export interface Unit {
  readonly function: string;
  readonly version: string;
  /** Tells the same version's contents apart: `$LATEST` has many. */
  readonly content: string;
  /** What instances say that they are made of. */
  readonly image: string;
  /** Unpacks what it runs, once, and says what else it must find in its environment. */
  readonly unpack: () => Promise<Unpacked>;
  readonly memoryMb: number;
  readonly timeoutMs: number;
  readonly env: {readonly [name: string]: string};
  /** Functions' own limit of executions at once. */
  readonly reserved: number | null;
  /** Whether its sandboxes go on from a snapshot. */
  readonly snapStart: boolean;
  readonly onLine: (stream: string, text: string) => void;
}

/** What processes are started in. */
export interface Unpacked {
  readonly rootDir: string;
  readonly env: {readonly [name: string]: string};
}

/** What of Lambda's ways can be had on demand. */
export interface Behaviour {
  /** A start that takes longer is broken off, and begun anew as part of the first invocation. */
  initMs: number;
  /** The name of a function whose process is ended in the middle of its next invocation. */
  endsDuringNext: string | null;
}

export type Kind = 'on-demand' | 'provisioned' | 'snap-start';

interface Sandbox {
  readonly key: string;
  readonly unit: Unit;
  readonly kind: Kind;
  readonly id: string;
  readonly running: Promise<Running>;
  /** Holds a process that shall be restored; null for other kinds. */
  readonly gate: Promise<RestoreGate> | null;
  /** Nobody shall use it any more: it ends when it is idle. */
  isRetired: boolean;
  /** It is a snapshot still. */
  isHeld: boolean;
  readonly ready: Promise<Ready>;
  isReady: boolean;
  busy: boolean;
  idleSinceMs: number;
}

/** Why nothing could be started: the answer is a function error, not a refusal. */
export class InitFailure extends Error {
  override readonly name = 'InitFailure';
}

const keyOf = ({function: name, version, content}: Unit): string => `${name}\n${version}\n${content}`;

/** The sandboxes of all functions: one for each invocation at a time, kept for the next one of the same version. */
export class Fleet {
  readonly behaviour: Behaviour = {initMs: 10_000, endsDuringNext: null};
  readonly #cloud: Cloud;
  readonly #sandboxes = new Set<Sandbox>();
  /** What could not be kept ready. */
  readonly #failed = new Set<string>();
  /** The processes inside of sandboxes. */
  readonly #processes = new Map<string, Running>();

  constructor(cloud: Cloud) {
    this.#cloud = cloud;
  }

  /** What there is now. */
  list(): {readonly function: string; readonly version: string; readonly kind: Kind}[] {
    this.#retireIdle();
    const there = [...this.#sandboxes].filter(({isHeld}) => !isHeld);
    return there.map(({unit, kind}) => ({
      function: unit.function,
      version: unit.version,
      kind,
    }));
  }

  /**
   * Runs one invocation in a sandbox of its own.
   *
   * @param work is told the port at which the sandbox takes events and requests, and how its log is to be read
   * @throws Refusal TooManyRequestsException
   * @throws InitFailure
   */
  async invoke<T>(
    unit: Unit,
    work: (port: number, render: (line: string) => string) => Promise<T>,
  ): Promise<T> {
    const sandbox = this.#place(unit);
    try {
      const {port} = await sandbox.ready.catch((error: unknown) => {
        throw new InitFailure(messageOf(error));
      });
      const gate = await sandbox.gate;
      const answer = work(port, (line) => gate?.render(line) ?? line);
      if (this.behaviour.endsDuringNext === unit.function) {
        this.behaviour.endsDuringNext = null;
        setTimeout(() => this.#processes.get(sandbox.id)?.kill(), 1);
      }
      return await answer;
    } finally {
      sandbox.busy = false;
      sandbox.idleSinceMs = this.#cloud.clock.now();
      if (sandbox.isRetired) void this.#end(sandbox);
      else if (unit.snapStart) this.snapshot(unit);
    }
  }

  /** Has a process of a version held where its snapshot is taken, for the next sandbox that is made from it. */
  snapshot(unit: Unit): void {
    const held = [...this.#sandboxes].some(({key, isHeld}) => key === keyOf(unit) && isHeld);
    if (!held) this.#start(unit, 'snap-start');
  }

  /** Has so many sandboxes of a version ready, whoever asks for them or not, and ends what is beyond that. */
  keep(unit: Unit, wanted: number): void {
    const kept = [...this.#sandboxes].filter(({key, kind}) => key === keyOf(unit) && kind === 'provisioned');
    for (let n = kept.length; n < wanted; n++) this.#start(unit, 'provisioned');
    for (const sandbox of kept.slice(wanted)) void this.#end(sandbox);
  }

  /** How many sandboxes that are kept can take an invocation at once. */
  keptReady(unit: Unit): number {
    return [...this.#sandboxes].filter(
      ({key, kind, isReady}) => key === keyOf(unit) && kind === 'provisioned' && isReady,
    ).length;
  }

  /** Whether a sandbox that should be kept could not start. */
  keptFailed(unit: Unit): boolean {
    return this.#failed.has(keyOf(unit));
  }

  /** Starts a sandbox that nobody has asked for, as Lambda does when it expects somebody. */
  async startProactively(unit: Unit): Promise<void> {
    await this.#start(unit, 'on-demand').ready;
  }

  /** Ends sandboxes once they are idle. */
  retire(which: (unit: Unit, kind: Kind) => boolean): void {
    for (const sandbox of this.#sandboxes) {
      if (!which(sandbox.unit, sandbox.kind)) continue;
      sandbox.isRetired = true;
      if (!sandbox.busy) void this.#end(sandbox);
    }
  }

  /** Ends sandboxes, idle or not, and waits until nothing is left of them. */
  async end(which: (unit: Unit, kind: Kind) => boolean): Promise<void> {
    const ended = [...this.#sandboxes].filter(({unit, kind}) => which(unit, kind));
    await Promise.all(ended.map((sandbox) => this.#end(sandbox)));
  }

  async close(): Promise<void> {
    while (this.#sandboxes.size > 0) await this.end(() => true);
  }

  #place(unit: Unit): Sandbox {
    this.#retireIdle();
    const busy = [...this.#sandboxes].filter((sandbox) => sandbox.busy);
    const ofFunction = busy.filter((sandbox) => sandbox.unit.function === unit.function);
    if (unit.reserved !== null && ofFunction.length >= unit.reserved) {
      throw tooMany('ReservedFunctionConcurrentInvocationLimitExceeded');
    }
    if (busy.length >= this.#cloud.account.concurrency) throw tooMany('ConcurrentInvocationLimitExceeded');
    const idle = [...this.#sandboxes].filter(
      (sandbox) => !sandbox.busy && !sandbox.isRetired && sandbox.key === keyOf(unit),
    );
    const isFirst = (kind: Kind) => idle.find((sandbox) => sandbox.kind === kind && sandbox.isReady);
    const found = isFirst('provisioned') ?? isFirst('on-demand') ?? isFirst('snap-start');
    const sandbox = found ?? (unit.snapStart ? this.#restore(unit) : this.#start(unit, 'on-demand'));
    sandbox.busy = true;
    return sandbox;
  }

  /** Goes on from a snapshot; there is one by the time that somebody needs it. */
  #restore(unit: Unit): Sandbox {
    this.snapshot(unit);
    const held = [...this.#sandboxes].find(({key, isHeld}) => key === keyOf(unit) && isHeld) as Sandbox;
    held.isHeld = false;
    void this.#release(held);
    return held;
  }

  async #release(sandbox: Sandbox): Promise<void> {
    const gate = await sandbox.gate;
    await Promise.race([gate?.held, sandbox.ready.catch(() => undefined)]);
    gate?.release();
    await sandbox.ready.then(
      () => gate?.restored(),
      () => undefined,
    );
  }

  #start(unit: Unit, kind: Kind): Sandbox {
    const id = randomBytes(16).toString('hex');
    const gate = kind === 'snap-start' ? RestoreGate.open() : null;
    // What a snapshot is made of may take its time.
    const initMs = kind === 'snap-start' ? 600_000 : this.behaviour.initMs;
    const running = Promise.all([unit.unpack(), gate]).then(([{rootDir, env}, opened]) =>
      emulateLambda(this.#watched(id, kind, env, opened), {initMs}).start({
        id,
        engine: {name: 'process'},
        rootDir,
        image: unit.image as Digest,
        env: {...unit.env, AWS_REGION: this.#cloud.account.region},
        memoryMb: unit.memoryMb,
        cpu: null,
        concurrency: 1,
        emulation: {
          cloud: 'lambda',
          function: unit.function,
          version: unit.version,
          timeoutMs: unit.timeoutMs,
        },
        onLine: (_, text) => unit.onLine(id, opened?.render(text) ?? text),
      }),
    );
    const ready = running.then((run) => run.ready);
    const sandbox: Sandbox = {
      key: keyOf(unit),
      unit,
      kind,
      id,
      running,
      gate,
      isRetired: false,
      isHeld: kind === 'snap-start',
      ready,
      isReady: false,
      busy: false,
      idleSinceMs: this.#cloud.clock.now(),
    };
    this.#sandboxes.add(sandbox);
    const idle = this.#cloud.clock.busy();
    void gate?.then(({held}) => held).then(idle);
    ready
      .then(
        () => (sandbox.isReady = true),
        () => {
          this.#sandboxes.delete(sandbox);
          if (kind === 'provisioned') this.#failed.add(sandbox.key);
        },
      )
      .finally(idle);
    void running
      .then((run) => run.exited)
      .then(
        () => this.#sandboxes.delete(sandbox),
        () => this.#sandboxes.delete(sandbox),
      );
    return sandbox;
  }

  /** The engine that runs the processes, and remembers them by the sandbox that they are in. */
  #watched(id: string, kind: Kind, own: Unpacked['env'], gate: RestoreGate | null): Engine {
    return {
      ...processEngine,
      start: (launch) => {
        const env: {[name: string]: string} = {
          ...launch.env,
          ...own,
          AWS_LAMBDA_INITIALIZATION_TYPE: kind === 'provisioned' ? 'provisioned-concurrency' : kind,
        };
        if (gate !== null) env['AWS_LAMBDA_RUNTIME_API'] = gate.before(env['AWS_LAMBDA_RUNTIME_API'] ?? '');
        const running = processEngine.start({...launch, env});
        this.#processes.set(id, running);
        void this.#forget(id, running);
        return running;
      },
    };
  }

  async #forget(id: string, running: Running): Promise<void> {
    await running.exited;
    if (this.#processes.get(id) === running) this.#processes.delete(id);
  }

  #retireIdle(): void {
    const sinceMs = this.#cloud.clock.now() - this.#cloud.paces.idleMs;
    for (const sandbox of this.#sandboxes) {
      const isOld = !sandbox.busy && sandbox.isReady && sandbox.idleSinceMs <= sinceMs;
      if (isOld && sandbox.kind !== 'provisioned') void this.#end(sandbox);
    }
  }

  async #end(sandbox: Sandbox): Promise<void> {
    this.#sandboxes.delete(sandbox);
    // What it wrote before may be under way to the log still.
    const idle = this.#cloud.clock.busy();
    const running = await sandbox.running.catch(() => null);
    await running?.stop(0);
    idle();
    await (await sandbox.gate)?.close();
  }
}

const tooMany = (reason: string): Refusal =>
  new Refusal('TooManyRequestsException', 'Rate Exceeded.', {members: {Reason: reason, Type: 'User'}});

/** The name of a sandbox's log stream. */
export const streamName = (atMs: number, version: string, id: string): string =>
  `${new Date(atMs).toISOString().slice(0, 10).replaceAll('-', '/')}/[${version}]${id}`;
