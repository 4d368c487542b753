import {mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import type {Context} from '../../../src/core/driver.ts';
import {ThawError} from '../../../src/core/errors.ts';
import {loadDriver, PROVIDER_NAMES} from '../../../src/providers/index.ts';
import {checks, isSupportedNode} from '../../../src/providers/local/checks.ts';

const contextWith = (stateDir: string, hostOnnxRuntime: () => Promise<unknown>): Context =>
  ({stateDir, signal: new AbortController().signal, ports: {hostOnnxRuntime}}) as unknown as Context;

describe('the checks of this machine', () => {
  it('find everything in order, and leave nothing behind', async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'thaw-checks-'));
    const context = contextWith(stateDir, async () => ({version: '1.30.0', dir: '/somewhere'}));
    const found = await Promise.all(checks.map((check) => check.check(context)));
    expect(found.map(({ok, remedy}) => [ok, remedy])).toEqual(checks.map(() => [true, null]));
    expect(await readdir(stateDir)).toEqual([]);
    await rm(stateDir, {recursive: true});
  });

  it('say what is wrong and what helps', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'thaw-checks-'));
    const file = join(dir, 'file');
    await writeFile(file, '');
    const context = contextWith(join(file, 'state'), async () => {
      throw new ThawError('FETCH_FAILED', 'npm could not be reached');
    });
    const [, runtime, folder] = await Promise.all(checks.map((check) => check.check(context)));
    expect(runtime).toMatchObject({ok: false, found: 'npm could not be reached'});
    expect(folder?.ok).toBe(false);
    expect(folder?.remedy).toContain('writable');
    await rm(dir, {recursive: true});
  });

  it.each([
    ['20.19.0', true],
    ['20.18.3', false],
    ['21.7.0', false],
    ['22.13.1', true],
    ['22.12.0', false],
    ['23.9.0', false],
    ['24.0.0', true],
    ['30.1.0', true],
  ])('take Node %s as the package does: %j', (version, ok) => {
    expect(isSupportedNode(version)).toBe(ok);
  });
});

describe('providers', () => {
  it('are loaded by name', async () => {
    for (const name of PROVIDER_NAMES) expect((await loadDriver(name)).name).toBe(name);
  });

  it.each(['loca', 'toString', ''])('refuses %j and says which there are', async (name) => {
    await expect(loadDriver(name)).rejects.toMatchObject({
      code: 'PROVIDER_UNKNOWN',
      facts: {provider: name, known: PROVIDER_NAMES},
    });
  });
});
