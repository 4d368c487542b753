import {randomBytes} from 'node:crypto';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {digestOf} from '../../../src/core/digest.ts';
import {defineDriver, type Context, type DriverSpec} from '../../../src/core/driver.ts';
import type {FunctionSpec} from '../../../src/core/function.ts';
import type {ImageOnDisk} from '../../../src/core/ports.ts';
import type {Harness, Traits} from '../conformance.ts';
import {createMemoryCloud, type MemoryCloud} from './cloud.ts';
import {memoryDriver, memoryDriverSpec, type Have, type MemoryOptions} from './driver.ts';
import {createVirtualClock} from './virtual-clock.ts';

export type MemorySpec = DriverSpec<MemoryOptions, Have>;

/** What the suite must know of the memory driver. */
export const memoryTraits: Traits = {
  driver: memoryDriver(createMemoryCloud(createVirtualClock())),
  secretSource: 'vault:key',
};

/**
 * A service in memory, empty at first, with its driver.
 *
 * @param mutate breaks the driver, to see that the suite notices
 */
export async function openMemoryHarness(
  mutate: (spec: MemorySpec, cloud: MemoryCloud) => MemorySpec = (spec) => spec,
): Promise<Harness> {
  const clock = createVirtualClock();
  const cloud = createMemoryCloud(clock);
  const dir = await mkdtemp(join(tmpdir(), 'thaw-memory-'));
  const signal = new AbortController().signal;
  const unused = (): never => {
    throw new TypeError('the memory driver has no use for this');
  };
  const context: Context = {
    ports: {
      clock,
      http: cloud.http,
      startDetached: unused,
      unpackImage: unused,
      hostOnnxRuntime: unused,
      openContainerEngine: unused,
      makePythonEnvironment: unused,
      pushImage: unused,
    },
    signal,
    projectDir: join(dir, 'project'),
    stateDir: join(dir, 'state'),
    packageDir: join(dir, 'package'),
    thawVersion: '0.0.0',
    fingerprintKey: randomBytes(32),
  };
  const body = new TextEncoder().encode('{"features":[1,2,3,4]}');
  return {
    driver: defineDriver(mutate(memoryDriverSpec(cloud), cloud)),
    context,
    images: [image('first', dir), image('second', dir)],
    options: {},
    spec: exampleSpec,
    request: {body, contentType: 'application/json', timeoutMs: 60_000},
    shortIdle: {options: {idleTimeoutMs: 5000}, waitMs: 6000},
    inventory: async () => cloud.inventory(),
    refuseOnce: () => cloud.throttleOnce(),
    plant: async () => {
      const {name} = exampleSpec;
      const other = {'thaw:function': `${name}-2`};
      await cloud.createRole(signal, `thaw-${name}-2`, other);
      await cloud.createRole(signal, `thaw-${name}-admin`, {});
      await cloud.createRepository(signal, `thaw/${name}-2`, other);
      await cloud.createLogGroup(signal, `${name}-2`, {});
      const configuration = {memoryMb: 128, timeoutMs: 1000, cpu: null, concurrency: 1, env: {}, secrets: {}};
      const options = {idleTimeoutMs: 1000, logFormat: 'text', snapshots: false, labels: {}};
      const fn = {image: digestOf('foreign'), configuration: {...configuration, ...options}};
      await cloud.createRole(signal, 'service', {});
      const foreign = {name: `${name}-2`, role: 'service', tags: other, ...fn};
      const make = (): Promise<boolean> =>
        cloud.createFunction(signal, foreign).then(
          () => true,
          () => false,
        );
      while (!(await make()));
    },
    close: () => rm(dir, {recursive: true, force: true}),
  };
}

const exampleSpec: FunctionSpec = {
  schema: 'thaw.function/1',
  name: 'credit-scoring',
  image: digestOf('to be replaced'),
  resources: {memoryMb: 512, timeoutMs: 30_000, cpu: null, concurrency: 1},
  scaling: {maxInstances: 10},
  warm: {min: 0, schedule: []},
  env: {},
  secrets: {},
  triggers: [{kind: 'http', auth: 'none'}],
};

function image(content: string, dir: string): ImageOnDisk {
  return {
    layoutDir: join(dir, 'image', content),
    image: {
      schema: 'thaw.image/1',
      function: exampleSpec.name,
      platform: 'linux/amd64',
      base: {kind: 'host', glibc: '2.36'},
      runtime: {kind: 'node'},
      digest: digestOf(content),
      model: digestOf('model'),
      sources: [],
      recipe: digestOf('recipe'),
      layers: [],
    },
  };
}
