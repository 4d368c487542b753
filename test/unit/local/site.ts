import {execFile} from 'node:child_process';
import {setMaxListeners} from 'node:events';
import {randomUUID} from 'node:crypto';
import {copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';

import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {build} from 'esbuild';
import {digestOf, fingerprintWith, type Digest} from '../../../src/core/digest.ts';
import type {Status} from '../../../src/core/deployment.ts';
import type {Context, View} from '../../../src/core/driver.ts';
import {systemCode} from '../../../src/core/errors.ts';
import type {FunctionSpec} from '../../../src/core/function.ts';
import type {Image} from '../../../src/core/image.ts';
import type {Json} from '../../../src/core/json.ts';
import type {Plan} from '../../../src/core/plan.ts';
import type {ImageOnDisk, Ports} from '../../../src/core/ports.ts';
import type {Invocation} from '../../../src/core/sample.ts';
import {applyPlan} from '../../../src/deploy/apply.ts';
import {systemClock} from '../../../src/net/clock.ts';
import {startDetached} from '../../../src/net/detached.ts';
import {createHttp} from '../../../src/net/http.ts';
import {localDriver} from '../../../src/providers/local/driver.ts';
import {noContainerEngine, noPush, noPython} from '../../absent.ts';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..', '..');

/** Makes a package folder with the gateway as it is built, and the fake server in place of the real one. */
export async function makePackage(): Promise<string> {
  const packageDir = await mkdtemp(join(tmpdir(), 'thaw-package-'));
  await mkdir(join(packageDir, 'dist', 'runtime'), {recursive: true});
  await writeFile(join(packageDir, 'package.json'), '{"type":"module"}');
  await build({
    entryPoints: [join(root, 'src/cli/gateway.ts')],
    outfile: join(packageDir, 'dist', 'gateway.js'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20.19',
    logLevel: 'silent',
    banner: {
      js: "import {createRequire} from 'node:module'; const require = createRequire(import.meta.url);",
    },
  });
  await copyFile(join(here, 'fake-server.cjs'), join(packageDir, 'dist', 'runtime', 'server.cjs'));
  return packageDir;
}

/** An image of nothing but its name: its layers hold one file that says which image it is. */
export function fakeImage(label: string): ImageOnDisk {
  const image: Image = {
    schema: 'thaw.image/1',
    function: 'probe',
    platform: 'linux/amd64',
    base: {kind: 'host', glibc: '2.36'},
    runtime: {kind: 'node'},
    digest: digestOf(label),
    model: digestOf(`model ${label}`),
    sources: [],
    recipe: digestOf('recipe'),
    layers: [],
  };
  return {image, layoutDir: label};
}

export const imageA = fakeImage('a');
export const imageB = fakeImage('b');
const images = [imageA, imageB];

type Wish = Partial<Omit<FunctionSpec, 'resources' | 'env' | 'scaling' | 'warm'>> & {
  resources?: Partial<FunctionSpec['resources']>;
  maxInstances?: number;
  warmMin?: number;
  env?: {[name: string]: string};
};

/** One state folder with a function in it, and everything a command would do to it. */
export interface TestSite {
  readonly stateDir: string;
  readonly context: Context;
  readonly name: string;
  spec(wish?: Wish): FunctionSpec;
  view(): Promise<View>;
  plan(wish?: Wish): Promise<Plan>;
  apply(plan: Plan, env?: {[name: string]: string}): Promise<void>;
  /** Deploys what is wished for and returns what is there then. */
  deploy(wish?: Wish): Promise<Status>;
  destroy(): Promise<void>;
  post(body?: Json, timeoutMs?: number): Promise<Invocation>;
  /** Pids of this site's gateways and instances. */
  pids(): Promise<{gateways: number[]; instances: number[]}>;
  /** Ends whatever a failed test left. */
  cleanUp(): Promise<void>;
}

export async function makeSite(
  packageDir: string,
  options: Json = {},
  change: {
    stateDir?: string;
    ports?: Partial<Ports>;
    thawVersion?: string;
    name?: string;
    signal?: AbortSignal;
  } = {},
): Promise<TestSite> {
  const stateDir = change.stateDir ?? (await mkdtemp(join(tmpdir(), 'thaw-state-')));
  const name = change.name ?? `probe-${randomUUID().slice(0, 6)}`;
  const onnxRuntimeDir = join(packageDir, 'onnxruntime');
  await mkdir(onnxRuntimeDir, {recursive: true});
  const {signal} = new AbortController();
  setMaxListeners(0, signal);
  const context: Context = {
    ports: {
      clock: systemClock,
      http: createHttp(),
      startDetached,
      unpackImage: async (from, roles, intoDir) => {
        const dir = join(intoDir, 'opt', 'thaw', 'config');
        await mkdir(dir, {recursive: true});
        await writeFile(join(dir, 'serve.json'), JSON.stringify({from: from.layoutDir, roles}));
      },
      openContainerEngine: noContainerEngine,
      makePythonEnvironment: noPython,
      pushImage: noPush,
      hostOnnxRuntime: async () => ({version: '0.0.0', dir: onnxRuntimeDir}),
      ...change.ports,
    },
    signal: change.signal ?? signal,
    projectDir: stateDir,
    stateDir,
    packageDir,
    thawVersion: change.thawVersion ?? '0.0.1',
    fingerprintKey: Buffer.from('a key of this test'),
  };
  const site = localDriver.open(options);
  const fingerprint = fingerprintWith(context.fingerprintKey);
  let declared: {[name: string]: string} = {};

  const spec = (wish: Wish = {}): FunctionSpec => {
    const {resources, maxInstances, warmMin, env, ...rest} = wish;
    declared = env ?? {};
    return {
      schema: 'thaw.function/1',
      name,
      image: imageA.image.digest,
      resources: {memoryMb: 512, timeoutMs: 20_000, cpu: null, concurrency: 1, ...resources},
      scaling: {maxInstances: maxInstances ?? 4},
      warm: {min: warmMin ?? 0, schedule: []},
      env: Object.fromEntries(Object.entries(declared).map(([key, value]) => [key, fingerprint(value)])),
      secrets: {},
      triggers: [{kind: 'http', auth: 'iam'}],
      ...rest,
    };
  };
  const view = (): Promise<View> => site.inspect(context, {name});
  const apply = async (plan: Plan, env: {[name: string]: string} = declared): Promise<void> => {
    await applyPlan(plan, {
      ops: localDriver.ops,
      context,
      image: wantedImage(plan),
      secret: (key) => env[key] ?? '',
    });
  };
  const plan = async (wish: Wish = {}): Promise<Plan> => (await view()).deploy(spec(wish));
  const pids = async (): Promise<{gateways: number[]; instances: number[]}> => {
    const gateways: number[] = [];
    const instances: number[] = [];
    for (const {pid, command} of await processes()) {
      if (!command.includes(stateDir)) continue;
      if (command.includes('gateway.js')) gateways.push(pid);
      else if (command.includes('server.cjs')) instances.push(pid);
    }
    return {gateways, instances};
  };
  return {
    stateDir,
    context,
    name,
    spec,
    view,
    plan,
    apply,
    deploy: async (wish = {}) => {
      await apply(await plan(wish));
      return (await view()).status;
    },
    destroy: async () => apply((await view()).teardown()),
    post: async (body = {}, timeoutMs = 30_000) => {
      const {deployment} = (await view()).status;
      if (!deployment) throw new Error('nothing is deployed');
      const text = Buffer.from(JSON.stringify(body));
      return site.invoke(context, deployment, {body: text, contentType: 'application/json', timeoutMs});
    },
    pids,
    cleanUp: async () => {
      const {gateways, instances} = await pids();
      for (const pid of [...gateways, ...instances]) endNow(pid);
      await rm(stateDir, {recursive: true, force: true});
    },
  };
}

/** The image that a plan brings in, if it brings in one. */
function wantedImage(plan: Plan): ImageOnDisk | null {
  for (const step of plan.steps) {
    const digest = (step.args['live'] as {image?: Digest} | undefined)?.image;
    const found = images.find(({image}) => image.digest === digest);
    if (found) return found;
  }
  return null;
}

/** What runs on this machine. On Linux processes that have ended do not count, asked about or not. */
export async function processes(): Promise<{pid: number; command: string}[]> {
  if (process.platform !== 'linux') {
    const {stdout} = await promisify(execFile)('ps', ['-axo', 'pid=,args='], {maxBuffer: 2 ** 26});
    return stdout.split('\n').map((line) => ({pid: Number.parseInt(line, 10), command: line}));
  }
  const names = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
  const all = await Promise.all(
    names.map(async (pid) => ({
      pid: Number(pid),
      command: (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' '),
    })),
  );
  return all.filter(({command}) => command !== '');
}

/** Ends a process, which may have ended by itself since it was seen. */
export function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (systemCode(error) !== 'ESRCH') throw error;
  }
}

/** Waits until something is so; fails if it does not come about. */
export async function eventually(what: string, so: () => Promise<boolean>, withinMs = 20_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!(await so())) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** An answer's body as JSON. */
export const bodyOf = (
  answer: Invocation,
): Record<string, never> & {error: {code: string; message: string}} =>
  JSON.parse(Buffer.from(answer.body).toString('utf8'));
