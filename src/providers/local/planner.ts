import type {Fingerprint} from '../../core/digest.ts';
import type {ColdStart, FunctionRef} from '../../core/driver.ts';
import {ThawError} from '../../core/errors.ts';
import type {FunctionSpec, Warmth} from '../../core/function.ts';
import type {Json, JsonObject} from '../../core/json.ts';
import {changesBetween, makePlan, type Arg, type Change, type Plan, type Step} from '../../core/plan.ts';
import {formatDuration} from '../../core/units.ts';
import {chooseEngine, engineFacts, renderChoice, type EngineChoice} from './choice.ts';
import {hasImage} from './container-names.ts';
import {deploymentOf} from './describe.ts';
import {CLOUD_LIMITS, emulationFacts, type Cloud} from './emulate/emulation.ts';
import type {Have} from './have.ts';
import type {LocalOptions} from './options.ts';
import type {FunctionState, Settings, VersionRef} from './protocol.ts';
import type {VersionOnDisk} from './versions.ts';

type Refused = {path: string; message: string};

/**
 * What brings the function to what is wanted, from what there is.
 *
 * @throws ThawError CONFIG_INVALID that names every setting local does not have
 */
export function planDeploy(fn: FunctionSpec, options: LocalOptions, have: Have): Plan {
  refuse(fn.name, [
    ...unsupported(fn),
    ...unsupportedWarmth(fn.warm, fn.scaling.maxInstances),
    ...unsupportedByCloud(fn, options.emulate),
  ]);
  const chosen = chooseEngine(options.engine, have.containers.look, fn.platform ?? null);
  const settings: Settings = {
    resources: fn.resources,
    scaling: fn.scaling,
    triggers: fn.triggers,
    options,
    engine: chosen.engine,
  };
  const current = have.gateway?.thawVersion === have.thawVersion ? have.gateway : null;
  const served = current?.function ?? null;
  const steps: Step[] = [];
  if (current === null) steps.push(startGateway(fn, have));
  if (served === null) {
    steps.push(createFunction(fn, settings, have));
  } else {
    const isThere = have.versions.some(({version}) => version === served.live.version);
    const isAnother = served.live.image !== fn.image || !isThere;
    const live = isAnother ? versionFor(fn, have) : served.live;
    const from = isThere ? served.live : null;
    const changes = settingChanges(served, settings, fn.env);
    if (options.replace === 'when-ready') {
      if (isAnother || changes.length > 0) steps.push(replaceFunction(fn, settings, from, live, changes));
    } else {
      if (isAnother) {
        // Between this step and the next, instances are still run as before.
        const engines = [chosen.engine, served.settings.engine];
        steps.push(updateCode(fn, from, live, engines));
      }
      if (changes.length > 0) steps.push(updateConfiguration(fn, settings, live, changes));
    }
    if (steps.length === 0 && isImageGone(fn, settings.engine, have)) {
      steps.push(bringImage(fn, served.live, settings.engine));
    }
  }
  const warm = putWarm(fn, served?.warm ?? {min: 0, ready: 0}, served?.problem ?? null, fn.warm.min);
  return makePlan('local', fn.name, warm ? [...steps, warm] : steps, {
    ...engineFacts(chosen.engine),
    ...emulationFacts(options.emulate),
    ...(options.engine === 'process' ? {} : {engineChosen: chosen.why}),
    auth: 'nobody is asked who they are: the port is open to this machine alone',
  });
}

/** @throws ThawError NOT_DEPLOYED; CONFIG_INVALID for a schedule or more than there may be */
export function planWarm(fn: FunctionRef, have: Have, wish: Warmth): Plan {
  const served = deployed(fn, have);
  refuse(fn.name, unsupportedWarmth(wish, served.settings.scaling.maxInstances));
  const step = putWarm(fn, served.warm, served.problem, wish.min);
  return makePlan('local', fn.name, step ? [step] : [], engineFacts(served.settings.engine));
}

/**
 * Ends every instance: the next request is cold, whoever makes it. The step is there even if there is none now: a plan
 * may be applied again.
 *
 * @throws ThawError NOT_DEPLOYED
 */
export function planChill(fn: FunctionRef, have: Have): ColdStart {
  const served = deployed(fn, have);
  const {instances, warm, settings} = served;
  const changes = instances.length > 0 ? [{path: 'instances', from: instances.length, to: 0}] : [];
  const why = 'the next request shall find no instance';
  const step: Step = {id: 'chill', op: 'local:EndInstances', args: {function: fn.name}, changes, why};
  const facts =
    warm.min > 0
      ? {warmMin: warm.min, note: `${warm.min} will be started anew at once: the next request is prewarmed`}
      : {};
  const plan = makePlan('local', fn.name, [step], {...engineFacts(settings.engine), ...facts});
  return {plan, deployment: deploymentOf(fn, served)};
}

/** A cold start here leaves nothing behind. */
export const planTidy = (fn: FunctionRef): Plan => makePlan('local', fn.name, []);

/** @throws ThawError NOT_DEPLOYED, also if there is no such version */
export function planRollback(fn: FunctionRef, have: Have, to: string | null): Plan {
  const {live, settings} = deployed(fn, have);
  const earlier = have.versions.filter(({version}) => Number(version) < Number(live.version));
  const target = to === null ? earlier.at(-1) : have.versions.find(({version}) => version === to);
  if (target === undefined) {
    const versions = have.versions.map(({version}) => version);
    const wanted = to === null ? `version before ${live.version}` : `version ${to}`;
    const message = `${fn.name} has no ${wanted} on this machine; it has ${versions.join(', ')}`;
    throw new ThawError('NOT_DEPLOYED', message, {function: fn.name, versions, live: live.version});
  }
  refuseUnready(fn, target, settings.engine, have);
  if (target.version === live.version) return makePlan('local', fn.name, [], engineFacts(settings.engine));
  const changes = [
    {path: 'version', from: live.version, to: target.version},
    ...(target.image === live.image ? [] : [{path: 'image', from: live.image, to: target.image}]),
  ];
  const args = {function: fn.name, live: {version: target.version, image: target.image}};
  const why = `version ${target.version} shall be live again`;
  return makePlan(
    'local',
    fn.name,
    [{id: 'live', op: 'local:SetLiveVersion', args, changes, why}],
    engineFacts(settings.engine),
  );
}

/** A version is only there for the engine that it was deployed to. */
function refuseUnready(fn: FunctionRef, target: VersionOnDisk, engine: EngineChoice, have: Have): void {
  const facts = {function: fn.name, version: target.version, engine: engine.name};
  const say = (why: string): ThawError =>
    new ThawError('NOT_DEPLOYED', `version ${target.version} of ${fn.name} ${why}`, facts);
  if (engine.name === 'process' && target.unpacked === false) {
    throw say('was only run in containers, and the function runs as processes now');
  }
  const {look, images} = have.containers;
  if (engine.name === 'docker' && look !== null && 'found' in look && !hasImage(images, target.image)) {
    throw say(`is not in ${engine.command}, which runs the function now`);
  }
}

/** Deletes the function, then its gateway and all that lies on disk; what a killed gateway left behind, too. */
export function planTeardown(fn: FunctionRef, have: Have): Plan {
  const steps: Step[] = [];
  const served = have.gateway?.function ?? null;
  const args = {function: fn.name};
  if (served !== null) {
    const changes = [{path: 'function', from: served.live.version, to: null}];
    const why = 'its instances end and its port is given back';
    steps.push({id: 'delete', op: 'local:DeleteFunction', args, changes, why});
  }
  const {used} = have.containers;
  if (used.length > 0) {
    const from = [...new Set(used.map(({command}) => command))].sort().join(', ');
    const changes = [{path: 'containers', from, to: null}];
    const why = 'no container and no image of it shall be left';
    steps.push({id: 'containers', op: 'local:RemoveContainers', args, changes, why});
  }
  if (have.gateway !== null || have.folder) {
    const changes = [
      ...(have.gateway ? [{path: 'gateway', from: have.gateway.thawVersion, to: null}] : []),
      ...(have.folder ? [{path: 'folder', from: 'present', to: null}] : []),
    ];
    const why = have.gateway ? 'nothing is left for it to serve' : 'a gateway that was killed left it behind';
    steps.push({id: 'gateway', op: 'local:StopGateway', args, changes, why});
  }
  return makePlan('local', fn.name, steps);
}

function startGateway(fn: FunctionSpec, {gateway, folder, thawVersion}: Have): Step {
  const why =
    gateway !== null
      ? `the gateway that runs is of thaw ${gateway.thawVersion}`
      : folder
        ? 'the gateway has ended'
        : 'nothing serves the function yet';
  const changes = [{path: 'gateway', from: gateway?.thawVersion ?? null, to: thawVersion}];
  return {id: 'gateway', op: 'local:StartGateway', args: {function: fn.name}, changes, why};
}

function createFunction(fn: FunctionSpec, settings: Settings, have: Have): Step {
  const live = versionFor(fn, have);
  const changes = [
    {path: 'image', from: null, to: fn.image},
    ...changesBetween('', {}, flat(settings)).filter(({to}) => to !== null),
    ...changesBetween('env', {}, fn.env),
  ];
  const args = {function: fn.name, live, settings, env: values(fn.env)};
  const why = 'the function is not there';
  return {id: 'function', op: 'local:CreateFunction', args, changes, why};
}

/** @param engines what instances of it will be run by, now and after further steps */
function updateCode(
  fn: FunctionSpec,
  from: VersionRef | null,
  live: VersionRef,
  engines: readonly EngineChoice[],
): Step {
  const changes = [{path: 'image', from: from?.image ?? null, to: fn.image}];
  const why = from === null ? 'the folder of the live version is gone' : 'the image is another one';
  return {id: 'code', op: 'local:UpdateFunctionCode', args: {function: fn.name, live, engines}, changes, why};
}

function updateConfiguration(
  fn: FunctionSpec,
  settings: Settings,
  live: VersionRef,
  changes: Change[],
): Step {
  const args = {
    function: fn.name,
    live: {version: live.version, image: fn.image},
    settings,
    env: values(fn.env),
  };
  const why = `${changes.map(({path}) => path).join(', ')} changed`;
  return {id: 'configuration', op: 'local:UpdateFunctionConfiguration', args, changes, why};
}

/** Code and settings in one step: what is tried before it takes over is what will be served then. */
function replaceFunction(
  fn: FunctionSpec,
  settings: Settings,
  from: VersionRef | null,
  live: VersionRef,
  settingChanges: readonly Change[],
): Step {
  const image = {path: 'image', from: from?.image ?? null, to: fn.image};
  const changes = from?.image === fn.image ? [...settingChanges] : [image, ...settingChanges];
  const args = {function: fn.name, live, settings, env: values(fn.env)};
  const why = `${changes.map(({path}) => path).join(', ')} changed; it takes over once it has started`;
  return {id: 'function', op: 'local:ReplaceFunction', args, changes, why};
}

/** Whether the engine has lost what it was given, as by a clean-up of its images. */
function isImageGone({image}: FunctionSpec, engine: EngineChoice, {containers}: Have): boolean {
  return engine.name === 'docker' && !hasImage(containers.images, image);
}

function bringImage(fn: FunctionSpec, live: VersionRef, engine: EngineChoice): Step {
  const args = {function: fn.name, live, engines: [engine]};
  const changes = [{path: 'image.container', from: null, to: fn.image}];
  return {id: 'image', op: 'local:BringImage', args, changes, why: 'the container engine has lost the image'};
}

/** Also waits for instances that are not ready yet, and tries again where they could not start. */
function putWarm(
  fn: FunctionRef,
  have: FunctionState['warm'],
  problem: string | null,
  min: number,
): Step | null {
  const args = {function: fn.name, min};
  const step = (changes: Change[], why: string): Step => ({
    id: 'warm',
    op: 'local:PutWarm',
    args,
    changes,
    why,
  });
  if (have.min !== min) {
    return step([{path: 'warm.min', from: have.min, to: min}], `${min} shall be kept ready`);
  }
  if (have.ready >= min) return null;
  return problem === null
    ? step([], `${have.ready} of ${min} that are kept ready are ready`)
    : step([{path: 'warm.min', from: have.ready, to: min}], problem);
}

/** The newest version if it is of the image already, as after a deploy that was cut off; else the next one. */
function versionFor(fn: FunctionSpec, {versions}: Have): VersionRef {
  const newest = versions.at(-1);
  if (newest?.image === fn.image) return {version: newest.version, image: fn.image};
  return {version: String(Number(newest?.version ?? 0) + 1), image: fn.image};
}

function settingChanges(
  have: FunctionState,
  want: Settings,
  env: {readonly [name: string]: Fingerprint},
): Change[] {
  return [...changesBetween('', flat(have.settings), flat(want)), ...changesBetween('env', have.env, env)];
}

/** Settings by the path that a reader knows them by. */
function flat({resources, scaling, triggers, options, engine}: Settings): JsonObject {
  return {
    ...under('resources', resources),
    ...under('scaling', scaling),
    triggers,
    ...under('options', {...options, engine: renderChoice(options.engine, engine)}),
  };
}

const under = (path: string, values: JsonObject): {[path: string]: Json} =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${path}.${name}`, value]));

const values = (env: FunctionSpec['env']): {[name: string]: Arg} =>
  Object.fromEntries(Object.keys(env).map((name) => [name, {$secret: name}]));

function deployed(fn: FunctionRef, {gateway}: Have): FunctionState {
  if (gateway?.function) return gateway.function;
  throw new ThawError('NOT_DEPLOYED', `${fn.name} is not deployed on this machine`, {
    provider: 'local',
    function: fn.name,
  });
}

function unsupported(fn: FunctionSpec): Refused[] {
  return [
    ...Object.entries(fn.secrets).map(([name, source]) => ({
      path: `secrets.${name}`,
      message: `${source} cannot be resolved on this machine, only env can`,
    })),
    ...fn.triggers.flatMap((trigger, index) =>
      trigger.kind === 'http'
        ? []
        : [
            {
              path: `triggers.${index}`,
              message: `nothing on this machine gives off a trigger of kind ${trigger.kind}`,
            },
          ],
    ),
  ];
}

/** What cannot be deployed to a cloud cannot be tried as it would be there. */
function unsupportedByCloud({resources}: FunctionSpec, cloud: Cloud | null): Refused[] {
  if (cloud === null) return [];
  const {name, timeoutMs, concurrency} = CLOUD_LIMITS[cloud];
  return [
    ...(resources.timeoutMs > timeoutMs
      ? [
          {
            path: 'resources.timeout',
            message: `${name}, which is emulated, gives an answer at most ${formatDuration(timeoutMs)}`,
          },
        ]
      : []),
    ...(resources.concurrency > concurrency
      ? [
          {
            path: 'resources.concurrency',
            message: `${name}, which is emulated, gives an instance at most ${concurrency} request${concurrency === 1 ? '' : 's'} at a time, not ${resources.concurrency}`,
          },
        ]
      : []),
  ];
}

function unsupportedWarmth({min, schedule}: Warmth, maxInstances: number): Refused[] {
  return [
    ...(schedule.length > 0
      ? [{path: 'warm.schedule', message: 'nothing on this machine keeps instances by a schedule'}]
      : []),
    ...(min > maxInstances
      ? [
          {
            path: 'warm.min',
            message: `${min} cannot be kept ready where ${maxInstances} is the most there may be`,
          },
        ]
      : []),
  ];
}

function refuse(name: string, refused: readonly Refused[]): void {
  if (refused.length === 0) return;
  const all = refused.map(({path, message}) => `${path}: ${message}`).join('; ');
  const problems = refused.map(({path, message}) => ({path: path.split('.'), message}));
  throw new ThawError('CONFIG_INVALID', `${name} cannot be deployed to local: ${all}`, {problems});
}
