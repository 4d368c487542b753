import {randomUUID} from 'node:crypto';
import {link, lstat, mkdir, rename, rm, stat} from 'node:fs/promises';
import {connect, type Server} from 'node:net';
import {systemCode} from '../../../core/errors.ts';
import type {FunctionPaths} from '../paths.ts';

/** Another gateway of the same function answers on the socket. */
export class GatewayRuns extends Error {
  override readonly name = 'GatewayRuns';
}

/**
 * Listens on the control socket, which is the lock: whoever listens there is the function's gateway. A socket that a
 * killed gateway left behind is taken away first.
 *
 * @throws GatewayRuns
 */
export async function takeSocket(server: Server, paths: FunctionPaths): Promise<void> {
  if (paths.socketDir !== null) await makePrivate(paths.socketDir);
  for (let attempt = 0; ; attempt++) {
    try {
      await listenOn(server, paths.socket);
      return;
    } catch (error) {
      if (systemCode(error) !== 'EADDRINUSE' || attempt === 3) throw error;
      if (await answers(paths.socket)) throw new GatewayRuns(`a gateway listens on ${paths.socket} already`);
      if (process.platform !== 'win32') await removeDead(paths.socket);
    }
  }
}

/**
 * Calls back once when nobody can reach this process any more to end it: its folder was deleted, or the socket at its
 * path is not its own.
 */
export async function watchSocket(
  paths: FunctionPaths,
  everyMs: number,
  onLost: (socketIsOurs: boolean) => void,
): Promise<void> {
  const look = (): Promise<(string | null)[]> => Promise.all([identityOf(paths.dir), socketIdentity(paths)]);
  const [ownDir, ownSocket] = await look();
  const check = async (): Promise<void> => {
    const [dir, socket] = await look();
    if (dir !== null && dir === ownDir && socket === ownSocket) return;
    clearInterval(timer);
    onLost(socket === ownSocket);
  };
  const timer = setInterval(() => void check(), everyMs);
  timer.unref();
}

/** A named pipe has no file; it goes with its process. */
const socketIdentity = (paths: FunctionPaths): Promise<string | null> =>
  process.platform === 'win32' ? Promise.resolve(paths.socket) : identityOf(paths.socket);

/** Removes a socket without ever removing a living one: it is moved aside first, and put back if it answers. */
async function removeDead(socket: string): Promise<void> {
  const aside = `${socket}.${randomUUID().slice(0, 4)}`;
  try {
    await rename(socket, aside);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return;
    throw error;
  }
  if (await answers(aside)) await link(aside, socket).catch(() => {});
  await rm(aside, {force: true});
}

function listenOn(server: Server, socket: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(socket, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = connect(socket);
    connection.once('connect', () => {
      connection.destroy();
      resolve(true);
    });
    connection.once('error', () => resolve(false));
  });
}

/** The folder outside the user's own, which others could have made first. */
async function makePrivate(dir: string): Promise<void> {
  await mkdir(dir, {mode: 0o700, recursive: true});
  const made = await lstat(dir);
  if (!made.isDirectory() || made.uid !== process.getuid?.() || (made.mode & 0o077) !== 0) {
    throw new Error(`${dir} is not a folder that only this user can enter`);
  }
}

async function identityOf(path: string): Promise<string | null> {
  try {
    const {dev, ino, birthtimeMs} = await stat(path);
    return `${dev}:${ino}:${birthtimeMs}`;
  } catch {
    return null;
  }
}
