import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {connect} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import type {Json} from '../../../src/core/json.ts';
import {pathsOf} from '../../../src/providers/local/paths.ts';
import {bodyOf, eventually, fakeImage, imageA, imageB, makePackage, makeSite, type TestSite} from './site.ts';

let packageDir: string;
const sites: TestSite[] = [];
beforeAll(async () => {
  packageDir = await makePackage();
});
afterEach(async () => {
  await Promise.all(sites.splice(0).map((site) => site.cleanUp()));
});
afterAll(() => rm(packageDir, {recursive: true, force: true}));

async function newSite(options: Json = {}, change: Parameters<typeof makeSite>[2] = {}): Promise<TestSite> {
  const site = await makeSite(packageDir, options, change);
  sites.push(site);
  return site;
}

const opsOf = ({steps}: {steps: readonly {op: string}[]}): string[] => steps.map(({op}) => op);
const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
const portOf = async (site: TestSite): Promise<number> =>
  Number(new URL((await site.view()).status.deployment?.url ?? '').port);

describe('a deployment', () => {
  it('that runs unchanged plans nothing, and after a change in one place one step', async () => {
    const site = await newSite();
    const wish = {warmMin: 1, env: {LOG_LEVEL: 'info', TOKEN: 's3cret'}};
    await site.deploy(wish);
    expect((await site.plan(wish)).steps).toEqual([]);
    const changed = await site.plan({...wish, env: {...wish.env, TOKEN: 'another'}});
    expect(changed.steps.map(({changes}) => changes.map(({path}) => path))).toEqual([['env.TOKEN']]);
  });

  it('that is replaced when ready goes on as before if the change cannot start, and keeps nothing of it', async () => {
    const site = await newSite({replace: 'when-ready'});
    await site.deploy({env: {LEVEL: 'one'}});
    await expect(
      site.deploy({image: imageB.image.digest, env: {LEVEL: 'two', FAIL_START: 'no such thing'}}),
    ).rejects.toMatchObject({
      code: 'INSTANCE_FAILED',
      message: expect.stringContaining('no such thing') as string,
    });
    const answer = await site.post({env: true});
    expect(bodyOf(answer)['env']).toMatchObject({LEVEL: 'one', THAW_IMAGE: imageA.image.digest});
    expect((await site.view()).status).toMatchObject({
      state: 'ready',
      versions: [{version: '1', live: true}],
    });

    const {versions} = await site.deploy({image: imageB.image.digest, env: {LEVEL: 'two'}});
    expect(versions.map(({version, live}) => [version, live])).toEqual([
      ['1', false],
      ['2', true],
    ]);
    // It has started already; the one before may still be ending.
    const {instances} = (await site.view()).status;
    expect(instances?.filter(({state}) => state !== 'stopping')).toMatchObject([
      {state: 'idle', requests: 0},
    ]);
    expect(bodyOf(await site.post({env: true}))['env']).toMatchObject({LEVEL: 'two'});
  });

  it('that is to be replaced when ready is not even begun if it cannot start', async () => {
    const site = await newSite({replace: 'when-ready'});
    await expect(site.deploy({env: {FAIL_START: 'no such thing'}})).rejects.toMatchObject({
      code: 'INSTANCE_FAILED',
    });
    expect((await site.view()).status.state).toBe('absent');
    expect(await site.pids()).toEqual({gateways: [], instances: []});
  });

  it('answers with new code, environment and limits as soon as the change is applied', async () => {
    const site = await newSite();
    await site.deploy({env: {LEVEL: 'one'}});
    const first = await site.post({env: true});
    expect(bodyOf(first)['env']).toMatchObject({LEVEL: 'one', THAW_IMAGE: imageA.image.digest});

    await site.deploy({env: {LEVEL: 'two'}});
    const second = await site.post({env: true});
    expect(bodyOf(second)['env']).toMatchObject({LEVEL: 'two', THAW_IMAGE: imageA.image.digest});
    expect(second.evidence?.ordinal).toBe(1);

    await site.deploy({env: {LEVEL: 'two'}, image: imageB.image.digest});
    expect(bodyOf(await site.post({env: true}))['env']).toMatchObject({THAW_IMAGE: imageB.image.digest});

    // What an instance does not feel does not end it.
    const before = (await site.pids()).instances;
    await site.deploy({env: {LEVEL: 'two'}, image: imageB.image.digest, maxInstances: 2});
    expect((await site.pids()).instances).toEqual(before);
  });

  it('is changed without losing a request', async () => {
    const site = await newSite();
    await site.deploy({maxInstances: 2});
    const {url} = (await site.view()).status.deployment ?? {url: ''};
    const statuses: number[] = [];
    const done = new AbortController();
    const client = async (): Promise<void> => {
      while (!done.signal.aborted) {
        const answer = await fetch(url, {method: 'POST', body: '{"sleepMs": 20}'});
        await answer.arrayBuffer();
        statuses.push(answer.status);
      }
    };
    const clients = [client(), client(), client()];
    await site.deploy({maxInstances: 2, env: {A: '1'}});
    await site.deploy({maxInstances: 2, env: {A: '1'}, image: imageB.image.digest});
    await site.deploy({maxInstances: 2, image: imageB.image.digest});
    done.abort();
    await Promise.all(clients);
    expect(new Set(statuses)).toEqual(new Set([200]));
  });

  it('goes back to an earlier version, and forward again', async () => {
    const site = await newSite();
    await site.deploy();
    await site.deploy({image: imageB.image.digest});
    await site.apply((await site.view()).rollback(null));
    const {status} = await site.view();
    expect(status.deployment).toMatchObject({version: '1', image: imageA.image.digest});
    expect(status.versions.map(({version, live}) => [version, live])).toEqual([
      ['1', true],
      ['2', false],
    ]);
    expect((await site.post()).headers['thaw-image']).toBe(imageA.image.digest);
    await site.deploy({image: imageB.image.digest});
    expect((await site.view()).status.deployment?.version).toBe('2');
  });

  it('keeps a handful of versions', async () => {
    const site = await newSite();
    for (let i = 0; i < 4; i++) {
      await site.deploy({image: imageA.image.digest});
      await site.deploy({image: imageB.image.digest});
    }
    const {versions, deployment} = (await site.view()).status;
    expect(versions.map(({version}) => version)).toEqual(['4', '5', '6', '7', '8']);
    expect(deployment?.version).toBe('8');
  });

  it('writes no value of the environment to disk', async () => {
    const site = await newSite();
    await site.deploy({warmMin: 1, env: {TOKEN: 'the-secret-value'}});
    await site.post();
    const files = await readdir(site.stateDir, {recursive: true, withFileTypes: true});
    const texts = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'utf8')),
    );
    expect(texts.length).toBeGreaterThan(3);
    expect(texts.filter((text) => text.includes('the-secret-value'))).toEqual([]);
  });

  it('leaves no process, port, socket or file when it is destroyed', async () => {
    const site = await newSite();
    await site.deploy({warmMin: 2});
    await site.post();
    const port = await portOf(site);
    expect(await listens(port)).toBe(true);
    await site.destroy();
    expect(await site.pids()).toEqual({gateways: [], instances: []});
    expect(await listens(port)).toBe(false);
    expect(await readdir(site.stateDir)).toEqual([]);
    expect((await site.view()).status.state).toBe('absent');
    expect((await site.view()).teardown().steps).toEqual([]);
  });

  it('works in a state folder that is too deep for a socket, and leaves nothing outside it either', async () => {
    const base = await mkdtemp(join(tmpdir(), 'thaw-deep-'));
    const stateDir = join(base, 'd'.repeat(100));
    await mkdir(stateDir);
    const site = await newSite({}, {stateDir});
    const {socket} = pathsOf(stateDir, site.name);
    await site.deploy();
    expect((await site.post()).status).toBe(200);
    await site.destroy();
    await expect(readFile(socket)).rejects.toMatchObject({code: 'ENOENT'});
    await rm(base, {recursive: true});
  });

  it('leaves others alone', async () => {
    const site = await newSite();
    const other = await newSite({}, {stateDir: site.stateDir});
    await site.deploy();
    await other.deploy();
    await other.post();
    await site.destroy();
    expect((await other.view()).status.state).toBe('ready');
    expect((await other.post()).evidence?.ordinal).toBe(2);
  });

  it('takes the same port again when it is deployed again', async () => {
    const site = await newSite();
    await site.deploy();
    const port = await portOf(site);
    const [pid] = (await site.pids()).gateways;
    process.kill(pid as number, 'SIGKILL');
    await eventually('the port is free', async () => !(await listens(port)));
    await site.deploy();
    expect(await portOf(site)).toBe(port);
  });

  it('leaves nothing half unpacked when it is interrupted', async () => {
    const abort = new AbortController();
    const site = await newSite(
      {},
      {
        signal: abort.signal,
        ports: {hostOnnxRuntime: async () => (abort.abort(), {version: '0', dir: packageDir})},
      },
    );
    await expect(site.deploy()).rejects.toMatchObject({code: 'INTERRUPTED'});
    const {versionsDir} = pathsOf(site.stateDir, site.name);
    expect(await readdir(versionsDir)).toEqual([]);
  });

  it('needs the image that it deploys', async () => {
    const site = await newSite();
    await expect(site.deploy({image: fakeImage('unknown').image.digest})).rejects.toMatchObject({
      code: 'IMAGE_MISSING',
    });
  });
});

describe('a gateway', () => {
  it('that was killed takes its instances along, and the next deploy makes everything again', async () => {
    const site = await newSite();
    const wish = {warmMin: 2, env: {A: '1'}};
    await site.deploy(wish);
    const {gateways} = await site.pids();
    process.kill(gateways[0] as number, 'SIGKILL');
    await eventually('its instances are gone', async () => (await site.pids()).instances.length === 0);
    const {status} = await site.view();
    expect(status.state).toBe('failed');
    expect(status.problem).toContain('gateway is not running');
    expect(opsOf(await site.plan(wish))).toEqual([
      'local:StartGateway',
      'local:CreateFunction',
      'local:PutWarm',
    ]);
    await site.deploy(wish);
    expect((await site.post()).status).toBe(200);
    expect((await site.pids()).gateways).toHaveLength(1);
    expect((await site.plan(wish)).steps).toEqual([]);
  });

  it('that was killed can be destroyed', async () => {
    const site = await newSite();
    await site.deploy({warmMin: 1});
    process.kill((await site.pids()).gateways[0] as number, 'SIGKILL');
    await eventually('all is gone', async () => (await site.pids()).instances.length === 0);
    await site.destroy();
    expect(await readdir(site.stateDir)).toEqual([]);
  });

  it('is the only one of its function', async () => {
    const site = await newSite();
    await site.deploy();
    const {gateways} = await site.pids();
    const second = spawn(process.execPath, [
      join(packageDir, 'dist', 'gateway.js'),
      '--state',
      site.stateDir,
      '--function',
      site.name,
      '--thaw',
      '0.0.1',
    ]);
    let said = '';
    second.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const [code] = (await once(second, 'close')) as [number];
    expect(code).toBe(1);
    expect(said).toContain('a gateway listens on');
    expect((await site.pids()).gateways).toEqual(gateways);
    expect((await site.post()).status).toBe(200);
  });

  it('is one, whoever starts it, also over the socket of one that was killed', async () => {
    const site = await newSite();
    await site.deploy();
    process.kill((await site.pids()).gateways[0] as number, 'SIGKILL');
    await eventually('it is gone', async () => (await site.pids()).gateways.length === 0);
    const plans = await Promise.all([site.plan(), site.plan(), site.plan(), site.plan()]);
    await Promise.all(plans.map((plan) => site.apply(plan)));
    await eventually('one is left', async () => (await site.pids()).gateways.length === 1);
    expect((await site.post()).status).toBe(200);
    expect((await site.view()).status.state).toBe('ready');
  });

  it('of another thaw is replaced, and the port stays', async () => {
    const old = await newSite();
    await old.deploy();
    const port = await portOf(old);
    const {gateways} = await old.pids();
    const site = await newSite({}, {stateDir: old.stateDir, name: old.name, thawVersion: '9.9.9'});
    expect(opsOf(await site.plan())).toEqual(['local:StartGateway', 'local:CreateFunction']);
    await site.deploy();
    expect((await site.pids()).gateways).not.toEqual(gateways);
    expect((await site.pids()).gateways).toHaveLength(1);
    expect((await site.plan()).steps).toEqual([]);
    expect(await portOf(site)).toBe(port);
  });

  it('answers who is there before SIGTERM ends it', async () => {
    const site = await newSite();
    await site.deploy();
    const go = join(site.stateDir, 'go');
    const answers = [site.post({holdUntil: go}), site.post({holdUntil: go})];
    await eventually('both are served', async () => {
      const {instances} = (await site.view()).status;
      return instances?.filter(({state}) => state === 'busy').length === 2;
    });
    const port = await portOf(site);
    process.kill((await site.pids()).gateways[0] as number, 'SIGTERM');
    await eventually('it takes no new connection', async () => !(await listens(port)));
    await writeFile(go, '');
    expect((await Promise.all(answers)).map(({status}) => status)).toEqual([200, 200]);
    await eventually('all is gone', async () => {
      const {gateways, instances} = await site.pids();
      return gateways.length + instances.length === 0;
    });
  });

  it('ends by itself when its folder is deleted', async () => {
    const site = await newSite();
    await site.deploy({warmMin: 1});
    // The gateway may be writing its log into it.
    await rm(site.stateDir, {recursive: true, maxRetries: 10});
    await eventually('all is gone', async () => {
      const {gateways, instances} = await site.pids();
      return gateways.length + instances.length === 0;
    });
  });

  it('ends an instance that ignores SIGTERM by force', async () => {
    const site = await newSite();
    await site.deploy({warmMin: 1, env: {IGNORE_SIGTERM: '1'}});
    await site.destroy();
    expect(await site.pids()).toEqual({gateways: [], instances: []});
  });
});
