import {once} from 'node:events';
import {rm} from 'node:fs/promises';
import {createServer, type AddressInfo} from 'node:net';
import {afterAll, beforeAll, describe} from 'vitest';
import {localDriver} from '../../src/providers/local/driver.ts';
import {describeConformance} from './conformance.ts';
import {makeLocalPackage, openLocalHarness} from './local/harness.ts';

let packageDir: string;
beforeAll(async () => {
  packageDir = await makeLocalPackage();
});
afterAll(() => rm(packageDir, {recursive: true, force: true}));

const traits = {driver: localDriver, secretSource: null, optionValues: {port: await findFreePort()}};

// The harness finds and ends processes as Linux tells them.
describe.runIf(process.platform === 'linux')('on this machine', () => {
  describeConformance({
    name: 'local',
    traits,
    openHarness: () => openLocalHarness(packageDir),
    timeoutMs: 120_000,
  });
});

async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const {port} = probe.address() as AddressInfo;
  probe.close();
  return port;
}
