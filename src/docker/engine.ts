import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {ThawError} from '../core/errors.ts';
import {runCommand, type CommandOptions} from './command-line.ts';
import {classifyFailure} from './refusal.ts';

/** The command lines that are looked for, in this order. They take the same commands. */
const ENGINE_COMMANDS = ['docker', 'podman', 'nerdctl'] as const;

/** Which engine answers. */
export interface EngineVersion {
  /** Of the engine; of the command line where that is all there is. */
  readonly version: string;
  /** The platform whose images it runs without emulation, such as linux/amd64. */
  readonly platform: string;
  /** Whether a daemon answered; Podman's command line needs none, and may still find that it cannot run anything. */
  readonly daemon: boolean;
}

/** What to build an image from. */
export interface EngineBuild {
  /** The folder that holds the Dockerfile and what it copies. */
  readonly contextDir: string;
  readonly platform: string;
  /** Names that the image gets. */
  readonly tags: readonly string[];
  readonly onLine?: (line: string) => void;
}

/**
 * A container engine through its own command line, so that contexts, hosts, credentials and rootless set-ups are
 * honoured as the user has them. All methods throw what `classifyFailure` says, and INTERRUPTED.
 */
export interface Engine {
  /** The program that is run. */
  readonly command: string;
  readonly version: EngineVersion;
  /** The id (`sha256:…`) of the image of a name or id; null if there is none. */
  findImage(name: string): Promise<string | null>;
  /** Loads an image archive, which is streamed and written to no file on this side. */
  load(archive: AsyncIterable<Uint8Array>): Promise<void>;
  /** Gives an image a further name; whatever had that name keeps its others. */
  tag(image: string, name: string): Promise<void>;
  /** Builds an image and returns its id. */
  build(build: EngineBuild): Promise<string>;
  /** Pushes an image that is named as it shall be called there, and returns the digest that it has there. */
  push(name: string, onLine?: (line: string) => void): Promise<string>;
  /** Runs any other command and returns what it writes. */
  run(purpose: string, args: readonly string[], options?: Omit<CommandOptions, 'signal'>): Promise<string>;
}

/** What a command line is run with. */
export interface EngineSurroundings {
  /** Beside this process's own environment. */
  readonly env?: {readonly [name: string]: string};
  /** How long it may take to say which engine it talks to. */
  readonly answerMs?: number;
}

/** How long a command line may take to say which engine it talks to: over ssh, or on a busy machine. */
const ANSWER_MS = 30_000;

/**
 * Finds a container engine that answers: the named command line, or the first of docker, podman and nerdctl.
 *
 * @param command a program's name or path, such as THAW_DOCKER has; null to look for one
 * @throws ThawError ENGINE_UNAVAILABLE, PERMISSION_DENIED: of the first one that is there, if none answers;
 * INTERRUPTED
 */
export async function openEngine(
  command: string | null,
  signal: AbortSignal,
  {env = {}, answerMs = ANSWER_MS}: EngineSurroundings = {},
): Promise<Engine> {
  const candidates = command === null ? ENGINE_COMMANDS : [command];
  let failure: ThawError | null = null;
  for (const candidate of candidates) {
    const answer = await askVersion(candidate, {signal, env, timeoutMs: answerMs});
    if (!(answer instanceof ThawError)) return engineOf(candidate, answer, {signal, env});
    if (failure === null && answer.facts['reason'] !== 'no-command') failure = answer;
    if (command !== null) throw answer;
  }
  throw (
    failure ??
    new ThawError('ENGINE_UNAVAILABLE', `none of ${candidates.join(', ')} was found on the PATH`, {
      reason: 'no-command',
      commands: [...candidates],
    })
  );
}

async function askVersion(command: string, options: CommandOptions): Promise<EngineVersion | ThawError> {
  const end = await runCommand(command, ['version', '--format', '{{json .}}'], options);
  if (end.exitCode !== 0) return classifyFailure({command, purpose: 'ask its engine'}, end);
  const version = parseVersion(end.stdout);
  if (version !== null) return version;
  const facts = {engine: command, reason: 'no-command'};
  return new ThawError('ENGINE_UNAVAILABLE', `${command} is not the command line of an engine`, facts);
}

interface VersionPart {
  readonly Version?: unknown;
  readonly Os?: unknown;
  readonly Arch?: unknown;
  readonly OsArch?: unknown;
  readonly Components?: readonly {readonly Version?: unknown}[];
}

/** Reads what `version --format '{{json .}}'` prints; podman without a service has a client alone. */
export function parseVersion(text: string): EngineVersion | null {
  let document: {readonly Client?: VersionPart | null; readonly Server?: VersionPart | null};
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    return null;
  }
  const part = document?.Server ?? document?.Client;
  const version = part?.Version ?? part?.Components?.[0]?.Version;
  if (typeof version !== 'string') return null;
  const {Os, Arch, OsArch} = {...document.Client, ...part};
  const daemon = Boolean(document.Server);
  if (typeof OsArch === 'string') return {version, platform: OsArch, daemon};
  return typeof Os === 'string' && typeof Arch === 'string'
    ? {version, platform: `${Os}/${Arch}`, daemon}
    : null;
}

/** What engines say of an image that they do not have. */
const NO_SUCH_IMAGE = /no such (?:image|object)|image not known|not found/i;

function engineOf(
  command: string,
  version: EngineVersion,
  {signal, env}: Required<Pick<CommandOptions, 'signal' | 'env'>>,
): Engine {
  const attempt = async (args: readonly string[], options: Omit<CommandOptions, 'signal'> = {}) =>
    runCommand(command, args, {...options, env: {...env, ...options.env}, signal});

  const run: Engine['run'] = async (purpose, args, options) => {
    const end = await attempt(args, options);
    if (end.exitCode !== 0) throw classifyFailure({command, purpose}, end);
    return end.stdout;
  };

  return {
    command,
    version,
    run,
    async findImage(name) {
      const end = await attempt(['image', 'inspect', '--format', '{{.Id}}', name]);
      if (end.exitCode === 0) return withAlgorithm(end.stdout.trim());
      if (end.exitCode !== null && NO_SUCH_IMAGE.test(end.stderr)) return null;
      throw classifyFailure({command, purpose: `look for ${name}`}, end);
    },
    async load(archive) {
      await run('load the image', ['load'], {input: archive});
    },
    async tag(image, name) {
      await run(`call the image ${name}`, ['tag', image, name]);
    },
    async build({contextDir, platform, tags, onLine}) {
      const folder = await mkdtemp(join(tmpdir(), 'thaw-build-'));
      try {
        const idFile = join(folder, 'id');
        const names = tags.flatMap((tag) => ['--tag', tag]);
        await run(
          'build the image',
          ['build', '--platform', platform, '--iidfile', idFile, ...names, contextDir],
          {
            env: {BUILDKIT_PROGRESS: 'plain'},
            ...(onLine && {onLine}),
          },
        );
        return withAlgorithm((await readFile(idFile, 'utf8')).trim());
      } finally {
        await rm(folder, {recursive: true, force: true});
      }
    },
    async push(name, onLine) {
      const purpose = `push ${name}`;
      const said = await run(purpose, ['push', name], {...(onLine && {onLine})});
      const [, told] = /\bdigest: (sha256:[0-9a-f]{64})/.exec(said) ?? [];
      if (told !== undefined) return told;
      // Podman says nothing, and keeps record.
      const listed = await run(purpose, ['image', 'inspect', '--format', '{{json .RepoDigests}}', name]);
      const digest = findPushedDigest(listed, name);
      if (digest !== null) return digest;
      const facts = {engine: command, exitCode: 0};
      throw new ThawError('ENGINE_REFUSED', `${command} does not say which digest ${name} got`, facts);
    },
  };
}

/** Podman leaves it out. */
const withAlgorithm = (id: string): string => (/^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id);

/** Of the digests that an image has in several repositories, the one in the repository of a name. */
export function findPushedDigest(repoDigests: string, name: string): string | null {
  const repository = name.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
  const listed = JSON.parse(repoDigests) as readonly string[] | null;
  const found = listed?.find((each) => each.startsWith(`${repository}@`));
  return found?.slice(repository.length + 1) ?? null;
}
