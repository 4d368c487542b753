import {randomBytes} from 'node:crypto';
import {setTimeout as sleep} from 'node:timers/promises';
import {messageOf} from '../../../../core/errors.ts';
import {
  StartFailure,
  type Engine,
  type Exit,
  type HostAddress,
  type Launch,
  type Ready,
  type Running,
} from '../../engine.ts';
import {openDoor, type Door} from '../door.ts';
import {serveInvocations} from './entrance.ts';
import {functionArn} from './environment.ts';
import {renderInitReport, renderReport, type Report} from './report.ts';
import {InitError, type Reply} from './runtime-api.ts';
import {startRuntimeProcess, type Initialised, type RuntimeProcess} from './runtime-process.ts';

/** Lambda's limits that are not the function's own. */
export interface LambdaLimits {
  /** A start that takes longer is broken off, and begun anew as part of the first invocation. */
  readonly initMs: number;
  /** What a process wrote about an invocation is there so long after its end. */
  readonly logLateMs: number;
}

/** What starts the processes of a sandbox. */
export interface Starter {
  readonly engine: Engine;
  /** Where they reach this machine. */
  readonly hostAddress: () => Promise<HostAddress>;
}

/** An event that somebody wants answered. */
export interface Event {
  readonly requestId: string;
  readonly payload: Buffer;
  readonly clientContext: string | null;
}

/** How an invocation ends for who invoked. */
export type Outcome =
  {readonly kind: 'answer'; readonly payload: Buffer} | {readonly kind: 'failure'; readonly payload: Buffer};

/** An invocation under way. */
export interface InvocationUnderWay {
  /** As soon as there is an answer. Never rejects. */
  readonly outcome: Promise<Outcome>;
  /** The end of its log, once it is over. */
  readonly logTail: Promise<string>;
}

/** What Lambda hands out of a log. */
const TAIL_BYTES = 4096;
const NOT_STARTED: Exit = {how: 'was ended before it began'};

/** Starts a sandbox: from outside an instance like any other. */
export function startSandbox(starter: Starter, launch: Launch, limits: LambdaLimits): Running {
  const sandbox = new Sandbox(starter, launch, limits);
  return sandbox.run();
}

/**
 * What Lambda calls an execution environment: one process after the other, one event at a time. A process that was
 * ended in the middle of an event, or took too long to start, is followed by another as part of the next invocation.
 */
class Sandbox {
  readonly #starter: Starter;
  readonly #launch: Launch;
  readonly #limits: LambdaLimits;
  readonly #timeoutMs: number;
  readonly exited: Promise<Exit>;
  #resolveExited: (exit: Exit) => void = () => {};
  #process: RuntimeProcess | null = null;
  /** Ends when the process that is being started is the process. */
  #starting: Promise<unknown> = Promise.resolve();
  #processes = 0;
  #door: Door | null = null;
  /** Of the start that no invocation has been charged for yet. */
  #initMs: number | null = null;
  /** Ends when the invocation before is over. */
  #last: Promise<unknown> = Promise.resolve();
  /** What was written since the invocation began; null while there is none. */
  #log: string[] | null = null;
  #onLogged: (text: string) => void = () => {};
  #peakMemoryMb: number | null = null;
  #asked = false;

  constructor(starter: Starter, launch: Launch, limits: LambdaLimits) {
    this.#starter = starter;
    this.#launch = launch;
    this.#limits = limits;
    this.#timeoutMs = launch.emulation?.timeoutMs ?? 0;
    this.exited = new Promise((resolve) => (this.#resolveExited = resolve));
  }

  run(): Running {
    const ready = this.#begin().catch((error: unknown) => {
      // Whoever is told that it failed may ask for its end; nobody has to.
      void this.#end();
      throw error instanceof StartFailure ? error : new StartFailure(messageOf(error));
    });
    ready.catch(() => {});
    const end = (): Promise<Exit> => {
      this.#asked = true;
      void this.#end();
      return this.exited;
    };
    // Without extensions nobody is asked to end: the sandbox is gone at once.
    return {ready, exited: this.exited, stop: end, kill: () => void end()};
  }

  /** Answers an event after those that came before it. */
  invoke(event: Event): InvocationUnderWay {
    let resolveOutcome: (outcome: Outcome) => void = () => {};
    const outcome = new Promise<Outcome>((resolve) => (resolveOutcome = resolve));
    const logTail = this.#last.then(() => this.#invoke(event, resolveOutcome));
    this.#last = logTail.catch(() => {});
    return {outcome, logTail};
  }

  /** The start, which is not part of any invocation as long as it stays within its limit. */
  async #begin(): Promise<Ready> {
    this.#door = await openDoor(serveInvocations(this.#launch, (event) => this.invoke(event)));
    const {port} = this.#door;
    const startedMs = performance.now();
    const process = await this.#startProcess();
    const started = await this.#awaitInit(process, this.#limits.initMs);
    if (started === 'timeout') {
      this.#note(renderInitReport(performance.now() - startedMs, {status: 'timeout', errorType: null}));
      await this.#endProcess(process);
      const phases = {'Init Duration': performance.now() - startedMs};
      return {host: '127.0.0.1', port, bootId: null, phases};
    }
    if (started instanceof Error) {
      const errorType = errorTypeOf(started);
      this.#note(renderInitReport(performance.now() - startedMs, {status: 'error', errorType}));
      throw new StartFailure(started.message);
    }
    this.#initMs = started.initMs;
    const phases = {create: started.createMs, 'Init Duration': started.initMs};
    return {host: '127.0.0.1', port, bootId: started.bootId, phases};
  }

  #startProcess(): Promise<RuntimeProcess> {
    const starting = this.#startNext();
    this.#starting = starting.catch(() => {});
    return starting;
  }

  async #startNext(): Promise<RuntimeProcess> {
    const {id} = this.#launch;
    const number = ++this.#processes;
    const {engine, hostAddress} = this.#starter;
    const process = await startRuntimeProcess(
      engine,
      {
        ...this.#launch,
        id: number === 1 ? id : `${id}-${number}`,
        onLine: (stream, text) => this.#onLine(stream, text),
      },
      await hostAddress(),
    );
    this.#process = process;
    void process.exited.then((exit) => this.#onExit(process, exit));
    return process;
  }

  /** A process that ends while nobody wants anything of it takes the sandbox with it. */
  #onExit(process: RuntimeProcess, exit: Exit): void {
    if (this.#process !== process) return;
    this.#process = null;
    if (this.#log === null || this.#asked) void this.#end(exit);
  }

  async #endProcess(process: RuntimeProcess): Promise<Exit> {
    if (this.#process === process) this.#process = null;
    process.run.kill();
    return process.exited;
  }

  async #end(exit: Exit = NOT_STARTED): Promise<void> {
    await this.#starting;
    const process = this.#process;
    const last = process === null ? exit : await this.#endProcess(process);
    await this.#door?.close();
    this.#resolveExited(last);
  }

  async #awaitInit(process: RuntimeProcess, withinMs: number): Promise<Initialised | Error | 'timeout'> {
    const timer = new AbortController();
    const late = sleep(withinMs, 'timeout' as const, {signal: timer.signal});
    late.catch(() => {});
    try {
      return await Promise.race([process.initialised, late]);
    } catch (error) {
      return error instanceof Error ? error : new Error(messageOf(error));
    } finally {
      timer.abort();
    }
  }

  /** @returns the end of its log */
  async #invoke(event: Event, onOutcome: (outcome: Outcome) => void): Promise<string> {
    const {requestId} = event;
    const startedMs = performance.now();
    const initMs = this.#initMs;
    this.#initMs = null;
    this.#log = [];
    this.#peakMemoryMb = null;
    const logged = this.#untilLogged(requestId);
    this.#note(`START RequestId: ${requestId} Version: ${this.#launch.emulation?.version ?? ''}`);
    const failure = await this.#answer(event, onOutcome);
    const durationMs = performance.now() - startedMs;
    if (this.#process !== null) await this.#measure(this.#process);
    const peakMemoryMb = this.#peakMemoryMb;
    if (failure === null) {
      const enough = new AbortController();
      const late = sleep(this.#limits.logLateMs, undefined, {signal: enough.signal}).catch(() => {});
      await Promise.race([logged, late]);
      enough.abort();
    }
    const {memoryMb} = this.#launch;
    this.#note(`END RequestId: ${requestId}`);
    this.#note(renderReport({requestId, durationMs, memoryMb, peakMemoryMb, initMs, failure}));
    const tail = Buffer.from(`${this.#log.join('\n')}\n`).subarray(-TAIL_BYTES);
    this.#log = null;
    return tail.toString('utf8');
  }

  /** Has the process answer, within the function's time, and ends one that does not. */
  async #answer(event: Event, onOutcome: (outcome: Outcome) => void): Promise<Report['failure']> {
    const {requestId} = event;
    const deadlineMs = Date.now() + this.#timeoutMs;
    const timer = new AbortController();
    const late = sleep(this.#timeoutMs, 'timeout' as const, {signal: timer.signal});
    late.catch(() => {});
    try {
      const process = this.#process ?? (await this.#startProcess());
      const exited = process.exited.then((exit) => ({kind: 'exit', exit}) as const);
      const refused = process.api.initialised.then(
        () => new Promise<never>(() => {}),
        (error: unknown) => ({kind: 'refused', error: error as InitError}) as const,
      );
      const {reply, done} = process.api.invoke({
        requestId,
        deadlineMs,
        traceId: newTraceId(),
        functionArn: functionArn(this.#launch),
        clientContext: event.clientContext,
        event: event.payload,
      });
      const first = await Promise.race([reply, exited, refused, late]);
      if (first === 'timeout') return await this.#timeOut(process, requestId, onOutcome);
      if (first.kind === 'refused') {
        await this.#endProcess(process);
        return this.#fail(first.error.errorType, first.error.message, requestId, onOutcome);
      }
      if (first.kind === 'exit') return this.#exitDuring(first.exit, requestId, onOutcome);
      const failure = this.#deliver(first, onOutcome);
      // What it does after its answer belongs to the invocation as well.
      const end = await Promise.race([done.then(() => 'done' as const), exited, late]);
      if (end === 'timeout') return await this.#timeOut(process, requestId, onOutcome);
      if (end !== 'done') return this.#exitDuring(end.exit, requestId, onOutcome);
      return failure;
    } catch (error) {
      return this.#fail('Runtime.StartError', messageOf(error), requestId, onOutcome);
    } finally {
      timer.abort();
    }
  }

  #deliver(reply: Reply, onOutcome: (outcome: Outcome) => void): Report['failure'] {
    if (reply.kind === 'answer') {
      onOutcome({kind: 'answer', payload: reply.body});
      return null;
    }
    onOutcome({kind: 'failure', payload: reply.body});
    // The process goes on, and has said itself what was wrong: Lambda reports nothing of it.
    return null;
  }

  async #timeOut(
    process: RuntimeProcess,
    requestId: string,
    onOutcome: (outcome: Outcome) => void,
  ): Promise<Report['failure']> {
    const message = `Task timed out after ${(this.#timeoutMs / 1000).toFixed(2)} seconds`;
    this.#note(`${new Date().toISOString()} ${requestId} ${message}`);
    await this.#measure(process);
    await this.#endProcess(process);
    onOutcome(failureOf('Sandbox.Timedout', `RequestId: ${requestId} Error: ${message}`));
    return {status: 'timeout', errorType: null};
  }

  #exitDuring(exit: Exit, requestId: string, onOutcome: (outcome: Outcome) => void): Report['failure'] {
    return this.#fail('Runtime.ExitError', `Runtime exited with error: it ${exit.how}`, requestId, onOutcome);
  }

  #fail(
    errorType: string,
    message: string,
    requestId: string,
    onOutcome: (outcome: Outcome) => void,
  ): Report['failure'] {
    const text = `RequestId: ${requestId} Error: ${message}`;
    this.#note(`${text} ${errorType}`);
    onOutcome(failureOf(errorType, text));
    return {status: 'error', errorType};
  }

  async #measure({run}: RuntimeProcess): Promise<void> {
    this.#peakMemoryMb = (await run.peakMemoryMb?.()) ?? null;
  }

  #onLine(stream: 'stdout' | 'stderr' | 'platform', text: string): void {
    this.#log?.push(text);
    this.#launch.onLine(stream, text);
    if (stream === 'stdout' && text.startsWith(LAST_LINE)) this.#onLogged(text);
  }

  /** What Lambda itself writes. */
  #note(text: string): void {
    this.#onLine('platform', text);
  }

  /** Resolves when the process writes what it writes last about an invocation. */
  #untilLogged(requestId: string): Promise<void> {
    return new Promise((resolve) => {
      this.#onLogged = (text) => {
        if (text.includes(requestId)) resolve();
      };
    });
  }
}

/** How a line begins that thaw's own server writes after everything else about an invocation. */
const LAST_LINE = '{"event":"evidence"';

function failureOf(errorType: string, errorMessage: string): Outcome {
  return {kind: 'failure', payload: Buffer.from(JSON.stringify({errorType, errorMessage}))};
}

const errorTypeOf = (error: Error): string =>
  error instanceof InitError ? error.errorType : 'Runtime.ExitError';

function newTraceId(): string {
  const seconds = Math.floor(Date.now() / 1000).toString(16);
  const hex = (bytes: number): string => randomBytes(bytes).toString('hex');
  return `Root=1-${seconds}-${hex(12)};Parent=${hex(8)};Sampled=0`;
}
