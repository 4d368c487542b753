import {randomBytes} from 'node:crypto';
import {setMaxListeners} from 'node:events';
import {copyFile, cp, mkdir, mkdtemp, readdir, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {digestOf} from '../../../src/core/digest.ts';
import type {Context} from '../../../src/core/driver.ts';
import type {ServeManifest} from '../../../src/core/model.ts';
import type {JsonObject} from '../../../src/core/json.ts';
import type {Ports, UnpackImage} from '../../../src/core/ports.ts';
import {systemClock} from '../../../src/net/clock.ts';
import {startDetached} from '../../../src/net/detached.ts';
import {createHttp} from '../../../src/net/http.ts';
import {localDriver} from '../../../src/providers/local/driver.ts';
import {noContainerEngine, noPush, noPython} from '../../absent.ts';
import {fixture, RUNTIME_DIR} from '../../instance.ts';
import {hostOrt} from '../../onnxruntime.ts';
import {endNow, fakeImage, makePackage, processes} from '../../unit/local/site.ts';
import type {Harness} from '../conformance.ts';

export const NAME = 'credit-scoring';

/** A package folder with the gateway as its source is now, and the runtime as it is built. */
export async function makeLocalPackage(): Promise<string> {
  const packageDir = await makePackage();
  for (const program of ['server.cjs', 'worker.cjs', 'clouds.cjs']) {
    await copyFile(join(RUNTIME_DIR, program), join(packageDir, 'dist', 'runtime', program));
  }
  const python = join('dist', 'runtime', 'python');
  await cp(join(RUNTIME_DIR, 'python'), join(packageDir, python), {recursive: true});
  return packageDir;
}

/** Where instances run, if not as processes. */
export interface ContainerPlace {
  readonly images: Harness['images'];
  readonly request: Harness['request'];
  readonly ports: Partial<Ports>;
  readonly options: JsonObject;
  /** What the engine has of a function in this state folder, or planted beside it. */
  inventory(stateDir: string): Promise<readonly string[]>;
  plant(stateDir: string): Promise<void>;
  close(stateDir: string): Promise<void>;
}

/**
 * This machine as a provider, with a state folder of its own: real gateways, real instances, a real model. Only
 * building an image is left out: what the image would hold is laid out as it would be unpacked.
 */
export async function openLocalHarness(
  packageDir: string,
  place: ContainerPlace | null = null,
): Promise<Harness> {
  const dir = await mkdtemp(join(tmpdir(), 'thaw-local-'));
  const stateDir = join(dir, 'state');
  const {signal} = new AbortController();
  setMaxListeners(0, signal);
  const context: Context = {
    ports: {
      clock: systemClock,
      http: createHttp(),
      startDetached,
      hostOnnxRuntime: hostOrt,
      unpackImage: unpackLinearModel,
      openContainerEngine: noContainerEngine,
      makePythonEnvironment: noPython,
      pushImage: noPush,
      ...place?.ports,
    },
    signal,
    projectDir: join(dir, 'project'),
    stateDir,
    packageDir,
    thawVersion: '0.0.1',
    fingerprintKey: randomBytes(32),
  };
  const rows = {name: 'features', shape: [1, 4], datatype: 'FP32', data: [1, 2, 3, 4]};
  return {
    driver: localDriver,
    context,
    images: place?.images ?? [fakeImage('first'), fakeImage('second')],
    options: place?.options ?? {},
    spec: {
      schema: 'thaw.function/1',
      name: NAME,
      image: digestOf('to be replaced'),
      resources: {memoryMb: 512, timeoutMs: 30_000, cpu: null, concurrency: 1},
      scaling: {maxInstances: 4},
      warm: {min: 0, schedule: []},
      env: {},
      secrets: {},
      triggers: [{kind: 'http', auth: 'none'}],
    },
    request: place?.request ?? {
      body: new TextEncoder().encode(JSON.stringify({inputs: [rows]})),
      contentType: 'application/json',
      timeoutMs: 60_000,
    },
    shortIdle: {options: {idleTimeout: '500ms'}, waitMs: place === null ? 2500 : 10_000},
    refuseOnce: null,
    inventory: async () =>
      [
        ...(await foldersAndForeignFiles(stateDir)),
        ...(await gateways(stateDir)),
        ...((await place?.inventory(stateDir)) ?? []),
      ].sort(),
    plant: async () => {
      await mkdir(join(stateDir, 'local', `${NAME}-2`), {recursive: true});
      await writeFile(join(stateDir, 'local', `${NAME}-2`, 'notes.txt'), 'somebody else’s');
      await writeFile(join(stateDir, 'local', 'notes.txt'), 'somebody else’s');
      await place?.plant(stateDir);
    },
    close: async () => {
      // Once more for what a gateway may have started while it was being ended.
      for (let round = 0; round < 2; round++) {
        for (const {pid} of await ourProcesses(stateDir)) endNow(pid);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await place?.close(stateDir);
      await rm(dir, {recursive: true, force: true, maxRetries: 5});
    },
  };
}

const unpackLinearModel: UnpackImage = async ({image}, _roles, intoDir) => {
  const manifest: ServeManifest = {
    schema: 'thaw.serve/1',
    name: NAME,
    file: 'linear.onnx',
    model: image.model,
    onnxruntime: (await hostOrt()).version,
    session: {},
    inputs: [],
    outputs: [],
  };
  const thawDir = join(intoDir, 'opt', 'thaw');
  for (const folder of ['model', 'config']) await mkdir(join(thawDir, folder), {recursive: true});
  await copyFile(fixture('linear.onnx'), join(thawDir, 'model', 'linear.onnx'));
  await writeFile(join(thawDir, 'config', 'serve.json'), JSON.stringify(manifest));
};

/** What lies in the state folder: of the function itself its folder and versions, of all else every file. */
async function foldersAndForeignFiles(stateDir: string): Promise<string[]> {
  const ours = join('local', NAME);
  const version = join(ours, 'versions');
  const paths = await readdir(stateDir, {recursive: true}).catch(() => []);
  return paths.filter((path) => {
    if (path === ours) return true;
    if (!path.startsWith(join(ours, '/'))) return path !== 'local';
    return path.startsWith(join(version, '/')) && !path.slice(version.length + 1).match(/[/\\]/);
  });
}

const gateways = async (stateDir: string): Promise<string[]> =>
  (await ourProcesses(stateDir))
    .filter(({command}) => command.includes('gateway.js'))
    .map(() => 'a gateway process');

const ourProcesses = async (stateDir: string): Promise<{pid: number; command: string}[]> =>
  (await processes()).filter(({command}) => command.includes(stateDir));
