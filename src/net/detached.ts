import {spawn} from 'node:child_process';
import {open} from 'node:fs/promises';
import type {StartDetached} from '../core/ports.ts';

/**
 * Starts a program that outlives this process and its terminal: in a session of its own, with no handle of this
 * process's but a log file for what it prints, which only this user can read.
 *
 * @throws Error of the system if the log cannot be opened or the program cannot be started
 */
export const startDetached: StartDetached = async (file, args, {cwd, env, logFile}) => {
  const log = await open(logFile, 'a', 0o600);
  try {
    const child = spawn(file, args, {
      cwd,
      env: {...env},
      detached: true,
      windowsHide: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    return {pid: child.pid as number};
  } finally {
    await log.close();
  }
};
