import {expect, it} from 'vitest';
import {baseOf} from '../conformance/desk.ts';
import {breakLives, breakPushes, cutDeploys, KINDS, REGISTRY_KINDS} from './broken-life.ts';

// Every request by one kind of fault or another; all requests by all kinds take minutes: test/parts/aws-faults.test.ts.
it.each(['image', 'zip'])(
  'comes to the same end after every command, whichever request is broken, with an artifact %s',
  async (artifact) => {
    const broken = await breakLives({artifact}, KINDS, 8);
    expect(broken).toBeGreaterThan(150);
  },
  300_000,
);

it('pushes the image, whichever request to the registry is broken', async () => {
  const kinds = (n: number) => REGISTRY_KINDS.filter((_, index) => index === n % REGISTRY_KINDS.length);
  expect(await breakPushes(kinds)).toBeGreaterThan(8);
}, 300_000);

it('gives up where the network is gone, and goes on once it is back, whenever in a deploy that was', async () => {
  expect(await cutDeploys(baseOf)).toBeGreaterThan(30);
}, 300_000);
