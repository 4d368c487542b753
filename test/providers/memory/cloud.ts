import {randomUUID} from 'node:crypto';
import type {LogLine, StartupRecord} from '../../../src/core/deployment.ts';
import type {Digest} from '../../../src/core/digest.ts';
import type {Trigger, Warmth} from '../../../src/core/function.ts';
import {sameJson} from '../../../src/core/json.ts';
import type {Clock, Http} from '../../../src/core/ports.ts';
import type {Evidence, Invocation} from '../../../src/core/sample.ts';

/** How long this service takes for things, in milliseconds of its clock. */
const CALL_MS = 20;
const CREATE_MS = 4000;
const UPDATE_MS = 1500;
const PUBLISH_MS = 800;
const DELETE_MS = 1000;
const NETWORK_MS = 5;
const BOOT_MS = {boot: 40, import: 60, load: 100};
const INFER_MS = 10;
/** So many functions cannot be created yet with a role that was just made. */
const REFUSALS_OF_A_NEW_ROLE = 2;

/** Why the service refuses a call. */
export type Refusal =
  'Exists' | 'InUse' | 'NotFound' | 'RoleNotAssumable' | 'StaleRevision' | 'Throttled' | 'UpdateInProgress';

/** How the service says no: in its own terms, which no part of thaw but the driver knows. */
export class CloudRefusal extends Error {
  readonly reason: Refusal;

  constructor(reason: Refusal, message: string) {
    super(message);
    this.name = 'CloudRefusal';
    this.reason = reason;
  }
}

export type Tags = {readonly [name: string]: string};

/** What one version of a function is made of. */
export interface Configuration {
  readonly memoryMb: number;
  readonly timeoutMs: number;
  readonly cpu: number | null;
  readonly concurrency: number;
  readonly env: {readonly [name: string]: string};
  readonly secrets: {readonly [name: string]: string};
  readonly idleTimeoutMs: number;
  readonly logFormat: string;
  readonly snapshots: boolean;
  readonly labels: {readonly [name: string]: string};
}

export interface VersionFacts {
  readonly version: string;
  readonly image: Digest;
  readonly configuration: Configuration;
  readonly atMs: number;
  readonly state: 'Pending' | 'Active';
}

/** What the service tells of a function. */
export interface FunctionFacts {
  readonly name: string;
  readonly tags: Tags;
  readonly state: 'Pending' | 'Active' | 'Deleting';
  readonly lastUpdate: 'InProgress' | 'Successful';
  readonly revision: string;
  readonly image: Digest;
  readonly configuration: Configuration;
  readonly versions: readonly VersionFacts[];
  /** The version that the alias `live` points to. */
  readonly live: string | null;
  readonly maxInstances: number | null;
  readonly triggers: readonly Trigger[];
  readonly url: string | null;
  readonly warm: Warmth;
  /** As many instances are ready as the warm setting asks for. */
  readonly warmReady: boolean;
  readonly instances: readonly InstanceFacts[];
}

export interface InstanceFacts {
  readonly bootId: string;
  readonly state: 'starting' | 'idle' | 'busy';
  readonly startedMs: number;
  readonly requests: number;
}

interface InstanceRecord {
  readonly bootId: string;
  readonly version: string;
  readonly image: Digest;
  readonly concurrency: number;
  readonly idleTimeoutMs: number;
  readonly bornMs: number;
  readonly readyMs: number;
  readonly onDemand: boolean;
  busy: number;
  served: number;
  idleSinceMs: number;
  retired: boolean;
}

interface FunctionRecord {
  readonly name: string;
  readonly tags: Tags;
  readonly role: string;
  state: 'Pending' | 'Active' | 'Deleting';
  /** When the create, update or delete that is under way will be done. */
  changingUntilMs: number | null;
  revision: number;
  image: Digest;
  configuration: Configuration;
  readonly versions: (Omit<VersionFacts, 'state'> & {readonly activeMs: number})[];
  live: string | null;
  maxInstances: number | null;
  triggers: readonly Trigger[];
  warm: Warmth;
  instances: InstanceRecord[];
  readonly boots: Map<string, StartupRecord>;
  readonly queue: ((instance: InstanceRecord) => void)[];
}

/** A new function as it is asked for. */
export interface NewFunction {
  readonly name: string;
  readonly role: string;
  readonly image: Digest;
  readonly configuration: Configuration;
  readonly tags: Tags;
}

export type MemoryCloud = ReturnType<typeof createMemoryCloud>;

/**
 * A functions service in memory, as hard to deal with as the large ones: creating and updating take a while, during
 * which writes are refused; every change gives a function a new revision, and a write that names an old one is
 * refused; a new role can not be used at once; deleting is not finished when the call returns. Requests boot
 * instances, queue, and keep instances alive until they have idled long enough.
 */
export function createMemoryCloud(clock: Clock) {
  const roles = new Map<string, {readonly tags: Tags; refusalsLeft: number}>();
  const repositories = new Map<string, {readonly tags: Tags; readonly images: Set<Digest>}>();
  const logGroups = new Map<string, {readonly tags: Tags; readonly lines: LogLine[]}>();
  const functions = new Map<string, FunctionRecord>();
  let throttledCalls = 0;
  const never = new AbortController().signal;

  /** One call: the answer can get lost after the work is done, when the caller hangs up. */
  async function call<T>(signal: AbortSignal, work: () => T): Promise<T> {
    await clock.sleep(CALL_MS / 2, signal);
    const answer = work();
    await clock.sleep(CALL_MS / 2, signal);
    return answer;
  }

  const write = <T>(signal: AbortSignal, work: () => T): Promise<T> =>
    call(signal, () => {
      if (throttledCalls > 0) {
        throttledCalls--;
        throw new CloudRefusal('Throttled', 'too many requests');
      }
      return work();
    });

  /** The function, after what time alone has changed. */
  function settled(name: string): FunctionRecord | undefined {
    const fn = functions.get(name);
    if (fn === undefined) return undefined;
    if (fn.changingUntilMs !== null && clock.now() >= fn.changingUntilMs) {
      if (fn.state === 'Deleting') {
        functions.delete(name);
        return undefined;
      }
      fn.changingUntilMs = null;
      fn.state = 'Active';
      fn.revision++;
    }
    tend(fn);
    return fn;
  }

  function existing(name: string): FunctionRecord {
    const fn = settled(name);
    if (fn === undefined || fn.state === 'Deleting') {
      throw new CloudRefusal('NotFound', `function ${name} does not exist`);
    }
    return fn;
  }

  function writable(name: string): FunctionRecord {
    const fn = existing(name);
    if (fn.changingUntilMs !== null) throw new CloudRefusal('UpdateInProgress', `${name} is being updated`);
    return fn;
  }

  function atRevision(name: string, revision: string): FunctionRecord {
    const fn = writable(name);
    if (revision !== String(fn.revision)) {
      throw new CloudRefusal('StaleRevision', `${name} is at revision ${fn.revision}, not at ${revision}`);
    }
    return fn;
  }

  function update(fn: FunctionRecord, what: Partial<Pick<FunctionRecord, 'configuration' | 'image'>>): void {
    Object.assign(fn, what);
    fn.revision++;
    fn.changingUntilMs = clock.now() + UPDATE_MS;
  }

  const liveVersion = (fn: FunctionRecord) => fn.versions.find(({version}) => version === fn.live);

  /** Ends instances that are old, retired or idle for too long, and boots those that shall be ready. */
  function tend(fn: FunctionRecord): void {
    const now = clock.now();
    let spare = fn.instances.length - fn.warm.min;
    fn.instances = fn.instances.filter((instance) => {
      if (instance.busy > 0 || now < instance.readyMs) return true;
      const idledOut = now - instance.idleSinceMs >= instance.idleTimeoutMs && spare > 0;
      const ends = instance.retired || instance.version !== fn.live || idledOut;
      if (ends) spare--;
      return !ends;
    });
    while (current(fn).length < fn.warm.min && liveVersion(fn)) boot(fn, false);
  }

  const current = (fn: FunctionRecord): InstanceRecord[] =>
    fn.instances.filter((instance) => instance.version === fn.live && !instance.retired);

  function boot(fn: FunctionRecord, onDemand: boolean): InstanceRecord {
    const {version, image, configuration} = liveVersion(fn) as Omit<VersionFacts, 'state'>;
    const {concurrency, idleTimeoutMs} = configuration;
    const bornMs = clock.now();
    const readyMs = bornMs + BOOT_MS.boot + BOOT_MS.import + BOOT_MS.load;
    const state = {busy: 0, served: 0, idleSinceMs: readyMs, retired: false};
    const bootId = randomUUID();
    const instance = {
      bootId,
      version,
      image,
      concurrency,
      idleTimeoutMs,
      bornMs,
      readyMs,
      onDemand,
      ...state,
    };
    fn.instances.push(instance);
    fn.boots.set(bootId, {bootId, onDemand, phases: {...BOOT_MS}});
    log(fn, instance, 'platform', `start of version ${version}`);
    return instance;
  }

  function log(fn: FunctionRecord, {bootId}: InstanceRecord, stream: LogLine['stream'], text: string): void {
    const at = new Date(clock.now()).toISOString();
    logGroups.get(fn.name)?.lines.push({at, instance: bootId, stream, text});
  }

  /** The instance that takes a request: a ready one, one that boots, a new one, or the first that gets free. */
  async function place(fn: FunctionRecord): Promise<InstanceRecord> {
    const open = current(fn)
      .filter((instance) => instance.busy < instance.concurrency)
      .sort((a, b) => a.readyMs - b.readyMs)[0];
    if (open) return take(open);
    if (current(fn).length < (fn.maxInstances ?? Infinity)) return take(boot(fn, true));
    return new Promise((resolve) => fn.queue.push(resolve));
  }

  function take(instance: InstanceRecord): InstanceRecord {
    instance.busy++;
    return instance;
  }

  function leave(fn: FunctionRecord, instance: InstanceRecord): void {
    instance.busy--;
    instance.idleSinceMs = clock.now();
    const next = instance.retired ? undefined : fn.queue.shift();
    if (next) next(take(instance));
  }

  async function serve(
    fn: FunctionRecord,
    body: Uint8Array,
  ): Promise<{evidence: Evidence; body: Uint8Array}> {
    tend(fn);
    const instance = await place(fn);
    const readyInMs = instance.readyMs - clock.now();
    const waitMs = Math.max(0, -readyInMs);
    if (readyInMs > 0) await clock.sleep(readyInMs, never);
    const ordinal = ++instance.served;
    await clock.sleep(INFER_MS, never);
    log(fn, instance, 'stdout', `request ${ordinal}`);
    const phases =
      ordinal === 1 ? {...BOOT_MS, wait: waitMs, infer: INFER_MS} : {wait: waitMs, infer: INFER_MS};
    const bootAgeMs = clock.now() - instance.bornMs;
    const {bootId, image} = instance;
    leave(fn, instance);
    return {evidence: {bootId, ordinal, bootAgeMs, image, restored: false, restarted: false, phases}, body};
  }

  /** The data plane: `memory://<function>/` answers with what it was sent. */
  const http: Http = async ({url, body = '', signal}) => {
    const at = new Date(clock.now()).toISOString();
    const startMs = clock.monotonicMs();
    const elapsedMs = (): number => clock.monotonicMs() - startMs;
    const timings = {sentMs: 0, connectedMs: 1, writtenMs: 1};
    await clock.sleep(NETWORK_MS, signal);
    const fn = settled(new URL(url).hostname);
    const answered = (status: number): Omit<Invocation, 'evidence' | 'body'> => {
      const firstByteMs = elapsedMs();
      return {at, status, headers: {}, error: null, timings: {...timings, firstByteMs, endMs: firstByteMs}};
    };
    if (fn === undefined || fn.live === null || urlOf(fn) === null) {
      return {...answered(404), evidence: null, body: new Uint8Array()};
    }
    const answer = await serve(fn, typeof body === 'string' ? new TextEncoder().encode(body) : body);
    await clock.sleep(NETWORK_MS, signal);
    return {...answered(200), ...answer};
  };

  const urlOf = (fn: FunctionRecord): string | null =>
    fn.triggers.some(({kind}) => kind === 'http') ? `memory://${fn.name}/` : null;

  function factsOf(fn: FunctionRecord): FunctionFacts {
    const now = clock.now();
    const {name, tags, state, image, configuration, live, maxInstances, triggers, warm} = fn;
    const ready = current(fn).filter((instance) => now >= instance.readyMs);
    return {
      name,
      tags,
      state,
      image,
      configuration,
      live,
      maxInstances,
      triggers,
      warm,
      lastUpdate: fn.changingUntilMs === null ? 'Successful' : 'InProgress',
      revision: String(fn.revision),
      versions: fn.versions.map(({activeMs, ...version}) => ({
        ...version,
        state: now < activeMs ? 'Pending' : 'Active',
      })),
      url: urlOf(fn),
      warmReady: ready.length >= warm.min,
      instances: fn.instances.map((instance) => ({
        bootId: instance.bootId,
        state: now < instance.readyMs ? 'starting' : instance.busy > 0 ? 'busy' : 'idle',
        startedMs: instance.bornMs,
        requests: instance.served,
      })),
    };
  }

  return {
    http,

    /** Refuses the next write once, as a busy service does. */
    throttleOnce(): void {
      throttledCalls = 1;
    },

    /** Everything that exists, by name: what a bill would list. */
    inventory(): string[] {
      for (const name of functions.keys()) settled(name);
      return [
        ...[...roles.keys()].map((name) => `role ${name}`),
        ...[...repositories].flatMap(([name, {images}]) => [
          `repository ${name}`,
          ...[...images].map((image) => `image ${name}@${image}`),
        ]),
        ...[...logGroups.keys()].map((name) => `log group ${name}`),
        ...[...functions].flatMap(([name, fn]) => [
          `function ${name}`,
          ...fn.versions.map(({version}) => `version ${name}:${version}`),
        ]),
      ].sort();
    },

    getRole: (signal: AbortSignal, name: string) => call(signal, () => roles.get(name) ?? null),
    createRole: (signal: AbortSignal, name: string, tags: Tags) =>
      write(signal, () => {
        if (roles.has(name)) throw new CloudRefusal('Exists', `role ${name} exists`);
        roles.set(name, {tags, refusalsLeft: REFUSALS_OF_A_NEW_ROLE});
      }),
    deleteRole: (signal: AbortSignal, name: string) =>
      write(signal, () => {
        for (const fn of functions.values()) {
          if (settled(fn.name)?.role === name) throw new CloudRefusal('InUse', `role ${name} is in use`);
        }
        if (!roles.delete(name)) throw new CloudRefusal('NotFound', `role ${name} does not exist`);
      }),

    getRepository: (signal: AbortSignal, name: string) =>
      call(signal, () => {
        const repository = repositories.get(name);
        return repository ? {tags: repository.tags, images: [...repository.images]} : null;
      }),
    createRepository: (signal: AbortSignal, name: string, tags: Tags) =>
      write(signal, () => {
        if (repositories.has(name)) throw new CloudRefusal('Exists', `repository ${name} exists`);
        repositories.set(name, {tags, images: new Set()});
      }),
    putImage: (signal: AbortSignal, repository: string, image: Digest) =>
      write(signal, () => {
        const found = repositories.get(repository);
        if (!found) throw new CloudRefusal('NotFound', `repository ${repository} does not exist`);
        found.images.add(image);
      }),
    deleteRepository: (signal: AbortSignal, name: string) =>
      write(signal, () => {
        if (!repositories.delete(name))
          throw new CloudRefusal('NotFound', `repository ${name} does not exist`);
      }),

    getLogGroup: (signal: AbortSignal, name: string) =>
      call(signal, () => {
        const group = logGroups.get(name);
        return group ? {tags: group.tags, lines: [...group.lines]} : null;
      }),
    createLogGroup: (signal: AbortSignal, name: string, tags: Tags) =>
      write(signal, () => {
        if (logGroups.has(name)) throw new CloudRefusal('Exists', `log group ${name} exists`);
        logGroups.set(name, {tags, lines: []});
      }),
    deleteLogGroup: (signal: AbortSignal, name: string) =>
      write(signal, () => {
        if (!logGroups.delete(name)) throw new CloudRefusal('NotFound', `log group ${name} does not exist`);
      }),

    getFunction: (signal: AbortSignal, name: string) =>
      call(signal, () => {
        const fn = settled(name);
        return fn ? factsOf(fn) : null;
      }),
    getBoots: (signal: AbortSignal, name: string) =>
      call(signal, () => [...(settled(name)?.boots.values() ?? [])]),
    createFunction: (signal: AbortSignal, {name, role, image, configuration, tags}: NewFunction) =>
      write(signal, () => {
        if (settled(name)) throw new CloudRefusal('Exists', `function ${name} exists`);
        const found = roles.get(role);
        if (!found) throw new CloudRefusal('NotFound', `role ${role} does not exist`);
        if (found.refusalsLeft-- > 0) {
          throw new CloudRefusal('RoleNotAssumable', `role ${role} cannot be assumed`);
        }
        functions.set(name, {
          name,
          role,
          image,
          configuration,
          tags,
          state: 'Pending',
          changingUntilMs: clock.now() + CREATE_MS,
          revision: 1,
          live: null,
          maxInstances: null,
          triggers: [],
          warm: {min: 0, schedule: []},
          versions: [],
          instances: [],
          boots: new Map(),
          queue: [],
        });
      }),
    updateConfiguration: (
      signal: AbortSignal,
      name: string,
      configuration: Configuration,
      revision: string,
    ) => write(signal, () => update(atRevision(name, revision), {configuration})),
    updateCode: (signal: AbortSignal, name: string, image: Digest, revision: string) =>
      write(signal, () => update(atRevision(name, revision), {image})),
    /** Gives the last version again if nothing has changed since. */
    publishVersion: (signal: AbortSignal, name: string, revision: string): Promise<string> =>
      write(signal, () => {
        const {versions, image, configuration} = writable(name);
        const last = versions.at(-1);
        if (last && last.image === image && sameJson(last.configuration, configuration)) return last.version;
        atRevision(name, revision);
        const version = String(versions.length + 1);
        const atMs = clock.now();
        versions.push({version, image, configuration, atMs, activeMs: atMs + PUBLISH_MS});
        return version;
      }),
    putAlias: (signal: AbortSignal, name: string, version: string) =>
      write(signal, () => {
        const fn = existing(name);
        const found = fn.versions.find((candidate) => candidate.version === version);
        if (!found) throw new CloudRefusal('NotFound', `${name} has no version ${version}`);
        if (clock.now() < found.activeMs) {
          throw new CloudRefusal('UpdateInProgress', `version ${version} of ${name} is not active yet`);
        }
        fn.live = version;
        tend(fn);
      }),
    putConcurrency: (signal: AbortSignal, name: string, maxInstances: number) =>
      write(signal, () => {
        existing(name).maxInstances = maxInstances;
      }),
    putTriggers: (signal: AbortSignal, name: string, triggers: readonly Trigger[]) =>
      write(signal, () => {
        existing(name).triggers = triggers;
      }),
    putWarm: (signal: AbortSignal, name: string, warm: Warmth) =>
      write(signal, () => {
        const fn = existing(name);
        if (fn.live === null) throw new CloudRefusal('NotFound', `${name} has no alias to keep warm`);
        fn.warm = warm;
        tend(fn);
      }),
    retireInstances: (signal: AbortSignal, name: string) =>
      write(signal, () => {
        const fn = existing(name);
        for (const instance of fn.instances) instance.retired = true;
        tend(fn);
      }),
    deleteFunction: (signal: AbortSignal, name: string) =>
      write(signal, () => {
        const fn = writable(name);
        fn.state = 'Deleting';
        fn.changingUntilMs = clock.now() + DELETE_MS;
      }),
  };
}
