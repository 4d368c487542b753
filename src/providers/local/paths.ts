import {createHash} from 'node:crypto';
import {join} from 'node:path';
import {ThawError} from '../../core/errors.ts';

/** Where everything of one function on this machine lies. */
export interface FunctionPaths {
  /** The function's own folder; deleting it deletes all of the function but its processes and its socket. */
  readonly dir: string;
  /** One folder a version. */
  readonly versionsDir: string;
  /** What instances wrote, one JSON line each; the older half is in `logOld`. */
  readonly log: string;
  readonly logOld: string;
  /** What the gateway itself printed: empty unless it failed. */
  readonly gatewayLog: string;
  /** The port it had last: a hint. */
  readonly portHint: string;
  /** The control socket, or named pipe: while something answers there, that is the function's gateway. */
  readonly socket: string;
  /** The folder made for the socket alone, if the function's own is too deep for a socket; else null. */
  readonly socketDir: string | null;
}

/** macOS takes 103 bytes and a NUL; Linux 107. */
const SOCKET_PATH_BYTES_MAX = 103;

/**
 * Computes where a function's things lie: from the state folder and the name alone, so that every thaw of this
 * user finds the same gateway.
 *
 * @throws ThawError CONFIG_INVALID for a name that cannot be a folder's
 */
export function pathsOf(
  stateDir: string,
  name: string,
  platform: NodeJS.Platform = process.platform,
  userId: number | undefined = process.getuid?.(),
): FunctionPaths {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)) {
    throw new ThawError('CONFIG_INVALID', `${JSON.stringify(name)} cannot name a function on this machine`, {
      path: 'name',
      name,
    });
  }
  const dir = join(stateDir, 'local', name);
  return {
    dir,
    versionsDir: join(dir, 'versions'),
    log: join(dir, 'log.ndjson'),
    logOld: join(dir, 'log.old.ndjson'),
    gatewayLog: join(dir, 'gateway.log'),
    portHint: join(dir, 'port'),
    ...socketOf(dir, platform, userId),
  };
}

/** The folder of one version. */
export const versionDir = (paths: FunctionPaths, version: string): string => join(paths.versionsDir, version);

function socketOf(
  dir: string,
  platform: NodeJS.Platform,
  userId: number | undefined,
): {socket: string; socketDir: string | null} {
  const hash = createHash('sha256').update(dir).digest('hex').slice(0, 20);
  if (platform === 'win32') return {socket: `\\\\.\\pipe\\thaw-${hash}`, socketDir: null};
  const inside = join(dir, 'control.sock');
  if (Buffer.byteLength(inside) <= SOCKET_PATH_BYTES_MAX) return {socket: inside, socketDir: null};
  // Not TMPDIR: a thaw that is started with another one must find the same socket.
  const socketDir = `/tmp/thaw-${userId ?? 'user'}`;
  return {socket: join(socketDir, `${hash}.sock`), socketDir};
}
