import {expect, it} from 'vitest';
import {breakLives, breakPushes, cutDeploys, KINDS, REGISTRY_KINDS} from '../providers/aws/broken-life.ts';
import {fullOf} from '../providers/aws/life.ts';

// Every request of every command by every kind of fault. `npm test` breaks each once.
it.each(KINDS.flatMap((kind) => ['image', 'zip'].map((artifact) => ({kind, artifact}))))(
  'comes to the same end after every command, whichever request is broken by $kind, with an artifact $artifact',
  async ({kind, artifact}) => {
    expect(await breakLives({artifact}, [kind], 12)).toBeGreaterThan(150);
  },
  600_000,
);

it('pushes the image, whichever request to the registry is broken by whatever', async () => {
  expect(await breakPushes(() => REGISTRY_KINDS)).toBeGreaterThan(50);
}, 600_000);

it('gives up where the network is gone, and goes on once it is back, whenever in a deploy of all that there is', async () => {
  expect(await cutDeploys(fullOf)).toBeGreaterThan(60);
}, 600_000);
