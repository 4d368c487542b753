import type {Deployment} from '../../../src/core/deployment.ts';
import {fingerprintWith, type Digest, type Fingerprint} from '../../../src/core/digest.ts';
import {
  defineDriver,
  type Context,
  type Driver,
  type DriverSpec,
  type FunctionRef,
  type Op,
  type Retry,
} from '../../../src/core/driver.ts';
import {messageOf, ThawError} from '../../../src/core/errors.ts';
import type {FunctionSpec, Trigger, Warmth} from '../../../src/core/function.ts';
import {sameJson, type Json, type JsonObject} from '../../../src/core/json.ts';
import {changesBetween, makePlan, type Arg, type Change, type Step} from '../../../src/core/plan.ts';
import {CloudRefusal, type Configuration, type FunctionFacts, type MemoryCloud, type Tags} from './cloud.ts';

/** The section `providers.memory` of a `thaw.yaml`. */
export type MemoryOptions = {
  readonly logFormat: 'text' | 'json';
  readonly idleTimeoutMs: number;
  readonly snapshots: boolean;
  readonly labels: {readonly [name: string]: string};
};

const optionsSchema: JsonObject = {
  type: 'object',
  additionalProperties: false,
  properties: {
    logFormat: {enum: ['text', 'json'], default: 'text'},
    idleTimeoutMs: {type: 'integer', minimum: 1000, maximum: 3_600_000, default: 300_000},
    snapshots: {type: 'boolean', default: false},
    labels: {type: 'object', additionalProperties: {type: 'string'}, default: {}},
  },
};

/**
 * What a version is made of, flat, by the path that a change of it is reported under: `resources.memoryMb`,
 * `env.LOG_LEVEL` (a fingerprint), `options.logFormat`.
 */
type Settings = {readonly [path: string]: Json};

/** What `inspect` found. */
export interface Have {
  readonly role: boolean;
  readonly logGroup: boolean;
  /** The images in the function's repository; null if there is no repository. */
  readonly images: readonly Digest[] | null;
  readonly fn: null | {
    readonly facts: Omit<FunctionFacts, 'configuration' | 'versions'>;
    /** As last written, published or not. */
    readonly latest: Settings;
    readonly versions: readonly {version: string; atMs: number; image: Digest; settings: Settings}[];
  };
  /** What has a name that thaw needs, but was not made by thaw. */
  readonly taken: readonly string[];
}

const TAG = 'thaw:function';
const roleName = ({name}: FunctionRef): string => `thaw-${name}`;
const repositoryName = ({name}: FunctionRef): string => `thaw/${name}`;

/** A driver for the service in memory: the contract of `core/driver.ts`, spelled out in full and in small. */
export const memoryDriver = (cloud: MemoryCloud): Driver => defineDriver(memoryDriverSpec(cloud));

/** The same before its types are closed over, so that a test can break a part of it. */
export function memoryDriverSpec(cloud: MemoryCloud): DriverSpec<MemoryOptions, Have> {
  return {
    name: 'memory',
    preview: false,
    limits: {
      memoryMb: {min: 128, max: 10_240},
      timeoutMs: {max: 900_000},
      concurrency: {min: 1, max: 80},
      maxInstances: {min: 1, max: 1000},
      cpu: {min: 0.25, max: 4},
      platforms: ['linux/amd64'],
      imageBytes: {compressed: null, unpacked: 10e9},
      requestBytes: 6e6,
      auth: ['iam', 'none'],
      triggers: {http: [], schedule: []},
      secretStores: ['vault'],
      scaleToZero: true,
      warm: {min: true, schedule: true},
      whenFull: 'wait',
      forceCold: 'chill',
      rollback: true,
      snapshots: false,
      runsImage: true,
    },
    optionsSchema,
    options: parseOptions,
    imageLabels: () => ({}),
    inspect: (context, fn) => inspect(cloud, context, fn),
    plan,

    describe(fn, _, {fn: found}) {
      const shell = {schema: 'thaw.status/1', provider: 'memory', function: fn.name, problem: null} as const;
      if (found === null) {
        const nothing = {deployment: null, instances: null, warmMin: 0, versions: [], facts: {}};
        return {...shell, state: 'absent', ...nothing};
      }
      const {facts, versions} = found;
      const live = versions.find(({version}) => version === facts.live);
      return {
        ...shell,
        state: facts.lastUpdate === 'Successful' && live ? 'ready' : 'pending',
        deployment: deploymentOf(fn, found),
        instances: facts.instances.map(({bootId, state, startedMs, requests}) => {
          return {id: bootId, bootId, state, startedAt: new Date(startedMs).toISOString(), requests};
        }),
        warmMin: facts.warm.min,
        versions: versions.map(({version, image, atMs}) => {
          return {version, image, at: new Date(atMs).toISOString(), live: version === facts.live};
        }),
        facts: {},
      };
    },

    warm(fn, _, have, wish) {
      const {facts} = deployed(fn, have);
      return makePlan('memory', fn.name, warmSteps(fn, facts.warm, wish, facts.warmReady));
    },

    chill(fn, _, have) {
      const deployment = deploymentOf(fn, deployed(fn, have));
      if (deployment === null) throw notDeployed(fn);
      const why = 'the next request shall boot an instance of its own';
      const plan = makePlan('memory', fn.name, [
        step('chill', 'faas:RetireInstances', {name: fn.name}, [], why),
      ]);
      return {plan, deployment};
    },

    tidy: (fn) => makePlan('memory', fn.name, []),

    rollback(fn, _, have, to) {
      const {facts, versions} = deployed(fn, have);
      const liveAt = versions.findIndex(({version}) => version === facts.live);
      const target = to === null ? versions[liveAt - 1] : versions.find(({version}) => version === to);
      if (target === undefined) {
        const what = to === null ? 'has no version before the live one' : `has no version ${to}`;
        throw new ThawError('INPUT_INVALID', `${fn.name} ${what}`, {version: to});
      }
      if (target.version === facts.live) return makePlan('memory', fn.name, []);
      const moves = [{path: 'live', from: facts.live, to: target.version}];
      return makePlan('memory', fn.name, [
        step(
          'alias',
          'faas:PutAlias',
          {name: fn.name, version: target.version},
          moves,
          'it shall be live again',
        ),
        ...(facts.warm.min > 0 ? [warmWait(fn)] : []),
      ]);
    },

    teardown(fn, _, have) {
      const gone = (what: string): Change[] => [{path: what, from: fn.name, to: null}];
      const steps: Step[] = [];
      const add = (id: string, op: string, name: string, changes: Change[], why: string) =>
        steps.push(step(id, op, {name}, changes, why));
      if (have.fn) {
        if (have.fn.facts.state !== 'Deleting') {
          add(
            'function',
            'faas:DeleteFunction',
            fn.name,
            gone('function'),
            'thaw made it, with all its versions',
          );
        }
        add('function-gone', 'faas:WaitDeleted', fn.name, [], 'its role is in use until then');
      }
      if (have.logGroup) add('logs', 'logs:DeleteGroup', fn.name, gone('logs'), 'thaw made it');
      if (have.images) {
        add(
          'repository',
          'registry:DeleteRepository',
          repositoryName(fn),
          gone('repository'),
          'thaw made it',
        );
      }
      if (have.role) add('role', 'iam:DeleteRole', roleName(fn), gone('role'), 'thaw made it');
      return makePlan('memory', fn.name, steps);
    },

    ops: ops(cloud),

    invoke: ({ports, signal}, {handle}, {body, contentType, timeoutMs}) =>
      ports.http({
        url: handle['url'] as string,
        method: 'POST',
        headers: {'content-type': contentType},
        body,
        timeoutMs,
        signal,
      }),

    async startup({signal}, deployment, {bootIds}) {
      const boots = await cloud.getBoots(signal, deployment.function);
      return boots.filter(({bootId}) => bootIds.includes(bootId));
    },

    async *logs({ports, signal}, deployment, {sinceMs, follow}) {
      for (let shown = 0; ;) {
        const lines = (await cloud.getLogGroup(signal, deployment.function))?.lines ?? [];
        for (const line of lines.slice(shown)) {
          if (sinceMs === null || Date.parse(line.at) >= sinceMs) yield line;
        }
        if (!follow) return;
        shown = lines.length;
        await ports.clock.sleep(1000, signal);
      }
    },

    checks: () => [{name: 'memory', check: async () => ({ok: true, found: 'this process', remedy: null})}],
    prices: {currency: 'USD', asOf: '2026-06-01', source: 'memory is free', rates: {}},
  };
}

function parseOptions(raw: Json): MemoryOptions {
  const section = (raw ?? {}) as JsonObject;
  const known = Object.keys(optionsSchema['properties'] as JsonObject);
  const strangers = Object.keys(section).filter((key) => !known.includes(key));
  const {logFormat = 'text', idleTimeoutMs = 300_000, snapshots = false, labels = {}} = section;
  const problems: JsonObject[] = strangers.map((key) => ({
    path: [key],
    message: 'unknown key',
    unknownKey: true,
    knownKeys: known,
  }));
  if (logFormat !== 'text' && logFormat !== 'json') {
    problems.push({path: ['logFormat'], message: `must be text or json, not ${JSON.stringify(logFormat)}`});
  }
  if (typeof idleTimeoutMs !== 'number' || idleTimeoutMs < 1000 || idleTimeoutMs > 3_600_000) {
    problems.push({
      path: ['idleTimeoutMs'],
      message: `must be 1000 to 3600000, not ${JSON.stringify(idleTimeoutMs)}`,
    });
  }
  if (problems.length > 0) {
    throw new ThawError('CONFIG_INVALID', `providers.memory: ${JSON.stringify(problems)}`, {problems});
  }
  return {logFormat, idleTimeoutMs, snapshots, labels} as MemoryOptions;
}

async function inspect(
  cloud: MemoryCloud,
  {signal, fingerprintKey}: Context,
  fn: FunctionRef,
): Promise<Have> {
  const [role, repository, logGroup, found] = await Promise.all([
    cloud.getRole(signal, roleName(fn)),
    cloud.getRepository(signal, repositoryName(fn)),
    cloud.getLogGroup(signal, fn.name),
    cloud.getFunction(signal, fn.name),
  ]);
  const isOurs = (resource: {readonly tags: Tags} | null): boolean => resource?.tags[TAG] === fn.name;
  const all = {role, repository, 'log group': logGroup, function: found};
  const fingerprint = fingerprintWith(fingerprintKey);
  const settings = ({image, configuration}: Pick<FunctionFacts, 'image' | 'configuration'>): Settings =>
    settingsOf(image, configuration, (value) => fingerprint(value));
  return {
    role: isOurs(role),
    images: isOurs(repository) ? (repository?.images ?? []) : null,
    logGroup: isOurs(logGroup),
    fn: found && isOurs(found) ? foundFunction(found, settings) : null,
    taken: Object.entries(all).flatMap(([what, resource]) => (resource && !isOurs(resource) ? [what] : [])),
  };
}

function foundFunction(
  found: FunctionFacts,
  settings: (from: Pick<FunctionFacts, 'image' | 'configuration'>) => Settings,
): NonNullable<Have['fn']> {
  // The configuration holds values of the environment: from here on there are only fingerprints.
  const {configuration, versions, ...facts} = found;
  return {
    facts,
    latest: settings({image: found.image, configuration}),
    versions: versions.map((version) => {
      return {
        version: version.version,
        atMs: version.atMs,
        image: version.image,
        settings: settings(version),
      };
    }),
  };
}

/** The settings of a version, of which the environment's values may stand as fingerprints already. */
function settingsOf(
  image: Digest,
  {memoryMb, timeoutMs, cpu, concurrency, env, secrets, ...options}: Configuration,
  fingerprint: (value: string) => string,
): Settings {
  const each = (prefix: string, values: {readonly [name: string]: Json}): Settings =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]));
  const {labels, ...rest} = options;
  const fingerprints = Object.entries(env).map(([name, value]) => [name, fingerprint(value)] as const);
  return {
    image,
    ...each('resources', {memoryMb, timeoutMs, cpu, concurrency}),
    ...each('env', Object.fromEntries(fingerprints)),
    ...each('secrets', secrets),
    ...each('options', rest),
    ...each('options.labels', labels),
  };
}

/** The configuration that a function asks for; the environment stands in it as whatever `env` makes of a name. */
function configurationOf<E>(
  {resources, env, secrets}: FunctionSpec,
  options: MemoryOptions,
  valueOf: (name: string, fingerprint: Fingerprint) => E,
) {
  const values = Object.entries(env).map(
    ([name, fingerprint]) => [name, valueOf(name, fingerprint)] as const,
  );
  return {...resources, ...options, secrets, env: Object.fromEntries(values)};
}

/**
 * Each difference between what is live and what is wanted is named by one step: the one that writes it, or, if it
 * has been written by a deploy that was cut off, the one that publishes it.
 */
function plan(fn: FunctionSpec, options: MemoryOptions, have: Have) {
  if (have.taken.length > 0) {
    const message = `a ${have.taken[0]} for ${fn.name} is there already, and thaw did not make it`;
    throw new ThawError('PROVIDER_CONFLICT', message, {function: fn.name, taken: have.taken});
  }
  const {name} = fn;
  const steps: Step[] = [];
  const made = (what: string): Change[] => [{path: what, from: null, to: name}];
  const add = (id: string, op: string, args: Step['args'], changes: readonly Change[], why: string) =>
    steps.push(step(id, op, args, changes, why));

  if (!have.logGroup) add('logs', 'logs:CreateGroup', {name}, made('logs'), 'logs need a place');
  if (!have.images) {
    const repository = {name: repositoryName(fn), function: name};
    add('repository', 'registry:CreateRepository', repository, made('repository'), 'images need a place');
  }
  if (!have.images?.includes(fn.image)) {
    add(
      'push',
      'registry:PutImage',
      {repository: repositoryName(fn), image: fn.image},
      [],
      'it is not there yet',
    );
  }
  if (!have.role) {
    add(
      'role',
      'iam:CreateRole',
      {name: roleName(fn), function: name},
      made('role'),
      'a function runs under one',
    );
  }

  const wanted = settingsOf(
    fn.image,
    configurationOf(fn, options, (_, fingerprint) => fingerprint),
    (fingerprint) => fingerprint,
  );
  const configuration = configurationOf(fn, options, (secret) => ({$secret: secret})) as {[key: string]: Arg};
  const found = have.fn?.facts.state === 'Deleting' ? null : have.fn;
  if (have.fn && !found) add('gone', 'faas:WaitDeleted', {name}, [], 'an earlier one is being deleted');
  const facts = found?.facts;
  const live = found?.versions.find(({version}) => version === facts?.live)?.settings ?? {};
  let unnamed = changesBetween('', live, wanted);
  const named = (paths: readonly Change[]): Change[] => {
    const changes = unnamed.filter((change) => paths.some(({path}) => path === change.path));
    unnamed = unnamed.filter((change) => !changes.includes(change));
    return changes;
  };

  let revision: Arg = facts?.revision ?? null;
  const wait = (id: string, why: string): void => {
    add(id, 'faas:WaitUpdated', {name}, [], why);
    revision = {$ref: `${id}.revision`};
  };
  const publishes = unnamed.length > 0;
  if (!found) {
    const args = {name, role: roleName(fn), image: fn.image, configuration};
    add('create', 'faas:CreateFunction', args, named(unnamed), 'there is none yet');
    wait('created', 'it cannot be published before');
  } else if (publishes) {
    if (facts?.lastUpdate === 'InProgress') wait('settled', 'an earlier change is under way');
    const unwritten = changesBetween('', found.latest, wanted);
    const [code, settings] = [unwritten.filter(isImage), unwritten.filter((change) => !isImage(change))];
    if (settings.length > 0) {
      const args = {name, configuration, revision};
      add('configure', 'faas:UpdateConfiguration', args, named(settings), 'its settings differ');
      wait('configured', 'the next write needs the revision');
    }
    if (code.length > 0) {
      add('code', 'faas:UpdateCode', {name, image: fn.image, revision}, named(code), 'its image differs');
      wait('updated', 'the next write needs the revision');
    }
  }
  if (publishes) {
    add('publish', 'faas:PublishVersion', {name, revision}, named(unnamed), 'only a version can be live');
    const version = {$ref: 'publish.version'};
    add('published', 'faas:WaitVersionActive', {name, version}, [], 'it takes no requests before');
    add('alias', 'faas:PutAlias', {name, version}, [], 'requests go where the alias points');
  }

  const {maxInstances} = fn.scaling;
  if (facts?.maxInstances !== maxInstances) {
    const change = {path: 'scaling.maxInstances', from: facts?.maxInstances ?? null, to: maxInstances};
    add('concurrency', 'faas:PutConcurrency', {name, maxInstances}, [change], 'its scaling differs');
  }
  const triggers = facts?.triggers ?? [];
  if (!sameJson(triggers, fn.triggers)) {
    const change = {path: 'triggers', from: triggers as Json, to: fn.triggers as Json};
    add('triggers', 'faas:PutTriggers', {name, triggers: fn.triggers}, [change], 'its triggers differ');
  }
  const stillWarm = !publishes && (facts?.warmReady ?? true);
  steps.push(...warmSteps(fn, facts?.warm ?? {min: 0, schedule: []}, fn.warm, stillWarm));
  return makePlan('memory', name, steps);
}

const isImage = ({path}: Change): boolean => path === 'image';

function warmSteps(fn: FunctionRef, from: Warmth, to: Warmth, ready: boolean): Step[] {
  const changes = changesBetween(
    'warm',
    {...from} as unknown as JsonObject,
    {...to} as unknown as JsonObject,
  );
  const args = {name: fn.name, min: to.min, schedule: to.schedule as unknown as Arg};
  const put = step('warm', 'faas:PutWarm', args, changes, 'it shall be as warm as asked for');
  const waits = to.min > 0 && (changes.length > 0 || !ready);
  return [...(changes.length > 0 ? [put] : []), ...(waits ? [warmWait(fn)] : [])];
}

const warmWait = ({name}: FunctionRef): Step =>
  step('warmed', 'faas:WaitWarm', {name}, [], 'until then requests can still be cold');

const step = (id: string, op: string, args: Step['args'], changes: readonly Change[], why: string): Step => ({
  id,
  op,
  args,
  changes,
  why,
});

function deployed(fn: FunctionRef, {fn: found}: Have): NonNullable<Have['fn']> {
  if (found === null || found.facts.live === null) throw notDeployed(fn);
  return found;
}

const notDeployed = ({name}: FunctionRef): ThawError =>
  new ThawError('NOT_DEPLOYED', `${name} is not deployed at memory`, {function: name});

function deploymentOf({name}: FunctionRef, {facts, versions}: NonNullable<Have['fn']>): Deployment | null {
  const live = versions.find(({version}) => version === facts.live);
  if (live === undefined || facts.url === null) return null;
  return {
    schema: 'thaw.deployment/1',
    provider: 'memory',
    function: name,
    url: facts.url,
    image: live.image,
    version: live.version,
    handle: {url: facts.url},
  };
}

/** Tries again for as long as the service refuses for one of these reasons. */
const retryOf = (...reasons: CloudRefusal['reason'][]): Retry => ({
  when: (error) => error instanceof ThawError && reasons.some((reason) => reason === error.facts['reason']),
  firstMs: 200,
  maxMs: 5000,
  forMs: 60_000,
});

/** What the service refuses, in thaw's words. */
async function asking<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof CloudRefusal)) throw error;
    const {reason} = error;
    const conflict = reason === 'UpdateInProgress' || reason === 'StaleRevision' || reason === 'Exists';
    const code = conflict ? 'PROVIDER_CONFLICT' : 'PROVIDER_REFUSED';
    throw new ThawError(code, `was refused: ${messageOf(error)}`, {reason}, {cause: error});
  }
}

/** Runs a call that may find its work done already. */
async function unless(reason: CloudRefusal['reason'], answer: Promise<unknown>): Promise<void> {
  try {
    await asking(answer);
  } catch (error) {
    if (!(error instanceof ThawError && error.facts['reason'] === reason)) throw error;
  }
}

/** Each op leaves alone what is already as it shall be: its arguments may name a revision of before the cut. */
function ops(cloud: MemoryCloud): {readonly [name: string]: Op} {
  const busy = retryOf('Throttled');
  const text = (value: Json | undefined): string => value as string;

  const poll = async <T>(
    {ports, signal}: Context,
    forMs: number,
    read: () => Promise<T | null>,
  ): Promise<T> => {
    for (const untilMs = ports.clock.monotonicMs() + forMs; ;) {
      const answer = await read();
      if (answer !== null) return answer;
      if (ports.clock.monotonicMs() >= untilMs) {
        throw new ThawError('WAIT_TIMED_OUT', `was not done after ${forMs} ms`, {forMs});
      }
      await ports.clock.sleep(250, signal);
    }
  };

  return {
    'logs:CreateGroup': {
      retry: busy,
      async run({signal}, {name}) {
        await unless('Exists', cloud.createLogGroup(signal, text(name), {[TAG]: text(name)}));
        return {};
      },
    },
    'registry:CreateRepository': {
      retry: busy,
      async run({signal}, {name, function: fn}) {
        await unless('Exists', cloud.createRepository(signal, text(name), {[TAG]: text(fn)}));
        return {};
      },
    },
    'registry:PutImage': {
      retry: busy,
      async run({signal, image, progress}, {repository, image: digest}) {
        if (image === null || image.image.digest !== digest) {
          throw new ThawError('IMAGE_MISSING', `${text(digest)} is not built`, {image: text(digest)});
        }
        const bytes = image.image.layers.reduce((sum, layer) => sum + layer.bytes, 0);
        progress(0, bytes);
        await asking(cloud.putImage(signal, text(repository), image.image.digest));
        progress(bytes, bytes);
        return {};
      },
    },
    'iam:CreateRole': {
      retry: busy,
      async run({signal}, {name, function: fn}) {
        await unless('Exists', cloud.createRole(signal, text(name), {[TAG]: text(fn)}));
        return {};
      },
    },
    'faas:CreateFunction': {
      // A new role is not known everywhere at once.
      retry: retryOf('Throttled', 'RoleNotAssumable'),
      async run({signal}, {name, role, image, configuration}) {
        const found = await cloud.getFunction(signal, text(name));
        if (
          found &&
          sameJson({...found.configuration, image: found.image}, {...(configuration as JsonObject), image})
        ) {
          return {};
        }
        await asking(
          cloud.createFunction(signal, {
            name: text(name),
            role: text(role),
            image: image as Digest,
            configuration: configuration as unknown as Configuration,
            tags: {[TAG]: text(name)},
          }),
        );
        return {};
      },
    },
    'faas:UpdateConfiguration': {
      retry: busy,
      async run({signal}, {name, configuration, revision}) {
        const found = await cloud.getFunction(signal, text(name));
        if (sameJson(found?.configuration, configuration)) return {};
        const wanted = configuration as unknown as Configuration;
        await asking(cloud.updateConfiguration(signal, text(name), wanted, text(revision)));
        return {};
      },
    },
    'faas:UpdateCode': {
      retry: busy,
      async run({signal}, {name, image, revision}) {
        const found = await cloud.getFunction(signal, text(name));
        if (found?.image === image) return {};
        await asking(cloud.updateCode(signal, text(name), image as Digest, text(revision)));
        return {};
      },
    },
    'faas:WaitUpdated': {
      retry: null,
      run: (context, {name}) =>
        poll(context, 120_000, async () => {
          const found = await cloud.getFunction(context.signal, text(name));
          return found?.lastUpdate === 'Successful' ? {revision: found.revision} : null;
        }),
    },
    'faas:PublishVersion': {
      retry: busy,
      async run({signal}, {name, revision}) {
        return {version: await asking(cloud.publishVersion(signal, text(name), text(revision)))};
      },
    },
    'faas:WaitVersionActive': {
      retry: null,
      run: (context, {name, version}) =>
        poll(context, 120_000, async () => {
          const found = await cloud.getFunction(context.signal, text(name));
          const state = found?.versions.find((candidate) => candidate.version === version)?.state;
          return state === 'Active' ? {} : null;
        }),
    },
    'faas:PutAlias': {
      retry: busy,
      async run({signal}, {name, version}) {
        await asking(cloud.putAlias(signal, text(name), text(version)));
        return {};
      },
    },
    'faas:PutConcurrency': {
      retry: busy,
      async run({signal}, {name, maxInstances}) {
        await asking(cloud.putConcurrency(signal, text(name), maxInstances as number));
        return {};
      },
    },
    'faas:PutTriggers': {
      retry: busy,
      async run({signal}, {name, triggers}) {
        await asking(cloud.putTriggers(signal, text(name), triggers as unknown as readonly Trigger[]));
        return {};
      },
    },
    'faas:PutWarm': {
      retry: busy,
      async run({signal}, {name, min, schedule}) {
        await asking(cloud.putWarm(signal, text(name), {min, schedule} as unknown as Warmth));
        return {};
      },
    },
    'faas:WaitWarm': {
      retry: null,
      run: (context, {name}) =>
        poll(context, 120_000, async () => {
          const found = await cloud.getFunction(context.signal, text(name));
          return found?.warmReady ? {} : null;
        }),
    },
    'faas:RetireInstances': {
      retry: busy,
      async run({signal}, {name}) {
        await asking(cloud.retireInstances(signal, text(name)));
        return {};
      },
    },
    'faas:DeleteFunction': {
      retry: retryOf('Throttled', 'UpdateInProgress'),
      async run({signal}, {name}) {
        await unless('NotFound', cloud.deleteFunction(signal, text(name)));
        return {};
      },
    },
    'faas:WaitDeleted': {
      retry: null,
      run: (context, {name}) =>
        poll(context, 120_000, async () =>
          (await cloud.getFunction(context.signal, text(name))) === null ? {} : null,
        ),
    },
    'logs:DeleteGroup': {
      retry: busy,
      async run({signal}, {name}) {
        await unless('NotFound', cloud.deleteLogGroup(signal, text(name)));
        return {};
      },
    },
    'registry:DeleteRepository': {
      retry: busy,
      async run({signal}, {name}) {
        await unless('NotFound', cloud.deleteRepository(signal, text(name)));
        return {};
      },
    },
    'iam:DeleteRole': {
      retry: retryOf('Throttled', 'InUse'),
      async run({signal}, {name}) {
        await unless('NotFound', cloud.deleteRole(signal, text(name)));
        return {};
      },
    },
  };
}
