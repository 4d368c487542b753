import {rm} from 'node:fs/promises';
import {createServer, type AddressInfo} from 'node:net';
import {once} from 'node:events';
import {afterAll, beforeAll, describe} from 'vitest';
import {localDriver} from '../../src/providers/local/driver.ts';
import {openBench, type Bench} from '../cli/thaw.ts';
import {describeConformance} from '../providers/conformance.ts';
import {makeLocalPackage, openLocalHarness, type ContainerPlace} from '../providers/local/harness.ts';
import {skippedFor} from './debian-registry.ts';
import {findMissingForDocker, openDocker, type TestDocker} from './docker.ts';
import {openContainerPlace} from './local-docker.ts';

const missing = findMissingForDocker();
/** An engine is started, and two images are made: on a busy machine that takes its time. */
const HOOKS_MS = 600_000;

describe.skipIf(missing.length > 0)(`in containers${skippedFor(missing)}`, async () => {
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
    place = await openContainerPlace(bench, engine);
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
});

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const {port} = probe.address() as AddressInfo;
  probe.close();
  return port;
}
