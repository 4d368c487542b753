import {randomUUID} from 'node:crypto';
import {mkdir, open, readFile, rm, stat} from 'node:fs/promises';
import {hostname} from 'node:os';
import {dirname, join} from 'node:path';
import {writeFailure, writeWhole} from '../core/disk.ts';
import {systemCode, ThawError} from '../core/errors.ts';

/** Who holds a lock, as its file says. */
interface Holder {
  /** Tells this lock from the ones before and after it. */
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** When that process was born, where the system tells: a pid alone may by now be another process's. */
  readonly born: string | null;
  /** ISO 8601. */
  readonly since: string;
}

/** The right to change one provider for one project, until it is released. */
export interface DeployLock {
  release(): Promise<void>;
}

/** A lock file without legible content is being written, if it is not older than this. */
const WRITING_MS = 10_000;

/**
 * Takes the lock under which a project is changed at a provider: a file in `.thaw/`. A lock whose process is dead
 * counts for nothing and is taken over; of several processes that try, one succeeds.
 *
 * @throws ThawError DEPLOY_LOCKED, with the facts `{pid, since, host, file}` of the process that holds it;
 *   PERMISSION_DENIED or DISK_FULL if the lock cannot be written
 */
export async function acquireDeployLock(where: {
  readonly projectDir: string;
  readonly provider: string;
}): Promise<DeployLock> {
  const file = join(where.projectDir, '.thaw', `deploy-${where.provider}.lock`);
  const me: Holder = {
    id: randomUUID(),
    host: hostname(),
    pid: process.pid,
    born: await inspectBirth(process.pid),
    since: new Date().toISOString(),
  };
  try {
    await mkdir(dirname(file), {recursive: true});
    await acquire(file, me);
  } catch (error) {
    throw await writeFailure(error, file);
  }
  return {
    release: async () => {
      if ((await readHolder(file))?.id === me.id) await rm(file, {force: true});
    },
  };
}

/**
 * Creates the file, or takes it over from a dead process. Whoever takes over first takes a second lock, named after
 * the very lock that it is going to replace: so of two processes that find the same dead lock one replaces it, and
 * one that comes too late finds that it is another lock by now.
 */
async function acquire(file: string, me: Holder): Promise<void> {
  for (;;) {
    if (await create(file, me)) return;
    const holder = await readHolder(file);
    if (holder === null) continue;
    if (await isHeld(holder, file)) throw locked(holder, file);
    const claim = `${file}.${holder.id}`;
    await acquire(claim, me);
    try {
      const now = await readHolder(file);
      if (now?.id !== holder.id || (await isHeld(now, file))) continue;
      await writeWhole(file, JSON.stringify(me));
      return;
    } finally {
      await rm(claim, {force: true});
    }
  }
}

async function create(file: string, me: Holder): Promise<boolean> {
  let handle;
  try {
    handle = await open(file, 'wx');
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false;
    throw error;
  }
  try {
    await handle.writeFile(JSON.stringify(me));
  } catch (error) {
    await rm(file, {force: true});
    throw error;
  } finally {
    await handle.close();
  }
  return true;
}

/** A lock that nobody can read has the holder `illegible`; a lock that is gone has none. */
async function readHolder(file: string): Promise<Holder | null> {
  let text;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  }
  try {
    const holder = JSON.parse(text) as Partial<Holder> | null;
    if (typeof holder?.id === 'string' && typeof holder.pid === 'number') return holder as Holder;
  } catch {
    // Cut off while it was written, or being written now.
  }
  return {id: 'illegible', host: hostname(), pid: 0, born: null, since: ''};
}

async function isHeld(holder: Holder, file: string): Promise<boolean> {
  if (holder.id === 'illegible') return (await ageMs(file)) < WRITING_MS;
  // Of a process on another machine that shares the folder nothing can be known.
  if (holder.host !== hostname()) return true;
  if (!isRunning(holder.pid)) return false;
  const born = await inspectBirth(holder.pid);
  return born === null || holder.born === null || born === holder.born;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}

/** When a process was born, as a text to compare: Linux tells it in clock ticks since the machine's boot. */
async function inspectBirth(pid: number): Promise<string | null> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile('/proc/sys/kernel/random/boot_id', 'utf8'),
    ]);
    // The fields follow the program's name, which is in parentheses and may hold any character.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return ticks === undefined ? null : `${boot.trim()}/${ticks}`;
  } catch {
    return null;
  }
}

async function ageMs(file: string): Promise<number> {
  try {
    return Date.now() - (await stat(file)).mtimeMs;
  } catch {
    return 0;
  }
}

function locked(holder: Holder, file: string): ThawError {
  const {pid, since, host} = holder;
  const message = `another deploy of this project is running: process ${pid} on ${host}, since ${since}`;
  return new ThawError('DEPLOY_LOCKED', message, {pid, since, host, file});
}
