import {randomUUID} from 'node:crypto';
import {availableParallelism} from 'node:os';
import type {Instance} from '../../../core/deployment.ts';
import {messageOf} from '../../../core/errors.ts';
import {canonicalJson} from '../../../core/json.ts';
import type {Engine, Launch, Ready, Running} from '../engine.ts';
import type {Trace} from '../trace.ts';
import {Connections} from './connections.ts';
import type {Metrics} from './metrics.ts';
import {Refusal} from './refusal.ts';

/** What every instance is started from. An instance of an earlier recipe gets no further request. */
export type Recipe = Omit<Launch, 'id' | 'onLine'>;

/** How many instances there may be, and for how long. */
export interface Scaling {
  readonly maxInstances: number;
  /** So many are kept, whether or not there are requests. */
  readonly warmMin: number;
  readonly idleTimeoutMs: number;
  /** An instance that is not ready after this time has failed. */
  readonly startTimeoutMs: number;
  /** How long a request may wait for an instance. */
  readonly queueTimeoutMs: number;
}

/** Who is told of what happens to instances. */
export interface Observers {
  readonly trace: Trace;
  readonly metrics: Metrics;
  readonly onLine: (instance: string, stream: 'stdout' | 'stderr' | 'platform', text: string) => void;
}

/** One instance, as the pool holds it. */
export interface Slot {
  readonly id: string;
  readonly recipe: Recipe;
  readonly run: Running;
  readonly startedAt: string;
  readonly onDemand: boolean;
  /** `retired`: it gets no further request and ends when the last one is answered. */
  state: 'starting' | 'ready' | 'retired';
  ready: Ready | null;
  /** The kept connections to it, once it is ready. */
  connections: Connections | null;
  inFlight: number;
  answered: number;
  /** On the monotonic clock; what counts while nothing is in flight. */
  idleSinceMs: number;
}

/** A place in the queue. */
export interface Place {
  /** Resolves to the instance that has become free or ready; rejects with a Refusal, or with what was left for. */
  readonly slot: Promise<Slot>;
  /** Gives the place up; without effect once there is an instance. */
  leave(reason: Error): void;
}

type Connect = Awaited<ReturnType<typeof Connections.prepare>>;

interface Waiter {
  readonly sinceMs: number;
  take(slot: Slot): void;
  refuse(reason: Error): void;
}

/** Of so many requests for each one that can be served, one more is refused. */
const QUEUE_PER_PLACE = 100;
const QUEUE_MAX = 10_000;
/**
 * So many instances start at a time, others after them: started all at once they would be ready no sooner, the first
 * of them much later, and the gateway itself would hardly get to run.
 */
const STARTING_MAX = Math.max(4, 2 * availableParallelism());
/** What was sent while the gateway began to stop is there within this time. */
const QUIET_MS = 100;
/** An instance that is asked to end is given so long. */
const STOP_GRACE_MS = 5000;
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MAX_MS = 30_000;
/** An idle instance that ended by itself earlier than this after its start counts as one that cannot start. */
const CRASHED_EARLY_MS = 10_000;

/**
 * The instances of one function: none while nothing is asked, a new one when a request finds none free, at most
 * `concurrency` requests in each, at most `maxInstances`, `warmMin` always there, idle ones ended.
 */
export class Pool {
  readonly #engine: Engine;
  readonly #trace: Trace;
  readonly #metrics: Metrics;
  readonly #onLine: Observers['onLine'];
  readonly #slots = new Set<Slot>();
  /** In the order of their coming. */
  readonly #queue = new Set<Waiter>();
  readonly #onChange = new Set<() => void>();
  #recipe: Recipe;
  #scaling: Scaling;
  #timer: NodeJS.Timeout | null = null;
  /** When it goes off, on the monotonic clock. */
  #wakeMs = 0;
  /** `draining`: who is there is answered; `closed`: nobody is. */
  #phase: 'open' | 'draining' | 'closed' = 'open';
  /** Starts that failed since an instance last proved to be good. */
  #failures = 0;
  #noBootBeforeMs = 0;
  /** Requests that have come and are not over. */
  #open = 0;
  #lastArrivalMs = -Infinity;
  #problem: string | null = null;

  constructor(engine: Engine, recipe: Recipe, scaling: Scaling, {trace, metrics, onLine}: Observers) {
    this.#engine = engine;
    this.#recipe = recipe;
    this.#scaling = scaling;
    this.#trace = trace;
    this.#metrics = metrics;
    this.#onLine = onLine;
  }

  /** Why the last start failed; null once one has succeeded since. */
  get problem(): string | null {
    return this.#problem;
  }

  /** Whether clients shall look elsewhere for their next request. */
  get stopping(): boolean {
    return this.#phase !== 'open';
  }

  /** Instances that take requests. */
  get readyCount(): number {
    return this.#count('ready');
  }

  /** Requests that wait for an instance. */
  get queueLength(): number {
    return this.#queue.size;
  }

  /** Says that a request has come: what has come is answered before the pool stops. */
  arrive(): void {
    this.#open++;
    this.#lastArrivalMs = performance.now();
  }

  /** Says that a request which came is over. */
  depart(): void {
    this.#open--;
    if (this.#phase === 'draining') this.#tellOfChange();
  }

  instances(): Instance[] {
    return [...this.#slots].map((slot) => ({
      id: slot.id,
      bootId: slot.ready?.bootId ?? null,
      state:
        slot.state === 'retired'
          ? 'stopping'
          : slot.state === 'starting'
            ? 'starting'
            : slot.inFlight > 0
              ? 'busy'
              : 'idle',
      startedAt: slot.startedAt,
      requests: slot.answered,
    }));
  }

  /** Takes a place in a ready instance if one is free now. */
  take(): Slot | null {
    if (this.#queue.size > 0 || this.#phase === 'closed') return null;
    const slot = this.#free();
    if (slot !== null) slot.inFlight++;
    return slot;
  }

  /**
   * Queues for a place in an instance: whichever becomes free or ready first. Starts one if those that are starting
   * will not do for everybody who waits.
   *
   * @throws Refusal
   */
  wait(): Place {
    const full = this.full();
    if (full !== null) throw full;
    let leave: (reason: Error) => void = () => {};
    const slot = new Promise<Slot>((resolve, reject) => {
      const {queueTimeoutMs} = this.#scaling;
      const timer = setTimeout(() => {
        const message = `no instance became free within ${queueTimeoutMs} ms`;
        waiter.refuse(new Refusal('QUEUE_TIMED_OUT', message, 1000));
      }, queueTimeoutMs);
      const unqueue = (): boolean => {
        clearTimeout(timer);
        return this.#queue.delete(waiter);
      };
      const waiter: Waiter = {
        sinceMs: performance.now(),
        take: (slot) => {
          unqueue();
          slot.inFlight++;
          resolve(slot);
        },
        refuse: (reason) => {
          if (unqueue()) reject(reason);
        },
      };
      leave = (reason) => waiter.refuse(reason);
      this.#queue.add(waiter);
    });
    this.#balance();
    return {slot, leave};
  }

  /** The refusal that a request which has to wait would get now; null if it may. */
  full(): Refusal | null {
    if (this.#phase === 'closed') return new Refusal('STOPPING', 'the gateway is stopping');
    const places = this.#scaling.maxInstances * this.#recipe.concurrency;
    const most = Math.min(QUEUE_MAX, QUEUE_PER_PLACE * places);
    if (this.#queue.size < most) return null;
    const message = `${this.#queue.size} requests wait already for ${places} that may be served at a time`;
    return new Refusal('QUEUE_FULL', message, 1000);
  }

  /** Gives a place back. */
  release(slot: Slot, answered: boolean): void {
    slot.inFlight--;
    if (answered) slot.answered++;
    slot.idleSinceMs = performance.now();
    const proves = answered && this.#failures > 0;
    if (slot.state === 'ready' && this.#phase === 'open' && !proves && this.#passOn(slot)) return;
    if (proves) this.#forgetFailures();
    if (slot.state === 'retired' && slot.inFlight === 0) this.#end(slot);
    this.#balance();
  }

  /**
   * Does for a place that has become free, and nothing else, what `#balance` does for whatever may have happened:
   * gives it to whoever waits. False if there is more to do.
   */
  #passOn(slot: Slot): boolean {
    for (const waiter of this.#queue) {
      waiter.take(slot);
      return true;
    }
    // A clock that is set looks at this instance too: it goes off within the idle timeout.
    return this.#timer !== null;
  }

  /** Gives back the place of a request that took too long. Nothing but its end stops what the instance does for it. */
  expire(slot: Slot): void {
    slot.inFlight--;
    if (slot.state === 'ready') {
      slot.state = 'retired';
      this.#onLine(slot.id, 'platform', 'ending: a request took too long');
    }
    if (slot.inFlight === 0) slot.run.kill();
    this.#balance();
  }

  /** Gives an instance no further request; it ends when those it has are answered. */
  #retire(slot: Slot, why: string): void {
    if (slot.state === 'retired') return;
    slot.state = 'retired';
    this.#onLine(slot.id, 'platform', `ending: ${why}`);
    if (slot.inFlight === 0) this.#end(slot);
  }

  /** Whether instances are started from this recipe now. */
  uses(recipe: Recipe): boolean {
    return canonicalJson(recipe) === canonicalJson(this.#recipe);
  }

  /**
   * Starts an instance of another recipe aside: those that serve go on, and nobody waits for it. It gets requests once
   * it is handed to `use`.
   *
   * @throws Error saying why it cannot start; nothing is left of it then
   */
  async tryInstance(recipe: Recipe, startTimeoutMs: number, signal: AbortSignal): Promise<Slot> {
    const bootMs = performance.now();
    const slot = this.#launch(recipe, false);
    let givenUp: string | null = null;
    const giveUp = (why: string): void => {
      givenUp = why;
      slot.run.kill();
    };
    const timeout = setTimeout(() => giveUp(`it was not ready within ${startTimeoutMs} ms`), startTimeoutMs);
    const onAbort = (): void => giveUp('it is not wanted any more');
    signal.addEventListener('abort', onAbort, {once: true});
    if (signal.aborted) onAbort();
    try {
      const [ready, connect] = await Promise.all([slot.run.ready, Connections.prepare()]);
      this.#becomeReady(slot, ready, connect, bootMs, bootMs);
      return slot;
    } catch (error) {
      const reason = givenUp ?? messageOf(error);
      this.#metrics.countFailedBoot();
      this.#onLine(slot.id, 'platform', `could not start, and does not take over: ${reason}`);
      slot.run.kill();
      await slot.run.exited;
      throw new Error(`an instance could not start: ${reason}`, {cause: error});
    } finally {
      clearTimeout(timeout);
      signal.removeEventListener('abort', onAbort);
    }
  }

  /**
   * Starts instances from another recipe from now on and retires those of the one before.
   *
   * @param heir an instance of the new recipe that is ready already
   */
  use(recipe: Recipe, scaling: Scaling, heir: Slot | null = null): void {
    this.#scaling = scaling;
    this.#forgetFailures();
    if (!this.uses(recipe)) {
      this.#recipe = recipe;
      for (const slot of this.#slots) this.#retire(slot, 'the function was changed');
    }
    if (heir !== null) {
      heir.idleSinceMs = performance.now();
      this.#slots.add(heir);
      void this.#awaitExit(heir);
    }
    const tooMany = this.#alive() - scaling.maxInstances;
    for (const slot of this.#idle().slice(0, Math.max(0, tooMany))) {
      this.#retire(slot, 'fewer instances are allowed');
    }
    this.#balance();
  }

  /** Ends every instance that is there now, each after its requests; resolves when they are gone. */
  async endAll(why: string): Promise<void> {
    const slots = [...this.#slots];
    for (const slot of slots) this.#retire(slot, why);
    this.#balance();
    await Promise.all(slots.map((slot) => slot.run.exited));
  }

  /**
   * Resolves when as many instances as shall be kept are ready.
   *
   * @throws Error saying why, if one cannot start
   */
  async untilWarm(): Promise<void> {
    for (;;) {
      if (this.stopping || this.readyCount >= this.#keep()) return;
      if (this.#problem !== null) throw new Error(this.#problem);
      await new Promise<void>((resolve) => this.#onChange.add(resolve));
    }
  }

  /** Answers who is there already, then ends every instance. What has not been answered after the grace time is lost. */
  async stop(drainMs: number): Promise<void> {
    this.#phase = 'draining';
    const deadlineMs = performance.now() + drainMs;
    for (;;) {
      const nowMs = performance.now();
      const untilMs = this.#open > 0 ? deadlineMs : Math.min(deadlineMs, this.#lastArrivalMs + QUIET_MS);
      if (nowMs >= untilMs) break;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, untilMs - nowMs);
        this.#onChange.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.#phase = 'closed';
    for (const waiter of this.#queue) {
      waiter.refuse(new Refusal('STOPPING', 'the gateway is stopping'));
    }
    if (this.#timer) clearTimeout(this.#timer);
    const slots = [...this.#slots];
    for (const slot of slots) {
      slot.state = 'retired';
      this.#end(slot);
    }
    await Promise.all(slots.map((slot) => slot.run.exited));
  }

  /** Brings requests and instances together, starts what is missing, ends what is idle. */
  #balance(): void {
    for (const waiter of this.#queue) {
      const slot = this.#free();
      if (slot === null) break;
      waiter.take(slot);
    }
    this.#startMissing();
    if (this.#phase === 'open') this.#endIdle();
    this.#tellOfChange();
  }

  #tellOfChange(): void {
    const listeners = [...this.#onChange];
    this.#onChange.clear();
    for (const listener of listeners) listener();
  }

  #startMissing(): void {
    const {concurrency} = this.#recipe;
    const starting = this.#count('starting');
    const served = starting * concurrency;
    const demand = Math.ceil(Math.max(0, this.#queue.size - served) / concurrency);
    const kept = this.stopping ? 0 : Math.max(0, this.#keep() - this.#alive());
    const room = Math.min(this.#scaling.maxInstances - this.#alive(), STARTING_MAX - starting);
    const count = Math.min(Math.max(demand, kept), room);
    if (count <= 0) return;
    const waitMs = this.#noBootBeforeMs - performance.now();
    if (waitMs > 0) {
      if (this.#alive() === 0) this.#refuseAll(waitMs);
      return;
    }
    const waiters = [...this.#queue];
    for (let i = 0; i < count; i++) this.#boot(i < demand ? waiters[i * concurrency] : undefined);
  }

  #boot(waiter: Waiter | undefined): void {
    const bootMs = performance.now();
    const slot = this.#launch(this.#recipe, waiter !== undefined);
    this.#slots.add(slot);
    void this.#awaitReady(slot, bootMs, waiter?.sinceMs ?? bootMs);
    void this.#awaitExit(slot);
  }

  #launch(recipe: Recipe, onDemand: boolean): Slot {
    const id = randomUUID().slice(0, 8);
    const run = this.#engine.start({
      ...recipe,
      id,
      onLine: (stream, text) => this.#onLine(id, stream, text),
    });
    return {
      id,
      recipe,
      run,
      startedAt: new Date().toISOString(),
      onDemand,
      state: 'starting',
      ready: null,
      connections: null,
      inFlight: 0,
      answered: 0,
      idleSinceMs: performance.now(),
    };
  }

  async #awaitReady(slot: Slot, bootMs: number, askedMs: number): Promise<void> {
    const {startTimeoutMs} = this.#scaling;
    const timeout = setTimeout(() => {
      this.#startFailed(slot, `it was not ready within ${startTimeoutMs} ms`);
      slot.run.kill();
    }, startTimeoutMs);
    try {
      const [ready, connect] = await Promise.all([slot.run.ready, Connections.prepare()]);
      if (slot.state !== 'starting') return;
      this.#becomeReady(slot, ready, connect, bootMs, askedMs);
      this.#problem = null;
      this.#balance();
    } catch (error) {
      this.#startFailed(slot, messageOf(error));
    } finally {
      clearTimeout(timeout);
    }
  }

  #becomeReady(slot: Slot, ready: Ready, connect: Connect, bootMs: number, askedMs: number): void {
    slot.state = 'ready';
    slot.ready = ready;
    slot.connections = connect(ready.host, ready.port);
    slot.idleSinceMs = performance.now();
    this.#metrics.countBoot(slot.idleSinceMs - bootMs);
    const phases = {queue: bootMs - askedMs, ...ready.phases};
    const {bootId} = ready;
    if (bootId !== null) this.#trace.add({bootId, phases, onDemand: slot.onDemand});
    this.#onLine(slot.id, 'platform', `ready after ${(slot.idleSinceMs - bootMs).toFixed(1)} ms`);
  }

  async #awaitExit(slot: Slot): Promise<void> {
    const {how, reason} = await slot.run.exited;
    const wasReady = slot.state === 'ready';
    if (slot.ready !== null) {
      this.#metrics.countExit(reason === 'out-of-memory' ? 'out_of_memory' : wasReady ? 'unasked' : 'asked');
    }
    if (wasReady) {
      slot.state = 'retired';
      const ageMs = performance.now() - slot.idleSinceMs;
      if (ageMs >= CRASHED_EARLY_MS) this.#forgetFailures();
      else if (slot.inFlight === 0 && slot.answered === 0) {
        this.#countFailure(`an instance ${how} soon after it was ready`);
      }
    }
    // Why it did not even become ready is told by `ready`, which knows more.
    if (slot.ready !== null) this.#onLine(slot.id, 'platform', `it ${how}${wasReady ? ', unasked' : ''}`);
    this.#slots.delete(slot);
    slot.connections?.destroy();
    this.#balance();
  }

  /** Those requests for which an instance was started get its reason. */
  #startFailed(slot: Slot, reason: string): void {
    if (slot.state !== 'starting') return;
    slot.state = 'retired';
    this.#metrics.countFailedBoot();
    this.#countFailure(`an instance could not start: ${reason}`);
    this.#onLine(slot.id, 'platform', `could not start: ${reason}`);
    const refusal = new Refusal('INSTANCE_FAILED', this.#problem as string);
    for (const waiter of [...this.#queue].slice(0, slot.recipe.concurrency)) waiter.refuse(refusal);
    this.#end(slot);
    this.#balance();
  }

  #end(slot: Slot): void {
    void slot.run.stop(STOP_GRACE_MS);
  }

  #countFailure(problem: string): void {
    this.#problem = problem;
    this.#failures++;
    // The first may have been an accident.
    const waitMs =
      this.#failures === 1 ? 0 : Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** (this.#failures - 2));
    this.#noBootBeforeMs = performance.now() + waitMs;
  }

  #forgetFailures(): void {
    this.#failures = 0;
    this.#noBootBeforeMs = 0;
    this.#problem = null;
  }

  #refuseAll(retryAfterMs: number): void {
    for (const waiter of this.#queue) {
      waiter.refuse(new Refusal('INSTANCE_FAILED', this.#problem ?? 'instances cannot start', retryAfterMs));
    }
  }

  /** Ends instances that have been idle for long enough, and sets the clock for the next one to be looked at. */
  #endIdle(): void {
    const nowMs = performance.now();
    const {idleTimeoutMs} = this.#scaling;
    const spare = this.#idle().slice(0, Math.max(0, this.#alive() - this.#keep()));
    for (const slot of spare.filter((slot) => slot.idleSinceMs + idleTimeoutMs <= nowMs)) {
      this.#retire(slot, `idle for ${idleTimeoutMs} ms`);
    }
    const next = spare.find((slot) => slot.state === 'ready');
    const idleMs = next ? next.idleSinceMs + idleTimeoutMs : Infinity;
    const bootMs = this.#noBootBeforeMs > nowMs ? this.#noBootBeforeMs : Infinity;
    this.#wakeAt(Math.min(idleMs, bootMs), nowMs);
  }

  /** A clock that goes off too early is left alone: it is set anew then. */
  #wakeAt(wakeMs: number, nowMs: number): void {
    if (this.#timer !== null && this.#wakeMs <= wakeMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (wakeMs === Infinity) return;
    this.#wakeMs = wakeMs;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#balance();
      },
      Math.max(1, wakeMs - nowMs),
    );
  }

  /** Of the instances with a free place the one used last, so that the others can become idle. */
  #free(): Slot | null {
    let best: Slot | null = null;
    for (const slot of this.#slots) {
      if (slot.state !== 'ready' || slot.inFlight >= slot.recipe.concurrency) continue;
      if (best === null || slot.inFlight > best.inFlight || slot.idleSinceMs > best.idleSinceMs) best = slot;
    }
    return best;
  }

  /** Idle instances, the longest idle first. */
  #idle(): Slot[] {
    return [...this.#slots]
      .filter((slot) => slot.state === 'ready' && slot.inFlight === 0)
      .sort((a, b) => a.idleSinceMs - b.idleSinceMs);
  }

  #keep(): number {
    return Math.min(this.#scaling.warmMin, this.#scaling.maxInstances);
  }

  #alive(): number {
    return this.#slots.size - this.#count('retired');
  }

  #count(state: Slot['state']): number {
    let count = 0;
    for (const slot of this.#slots) if (slot.state === state) count++;
    return count;
  }
}
