import {execFile} from 'node:child_process';
import {mkdtemp, readFile, realpath, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {startDetached} from '../../../src/net/detached.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'thaw-detached-'));
});
afterEach(() => rm(dir, {recursive: true, force: true}));

async function logged(logFile: string): Promise<string> {
  for (let i = 0; i < 400; i++) {
    const text = await readFile(logFile, 'utf8').catch(() => '');
    if (text.endsWith('end\n')) return text;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error('the program said nothing');
}

describe('startDetached', () => {
  it('starts a program with the given environment alone, and keeps what it prints for this user', async () => {
    const logFile = join(dir, 'log');
    const script =
      'console.log(JSON.stringify({env: {...process.env}, cwd: process.cwd()})); console.error("end")';
    const {pid} = await startDetached(process.execPath, ['-e', script], {
      cwd: dir,
      env: {ONLY: 'this'},
      logFile,
    });
    expect(pid).toBeGreaterThan(0);
    const said = JSON.parse((await logged(logFile)).split('\n')[0] as string) as {env: object; cwd: string};
    expect(said).toEqual({env: {ONLY: 'this'}, cwd: await realpath(dir)});
    expect((await stat(logFile)).mode & 0o077).toBe(0);
  });

  it('leaves the program running when the one that started it has ended', async () => {
    const logFile = join(dir, 'log');
    const starter = join(dir, 'starter.ts');
    const module = new URL('../../../src/net/detached.ts', import.meta.url).pathname;
    const {build} = await import('esbuild');
    const built = join(dir, 'detached.mjs');
    await build({entryPoints: [module], outfile: built, bundle: true, platform: 'node', format: 'esm'});
    const script = 'process.stdin.on("data", () => {}); setTimeout(() => console.log("end"), 700)';
    await writeFile(
      starter.replace('.ts', '.mjs'),
      `import {startDetached} from './detached.mjs';
       const {pid} = await startDetached(process.execPath, ['-e', ${JSON.stringify(script)}],
         {cwd: ${JSON.stringify(dir)}, env: {}, logFile: ${JSON.stringify(logFile)}});
       console.log(pid);`,
    );
    // Ends at once: neither the program nor its pipes hold it.
    const {stdout} = await promisify(execFile)(process.execPath, [join(dir, 'starter.mjs')]);
    expect(Number(stdout)).toBeGreaterThan(0);
    expect(await readFile(logFile, 'utf8')).toBe('');
    expect(await logged(logFile)).toBe('end\n');
  });

  it('fails where there is no such program', async () => {
    const logFile = join(dir, 'log');
    await expect(startDetached(join(dir, 'missing'), [], {cwd: dir, env: {}, logFile})).rejects.toMatchObject(
      {
        code: 'ENOENT',
      },
    );
  });
});
