import assert from 'node:assert/strict';
import {expect, test} from 'vitest';
import {baseOf, openDesk} from '../providers/conformance/desk.ts';
import {openPeerHarness, startMoto} from './aws-peers.ts';

test('a whole life on moto: deploy, plan, chill, rollback, destroy', async () => {
  const harness = await openPeerHarness(await startMoto());
  const desk = openDesk(harness);
  const first = baseOf(harness);
  const second = {...first, image: harness.images[1]};
  const status = async () => (await desk.inspect(first)).status;

  await desk.deploy(first);
  expect((await desk.plan(first)).steps).toEqual([]);
  assert.equal((await status()).state, 'ready');

  await desk.deploy(second);
  expect((await desk.plan(second)).steps).toEqual([]);
  assert.equal((await status()).deployment?.image, second.image.image.digest);

  // moto has one URL for all aliases of a function.
  const direct = {...second, options: {invoke: 'direct'}};
  const before = await desk.deployment(direct);
  const asked = await desk.chill(direct);
  assert.notEqual(asked.version, before.version);
  assert.deepEqual(await desk.deployment(direct), before);
  await desk.tidy(direct);
  expect((await desk.tidy(direct)).steps).toEqual([]);
  expect((await desk.plan(second)).steps).toEqual([]);

  await desk.apply((await desk.inspect(second)).rollback(null), second);
  assert.equal((await status()).deployment?.image, first.image.image.digest);

  await desk.teardown(first);
  assert.equal((await status()).state, 'absent');
  expect((await desk.teardown(first)).steps).toEqual([]);
});
