import {createHash} from 'node:crypto';
import {hostname} from 'node:os';
import {systemCode} from '../core/errors.ts';

/** Names this machine where files of several may lie side by side: process ids mean something on one only. */
export const machineKey = (): string => createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** Whether a process of this machine lives, whoever's it is. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
