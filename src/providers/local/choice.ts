import {ThawError, type ErrorCode} from '../../core/errors.ts';
import type {Platform} from '../../core/image.ts';
import type {JsonObject} from '../../core/json.ts';

/** What runs the instances of a function: processes of this machine, or containers of an engine. */
export type EngineChoice =
  | {readonly name: 'process'}
  | {
      readonly name: 'docker';
      /** The command line through which the engine is told what to do. */
      readonly command: string;
      /** Which engine that is, where the user's environment says so. */
      readonly env: {readonly [name: string]: string};
    };

/** What was found of a container engine. */
export type FoundEngine = {
  readonly command: string;
  readonly env: {readonly [name: string]: string};
  readonly version: string;
  /** The platform whose images it runs without emulation. */
  readonly platform: string;
  /** Whether it is sure to run containers: its daemon answers, or the user named it. */
  readonly sure: boolean;
};

/** Why there is none that could be used. */
export type NoEngine = {readonly code: ErrorCode; readonly message: string; readonly facts: JsonObject};

/** A look at this machine's container engine; null if nobody looked, because nobody had to know. */
export type EngineLook = {readonly found: FoundEngine} | {readonly failure: NoEngine} | null;

/** A choice, and the reason for it in a few words. */
export type Chosen = {readonly engine: EngineChoice; readonly why: string};

/**
 * Chooses the engine: containers where an engine is sure to run, and to run the image as it is, else processes; or what
 * the user wants.
 *
 * @throws ThawError as the look failed, if it has to be containers
 */
export function chooseEngine(
  wish: 'auto' | 'docker' | 'process',
  look: EngineLook,
  platform: Platform | null,
): Chosen {
  if (wish === 'process') return {engine: {name: 'process'}, why: 'thaw.yaml says so'};
  if (look === null || 'failure' in look) {
    const failure = look?.failure ?? {code: 'ENGINE_UNAVAILABLE', message: 'nobody looked', facts: {}};
    if (wish === 'docker') {
      const facts = {...failure.facts, wanted: 'containers'};
      throw new ThawError(failure.code, failure.message, facts);
    }
    return {engine: {name: 'process'}, why: failure.message};
  }
  const {command, env, version, platform: runs, sure} = look.found;
  if (wish === 'auto' && !sure) {
    const why = `${command} ${version} has no daemon that says whether it can run; THAW_DOCKER=${command} takes it`;
    return {engine: {name: 'process'}, why};
  }
  const what = `${command} ${version} answers`;
  const fits = platform === null || platform === runs;
  if (wish === 'auto' && !fits) {
    return {engine: {name: 'process'}, why: `${what}, but runs ${runs}, and the image is for ${platform}`};
  }
  const note = fits
    ? ''
    : `, which runs ${runs}: the image for ${platform} is emulated, and its times say nothing`;
  return {engine: {name: 'docker', command, env}, why: wish === 'auto' ? what : `thaw.yaml says so${note}`};
}

/** A choice in one line, as plans compare it. */
export function renderChoice(wish: 'auto' | 'docker' | 'process', engine: EngineChoice): string {
  const chosen = wish === engine.name ? engine.name : `${wish}: ${engine.name}`;
  if (engine.name === 'process') return chosen;
  const where = Object.entries(engine.env).map(([name, value]) => `${name}=${value}`);
  const details = [...(engine.command === 'docker' ? [] : [engine.command]), ...where];
  return details.length === 0 ? chosen : `${chosen} (${details.join(', ')})`;
}

/** What a reader must know to judge figures from an engine. */
export function engineFacts(engine: EngineChoice): JsonObject {
  return {
    engine:
      engine.name === 'process'
        ? "process: the image's contents as processes of this machine; memory and CPU are not limited"
        : `docker: the image itself, in containers of ${engine.command}; memory and CPU are limited`,
  };
}

/** Variables by which a user says which engine a command line talks to. */
const WHERE =
  /^(?:DOCKER_(?:HOST|CONTEXT|CONFIG|CERT_PATH|TLS|TLS_VERIFY|API_VERSION)|CONTAINER_(?:HOST|CONNECTION|SSHKEY)|CONTAINERS_(?:CONF|STORAGE_CONF|REGISTRIES_CONF)|CONTAINERD_(?:ADDRESS|NAMESPACE|SNAPSHOTTER)|NERDCTL_TOML)$/;

/** Of an environment what says where the engine is. */
export function engineWhereabouts(env: NodeJS.ProcessEnv): {[name: string]: string} {
  const found = Object.entries(env).flatMap(([name, value]) =>
    WHERE.test(name) && value ? [[name, value] as const] : [],
  );
  return Object.fromEntries(found.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** What command lines of engines need to work at all: to be found, and to find contexts, keys and helpers. */
const COMMAND_VARIABLES = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'DBUS_SESSION_BUS_ADDRESS',
  'SSH_AUTH_SOCK',
  'Path',
  'PATHEXT',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
  'ProgramData',
  'ProgramFiles',
] as const;

/** Of an environment what the gateway's command line of an engine is run with; instances get none of it. */
export function commandEnvironment(env: NodeJS.ProcessEnv): {[name: string]: string} {
  return Object.fromEntries(
    COMMAND_VARIABLES.flatMap((name) => {
      const value = env[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
