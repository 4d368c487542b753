import {readFile, writeFile} from 'node:fs/promises';
import {createServer, type Server} from 'node:http';
import {Server as NetServer, type AddressInfo} from 'node:net';
import {fingerprintWith, type FingerprintFn} from '../../../core/digest.ts';
import {messageOf, systemCode, ThawError} from '../../../core/errors.ts';
import {canonicalJson} from '../../../core/json.ts';
import type {Engine} from '../engine.ts';
import {ENDS_LATE_REQUESTS, START_MS_MAX} from '../emulate/emulation.ts';
import {requestBytesMax} from '../limits.ts';
import {versionDir, type FunctionPaths} from '../paths.ts';
import type {
  ConfigureRequest,
  CreateRequest,
  Environment,
  FollowRequest,
  FunctionState,
  GatewayState,
  Hello,
  InspectRequest,
  Settings,
  StartupAnswer,
  StartupRequest,
  VersionRef,
  WarmRequest,
} from '../protocol.ts';
import {Trace} from '../trace.ts';
import {WaitingBodies} from './body.ts';
import type {LogWriter} from './logs.ts';
import {Metrics} from './metrics.ts';
import {answerOwnPath, isOwnPath} from './own-paths.ts';
import {Pool, type Recipe, type Scaling, type Slot} from './pool.ts';
import {serveRequest} from './proxy.ts';
import {RequestNote} from './request-note.ts';

/** The function while it is served. All of it is in memory alone: the environment's values must be. */
interface Served {
  live: VersionRef;
  settings: Settings;
  env: Environment;
  warmMin: number;
  port: number;
  server: Server;
  readonly pool: Pool;
}

/** A model that takes longer to load than this is not for a function. */
const START_TIMEOUT_MS = 60_000;
/** What an emulated cloud may take beyond the function's own time, to end an instance and say so. */
const EMULATION_LATE_MS = 10_000;
/** What is being answered when the gateway stops is given so long. */
const DRAIN_MS = 30_000;
/** A connection that a client keeps without using it. */
const KEEP_ALIVE_MS = 60_000;

/** One function as a platform runs it: its port, its instances, and what can be changed about them. */
export class Gateway {
  readonly #hello: Hello;
  readonly #name: string;
  readonly #paths: FunctionPaths;
  readonly #engine: Engine;
  readonly #log: LogWriter;
  readonly #trace = new Trace();
  readonly #metrics = new Metrics();
  readonly #waiting = new WaitingBodies();
  #served: Served | null = null;
  /** Until when requests are noted in the log, on the monotonic clock. */
  #notedUntilMs = -Infinity;
  /** Ends the try of an instance that shall take over. */
  #trying = new AbortController();
  /** Changes happen one after the other, whoever asks for them. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(hello: Hello, name: string, paths: FunctionPaths, engine: Engine, log: LogWriter) {
    this.#hello = hello;
    this.#name = name;
    this.#paths = paths;
    this.#engine = engine;
    this.#log = log;
  }

  hello(): Hello {
    return this.#hello;
  }

  inspect({fingerprintKey}: InspectRequest): GatewayState {
    const fingerprint = fingerprintWith(Buffer.from(fingerprintKey, 'base64'));
    return {...this.#hello, function: this.#served && stateOf(this.#served, fingerprint)};
  }

  startup({bootIds}: StartupRequest): StartupAnswer {
    return {records: this.#trace.find(bootIds)};
  }

  /** Resolves when the log file holds all that instances have said until now. */
  async flushLog(): Promise<{flushed: boolean}> {
    await this.#log.flush();
    return {flushed: true};
  }

  /** Notes requests in the log for a while: that costs a little, and is of use only while somebody reads. */
  followRequests({forMs}: FollowRequest): {following: boolean} {
    this.#notedUntilMs = performance.now() + forMs;
    return {following: true};
  }

  /**
   * Begins to serve, or changes what is served into this.
   *
   * @param gone fires when nobody waits for it any more: what does not come to its start is given up then
   * @throws ThawError PORT_IN_USE, PERMISSION_DENIED, INSTANCE_FAILED; then nothing has changed
   */
  create({live, settings, env}: CreateRequest, gone: AbortSignal): Promise<{port: number}> {
    return this.#change(async () => {
      if (this.#served) await this.#apply(this.#served, live, settings, env, gone);
      else this.#served = await this.#begin(live, settings, env, gone);
      return {port: this.#served.port};
    });
  }

  /** @throws ThawError NOT_DEPLOYED, PORT_IN_USE, PERMISSION_DENIED; then nothing has changed */
  async configure({settings, env}: ConfigureRequest): Promise<{port: number}> {
    const served = await this.#change(async () => {
      const served = this.#deployed();
      await this.#apply(served, served.live, settings, env);
      return served;
    });
    await settled(served);
    return {port: served.port};
  }

  /** @throws ThawError NOT_DEPLOYED; INSTANCE_FAILED if instances are to be kept ready and cannot start */
  async setLive(live: VersionRef): Promise<{version: string}> {
    const served = await this.#change(async () => {
      const served = this.#deployed();
      await this.#apply(served, live, served.settings, served.env);
      return served;
    });
    await settled(served);
    return {version: live.version};
  }

  /** @throws ThawError NOT_DEPLOYED; INSTANCE_FAILED if they cannot start */
  async setWarm({min}: WarmRequest): Promise<{ready: number}> {
    const served = await this.#change(async () => {
      const served = this.#deployed();
      served.warmMin = min;
      await this.#apply(served, served.live, served.settings, served.env);
      return served;
    });
    await settled(served);
    return {ready: served.pool.readyCount};
  }

  /** Ends every instance. @throws ThawError NOT_DEPLOYED */
  async endInstances(): Promise<{ended: number}> {
    const {pool} = this.#deployed();
    const ended = pool.instances().length;
    await pool.endAll('the next request shall be cold');
    return {ended};
  }

  /** Ends the function: its instances and its port. */
  delete(): Promise<{deleted: boolean}> {
    this.#trying.abort();
    return this.#change(async () => {
      this.#trying = new AbortController();
      const served = this.#served;
      if (served === null) return {deleted: false};
      await end(served);
      this.#served = null;
      return {deleted: true};
    });
  }

  /** Ends everything and writes the log to its end. */
  async stop(): Promise<void> {
    await this.delete();
    await this.#log.close();
  }

  #change<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change);
    this.#lastChange = result.catch(() => {});
    return result;
  }

  #deployed(): Served {
    if (this.#served) return this.#served;
    throw new ThawError('NOT_DEPLOYED', `${this.#name} is not deployed on this machine`, {
      function: this.#name,
    });
  }

  async #begin(live: VersionRef, settings: Settings, env: Environment, gone: AbortSignal): Promise<Served> {
    const recipe = this.#recipe(live, settings, env);
    const scaling = scalingOf({settings, warmMin: 0});
    const {server, port} = await this.#listen(settings.options.port, null);
    await this.#engine.prepare?.(settings.engine);
    const pool = new Pool(this.#engine, recipe, scaling, {
      trace: this.#trace,
      metrics: this.#metrics,
      onLine: (instance, stream, text) => this.#log.write(instance, stream, text),
    });
    if (settings.options.replace === 'when-ready') {
      try {
        pool.use(recipe, scaling, await this.#tryInstance(pool, recipe, scaling, gone));
      } catch (error) {
        void close(server);
        throw error;
      }
    }
    return {live, settings, env, warmMin: 0, port, server, pool};
  }

  async #apply(
    served: Served,
    live: VersionRef,
    settings: Settings,
    env: Environment,
    gone: AbortSignal | null = null,
  ): Promise<void> {
    const {pool, warmMin} = served;
    const recipe = this.#recipe(live, settings, env);
    const scaling = scalingOf({settings, warmMin});
    if (canonicalJson(settings.engine) !== canonicalJson(served.settings.engine)) {
      await this.#engine.prepare?.(settings.engine);
    }
    const tries = settings.options.replace === 'when-ready' && !pool.uses(recipe);
    const heir = tries ? await this.#tryInstance(pool, recipe, scaling, gone) : null;
    const wantedPort = settings.options.port;
    if (wantedPort !== null && wantedPort !== served.port) {
      try {
        const {server, port} = await this.#listen(wantedPort, served.port);
        void close(served.server);
        Object.assign(served, {server, port});
      } catch (error) {
        heir?.run.kill();
        throw error;
      }
    }
    Object.assign(served, {live, settings, env});
    pool.use(recipe, scaling, heir);
  }

  /** @throws ThawError INSTANCE_FAILED */
  async #tryInstance(
    pool: Pool,
    recipe: Recipe,
    {startTimeoutMs}: Scaling,
    gone: AbortSignal | null,
  ): Promise<Slot> {
    const {signal: ending} = this.#trying;
    try {
      const signal = gone === null ? ending : AbortSignal.any([ending, gone]);
      return await pool.tryInstance(recipe, startTimeoutMs, signal);
    } catch (error) {
      throw new ThawError('INSTANCE_FAILED', messageOf(error), {function: this.#name});
    }
  }

  #recipe({version, image}: VersionRef, {resources, engine, options}: Settings, env: Environment): Recipe {
    const {memoryMb, cpu, concurrency, timeoutMs} = resources;
    const cloud = options.emulate;
    const emulation = cloud === null ? null : {cloud, function: this.#name, version, timeoutMs};
    const rootDir = versionDir(this.#paths, version);
    return {engine, rootDir, image, env, memoryMb, cpu, concurrency, emulation};
  }

  /** Listens on the port asked for; where none is, on the one it had last, or on any. */
  async #listen(port: number | null, now: number | null): Promise<{server: Server; port: number}> {
    const server = this.#server();
    const bound = await (async () => {
      if (port !== null) return listenOn(server, port);
      const hint = now ?? (await readPort(this.#paths.portHint));
      try {
        return await listenOn(server, hint);
      } catch {
        return listenOn(server, 0);
      }
    })();
    await writeFile(this.#paths.portHint, `${bound}\n`, {mode: 0o600}).catch(() => {});
    return {server, port: bound};
  }

  #server(): Server {
    const server = createServer((request, response) => {
      const served = this.#served;
      // Between the last answer and the end of its connection.
      if (served === null) {
        response.destroy();
        return;
      }
      const {pool} = served;
      if (isOwnPath(request.url)) {
        answerOwnPath(request, response, () =>
          this.#metrics.render({instances: pool.instances(), queueLength: pool.queueLength}),
        );
        return;
      }
      const limits = {timeoutMs: answerMsMax(served.settings), bytesMax: requestBytesMax};
      const note = performance.now() < this.#notedUntilMs ? new RequestNote(request, this.#log) : null;
      void serveRequest(request, response, pool, this.#waiting, this.#metrics, limits, note);
    });
    server.on('checkContinue', (request, response) => server.emit('request', request, response));
    server.keepAliveTimeout = KEEP_ALIVE_MS;
    return server;
  }
}

function stateOf(served: Served, fingerprint: FingerprintFn): FunctionState {
  const {live, settings, env, warmMin, port, pool} = served;
  return {
    live,
    settings,
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, fingerprint(value)])),
    warm: {min: warmMin, ready: pool.readyCount},
    port,
    instances: pool.instances(),
    problem: pool.problem,
  };
}

/** An emulated cloud ends what takes too long itself, in its own way. */
const answerMsMax = ({resources, options}: Settings): number =>
  resources.timeoutMs +
  (options.emulate !== null && ENDS_LATE_REQUESTS[options.emulate] ? EMULATION_LATE_MS : 0);

function scalingOf({settings, warmMin}: {settings: Settings; warmMin: number}): Scaling {
  const {emulate} = settings.options;
  const startTimeoutMs = (emulate === null ? null : START_MS_MAX[emulate]) ?? START_TIMEOUT_MS;
  return {
    maxInstances: settings.scaling.maxInstances,
    warmMin,
    idleTimeoutMs: settings.options.idleTimeoutMs,
    startTimeoutMs,
    queueTimeoutMs: startTimeoutMs + settings.resources.timeoutMs,
  };
}

async function settled({pool, warmMin}: Served): Promise<void> {
  try {
    await pool.untilWarm();
  } catch (error) {
    throw new ThawError('INSTANCE_FAILED', messageOf(error), {warmMin, ready: pool.readyCount});
  }
}

/** Takes no new connection, answers what comes over those that are there, ends the instances, then the connections. */
async function end({server, pool}: Served): Promise<void> {
  // An HTTP server's own `close` would cut idle connections, over which a request may be on its way.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  await pool.stop(DRAIN_MS);
  server.closeAllConnections();
  server.close();
  await closed;
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

async function listenOn(server: Server, port: number): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({host: '127.0.0.1', port, exclusive: true}, () => {
        server.off('error', reject);
        resolve();
      });
    });
  } catch (error) {
    const code = systemCode(error);
    if (code === 'EADDRINUSE') throw new ThawError('PORT_IN_USE', `port ${port} is in use`, {port});
    if (code === 'EACCES') {
      throw new ThawError('PERMISSION_DENIED', `port ${port} may not be listened on`, {port});
    }
    throw error;
  }
  return (server.address() as AddressInfo).port;
}

async function readPort(file: string): Promise<number> {
  try {
    const port = Number(await readFile(file, 'utf8'));
    return Number.isInteger(port) && port > 0 && port < 65_536 ? port : 0;
  } catch {
    return 0;
  }
}
