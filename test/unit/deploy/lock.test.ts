import {execFile} from 'node:child_process';
import {mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile} from 'node:fs/promises';
import {hostname, tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {build} from 'esbuild';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {acquireDeployLock} from '../../../src/deploy/lock.ts';

const run = promisify(execFile);
let project: string;
let file: string;
const take = () => acquireDeployLock({projectDir: project, provider: 'moon'});
const plant = async (holder: object | string): Promise<void> => {
  await mkdir(join(project, '.thaw'), {recursive: true});
  await writeFile(file, typeof holder === 'string' ? holder : JSON.stringify(holder));
};
const since = '2026-01-01T00:00:00.000Z';

/** The pid of a process that has ended. */
async function deadPid(): Promise<number> {
  const {stdout} = await run(process.execPath, ['-e', 'console.log(process.pid)']);
  return Number(stdout);
}

beforeEach(async () => {
  project = await mkdtemp(join(tmpdir(), 'thaw-lock-'));
  file = join(project, '.thaw', 'deploy-moon.lock');
});
afterEach(() => rm(project, {recursive: true, force: true}));

describe('the deploy lock', () => {
  it('is held by one, who is named, until it is released', async () => {
    const lock = await take();
    await expect(take()).rejects.toMatchObject({
      code: 'DEPLOY_LOCKED',
      facts: {pid: process.pid, host: hostname(), file, since: expect.stringMatching(/^\d{4}-/) as string},
    });
    await lock.release();
    await (await take()).release();
    expect(await readdir(join(project, '.thaw'))).toEqual([]);
  });

  it('is one a provider', async () => {
    const lock = await take();
    await (await acquireDeployLock({projectDir: project, provider: 'sun'})).release();
    await lock.release();
  });

  it('of a dead process is taken over', async () => {
    await plant({id: 'x', host: hostname(), pid: await deadPid(), born: null, since});
    const lock = await take();
    await expect(take()).rejects.toMatchObject({facts: {pid: process.pid}});
    await lock.release();
    expect(await readdir(join(project, '.thaw'))).toEqual([]);
  });

  it('of a dead process that was itself taking over is taken over', async () => {
    const pid = await deadPid();
    await plant({id: 'x', host: hostname(), pid, born: null, since});
    await writeFile(`${file}.x`, JSON.stringify({id: 'y', host: hostname(), pid, born: null, since}));
    await (await take()).release();
    expect(await readdir(join(project, '.thaw'))).toEqual([]);
  });

  it.runIf(process.platform === 'linux')(
    'of a dead process whose pid another one has by now is taken over',
    async () => {
      await plant({id: 'x', host: hostname(), pid: process.pid, born: 'another boot/1', since});
      await (await take()).release();
    },
  );

  it('of another machine is respected: nothing can be known of its process', async () => {
    await plant({id: 'x', host: `not-${hostname()}`, pid: 1, born: null, since});
    await expect(take()).rejects.toMatchObject({code: 'DEPLOY_LOCKED', facts: {pid: 1, since}});
  });

  it('that is only half written is respected while it is fresh, and taken over later', async () => {
    await plant('{"id":');
    await expect(take()).rejects.toMatchObject({code: 'DEPLOY_LOCKED'});
    await utimes(file, new Date(0), new Date(0));
    await (await take()).release();
    expect(await readdir(join(project, '.thaw'))).toEqual([]);
  });

  it('that somebody else has by now is not released', async () => {
    const lock = await take();
    await plant({id: 'other', host: hostname(), pid: process.pid, born: null, since});
    await lock.release();
    expect(await readFile(file, 'utf8')).toContain('other');
  });
});

describe('processes that race for a dead lock', () => {
  let program: string;
  beforeAll(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'thaw-lock-program-'));
    program = join(dir, 'racer.mjs');
    const source = `
      import {appendFileSync} from 'node:fs';
      import {setTimeout as sleep} from 'node:timers/promises';
      import {acquireDeployLock} from './src/deploy/lock.ts';
      const [projectDir, log, at] = process.argv.slice(2);
      while (Date.now() < Number(at)) {}
      let won = 0;
      for (let attempt = 0; attempt < 200 && won < 3; attempt++) {
        try {
          const lock = await acquireDeployLock({projectDir, provider: 'moon'});
          appendFileSync(log, 'in ' + process.pid + '\\n');
          await sleep(2);
          appendFileSync(log, 'out ' + process.pid + '\\n');
          won++;
          // Every other time the lock is left behind for the others, by a pid that is dead.
          if (won === 3 && process.pid % 2 === 0) process.kill(process.pid, 'SIGKILL');
          await lock.release();
        } catch (error) {
          if (error.code !== 'DEPLOY_LOCKED') throw error;
        }
        await sleep(1 + Math.random() * 4);
      }`;
    await build({
      stdin: {contents: source, resolveDir: join(import.meta.dirname, '../../..'), loader: 'js'},
      bundle: true,
      platform: 'node',
      format: 'esm',
      outfile: program,
    });
  });
  afterAll(() => rm(join(program, '..'), {recursive: true, force: true}));

  it('never hold it together', async () => {
    const pid = await deadPid();
    for (let round = 0; round < 3; round++) {
      const log = join(project, `log-${round}`);
      await plant({id: `dead-${round}`, host: hostname(), pid, born: null, since});
      const at = String(Date.now() + 400);
      const racers = Array.from({length: 6}, () => run(process.execPath, [program, project, log, at]));
      const ends = await Promise.allSettled(racers);
      const failures = ends.flatMap((end) =>
        end.status === 'rejected' ? [end.reason as {signal?: string}] : [],
      );
      expect(failures.filter((failure) => failure.signal !== 'SIGKILL')).toEqual([]);

      const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
      expect(lines.length).toBeGreaterThan(12);
      for (let i = 0; i < lines.length; i += 2) {
        expect([lines[i], lines[i + 1]]).toEqual([lines[i], lines[i]?.replace('in', 'out')]);
        expect(lines[i]).toMatch(/^in /);
      }
    }
  });
});
