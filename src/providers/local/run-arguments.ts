import {basename} from 'node:path';
import {FUNCTION_LABEL, GATEWAY_LABEL, INSTANCE_LABEL} from './container-names.ts';
import type {Launch} from './engine.ts';

/** The port that an instance listens on inside its container. */
const INNER_PORT = 8080;
/** As many processes and threads as Lambda gives. */
const PIDS_MAX = 1024;
/** A file system in memory, which counts as the instance's own: its memory limit is met first. */
const TMP = '/tmp:rw,exec,nosuid,nodev,mode=1777,size=512m';

/** What is to be known of a container beside what it is launched for. */
export interface RunSurroundings {
  readonly command: string;
  readonly function: string;
  readonly gatewayKey: string;
  /** Of the container. */
  readonly name: string;
  readonly image: string;
  /** The port of 127.0.0.1 that leads to it. */
  readonly hostPort: number;
  /** The environment that the command line itself needs. */
  readonly commandEnv: {readonly [name: string]: string};
}

/** How a container is run. */
export interface RunPlan {
  /** Arguments of the command line; none holds a value of the declared environment. */
  readonly args: readonly string[];
  /** The command line's environment: the declared values that it passes on by name are in it. */
  readonly env: {readonly [name: string]: string};
  /** Values that would be taken for the command line's own, for a file that it reads; empty if there are none. */
  readonly envFile: readonly (readonly [name: string, value: string])[];
}

/**
 * Plans a container as locked up as a function should be: its limits are real, its root cannot be written, it has no
 * privilege and can gain none, nobody but this machine reaches it, and it ends with whoever holds its standard input.
 *
 * @param envFileName where `envFile` will lie
 * @throws Error for a value that cannot be passed on
 */
export function planRun(launch: Launch, surroundings: RunSurroundings, envFileName: string): RunPlan {
  const {command, name, image, hostPort, commandEnv} = surroundings;
  const {memoryMb, cpu} = launch;
  const passed = splitEnvironment(launch.env, commandEnv);
  const given = {
    [launch.portVariable ?? 'PORT']: INNER_PORT,
    THAW_IMAGE: launch.image,
    THAW_CONCURRENCY: launch.concurrency,
  };
  const labels = {
    [FUNCTION_LABEL]: surroundings.function,
    [GATEWAY_LABEL]: surroundings.gatewayKey,
    [INSTANCE_LABEL]: launch.id,
  };
  const values: (readonly [flag: string, value: string])[] = [
    ['--pull', 'never'],
    ['--name', name],
    ...Object.entries(labels).map(([label, value]) => ['--label', `${label}=${value}`] as const),
    ['--publish', `127.0.0.1:${hostPort}:${INNER_PORT}`],
    // As much memory with swap as without: none is swapped.
    ['--memory', `${memoryMb}m`],
    ['--memory-swap', `${memoryMb}m`],
    ...(cpu === null ? [] : [['--cpus', String(cpu)] as const]),
    ['--pids-limit', String(PIDS_MAX)],
    ['--tmpfs', TMP],
    ['--cap-drop', 'ALL'],
    ['--security-opt', 'no-new-privileges'],
    ...hostOptions(command),
    ...logOptions(command),
    ...passed.byName.map(([variable]) => ['--env', variable] as const),
    ...Object.entries(given).map(([variable, value]) => ['--env', `${variable}=${value}`] as const),
    ...(passed.byFile.length === 0 ? [] : [['--env-file', envFileName] as const]),
  ];
  const args = ['run', '--interactive', '--rm', '--read-only', ...values.flat(), image, '--lifeline'];
  return {args, env: {...commandEnv, ...Object.fromEntries(passed.byName)}, envFile: passed.byFile};
}

/** Podman gives its name for this machine by itself. */
const hostOptions = (command: string): (readonly [flag: string, value: string])[] =>
  /podman/i.test(basename(command)) ? [] : [['--add-host', 'host.docker.internal:host-gateway']];

/** The gateway reads what instances write as they write it; the engine keeps none of it, or little. */
function logOptions(command: string): (readonly [flag: string, value: string])[] {
  if (!/nerdctl/i.test(basename(command))) return [['--log-driver', 'none']];
  return [
    ['--log-driver', 'json-file'],
    ['--log-opt', 'max-size=1m'],
    ['--log-opt', 'max-file=1'],
  ];
}

/** Names that mean something to a command line, or to what it starts. */
const TELLING =
  /^(?:DOCKER_|BUILDKIT_|BUILDX_|CONTAINER|NERDCTL|PODMAN|BUILDAH|REGISTRY_|STORAGE_|CNI_|NETAVARK|NOTIFY_|LISTEN_|XDG_|DBUS_|SSH_|SSL_|LD_|DYLD_|GO[A-Z]*$|OTEL_|TMP|TEMP|PATH|HOME$|USER|LOGNAME$|SHELL$|LANG$|LC_|TERM$|SYSTEMROOT$|WINDIR$|APPDATA$|LOCALAPPDATA$|PROGRAM)|_PROXY$/i;

function splitEnvironment(
  declared: Launch['env'],
  commandEnv: RunSurroundings['commandEnv'],
): {byName: [string, string][]; byFile: [string, string][]} {
  const taken = new Set(Object.keys(commandEnv).map((name) => name.toUpperCase()));
  const byName: [string, string][] = [];
  const byFile: [string, string][] = [];
  for (const [name, value] of Object.entries(declared)) {
    const telling = TELLING.test(name) || taken.has(name.toUpperCase());
    if (telling && /[\r\n]/.test(value)) throw new Error(`the value of ${name} has more than one line`);
    (telling ? byFile : byName).push([name, value]);
  }
  return {byName, byFile};
}
