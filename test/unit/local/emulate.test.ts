import {randomBytes} from 'node:crypto';
import {copyFile, mkdir, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import type {Engine, Launch, Running} from '../../../src/providers/local/engine.ts';
import {processEngine} from '../../../src/providers/local/engine-process.ts';
import {NODE_SERVER} from '../../../src/providers/local/lay-runtime.ts';
import {emulateAzure} from '../../../src/providers/local/emulate/azure.ts';
import type {Cloud} from '../../../src/providers/local/emulate/emulation.ts';
import {emulatingEngine} from '../../../src/providers/local/emulate/engine.ts';
import {localDriver} from '../../../src/providers/local/driver.ts';
import {bodyOf, eventually, makePackage, makeSite, type TestSite} from './site.ts';

const here = dirname(fileURLToPath(import.meta.url));
let rootDir: string;
let packageDir: string;
let lambdaPackageDir: string;
const running: Running[] = [];
const sites: TestSite[] = [];

beforeAll(async () => {
  rootDir = await mkdtemp(join(tmpdir(), 'thaw-emulate-'));
  await mkdir(dirname(join(rootDir, NODE_SERVER)), {recursive: true});
  await copyFile(join(here, 'fake-server.cjs'), join(rootDir, NODE_SERVER));
  packageDir = await makePackage();
  lambdaPackageDir = await makePackage();
  const server = join(lambdaPackageDir, 'dist', 'runtime', 'server.cjs');
  await copyFile(join(here, 'fake-runtime.cjs'), server);
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((run) => run.stop(0)));
  await Promise.all(sites.splice(0).map((site) => site.cleanUp()));
});

afterAll(async () => {
  await Promise.all(
    [rootDir, packageDir, lambdaPackageDir].map((dir) => rm(dir, {recursive: true, force: true})),
  );
});

interface Emulated {
  readonly run: Running;
  readonly url: string;
}

async function emulate(
  cloud: Cloud,
  {
    timeoutMs = 60_000,
    env = {},
    engine = emulatingEngine(processEngine),
  }: {timeoutMs?: number; env?: Launch['env']; engine?: Engine} = {},
): Promise<Emulated> {
  const run = engine.start({
    id: 'i1',
    engine: {name: 'process'},
    rootDir,
    image: `sha256:${'0'.repeat(64)}`,
    env,
    memoryMb: 512,
    cpu: null,
    concurrency: 4,
    emulation: {cloud, function: 'demo', version: '3', timeoutMs},
    onLine: () => {},
  });
  running.push(run);
  const {host, port} = await run.ready;
  return {run, url: `http://${host}:${port}/`};
}

type Shown = {
  readonly env: {[name: string]: string};
  readonly headers: {[name: string]: string};
  readonly url: string;
  readonly method: string;
  readonly bytes: number;
  readonly pid: number;
};
const ask = async (
  url: string,
  want: object = {},
  headers: {[name: string]: string} = {},
): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    body: JSON.stringify(want),
    headers: {'content-type': 'application/json', ...headers},
  });
const shown = async (
  url: string,
  want: object = {},
  headers: {[name: string]: string} = {},
): Promise<Shown> => (await (await ask(url, want, headers)).json()) as Shown;

describe('an instance at an emulated Cloud Run', () => {
  it('finds its variables and headers; a trace that the client began goes on', async () => {
    const {url} = await emulate('run', {env: {MINE: 'yes', K_SERVICE: 'forged'}});
    const {env, headers} = await shown(url, {env: true});
    expect(env).toMatchObject({
      MINE: 'yes',
      K_SERVICE: 'demo',
      K_CONFIGURATION: 'demo',
      K_REVISION: 'demo-00003',
    });
    expect(env['PORT']).toMatch(/^\d+$/);
    expect(headers['x-cloud-trace-context']).toMatch(/^[0-9a-f]{32}\/\d+$/);
    expect(headers['traceparent']?.slice(3, 35)).toBe(headers['x-cloud-trace-context']?.slice(0, 32));
    expect(headers['x-forwarded-proto']).toBe('http');
    const traced = `${'ab'.repeat(16)}/255;o=1`;
    const again = await shown(url, {}, {'x-cloud-trace-context': traced});
    expect(again.headers['x-cloud-trace-context']).toBe(traced);
    expect(again.headers['traceparent']).toBe(`00-${'ab'.repeat(16)}-00000000000000ff-00`);
  });

  it('gets requests as they are, and its answers go out as they are, also in pieces', async () => {
    const {url} = await emulate('run');
    const seen = await shown(`${url}v2/models/demo?x=1`);
    expect([seen.method, seen.url]).toEqual(['POST', '/v2/models/demo?x=1']);
    const bytes = randomBytes(3_000_000);
    const large = await fetch(url, {method: 'POST', body: bytes});
    expect(((await large.json()) as Shown).bytes).toBe(3_000_000);
    const answer = await ask(url, {stream: 3});
    expect(answer.headers.get('thaw-ordinal')).toBe('3');
    expect(await answer.text()).toBe('0\n1\n2\n');
  });

  it('takes as many requests at a time as it may', async () => {
    const {url} = await emulate('run');
    const hold = join(rootDir, 'go');
    const held = [1, 2, 3].map(() => ask(url, {holdUntil: hold}));
    await eventually(
      'three at once',
      async () => (await ask(url).then((answer) => answer.json() as Promise<{open: number}>)).open === 4,
    );
    await mkdir(hold);
    for (const answer of await Promise.all(held)) expect(answer.status).toBe(200);
  });

  it('is left alone when a request takes too long, which is answered 504', async () => {
    const {url} = await emulate('run', {timeoutMs: 4000});
    const {pid} = await shown(url);
    const late = await ask(url, {sleepMs: 600_000}, {'x-request-id': 'mine'});
    expect([late.status, await late.text()]).toEqual([504, 'upstream request timeout']);
    expect(late.headers.get('x-request-id')).toBe('mine');
    expect((await shown(url)).pid).toBe(pid);
  });

  it('is asked to end by SIGTERM, which it may take ten seconds for', async () => {
    const {run, url} = await emulate('run');
    const slow = ask(url, {sleepMs: 1000});
    await eventually(
      'the request is there',
      async () => (await ask(url).then((answer) => answer.json() as Promise<{open: number}>)).open === 2,
    );
    // Less than the request takes: it is the cloud's grace that counts.
    const ended = run.stop(0);
    expect((await slow).status).toBe(200);
    expect((await ended).how).toBe('exited with code 0');
  });

  it('cuts the connection when it ends in the middle of a request, so that the gateway can say why', async () => {
    const {run, url} = await emulate('run');
    await expect(ask(url, {exit: 9})).rejects.toThrow();
    expect((await run.exited).how).toBe('exited with code 9');
    await expect(ask(url)).rejects.toThrow();
  });
});

describe('a custom handler at an emulated host of Azure Functions', () => {
  it('is told its port as the host does, and gets requests as they are, with the id of the invocation', async () => {
    const {url} = await emulate('azure');
    const {env, headers, url: path} = await shown(`${url}api/predict?x=1`, {env: true});
    expect(env).toMatchObject({
      FUNCTIONS_CUSTOMHANDLER_PORT: '0',
      FUNCTIONS_WORKER_RUNTIME: 'custom',
      WEBSITE_SITE_NAME: 'demo',
    });
    expect(env).not.toHaveProperty('PORT');
    expect(headers['x-azure-functions-invocationid']).toMatch(/^[0-9a-f-]{36}$/);
    expect(path).toBe('/api/predict?x=1');
  });

  it('is not waited for longer than the load balancer does', async () => {
    const {url} = await emulate('azure', {engine: emulateAzure(processEngine, {answerMsMax: 4000})});
    const {pid} = await shown(url);
    expect((await ask(url, {sleepMs: 600_000})).status).toBe(504);
    expect((await shown(url)).pid).toBe(pid);
  });
});

describe('a function that is deployed to an emulated cloud', () => {
  it('answers through the gateway, each cold start proved, and status says what is emulated', async () => {
    const site = await makeSite(lambdaPackageDir, {engine: 'process', emulate: 'lambda'});
    sites.push(site);
    const status = await site.deploy();
    expect(status.facts['emulates']).toContain('AWS Lambda');
    const boots = new Set<string | undefined>();
    for (let i = 0; i < 3; i++) {
      await site.apply((await site.view()).chill().plan);
      const answer = await site.post({});
      expect(answer.status).toBe(200);
      expect(answer.evidence?.ordinal ?? (bodyOf(answer) as unknown as {ordinal: number}).ordinal).toBe(1);
      boots.add((bodyOf(answer) as unknown as {bootId: string}).bootId);
    }
    expect(boots.size).toBe(3);
  });

  it('has as many instances as requests at a time, and each is traced with its Init Duration', async () => {
    const site = await makeSite(lambdaPackageDir, {engine: 'process', emulate: 'lambda'});
    sites.push(site);
    const {deployment} = await site.deploy();
    const hold = join(rootDir, 'all-there');
    const asked = [1, 2, 3].map(() => site.post({holdUntil: hold}));
    const busy = async (): Promise<number> =>
      (await site.view()).status.instances?.filter(({state}) => state === 'busy').length ?? 0;
    await eventually('all are busy', async () => (await busy()) === 3);
    await mkdir(hold);
    const answers = await Promise.all(asked);
    const bootIds = answers.map((answer) => (bodyOf(answer) as unknown as {bootId: string}).bootId);
    expect(new Set(bootIds).size).toBe(3);
    if (deployment === null) throw new Error('nothing is deployed');
    const records = await localDriver.open({}).startup(site.context, deployment, {bootIds, sinceMs: null});
    expect(records).toHaveLength(3);
    for (const {phases} of records) {
      expect(phases['Init Duration']).toBeGreaterThan(0);
      expect(Object.keys(phases).sort()).toEqual(['Init Duration', 'create', 'queue']);
    }
  });

  it('is given back to no cloud in one step, and is served as before', async () => {
    const site = await makeSite(packageDir, {engine: 'process', emulate: 'run'});
    sites.push(site);
    await site.deploy();
    const emulated = bodyOf(await site.post({env: true})) as unknown as Shown;
    expect(emulated.env['K_SERVICE']).toBe(site.name);
    const plain = await makeSite(packageDir, {engine: 'process'}, {stateDir: site.stateDir, name: site.name});
    const plan = await plain.plan();
    expect(plan.steps.map(({changes}) => changes)).toEqual([
      [{path: 'options.emulate', from: 'run', to: null}],
    ]);
    await plain.apply(plan);
    const after = bodyOf(await site.post({env: true})) as unknown as Shown;
    expect(after.env).not.toHaveProperty('K_SERVICE');
  });

  it('says that a task timed out where the function took too long', async () => {
    const site = await makeSite(lambdaPackageDir, {engine: 'process', emulate: 'lambda'});
    sites.push(site);
    await site.deploy({resources: {timeoutMs: 3000}});
    const late = await site.post({hang: true});
    expect([late.status, Buffer.from(late.body).toString()]).toEqual([
      502,
      '{"Message":"Internal Server Error"}',
    ]);
    const lines: string[] = [];
    const {deployment} = (await site.view()).status;
    const query = {sinceMs: null, follow: false};
    for await (const {text} of localDriver.open({}).logs(site.context, deployment as never, query))
      lines.push(text);
    expect(lines.some((line) => line.includes('Task timed out after 3.00 seconds'))).toBe(true);
    expect(lines.some((line) => /^REPORT .*\tStatus: timeout\t$/.test(line))).toBe(true);
  });
});
