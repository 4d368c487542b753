import {rm} from 'node:fs/promises';
import {createServer, type AddressInfo} from 'node:net';
import {once} from 'node:events';
import {afterAll, beforeAll, describe} from 'vitest';
import {openWorkshop} from '../../src/cli/compose.ts';
import type {Ports} from '../../src/core/ports.ts';
import {unpackImage} from '../../src/image/unpack.ts';
import {localDriver} from '../../src/providers/local/driver.ts';
import {openBench, ROOT, type Bench} from '../cli/thaw.ts';
import {cacheDir} from '../onnxruntime.ts';
import {describeConformance} from '../providers/conformance.ts';
import {makeLocalPackage, openLocalHarness, type ContainerPlace} from '../providers/local/harness.ts';
import {never} from '../unit/image/fixture.ts';
import {skippedFor, findMissing} from './debian-registry.ts';
import {findMissingForDocker, openDocker, type TestDocker} from './docker.ts';
import {openContainerPlace, packageTwo, type LabelledHandler} from './local-docker.ts';

const PYTHON: LabelledHandler = {
  template: 'python-onnx',
  file: 'app.py',
  line: (label) => `LABEL = '${label}'`,
};

/** Packages are fetched, and images are made. */
const HOOKS_MS = 900_000;

const missing = findMissing(['python3']);
/** It takes as long as all else together, and what it holds beyond the others is little: it is asked for by name. */
const missingForDocker = [
  ...missing,
  ...findMissingForDocker(),
  ...(process.env.THAW_TEST_LONG === '1' ? [] : ['THAW_TEST_LONG=1']),
];

/** The port that makes environments, as the command line has it. */
function openPorts(bench: Bench): Pick<Ports, 'makePythonEnvironment'> {
  const installation = {root: ROOT, version: '0.0.1', cacheDir: cacheDir(), dataDir: bench.dir};
  const {makePythonEnvironment} = openWorkshop(installation, never).ports;
  return {makePythonEnvironment};
}

describe.skipIf(missing.length > 0)(`Python in processes${skippedFor(missing)}`, async () => {
  let bench: Bench;
  let place: ContainerPlace;
  let packageDir: string;

  beforeAll(async () => {
    [bench, packageDir] = await Promise.all([openBench(), makeLocalPackage()]);
    place = {
      ...(await packageTwo(bench, PYTHON)),
      options: {},
      ports: {unpackImage, ...openPorts(bench)},
      inventory: async () => [],
      plant: async () => undefined,
      close: async () => undefined,
    };
  }, HOOKS_MS);

  afterAll(async () => {
    await bench?.leave();
    await rm(packageDir, {recursive: true, force: true});
  }, HOOKS_MS);

  describeConformance({
    name: 'local',
    traits: {driver: localDriver, secretSource: null, optionValues: {port: await findFreePort()}},
    openHarness: () => openLocalHarness(packageDir, place),
    timeoutMs: 300_000,
  });
});

describe.skipIf(missingForDocker.length > 0)(
  `Python in containers${skippedFor(missingForDocker)}`,
  async () => {
    let engine: TestDocker;
    let bench: Bench;
    let place: ContainerPlace;
    let packageDir: string;
    let environment: NodeJS.ProcessEnv;

    beforeAll(async () => {
      [engine, bench, packageDir] = await Promise.all([openDocker(), openBench(), makeLocalPackage()]);
      // The driver runs in this very process.
      environment = {...process.env};
      Object.assign(process.env, engine.env);
      const containers = await openContainerPlace(bench, engine, PYTHON);
      place = {...containers, ports: {...containers.ports, ...openPorts(bench)}};
    }, HOOKS_MS);

    afterAll(async () => {
      await bench?.leave();
      for (const name of Object.keys(engine?.env ?? {})) delete process.env[name];
      Object.assign(process.env, environment);
      await engine?.stop();
      await rm(packageDir, {recursive: true, force: true});
    }, HOOKS_MS);

    describeConformance({
      name: 'local',
      traits: {
        driver: localDriver,
        secretSource: null,
        optionValues: {port: await findFreePort(), engine: 'process'},
      },
      openHarness: () => openLocalHarness(packageDir, place),
      timeoutMs: 600_000,
    });
  },
);

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const {port} = probe.address() as AddressInfo;
  probe.close();
  return port;
}
